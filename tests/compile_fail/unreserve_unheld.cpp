// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// A function that ends a reservation after it did not get it.
// expect: releasing .* 'object' that was not held .*-Wthread-safety-analysis
#include <resv/reservation.hpp>

bool clear(resv::reservation_object &object, int &contents)
{
	bool reserved = object.try_reserve(nullptr);
#ifdef RESV_FIXED
	if (!reserved)
		return false;
#else
	if (reserved)
		return false;
#endif
	contents = 0;
	object.unreserve();
	return reserved;
}
