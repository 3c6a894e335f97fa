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

// A lock, and a word that lies where an object counts its promised fences: they end with the reservation.
struct lock_and_count {
	resv::ww_mutex lock;
	uintptr_t slots_table_version[6];
	unsigned used, promised;
};

extern "C" int resv_probe_lock(lock_and_count *counted, resv::ww_acquire_ctx *ctx)
{
	int rc = counted->lock.lock(ctx);
	if (rc == 0)
		counted->promised = 0;
	return rc;
}
