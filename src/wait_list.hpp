// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef RESV_WAIT_LIST_HPP
#define RESV_WAIT_LIST_HPP

#include "wake_set.hpp"

#include <resv/ww_mutex.hpp>

namespace resv {

/// A task in a lock's wait list; lives on that task's stack. All fields belong to the holder of the spin bit, except
/// that `ctx` and `mailbox` never change while the waiter is queued.
struct alignas(8) waiter {
	waiter(ww_acquire_ctx *c, parker &p) : ctx(c), mailbox(p) {}

	waiter *next = nullptr; // the list is circular; the head is in the lock's waiters_ word
	waiter *prev = nullptr;
	ww_acquire_ctx *ctx; // nullptr: waits without a context
	parker &mailbox;     // the context's, or the waiter's own
	bool queued = false;
	bool observer = false; // waits for the holder's unlock only, and never takes the lock
	bool passed = false;   // an observer whose holder has unlocked
	bool spinning = false; // watches the owner word: needs no telling that the lock is free
};

/// A lock's wait list, held: exists only while its owner has the spin bit, or between drop() and retake(), where it does not
/// end.
///
/// Order of the list: observers first (each unlock clears them out), then lockers, in stamp order as far as they have a
/// context. Lockers without a context are in order of arrival, and the sort passes over them: a context goes ahead of
/// one only where it goes ahead of a younger context that is ahead of it, so a head without a context stays the head.
class wait_list {
public:
	/// Takes the spin bit: announces the caller to unlockers and late lockers.
	explicit wait_list(ww_mutex &lock);
	~wait_list();
	wait_list(const wait_list &) = delete;
	wait_list &operator=(const wait_list &) = delete;

	/// An unlocker reads `word` from waiters_: is there nobody to wake, and nobody who holds the bit?
	static bool unlocker_may_pass(uintptr_t word)
	{
		return (word & (spin_bit | first_spins_bit)) == first_spins_bit;
	}

	/// Drops the spin bit and wakes whom `wakes` collected; retake() takes it again.
	void drop();
	void retake();

	/// The first in line, observers included; the line is a ring.
	const waiter *first() const { return head_; }
	/// The first waiter that wants the lock.
	waiter *first_locker() const;
	/// The oldest waiter that has a context.
	waiter *first_with_context() const;

	void insert(waiter &w);
	void insert_observer(waiter &w);
	void remove(waiter &w);

	/// The holder has unlocked: lets all observers pass and tells the first of them, which tells the next.
	void pass_observers();
	/// Tells the first in line that the lock is free, unless it watches it anyway.
	void tell_first();
	/// Tells the next observer that has been passed.
	void tell_passed_observer();

	/// The context has just taken the lock: judges it against every waiter. But for wait-die, it is wounded if an older
	/// waiter holds other locks. A younger waiter that may not wait for it is told to look again.
	void judge(ww_acquire_ctx &holder);
	/// A waiter has been queued, or has the lock: younger ones behind it that may not wait for it must look again.
	void tell_younger(const ww_acquire_ctx &than);

	/// An older waiter that holds other locks wants the lock: its holder must back off. It learns of it when it next
	/// waits; if it waits already, the caller tells it.
	void wound(ww_acquire_ctx &holder, const ww_acquire_ctx &by);

	/// A context that holds other locks may not wait for this one. Returns -EDEADLK.
	int send_away(ww_acquire_ctx &ctx, const ww_acquire_ctx *holder) const;

	/// Reports to the class's tracer, if it has one.
	void trace(ww_event event, const ww_acquire_ctx &self, const ww_acquire_ctx *other) const;

	void set_no_barging(bool on) { no_barging_ = on; }
	bool no_barging() const { return no_barging_; }

	wake_set wakes;

private:
	void link_before(waiter &w, waiter *position);

	static constexpr uintptr_t spin_bit = 1;
	static constexpr uintptr_t no_barging_bit = 2;
	static constexpr uintptr_t first_spins_bit = 4;
	static constexpr uintptr_t flags = spin_bit | no_barging_bit | first_spins_bit;

	ww_mutex &lock_;
	waiter *head_ = nullptr;
	bool no_barging_ = false;
};

} // namespace resv

#endif // RESV_WAIT_LIST_HPP
