// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// A transaction that goes on without knowing whether it reserved anything.
// expect: ignoring return value of function declared with 'warn_unused_result' attribute
#include <resv/transaction.hpp>

int clear(resv::reservation_object (&objects)[2], int &contents)
{
	resv::transaction transaction;
#ifdef RESV_FIXED
	if (int err = transaction.reserve(objects))
		return err;
#else
	transaction.reserve(objects);
#endif
	contents = 0;
	return 0;
}
