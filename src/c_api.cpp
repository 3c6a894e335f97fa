// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The C ABI: each function hands its opaque storage to the C++ object that lives there. No behaviour of its own, and
// nothing to tell the thread-safety analysis, which does not see C. Reports name the driver's code as the place, and not
// this file.
#include "c_api.hpp"
#include "../lockdep/in_place.hpp"

namespace resv {

// C lays a class out by hand, because it must be initialised statically.
struct abi_check {
#define SAME(field, theirs) static_assert(offsetof(ww_class, field) == offsetof(resv_ww_class, theirs))
	SAME(stamp_, stamp);
	SAME(acquire_name_, acquire_name);
	SAME(mutex_name_, mutex_name);
	SAME(tracer_, tracer);
	SAME(algorithm_, algorithm);
#if RESV_PROVE_LOCKING
	SAME(keys_.acquire, acquire_key);
	SAME(keys_.mutex, mutex_key);
	static_assert(sizeof(lock_class_key) == sizeof(resv_lock_class_key));
	static_assert(sizeof(lockdep_map) == sizeof(resv_lockdep_map));
#endif
#undef SAME
	static_assert(sizeof(ww_class) == sizeof(resv_ww_class));
	static_assert(static_cast<unsigned>(ww_algorithm::wound_wait) == 0); // RESV_DEFINE_WW_CLASS
	static_assert(static_cast<unsigned>(ww_algorithm::wait_die) == 1);   // RESV_DEFINE_WD_CLASS
};

} // namespace resv

using namespace resv;

namespace {

ww_class &of(resv_ww_class *c)
{
	return in<ww_class>(c);
}
ww_acquire_ctx *of(resv_ww_acquire_ctx *ctx)
{
	return ctx ? &in<ww_acquire_ctx>(ctx) : nullptr;
}
ww_mutex &of(resv_ww_mutex *lock)
{
	return in<ww_mutex>(lock);
}
const ww_mutex &of(const resv_ww_mutex *lock)
{
	return in<const ww_mutex>(lock);
}
resv_ww_acquire_ctx *to_c(ww_acquire_ctx *ctx)
{
	return reinterpret_cast<resv_ww_acquire_ctx *>(ctx);
}
resv_object *to_c(transaction::iterator at)
{
	return at == transaction::iterator(nullptr) ? nullptr : reinterpret_cast<resv_object *>(&*at);
}

} // namespace

extern "C" {

void resv_ww_acquire_init(resv_ww_acquire_ctx *ctx, resv_ww_class *c)
{
	lockdep::caller from(lockdep::return_address());
	new (ctx, in_place) ww_acquire_ctx(of(c));
}

void resv_ww_acquire_done(resv_ww_acquire_ctx *ctx)
{
	of(ctx)->done();
}

void resv_ww_acquire_fini(resv_ww_acquire_ctx *ctx)
{
	lockdep::caller from(lockdep::return_address());
	of(ctx)->~ww_acquire_ctx();
}

void resv_ww_acquire_unlock_all(resv_ww_acquire_ctx *ctx)
{
	lockdep::caller from(lockdep::return_address());
	of(ctx)->unlock_all();
}

void resv_ww_acquire_abandon(resv_ww_acquire_ctx *ctx)
{
	of(ctx)->abandon();
}

void resv_ww_mutex_init(resv_ww_mutex *lock, resv_ww_class *c)
{
	new (lock, in_place) ww_mutex(of(c));
}

void resv_ww_mutex_destroy(resv_ww_mutex *lock)
{
	of(lock).destroy();
}

int resv_ww_mutex_lock(resv_ww_mutex *lock, resv_ww_acquire_ctx *ctx) RESV_NO_ANALYSIS
{
	lockdep::caller from(lockdep::return_address());
	return of(lock).lock(of(ctx));
}

int resv_ww_mutex_lock_interruptible(resv_ww_mutex *lock, resv_ww_acquire_ctx *ctx) RESV_NO_ANALYSIS
{
	lockdep::caller from(lockdep::return_address());
	return of(lock).lock(of(ctx), interruptible);
}

int resv_ww_mutex_lock_killable(resv_ww_mutex *lock, resv_ww_acquire_ctx *ctx) RESV_NO_ANALYSIS
{
	lockdep::caller from(lockdep::return_address());
	return of(lock).lock(of(ctx), killable);
}

int resv_ww_mutex_lock_timeout(resv_ww_mutex *lock, resv_ww_acquire_ctx *ctx, int64_t ns) RESV_NO_ANALYSIS
{
	lockdep::caller from(lockdep::return_address());
	return of(lock).lock(of(ctx), for_at_most(ns));
}

void resv_ww_mutex_lock_slow(resv_ww_mutex *lock, resv_ww_acquire_ctx *ctx) RESV_NO_ANALYSIS
{
	lockdep::caller from(lockdep::return_address());
	of(lock).lock_slow(of(ctx));
}

int resv_ww_mutex_lock_slow_interruptible(resv_ww_mutex *lock, resv_ww_acquire_ctx *ctx) RESV_NO_ANALYSIS
{
	lockdep::caller from(lockdep::return_address());
	return of(lock).lock_slow(of(ctx), interruptible);
}

int resv_ww_mutex_trylock(resv_ww_mutex *lock, resv_ww_acquire_ctx *ctx) RESV_NO_ANALYSIS
{
	lockdep::caller from(lockdep::return_address());
	return of(lock).trylock(of(ctx)) ? 1 : 0;
}

void resv_ww_mutex_unlock(resv_ww_mutex *lock) RESV_NO_ANALYSIS
{
	lockdep::caller from(lockdep::return_address());
	of(lock).unlock();
}

bool resv_ww_mutex_is_locked(const resv_ww_mutex *lock)
{
	return of(lock).is_locked();
}

void resv_ww_mutex_assert_held(resv_ww_mutex *lock) RESV_NO_ANALYSIS
{
	of(lock).assert_held();
}

resv_ww_acquire_ctx *resv_ww_mutex_locking_ctx(const resv_ww_mutex *lock)
{
	return to_c(of(lock).locking_ctx());
}

void resv_ww_mutex_describe(resv_ww_mutex *lock, void (*emit)(const char *line, void *data), void *data)
{
	of(lock).describe(emit, data);
}

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
	return of(obj).wait_for_unreserve(of(ctx), can_interrupt ? interruptible : wait_request{});
}

void resv_exec_init(resv_exec *e, unsigned flags)
{
	lockdep::caller from(lockdep::return_address());
	new (e, in_place) exec(flags);
}

void resv_exec_fini(resv_exec *e)
{
	lockdep::caller from(lockdep::return_address());
	of(e).~exec();
}

int resv_exec_lock_obj(resv_exec *e, resv_object *obj)
{
	lockdep::caller from(lockdep::return_address());
	int err = of(e).reserve_one(of(obj));
	return err == -EALREADY && of(e).flags & RESV_EXEC_IGNORE_DUPLICATES ? 0 : err;
}

void resv_exec_unlock_obj(resv_exec *e, resv_object *obj)
{
	lockdep::caller from(lockdep::return_address());
	of(e).unreserve(of(obj));
}

bool resv_exec_is_contended(const resv_exec *e)
{
	return of(e).is_contended();
}

bool resv_exec_next_pass_(resv_exec *e)
{
	lockdep::caller from(lockdep::return_address());
	return of(e).next_pass();
}

resv_object *resv_exec_first_(const resv_exec *e)
{
	return to_c(of(e).begin());
}

resv_object *resv_exec_next_(const resv_object *obj)
{
	auto at = transaction::iterator(const_cast<reservation_object *>(&of(obj)));
	return to_c(++at);
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
