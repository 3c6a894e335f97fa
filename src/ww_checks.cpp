// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The checked form of each operation: keep the rules, annotate, operate. All rules show in a single-threaded run.
//
//   rule                                                     looked at                 then
//   lock and context are alive                               first                     refused, -EINVAL
//   the context is the calling task's                        first                     refused, -EINVAL
//   lock and context are of one class                        first                     refused, -EINVAL
//   no lock is taken after done()                            when it has been taken    goes on
//   after -EDEADLK: all dropped, then that very lock         when it has been taken    goes on
//   an -EDEADLK is resolved before the next                  on -EDEADLK               goes on
//   lock_slow() only after -EDEADLK                          first                     goes on
//   no waiting for a lock that the task holds                when it would wait        refused, -EALREADY
//   no waiting for an unlock while holding                   first                     -EDEADLK if it would wait
//   a lock is released by the task that holds it             first                     refused
//   done() once; nothing held at the end; nothing destroyed  at that call              goes on; locks are released
//   while held or waited for
#include "../lockdep/report.hpp"

#include <resv/ww_mutex.hpp>

namespace resv {

#if RESV_DEBUG_WW_MUTEXES

namespace {

constinit atomic<unsigned> injections{0};

using lockdep::return_address;

} // namespace

// What these functions share, with the access that ww_checks has. `where` is the address that reports name.
struct ww_rules : ww_checks {
	static report &name(report &r, const ww_mutex &lock)
	{
		return r << "(" << lock.debug_.cls->mutex_name() << ") at "
			 << static_cast<const void *>(&lock);
	}

	static void say(resv_report_kind kind, const ww_mutex &lock, const ww_acquire_ctx *ctx)
	{
		report r(kind);
		r.task() << " was using the lock ";
		if (lock.debug_.magic == lock.debug_.alive)
			name(r, lock);
		else
			r << "at " << static_cast<const void *>(&lock);
		if (ctx)
			r << " with context " << static_cast<const void *>(ctx);
		r << ".\n";
	}

	static void say(resv_report_kind kind, const ww_acquire_ctx &ctx)
	{
		report r(kind);
		r.task() << " was using the acquire context " << static_cast<const void *>(&ctx);
		if (ctx.debug_.magic == ctx.debug_.alive && ctx.holds_any())
			name(r << ", which holds " << static_cast<unsigned long>(ctx.acquired())
			       << " locks, the first being ",
			     *ctx.held_first_);
		r << ".\n";
	}

	static bool usable(const ww_acquire_ctx &ctx)
	{
		if (ctx.debug_.magic != ctx.debug_.alive) {
			say(RESV_REPORT_UNINITIALIZED, ctx);
			return false;
		}
		if (ctx.task() != resv_port_current()) {
			say(RESV_REPORT_FOREIGN_CONTEXT, ctx);
			return false;
		}
		return true;
	}

	static bool usable(const ww_mutex &lock)
	{
		if (lock.debug_.magic == lock.debug_.alive)
			return true;
		say(RESV_REPORT_UNINITIALIZED, lock, nullptr);
		return false;
	}

	static bool usable(const ww_mutex &lock, const ww_acquire_ctx *ctx)
	{
		if (!usable(lock) || (ctx && !usable(*ctx)))
			return false;
		if (ctx && ctx->class_ != lock.debug_.cls) {
			say(RESV_REPORT_WRONG_CLASS, lock, ctx);
			return false;
		}
		return true;
	}

	static void annotate_wait(ww_mutex &lock, const ww_acquire_ctx *nest, uintptr_t where)
	{
#if RESV_PROVE_LOCKING
		lock.dep_map_.name_once(lock.debug_.cls->mutex_name());
		lockdep::may_block(lock.dep_map_, where);
		lockdep::sync(lock.dep_map_, {.nest = nest ? &nest->dep_map_ : nullptr}, where);
#else
		(void)lock, (void)nest, (void)where;
#endif
	}

	static void annotate_taken(ww_mutex &lock, const ww_acquire_ctx *ctx, uintptr_t where)
	{
#if RESV_PROVE_LOCKING
		lock.dep_map_.name_once(lock.debug_.cls->mutex_name());
		lockdep::acquire(lock.dep_map_, {.trylock = true, .nest = ctx ? &ctx->dep_map_ : nullptr},
				 where);
#else
		(void)lock, (void)ctx, (void)where;
#endif
	}

	static void annotate_release(lockdep_map &map, uintptr_t where)
	{
#if RESV_PROVE_LOCKING
		lockdep::release(map, where);
#else
		(void)map, (void)where;
#endif
	}

	static void annotate_waited(ww_mutex &lock, int64_t ns)
	{
#if RESV_PROVE_LOCKING
		lockdep::waited(lock.dep_map_, ns);
#else
		(void)lock, (void)ns;
#endif
	}

	// For ww_mutex::describe().
	static void note_taking(ww_mutex &lock, uintptr_t where, int64_t since)
	{
#if RESV_PROVE_LOCKING
		lock.debug_.where.store(where, order::relaxed);
		lock.debug_.since.store(since, order::relaxed);
#else
		(void)lock, (void)where, (void)since;
#endif
	}

	// The context has just taken the lock.
	static void taken(ww_mutex &lock, ww_acquire_ctx *ctx, uintptr_t where)
	{
		annotate_taken(lock, ctx, where);
		if constexpr (config::prove_locking)
			note_taking(lock, lockdep::caller_or(where), resv_port_clock());
		if (!ctx)
			return;
		auto &debug = ctx->debug_;
		if (debug.done)
			say(RESV_REPORT_LOCK_AFTER_DONE, lock, ctx);
		if (debug.contending && ctx->held_first_ != ctx->held_last_)
			say(RESV_REPORT_STILL_HOLDING, lock, ctx);
		else if (debug.contending && debug.contending != &lock)
			say(RESV_REPORT_WRONG_LOCK, lock, ctx);
		debug.contending = nullptr;
	}

	static int back_off(ww_mutex &lock, ww_acquire_ctx &ctx)
	{
		if (ctx.debug_.contending)
			say(RESV_REPORT_DEADLK_IGNORED, lock, &ctx);
		ctx.debug_.contending = &lock;
		return -EDEADLK;
	}

	// Every now and then a nested lock that succeeded is turned into -EDEADLK, so that back-off code is run even
	// where nobody contends: the first time soon, then 3.5 times as rarely each time.
	static bool inject(ww_acquire_ctx *ctx)
	{
		if (!config::debug_ww_slowpath || !ctx || ctx->held_first_ == ctx->held_last_)
			return false;
		auto &debug = ctx->debug_;
		if (--debug.inject_countdown != 0)
			return false;
		constexpr unsigned rarest = 1u << 24;
		if (debug.inject_interval < rarest)
			debug.inject_interval += debug.inject_interval * 5 / 2 + 1;
		debug.inject_countdown = debug.inject_interval;
		return true;
	}

	static void release_all(ww_acquire_ctx &ctx, uintptr_t where)
	{
		for (ww_mutex *lock = ctx.held_first_; lock; lock = lock->next_held()) {
			annotate_release(lock->dep_map_, where);
			note_taking(*lock, 0, 0);
		}
		ctx.release_held();
	}
};

void ww_checks::begin(ww_acquire_ctx &ctx)
{
	ctx.debug_.inject_countdown = (injections.fetch_add(1, order::relaxed) & 15) + 1;
#if RESV_PROVE_LOCKING
	lockdep::acquire(ctx.dep_map_, {}, return_address());
#endif
}

void ww_checks::done(ww_acquire_ctx &ctx)
{
	if (!ww_rules::usable(ctx))
		return;
	if (ctx.debug_.done)
		ww_rules::say(RESV_REPORT_DONE_TWICE, ctx);
	ctx.debug_.done = true;
}

void ww_checks::abandon(ww_acquire_ctx &ctx)
{
	if (ww_rules::usable(ctx))
		ctx.debug_.contending = nullptr;
}

void ww_checks::unlock_all(ww_acquire_ctx &ctx)
{
	if (ww_rules::usable(ctx))
		ww_rules::release_all(ctx, return_address());
}

void ww_checks::end(ww_acquire_ctx &ctx)
{
	if (!ww_rules::usable(ctx))
		return;
	if (ctx.holds_any()) {
		ww_rules::say(RESV_REPORT_FINI_HOLDING, ctx);
		ww_rules::release_all(ctx, return_address());
	}
	ww_rules::annotate_release(ctx.dep_map_, return_address());
	ctx.debug_.magic = 0;
}

int ww_checks::lock(ww_mutex &lock, ww_acquire_ctx *ctx, const wait_request &request)
{
	uintptr_t where = return_address();
	if (!ww_rules::usable(lock, ctx))
		return -EINVAL;
	if (ctx && lock.locking_ctx() == ctx)
		return -EALREADY;
	if (lock.is_locked() && lock.is_held_by_caller()) {
		ww_rules::say(RESV_REPORT_SELF_DEADLOCK, lock, ctx);
		return -EALREADY;
	}

	// Contended or not: the wait that might have been is what deadlocks are made of.
	ww_rules::annotate_wait(lock, ctx, where);
	int64_t wait_began = 0;
	int rc = 0;
	if (!lock.take_fast(ctx)) {
		wait_began = RESV_LOCK_STAT ? resv_port_clock() : 0;
		rc = lock.lock_contended(ctx, request);
	}
	if (rc == 0 && ww_rules::inject(ctx)) {
		lock.unlock_held();
		rc = -EDEADLK;
	}
	if (rc == 0) {
		ww_rules::taken(lock, ctx, where);
		if (wait_began != 0)
			ww_rules::annotate_waited(lock, resv_port_clock() - wait_began);
	}
	if (rc == -EDEADLK)
		return ww_rules::back_off(lock, *ctx);
	return rc;
}

int ww_checks::lock_slow(ww_mutex &mutex, ww_acquire_ctx *ctx, const wait_request &request)
{
	if (!ww_rules::usable(mutex, ctx))
		return -EINVAL;
	if (!ctx || !ctx->debug_.contending)
		ww_rules::say(RESV_REPORT_SLOW_WITHOUT_DEADLK, mutex, ctx);
	return lock(mutex, ctx, request);
}

bool ww_checks::trylock(ww_mutex &lock, ww_acquire_ctx *ctx)
{
	if (!ww_rules::usable(lock, ctx) || lock.is_locked())
		return false;
	if (!lock.take_fast(ctx) && !lock.trylock_contended(ctx))
		return false;
	ww_rules::taken(lock, ctx, return_address());
	return true;
}

int ww_checks::wait_for_unlock(ww_mutex &lock, ww_acquire_ctx *ctx, const wait_request &request)
{
	if (!ww_rules::usable(lock, ctx))
		return -EINVAL;
	if (lock.is_locked() && lock.is_held_by_caller()) {
		ww_rules::say(RESV_REPORT_SELF_DEADLOCK, lock, ctx);
		return -EALREADY;
	}
	if (ctx && ctx->holds_any())
		ww_rules::say(RESV_REPORT_WAIT_WHILE_HOLDING, lock, ctx);
	else if (ctx && ctx->debug_.contending && ctx->debug_.contending != &lock)
		ww_rules::say(RESV_REPORT_WRONG_LOCK, lock, ctx);
	else // no nesting under the context: whatever is held is held while it waits
		ww_rules::annotate_wait(lock, nullptr, return_address());
	return lock.wait_contended(ctx, request);
}

void ww_checks::unlock(ww_mutex &lock)
{
	if (!ww_rules::usable(lock))
		return;
	if (!lock.is_locked())
		return ww_rules::say(RESV_REPORT_UNLOCK_FREE, lock, nullptr);
	if (!lock.is_held_by_caller())
		return ww_rules::say(RESV_REPORT_UNLOCK_FOREIGN, lock, nullptr);
	ww_rules::annotate_release(lock.dep_map_, return_address());
	ww_rules::note_taking(lock, 0, 0);
	lock.unlock_held();
}

void ww_checks::assert_held(ww_mutex &lock)
{
	if (ww_rules::usable(lock) && !lock.is_held_by_caller())
		ww_rules::say(RESV_REPORT_NOT_HELD, lock, nullptr);
}

void ww_checks::destroy(ww_mutex &lock)
{
	if (!ww_rules::usable(lock))
		return;
	if (lock.owner_.load(order::acquire) != 0 || lock.waiters_.load(order::acquire) != 0)
		return ww_rules::say(RESV_REPORT_DESTROY_BUSY, lock, nullptr);
	lock.debug_.magic = 0;
}

void ww_checks::corrupt_wait_list(const ww_mutex &lock)
{
	ww_rules::say(RESV_REPORT_CORRUPT_WAIT_LIST, lock, nullptr);
}

#endif

void ww_checks::slow_lock_failed(const ww_mutex &lock, int rc)
{
	report r(RESV_REPORT_SLOW_FAILED);
	r.task() << " was waiting for the lock at " << static_cast<const void *>(&lock) << " and got error "
		 << static_cast<unsigned long>(-rc)
		 << ": a context that calls lock_slow() must hold nothing.\n";
}

} // namespace resv
