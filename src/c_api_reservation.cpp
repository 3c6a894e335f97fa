// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The C ABI of reservation objects, but for their fences.
#include "../lockdep/in_place.hpp"
#include "c_api.hpp"

using namespace resv;

extern "C" {

void resv_init(resv_object *obj)
{
	new (obj, in_place) reservation_object;
}

void resv_fini(resv_object *obj)
{
	of(obj).destroy();
}

int resv_lock(resv_object *obj, resv_ww_acquire_ctx *ctx) RESV_NO_ANALYSIS
{
	lockdep::caller from(lockdep::return_address());
	return of(obj).reserve(of(ctx));
}

int resv_lock_interruptible(resv_object *obj, resv_ww_acquire_ctx *ctx) RESV_NO_ANALYSIS
{
	lockdep::caller from(lockdep::return_address());
	return of(obj).reserve(of(ctx), interruptible);
}

void resv_lock_slow(resv_object *obj, resv_ww_acquire_ctx *ctx) RESV_NO_ANALYSIS
{
	lockdep::caller from(lockdep::return_address());
	of(obj).reserve_slow(of(ctx));
}

int resv_lock_slow_interruptible(resv_object *obj, resv_ww_acquire_ctx *ctx) RESV_NO_ANALYSIS
{
	lockdep::caller from(lockdep::return_address());
	return of(obj).reserve_slow(of(ctx), interruptible);
}

bool resv_trylock(resv_object *obj, resv_ww_acquire_ctx *ctx) RESV_NO_ANALYSIS
{
	lockdep::caller from(lockdep::return_address());
	return of(obj).try_reserve(of(ctx));
}

void resv_unlock(resv_object *obj) RESV_NO_ANALYSIS
{
	lockdep::caller from(lockdep::return_address());
	of(obj).unreserve();
}

bool resv_is_locked(const resv_object *obj)
{
	return of(obj).is_reserved();
}

resv_ww_acquire_ctx *resv_locking_ctx(const resv_object *obj)
{
	return to_c(of(obj).locking_ctx());
}

void resv_assert_held(resv_object *obj) RESV_NO_ANALYSIS
{
	of(obj).assert_held();
}

int resv_wait_for_unreserve(resv_object *obj, resv_ww_acquire_ctx *ctx, bool can_interrupt)
{
	lockdep::caller from(lockdep::return_address());
	return of(obj).wait_for_unreserve(of(ctx), can_interrupt ? interruptible : uninterruptible);
}

#if RESV_PROVE_LOCKING

int resv_lockdep_declare_driver_order()
{
	resv_ww_class &c = resv_reservation_ww_class;
	resv_lockdep_map context, object;
	resv_lockdep_init_map_type(&context, c.acquire_name, &c.acquire_key, 0, RESV_LD_WAIT_INV,
				   RESV_LD_WAIT_INV, RESV_LD_LOCK_CONTEXT);
	resv_lockdep_init_map_type(&object, c.mutex_name, &c.mutex_key, 0, RESV_LD_WAIT_SLEEP,
				   RESV_LD_WAIT_SLEEP, RESV_LD_LOCK_NORMAL);

	resv_lockdep_map *order[] = {&resv_lockdep_mmap_lock, &context, &object, &resv_lockdep_fs_reclaim,
				     &resv_lockdep_fence};
	int rc = 0;
	for (unsigned i = 1; i < sizeof(order) / sizeof(*order); i++)
		if (resv_lockdep_declare_order(order[i - 1], order[i]) != 0)
			rc = -EDEADLK;
	return rc;
}

#endif

} // extern "C"
