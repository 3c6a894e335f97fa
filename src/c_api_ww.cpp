// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The C ABI: each function hands its opaque storage to the C++ object that lives there. No behaviour of its own, and
// nothing to tell the thread-safety analysis, which does not see C. Reports name the driver's code as the place, and not
// this file.
#include "../lockdep/in_place.hpp"
#include "c_api.hpp"

namespace resv {

template <typename Enumerator>
constexpr bool same(Enumerator ours, unsigned theirs)
{
	return static_cast<unsigned>(ours) == theirs;
}

// C lays a class out by hand, because it must be initialised statically.
struct abi_check {
#define SAME(field, theirs) static_assert(offsetof(ww_class, field) == offsetof(resv_ww_class, theirs))
	SAME(stamp_, stamp);
	SAME(acquire_name_, acquire_name);
	SAME(mutex_name_, mutex_name);
	SAME(tracer_, tracer);
	SAME(algorithm_, algorithm);
	SAME(stamps_, stamps);
	SAME(traffic_, traffic);
#if RESV_PROVE_LOCKING
	SAME(keys_.acquire, acquire_key);
	SAME(keys_.mutex, mutex_key);
	static_assert(sizeof(lock_class_key) == sizeof(resv_lock_class_key));
	static_assert(sizeof(lockdep_map) == sizeof(resv_lockdep_map));
#endif
#undef SAME
	static_assert(sizeof(ww_class) == sizeof(resv_ww_class));
	static_assert(sizeof(ww_statistics) == sizeof(resv_ww_stats));
	static_assert(same(ww_algorithm::wound_wait, RESV_WOUND_WAIT));
	static_assert(same(ww_algorithm::wait_die, RESV_WAIT_DIE));
	static_assert(same(ww_algorithm::adaptive, RESV_WW_ADAPTIVE));
	static_assert(same(ww_stamps::lazy, RESV_STAMPS_LAZY));
	static_assert(same(ww_stamps::eager, RESV_STAMPS_EAGER));
	// The first word of its traffic, in RESV_WW_CLASS_INITIALIZER_.
	static_assert(offsetof(ww_traffic, at_begin_) == 0 &&
		      ww_traffic::gives_stamp == 2 * RESV_STAMPS_EAGER);
};

} // namespace resv

using namespace resv;

namespace {

ww_class &of(resv_ww_class *c)
{
	return in<ww_class>(c);
}
const ww_mutex &of(const resv_ww_mutex *lock)
{
	return in<const ww_mutex>(lock);
}

} // namespace

extern "C" {

void resv_ww_class_stats(const resv_ww_class *c, resv_ww_stats *stats)
{
	in<ww_statistics>(stats) = in<const ww_class>(c).statistics();
}

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

} // extern "C"
