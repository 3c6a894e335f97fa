// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Two functions whose machine code tests/tools/fastpath compares.
#include <resv/reservation.hpp>

extern "C" int resv_probe_reserve(resv::reservation_object *object, resv::ww_acquire_ctx *ctx)
{
#ifdef RESV_PLANT // what Linux's TTM once did, and what must not be there: look first
	if (object->is_reserved())
		return object->wait_for_unreserve(ctx);
#endif
	return object->reserve(ctx);
}

extern "C" int resv_probe_lock(resv::ww_mutex *lock, resv::ww_acquire_ctx *ctx)
{
	return lock->lock(ctx);
}
