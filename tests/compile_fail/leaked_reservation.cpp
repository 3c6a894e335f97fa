// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// A function that reserves an object and returns without ending the reservation.
// expect: 'object' is (still held|not held on every path).*-Wthread-safety-analysis
#include <resv/reservation.hpp>

int clear(resv::reservation_object &object, resv::ww_acquire_ctx &ctx, int &contents)
{
	if (int err = object.reserve(&ctx))
		return err;
	contents = 0;
#ifdef RESV_FIXED
	object.unreserve();
#endif
	return 0;
}
