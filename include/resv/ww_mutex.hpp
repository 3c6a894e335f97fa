// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Wound/wait mutexes: locks that a task may take many of, in any order, without deadlock.
//
// Semantics are those of Linux's ww_mutex (Documentation/locking/ww-mutex-design.rst); what differs is said at the
// function. A task opens a ww_acquire_ctx, locks what it needs, and when a lock returns -EDEADLK it drops everything,
// waits for the contended one with lock_slow(), and goes on from there. resv/transaction.hpp does that loop for you.
#ifndef RESV_WW_MUTEX_HPP
#define RESV_WW_MUTEX_HPP

#include <resv/atomic_word.hpp>
#include <resv/lockdep.hpp>
#include <resv/parker.hpp>
#include <resv/thread_safety.hpp>
#include <resv/ww_class.hpp>

namespace resv {

class wait_list;
struct waiter;

/// How a wait may end early.
struct wait_request {
	resv_port_park_mode mode = RESV_PARK_UNINTERRUPTIBLE;
	int64_t timeout_ns = RESV_WAIT_FOREVER; ///< from the call on; 0 and less: do not wait
};

inline constexpr wait_request uninterruptible{RESV_PARK_UNINTERRUPTIBLE, RESV_WAIT_FOREVER};
inline constexpr wait_request interruptible{RESV_PARK_INTERRUPTIBLE, RESV_WAIT_FOREVER};
inline constexpr wait_request killable{RESV_PARK_KILLABLE, RESV_WAIT_FOREVER};

/// Wait at most `ns` nanoseconds.
constexpr wait_request for_at_most(int64_t ns)
{
	return {RESV_PARK_UNINTERRUPTIBLE, ns};
}

/// One task's attempt to hold several locks of a class. Lives on the task's stack; used by that task alone.
class ww_acquire_ctx {
public:
	/// Begins the attempt (Linux: ww_acquire_init). Takes no stamp yet, unless the class is eager: it gets one when it
	/// first meets contention, and keeps it over every retry, so that it becomes the oldest some day and cannot starve.
	/// Context: task.
	explicit ww_acquire_ctx(ww_class &cls);

	/// Ends it (Linux: ww_acquire_fini). All locks must have been released; those that were not are released,
	/// with a report in debug builds.
	~ww_acquire_ctx();

	ww_acquire_ctx(const ww_acquire_ctx &) = delete;
	ww_acquire_ctx &operator=(const ww_acquire_ctx &) = delete;

	/// States that no further lock will be taken (Linux: ww_acquire_done). Debug builds report one that is.
	void done();

	/// Gives up the lock that the last -EDEADLK was about. Without it, debug builds report whoever does not come
	/// back for that lock. Linux has no such call although its documentation allows the case.
	void abandon();

	/// Releases every lock that the context holds, with one full fence for up to `release_batch` of them. May not
	/// sleep. Linux has no such call. Context: the context's task.
	void unlock_all();

	/// Does the context hold a lock?
	bool holds_any() const { return held_first_ != nullptr; }

	/// How many locks the context holds. Counts them: O(n). Context: the context's task.
	unsigned acquired() const;

	/// Was the context told to back off? It learns of it as -EDEADLK when it next has to wait.
	bool wounded() const { return wounded_.load(order::relaxed) != 0; }

	/// The context's seniority, smaller is older; 0 while it has met no contention. Racy but for the own task.
	unsigned long stamp() const { return stamp_.load(order::relaxed); }

	/// The task that opened the context.
	resv_port_task task() const { return parker_.task(); }

	ww_class &cls() const { return *class_; }

	/// The first of the held locks in the order of taking, or nullptr; see ww_mutex::next_held().
	ww_mutex *first_held() const { return held_first_; }

	static constexpr unsigned release_batch = 64; // even: see release_held()

private:
	friend class ww_mutex;
	friend class wait_list;
	friend class ww_traffic;
	friend class ww_checks;
	friend struct ww_rules;
	friend class ww_description;
	friend struct abi_check;
	friend struct ww_test_access;

	void link(ww_mutex &lock);
	void unlink(ww_mutex &lock);
	void release_pair(ww_mutex &first, ww_mutex &last);
	void release_held();
	void heal();
	unsigned long ensure_stamp();
	bool older_than(const ww_acquire_ctx &other) const;
	bool may_not_wait_for_older() const;

	// Written by others only while they hold the wait-list spin bit of a lock that this context holds or waits
	// for: that bit keeps the context alive (see the table above ww_mutex).
	atomic<unsigned long> stamp_{0};
	atomic<unsigned> wounded_{0};
	unsigned retries_ = 0; // how often it had to back off; the own task's alone

	ww_class *class_;
	parker parker_;

	// The held locks in the order of taking, linked both ways through themselves; no null marks an end. Written by
	// the own task alone; others may ask a context that waits whether it holds_any(), under that lock's spin bit.
	ww_mutex *held_first_ = nullptr;
	ww_mutex *held_last_ = nullptr; // valid while held_first_ is not null
	[[no_unique_address]] ww_ctx_debug<config::debug_ww_mutexes> debug_{};
	[[no_unique_address]] lockdep_map dep_map_;
};

/// A wound/wait mutex. 32 bytes without debug options.
///
/// Two words make the lock:
///
///   owner_             meaning
///   0                  free
///   context            held, with a context, which lives on its task's stack
///   task id | 1        held without a context, as a plain mutex
///
///   waiters_           meaning
///   0                  nobody waits and nobody holds the spin bit
///   bit 0              the wait list is locked (spin bit)
///   bit 1              no barging: the first in line was awake and lost; nobody may take the lock before it now
///   bit 2              the first waiter spins: it sees by itself that the lock is free
///   other bits         the first waiter, on its own stack
///
/// owner_ goes from 0 to non-zero only by compare-and-exchange, and back to 0 only by its holder. waiters_ is written
/// only by the holder of bit 0.
///
///   unlocker                                waiter, wounder (both hold the spin bit)
///   [W] owner_ = 0                          [W] waiters_ |= spin bit
///   full fence                              full fence
///   [R] waiters_ -> spin bit, wake          [R] owner_ -> wound, queue
///
///   late locker (it saw waiters_ == 0)      waiter (it saw the previous holder)
///   [W] owner_ = context                    [W] waiters_ |= spin bit
///   full fence                              full fence
///   [R] waiters_ -> spin bit, be judged     [R] owner_ -> wound or die
///
/// In both pairs one side sees the other. So no wake-up is lost; a context that takes the lock while others wait is
/// judged against them; and whoever reads owner_ == context under the spin bit may use that context until it drops
/// the bit, because its unlock has to come through the bit first.
///
/// Bit 2 without bit 0 spares an unlocker the bit. The waiter that set it reads owner_ again, by the same pairs, once
/// it has stopped spinning and taken the bit; and whoever had the bit before has done with the unlocker's context.
///
/// The lock must outlive its unlock(): the unlocker reads waiters_ after the lock is free (as in Linux).
class RESV_CAPABILITY("ww_mutex") ww_mutex {
public:
	/// Context: any. `cls` must be static.
	constexpr explicit ww_mutex(ww_class &cls)
		: debug_(cls), dep_map_(cls.keys_.mutex, nullptr, 0, ww_mutex_traits)
	{}
	ww_mutex(const ww_mutex &) = delete;
	ww_mutex &operator=(const ww_mutex &) = delete;

	/// Ends the lock's life (Linux: ww_mutex_destroy). Debug builds report a lock that is held, waited for or was
	/// destroyed before.
	void destroy();

	/// Takes the lock, waiting if need be. With `ctx` nullptr it is a plain mutex that never backs off.
	/// Returns 0; -EALREADY if the context (or, without one, the task) holds it already; -EDEADLK if the context
	/// must drop all its locks first (only if it holds any); in debug builds -EINVAL for a lock of another class.
	/// May sleep. Context: task. Semantics: Linux ww_mutex_lock(), except that without a context Linux hangs on a
	/// lock that the task holds.
	RESV_NODISCARD int lock(ww_acquire_ctx *ctx) RESV_ACQUIRE_ON_ZERO;

	/// The same, but gives up as `request` admits: -EINTR for a signal, -ETIME once its time has passed.
	RESV_NODISCARD int lock(ww_acquire_ctx *ctx, const wait_request &request) RESV_ACQUIRE_ON_ZERO;

	/// Takes the lock that the last -EDEADLK was about. The context must hold nothing: then it cannot fail.
	/// If the rule is broken and the lock cannot be had, that is reported in every build. May sleep.
	void lock_slow(ww_acquire_ctx *ctx) RESV_ACQUIRE();

	/// The same, but gives up as `request` admits; the context then still owes that lock a visit.
	RESV_NODISCARD int lock_slow(ww_acquire_ctx *ctx, const wait_request &request) RESV_ACQUIRE_ON_ZERO;

	/// Takes the lock if that needs no waiting; false also if the context itself holds it. Never sleeps.
	RESV_NODISCARD bool trylock(ww_acquire_ctx *ctx) RESV_ACQUIRE_ON_TRUE;

	/// Releases the lock: O(1), in any order. May not sleep. Context: the task that took it.
	void unlock() RESV_RELEASE();

	/// Waits until whoever holds the lock now has released it, without taking it; at once if it is free.
	/// Returns 0; -EINTR or -ETIME as `request` admits; -EALREADY if the caller is the holder; -EDEADLK if it would have to wait
	/// while `ctx` holds other locks. May sleep. Linux had it as ttm_bo_wait_unreserved().
	RESV_NODISCARD int wait_for_unlock(ww_acquire_ctx *ctx, const wait_request &request);

	/// Racy unless the caller holds it.
	bool is_locked() const { return owner_.load(order::relaxed) != 0; }

	/// The context that holds the lock, or nullptr (free, or held without one). To be compared, not dereferenced,
	/// unless it is the caller's own.
	ww_acquire_ctx *locking_ctx() const
	{
		uintptr_t owner = owner_.load(order::relaxed);
		return owner & no_context ? nullptr : reinterpret_cast<ww_acquire_ctx *>(owner);
	}

	/// Does the calling task hold the lock, with or without a context?
	bool is_held_by_caller();

	/// Reports, in debug builds, a caller that does not hold the lock.
	void assert_held() RESV_ASSERT();

	/// Tells, line by line: who holds the lock, with which context and stamp, who waits, and with CONFIG_PROVE_LOCKING
	/// where it was taken and how long ago. `emit` is called under the spin bit: it must not sleep, nor take a resv lock.
	void describe(void (*emit)(const char *line, void *data), void *data);

	/// The lock that the same context took next, or nullptr. Context: the holder.
	ww_mutex *next_held() const { return locking_ctx()->held_last_ == this ? nullptr : held_next_; }

private:
	friend class ww_acquire_ctx;
	friend class wait_list;
	friend class ww_checks;
	friend struct ww_rules;
	friend class ww_description;
	friend struct abi_check;
	friend struct ww_test_access;

	static constexpr uintptr_t no_context = 1; // in owner_: the rest is a task id

	static uintptr_t identity(const ww_acquire_ctx *ctx);
	bool take_fast(ww_acquire_ctx *ctx);
	int lock_common(ww_acquire_ctx *ctx, const wait_request &request);
	int lock_contended(ww_acquire_ctx *ctx, const wait_request &request);
	bool trylock_contended(ww_acquire_ctx *ctx);
	bool come_later(ww_acquire_ctx *ctx, int64_t deadline);
	int wait_contended(ww_acquire_ctx *ctx, const wait_request &request);
	static bool is_self(uintptr_t owner, const ww_acquire_ctx *ctx);
	void judge_late(ww_acquire_ctx &ctx);
	bool may_take(const wait_list &list, const waiter &self) const;
	bool take(wait_list &list, waiter &self);
	int contend(wait_list &list, const waiter &self);
	bool worth_spinning(const wait_list &list, const waiter &self) const;
	bool spin(waiter &self, unsigned turns) const;
	void unlock_held();
	void unlock_contended();

	atomic<uintptr_t> owner_{0};
	atomic<uintptr_t> waiters_{0};

	// Links of the holding context's list; the holder's alone. The last lock has no next one, the first no previous.
	ww_mutex *held_next_ = nullptr;
	ww_mutex *held_prev_ = nullptr;
	[[no_unique_address]] ww_mutex_debug<config::debug_ww_mutexes> debug_;
	[[no_unique_address]] lockdep_map dep_map_;
};

// ---- The fast paths: inline, and with release_held() the whole of what runs when nobody contends ---------------------

inline uintptr_t ww_mutex::identity(const ww_acquire_ctx *ctx)
{
	return ctx ? reinterpret_cast<uintptr_t>(ctx) : resv_port_current() | no_context;
}

inline void ww_acquire_ctx::link(ww_mutex &lock)
{
	if (held_first_) {
		held_last_->held_next_ = &lock;
		lock.held_prev_ = held_last_;
	} else {
		held_first_ = &lock;
	}
	held_last_ = &lock;
}

inline void ww_acquire_ctx::unlink(ww_mutex &lock)
{
	bool first = held_first_ == &lock;
	bool last = held_last_ == &lock;
	if (!first)
		lock.held_prev_->held_next_ = lock.held_next_;
	else
		held_first_ = last ? nullptr : lock.held_next_;
	if (!last)
		lock.held_next_->held_prev_ = lock.held_prev_;
	else
		held_last_ = lock.held_prev_;
}

// A context that holds nothing cannot be wounded, and a wound that it got before is void. Not earlier: until the last
// unlock has passed the spin bit, a wounder may still hold that bit and write.
inline void ww_acquire_ctx::heal()
{
	if (wounded_.load(order::relaxed))
		wounded_.store(0, order::relaxed);
}

inline bool ww_mutex::take_fast(ww_acquire_ctx *ctx)
{
	// The hint: a compare-and-exchange that is bound to fail still takes the cache line away from the holder.
	if (owner_.load(order::relaxed) != 0 || waiters_.load(order::relaxed) != 0)
		return false;
	if (!owner_.compare_exchange_fenced(0, identity(ctx))) // late locker: see the table above
		return false;
	if (!ctx)
		return true;
	ctx->link(*this);
	if (waiters_.load(order::relaxed) != 0) [[unlikely]]
		judge_late(*ctx);
	return true;
}

inline int ww_mutex::lock_common(ww_acquire_ctx *ctx, const wait_request &request)
{
	if constexpr (config::debug_ww_mutexes)
		return ww_checks::lock(*this, ctx, request);
	if (take_fast(ctx)) [[likely]]
		return 0;
	return lock_contended(ctx, request);
}

inline int ww_mutex::lock(ww_acquire_ctx *ctx) RESV_NO_ANALYSIS
{
	return lock_common(ctx, uninterruptible); // by its address: nothing to store
}

inline int ww_mutex::lock(ww_acquire_ctx *ctx, const wait_request &request) RESV_NO_ANALYSIS
{
	return lock_common(ctx, request);
}

inline bool ww_mutex::trylock(ww_acquire_ctx *ctx) RESV_NO_ANALYSIS
{
	if constexpr (config::debug_ww_mutexes)
		return ww_checks::trylock(*this, ctx);
	if (owner_.load(order::relaxed) != 0)
		return false;
	return take_fast(ctx) || trylock_contended(ctx);
}

inline void ww_mutex::unlock_held()
{
	uintptr_t owner = owner_.load(order::relaxed);
	ww_acquire_ctx *ctx = owner & no_context ? nullptr : reinterpret_cast<ww_acquire_ctx *>(owner);
	if (ctx)
		ctx->unlink(*this);
	owner_.exchange_fenced(0); // unlocker: see the table above
	if (waiters_.load(order::acquire) != 0) [[unlikely]]
		unlock_contended();
	if (ctx && !ctx->holds_any())
		ctx->heal();
}

inline void ww_mutex::unlock() RESV_NO_ANALYSIS
{
	if constexpr (config::debug_ww_mutexes)
		return ww_checks::unlock(*this);
	unlock_held();
}

inline void ww_acquire_ctx::unlock_all()
{
	if constexpr (config::debug_ww_mutexes)
		return ww_checks::unlock_all(*this);
	release_held();
}

inline ww_acquire_ctx::ww_acquire_ctx(ww_class &cls)
	: stamp_(cls.begin()), class_(&cls), parker_(resv_port_current()),
	  dep_map_(cls.keys_.acquire, cls.acquire_name(), 0, ww_context_traits)
{
	if constexpr (config::debug_ww_mutexes)
		ww_checks::begin(*this);
}

inline ww_acquire_ctx::~ww_acquire_ctx()
{
	if constexpr (config::debug_ww_mutexes)
		ww_checks::end(*this);
	else if (holds_any()) [[unlikely]]
		release_held();
}

inline void ww_acquire_ctx::done()
{
	if constexpr (config::debug_ww_mutexes)
		ww_checks::done(*this);
}

inline void ww_acquire_ctx::abandon()
{
	if constexpr (config::debug_ww_mutexes)
		ww_checks::abandon(*this);
}

inline void ww_mutex::destroy()
{
	if constexpr (config::debug_ww_mutexes)
		ww_checks::destroy(*this);
}

inline int ww_mutex::wait_for_unlock(ww_acquire_ctx *ctx, const wait_request &request)
{
	if constexpr (config::debug_ww_mutexes)
		return ww_checks::wait_for_unlock(*this, ctx, request);
	return wait_contended(ctx, request);
}

inline void ww_mutex::assert_held() RESV_NO_ANALYSIS
{
	if constexpr (config::debug_ww_mutexes)
		ww_checks::assert_held(*this);
}

} // namespace resv

#endif // RESV_WW_MUTEX_HPP
