// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// How all locks are released at once, and the contended paths. The protocol is drawn above class ww_mutex; what may wait for
// whom is decided in contend().
#include "wait_list.hpp"

#include <resv/config.h>
#include <resv/ww_mutex.hpp>

// Users that were built with the same options refer to it.
extern "C" constexpr char RESV_CONFIG_TAG = 0;

namespace resv {

namespace {

// How long anybody watches a lock before standing in line, in turns of resv_port_relax(): whoever holds the lock for a moment
// only is told nothing and wakes nobody then.
constexpr unsigned turns_unannounced = 16;

// How often a task meets a held lock from one look at the class's contention to the next.
constexpr unsigned meetings_to_look = 8;

int64_t deadline_of(const wait_request &request)
{
	if (request.timeout_ns == RESV_WAIT_FOREVER)
		return RESV_WAIT_FOREVER;
	int64_t now = resv_port_clock();
	if (request.timeout_ns <= 0)
		return now;
	return request.timeout_ns < RESV_WAIT_FOREVER - now ? now + request.timeout_ns : RESV_WAIT_FOREVER;
}

} // namespace

unsigned long ww_class::next_stamp()
{
	unsigned long stamp;
	do
		stamp = stamp_.fetch_add(1, order::relaxed) + 1;
	while (stamp == 0); // 0 means "none yet"; the counter may wrap
	return stamp;
}

unsigned ww_acquire_ctx::acquired() const
{
	unsigned n = 0;
	for (const ww_mutex *lock = held_first_; lock; lock = lock->next_held())
		n++;
	return n;
}

// Stores the owner words, fences once, then looks for waiters. Two locks, or one that is both: many contexts hold no more.
void ww_acquire_ctx::release_pair(ww_mutex &first, ww_mutex &last)
{
	const bool two = &first != &last;
	held_first_ = nullptr;
	first.owner_.store(0, order::release); // unlocker: see the table above ww_mutex
	if (two)
		last.owner_.store(0, order::release);
	full_fence();
	if (first.waiters_.load(order::acquire) != 0) [[unlikely]]
		first.unlock_contended();
	if (two && last.waiters_.load(order::acquire) != 0) [[unlikely]]
		last.unlock_contended();
	heal();
}

// The same, of any number. The links of a lock belong to its next holder as soon as its owner word is 0, hence the array; it
// is bounded, so that it fits a kernel stack. The list is walked from both ends at once: the latency of following the links
// is what bounds the walk.
void ww_acquire_ctx::release_held()
{
	while (held_first_) {
		ww_mutex *first = held_first_;
		ww_mutex *last = held_last_;
		if (first == last || first->held_next_ == last)
			return release_pair(*first, *last);
		ww_mutex *batch[release_batch];
		unsigned n = 0;
		held_first_ = nullptr;
		for (;;) {
			ww_mutex *next = first->held_next_;
			ww_mutex *prev = last->held_prev_;
			batch[n++] = first;
			first->owner_.store(0, order::release); // unlocker: see the table above ww_mutex
			if (first == last)
				break;
			batch[n++] = last;
			last->owner_.store(0, order::release);
			if (next == last)
				break;
			first = next;
			last = prev;
			if (n == release_batch) {
				held_first_ = first;
				held_last_ = last;
				break;
			}
		}
		full_fence();
		for (unsigned i = 0; i < n; i++)
			if (batch[i]->waiters_.load(order::acquire) != 0) [[unlikely]]
				batch[i]->unlock_contended();
	}
	heal();
}

// The stamp may be given by the own task or by whoever meets it as a holder, under the spin bits of different locks.
unsigned long ww_acquire_ctx::ensure_stamp()
{
	unsigned long stamp = stamp_.load(order::relaxed);
	if (stamp != 0)
		return stamp;
	stamp = class_->next_stamp();
	return stamp_.compare_exchange(0, stamp, order::relaxed) ? stamp : stamp_.load(order::relaxed);
}

// Stamps compare by distance, so that the counter may wrap.
bool ww_acquire_ctx::older_than(const ww_acquire_ctx &other) const
{
	return static_cast<long>(stamp() - other.stamp()) < 0;
}

// Of a context that holds something: see ww_mutex::contend(). In wound-wait it may not wait for younger ones, either.
bool ww_acquire_ctx::may_not_wait_for_older() const
{
	return class_->algorithm() == ww_algorithm::wait_die || wounded() || class_->is_hasty();
}

// Under the spin bit. Is the holder the caller, through this context, another one, or none?
bool ww_mutex::is_self(uintptr_t owner, const ww_acquire_ctx *ctx)
{
	if (owner & no_context)
		return owner == (resv_port_current() | no_context);
	const auto *holder = reinterpret_cast<const ww_acquire_ctx *>(owner);
	return holder && (holder == ctx || holder->task() == resv_port_current());
}

bool ww_mutex::is_held_by_caller()
{
	if (owner_.load(order::relaxed) == 0)
		return false;
	wait_list list(*this);
	return is_self(owner_.load(order::acquire), nullptr);
}

/// Under the spin bit: decides whether `self` may wait for the lock as it stands. 0: it may, and whoever must give way
/// has been told. -EDEADLK: `self` gives way. -EALREADY: it would wait for itself.
///
/// A context that holds nothing closes no cycle: it waits for anybody. Wait-die: waiting goes from old to young only, so no
/// cycle closes. Wound-wait: it goes from young to old, except past a holder that has been wounded and backs off as soon as
/// it waits. Adaptive: as in wound-wait, whoever is waited for by an older one is wounded; but a wounded context may wait
/// for younger ones. In a cycle the oldest waits for somebody younger, who is wounded then and waits for somebody younger
/// still, and so on: none of them waits for the oldest. Contexts that are not wounded may as well not wait for older ones:
/// if none does, that is wait-die.
int ww_mutex::contend(wait_list &list, const waiter &self)
{
	uintptr_t owner = owner_.load(order::acquire);
	ww_acquire_ctx *holder = owner & no_context ? nullptr : reinterpret_cast<ww_acquire_ctx *>(owner);
	ww_acquire_ctx *ctx = self.ctx;

	if (is_self(owner, ctx))
		return -EALREADY;
	if (!ctx)
		return 0;
	if (holder)
		holder->ensure_stamp(); // first: who came to the lock first is the older
	ctx->ensure_stamp();
	if (!ctx->holds_any())
		return 0;

	const ww_algorithm algorithm = ctx->cls().algorithm();
	if (ctx->may_not_wait_for_older()) {
		const waiter *oldest = list.first_with_context();
		if (algorithm == ww_algorithm::wound_wait || (holder && holder->older_than(*ctx)) ||
		    (oldest && oldest->ctx->older_than(*ctx)))
			return list.send_away(*ctx, holder);
	}
	if (algorithm != ww_algorithm::wait_die && holder && !holder->wounded() && ctx->older_than(*holder)) {
		list.wound(*holder, *ctx);
		holder->parker_.tell(list.wakes); // it may wait for another lock
	}
	return 0;
}

// May `self` take the lock, if it is free? In its turn; or out of turn, until the first in line has lost once.
bool ww_mutex::may_take(const wait_list &list, const waiter &self) const
{
	if (owner_.load(order::relaxed) != 0)
		return false;
	const waiter *first = list.first_locker();
	return !first || first == &self || (!self.queued && !list.no_barging());
}

// Takes the lock under the spin bit, if it may and can.
bool ww_mutex::take(wait_list &list, waiter &self)
{
	if (!may_take(list, self) || !owner_.compare_exchange(0, identity(self.ctx), order::acquire))
		return false;
	if (self.queued) {
		list.remove(self);
		list.set_no_barging(false);
		if (self.ctx)
			list.trace(ww_event::acquired, *self.ctx, nullptr);
	} else if (self.ctx && list.first_locker()) {
		self.ctx->cls().traffic_.count(self.ctx->task(), &ww_traffic::tally::bypasses);
	}
	if (self.ctx) {
		self.ctx->link(*this);
		list.judge(*self.ctx);
	}
	return true;
}

bool ww_mutex::worth_spinning(const wait_list &list, const waiter &self) const
{
	uintptr_t owner = owner_.load(order::relaxed);
	if (owner == 0 || list.first_locker() != &self)
		return false;
	// The spin bit keeps the holder from ending: its unlock would have to come through it.
	return resv_port_task_running(owner & no_context ? owner & ~no_context
							 : reinterpret_cast<ww_acquire_ctx *>(owner)->task());
}

// Watches the owner word without touching what it points to. True: the lock was seen free, or the waiter was told; then
// the token is consumed, or the next spin would end before it began.
bool ww_mutex::spin(waiter &self, unsigned turns) const
{
	for (unsigned turn = 0; turn < turns; turn++) {
		if (owner_.load(order::relaxed) == 0 || self.mailbox.take_token())
			return true;
		resv_port_relax(turn);
	}
	return false;
}

// Before a task announces itself, it may as well have come a little later; so nothing here needs a proof of its own. True:
// it has the lock, by the fast path. False: it stands in line.
bool ww_mutex::come_later(ww_acquire_ctx *ctx, int64_t deadline)
{
	if constexpr (config::steady)
		return false;
	if (ctx) {
		ww_traffic &traffic = ctx->cls().traffic_;
		unsigned long before = traffic.count(ctx->task(), &ww_traffic::tally::contended);
		unsigned away = ctx->holds_any() ? 0 : traffic.conduct() & ww_traffic::away_mask;
		if (ctx->wounded())
			return false; // there it backs off at once
		if (away != 0 || before % meetings_to_look == 0) {
			int64_t now = resv_port_clock();
			traffic.look(ww_traffic::to_ticks(now),
				     ctx->cls().algorithm() == ww_algorithm::adaptive);
			if (away != 0) {
				int64_t until = now + ww_traffic::stay_ns(away);
				traffic.count(ctx->task(), &ww_traffic::tally::stays);
				resv_port_stand_back(until < deadline ? until : deadline);
				return take_fast(ctx);
			}
		}
	}
	for (unsigned turn = 0; turn < turns_unannounced && waiters_.load(order::relaxed) == 0; turn++) {
		if (owner_.load(order::relaxed) == 0) {
			if (!take_fast(ctx))
				return false;
			if (ctx)
				ctx->cls().traffic_.count(ctx->task(), &ww_traffic::tally::spins);
			return true;
		}
		resv_port_relax(turn);
	}
	return false;
}

int ww_mutex::lock_contended(ww_acquire_ctx *ctx, const wait_request &request)
{
	if (ctx && locking_ctx() == ctx)
		return -EALREADY; // a duplicate: no need to bother the list
	int64_t deadline = deadline_of(request);
	if (request.timeout_ns > 0 && come_later(ctx, deadline))
		return 0;

	parker own(ctx ? ctx->task() : resv_port_current());
	waiter self(ctx, ctx ? ctx->parker_ : own);
	bool tried = false;
	bool may_spin = true;
	int64_t slept_since = 0;
	int rc;

	// Announced by the spin bit first, then the owner word is read, then the holder is wounded: the other order
	// loses a wound.
	wait_list list(*this);
	for (;;) {
		if (take(list, self)) {
			if (slept_since != 0)
				ctx->cls().traffic_.slept(resv_port_clock() - slept_since);
			else if (ctx && tried)
				ctx->cls().traffic_.count(ctx->task(), &ww_traffic::tally::spins);
			return 0;
		}
		// It was awake and in its turn, and lost to somebody who came later: that happens once. Until it was awake
		// others could pass, since a lock that waits for a sleeper serves nobody.
		if (tried && list.first_locker() == &self)
			list.set_no_barging(true);
		rc = contend(list, self);
		if (rc != 0)
			break;
		if (!self.queued) {
			list.insert(self);
			if (ctx) {
				list.trace(ww_event::wait, *ctx, locking_ctx());
				list.tell_younger(*ctx);
			}
		}
		// If the lock is free, whoever freed it has told the first in line, or will: it comes through the bit.
		bool spinning = self.spinning = may_spin && worth_spinning(list, self);
		bool again = may_take(list, self);
		list.drop();
		if (spinning)
			may_spin = tried =
				spin(self, ctx ? ctx->cls().traffic_.spin_turns() : RESV_SPIN_TURNS);
		else if (!again) {
			if (!config::steady && ctx && slept_since == 0) {
				slept_since = resv_port_clock();
				ctx->cls().traffic_.count(ctx->task(), &ww_traffic::tally::waits);
			}
			rc = self.mailbox.wait(request.mode, deadline);
			may_spin = tried = true;
		}
		list.retake();
		if (rc != 0)
			break;
	}
	if (self.queued) {
		list.remove(self);
		if (ctx && rc != -EDEADLK)
			list.trace(ww_event::leave, *ctx, nullptr);
	}
	// The wake that this waiter may have consumed goes on to the next.
	if (owner_.load(order::relaxed) == 0)
		list.tell_first();
	return rc;
}

bool ww_mutex::trylock_contended(ww_acquire_ctx *ctx)
{
	if (owner_.load(order::relaxed) != 0)
		return false;
	parker unused(0); // a trylock is never queued, so never told
	waiter self(ctx, unused);
	wait_list list(*this);
	return take(list, self);
}

// The context took the lock by the fast path while somebody announced himself: late locker, see the table above
// ww_mutex.
void ww_mutex::judge_late(ww_acquire_ctx &ctx)
{
	wait_list list(*this);
	list.judge(ctx);
}

// The owner word is 0 already; after this, the lock may be gone.
void ww_mutex::unlock_contended()
{
	if (wait_list::unlocker_may_pass(waiters_.load(order::acquire)))
		return;
	wait_list list(*this);
	list.pass_observers();
	// A waiter that would only find the lock taken is not woken; the new holder's unlock will do it.
	if (owner_.load(order::relaxed) == 0)
		list.tell_first();
}

void ww_mutex::lock_slow(ww_acquire_ctx *ctx) RESV_NO_ANALYSIS
{
	lockdep::caller from(lockdep::return_address());
	int rc;
	if constexpr (config::debug_ww_mutexes)
		rc = ww_checks::lock_slow(*this, ctx, {});
	else
		rc = lock_common(ctx, {});
	if (rc != 0)
		ww_checks::slow_lock_failed(*this, rc);
}

int ww_mutex::lock_slow(ww_acquire_ctx *ctx, const wait_request &request) RESV_NO_ANALYSIS
{
	lockdep::caller from(lockdep::return_address());
	if constexpr (config::debug_ww_mutexes)
		return ww_checks::lock_slow(*this, ctx, request);
	return lock_common(ctx, request);
}

int ww_mutex::wait_contended(ww_acquire_ctx *ctx, const wait_request &request)
{
	if (owner_.load(order::acquire) == 0) // acquire: what the holder wrote is seen
		return 0;

	parker own(ctx ? ctx->task() : resv_port_current());
	waiter self(ctx, ctx ? ctx->parker_ : own);
	int64_t deadline = deadline_of(request);
	int rc = 0;

	wait_list list(*this);
	uintptr_t owner = owner_.load(order::acquire);
	if (owner == 0)
		return 0;
	if (is_self(owner, ctx))
		return -EALREADY;
	if (ctx && ctx->holds_any())
		return -EDEADLK;

	list.insert_observer(self);
	while (!self.passed && rc == 0) {
		list.drop();
		rc = self.mailbox.wait(request.mode, deadline);
		list.retake();
	}
	list.remove(self);
	list.tell_passed_observer();
	return rc;
}

} // namespace resv
