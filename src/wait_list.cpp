// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "wait_list.hpp"

namespace resv {

static_assert(alignof(waiter) > 7,
	      "the low three bits of a waiter's address are flags in ww_mutex::waiters_");

wait_list::wait_list(ww_mutex &lock) : lock_(lock)
{
	retake();
}

wait_list::~wait_list()
{
	drop();
}

void wait_list::retake()
{
	resv_port_critical_begin();
	for (unsigned turn = 0;; turn++) {
		uintptr_t word = lock_.waiters_.load(order::relaxed);
		// waiter and wounder: [W] waiters_, full fence, [R] owner_; the partners are ww_mutex::unlock_held(),
		// take_fast(), and ww_acquire_ctx::release_held() and _pair(). Acquire: what the last holder left.
		if (!(word & spin_bit) && lock_.waiters_.compare_exchange_fenced(word, word | spin_bit)) {
			no_barging_ = word & no_barging_bit;
			head_ = reinterpret_cast<waiter *>(word & ~flags);
			return;
		}
		resv_port_relax(turn);
	}
}

void wait_list::drop()
{
	// A lock with nobody in line bars nobody: the word of an idle lock is 0.
	no_barging_ = no_barging_ && first_locker();
	bool first_spins = head_ && !head_->observer && head_->spinning;
	lock_.waiters_.store(reinterpret_cast<uintptr_t>(head_) | (no_barging_ ? no_barging_bit : 0) |
				     (first_spins ? first_spins_bit : 0),
			     order::release);
	resv_port_critical_end();
	wakes.fire();
}

waiter *wait_list::first_locker() const
{
	waiter *w = head_;
	if (!w)
		return nullptr;
	do {
		if (!w->observer)
			return w;
		w = w->next;
	} while (w != head_);
	return nullptr;
}

waiter *wait_list::first_with_context() const
{
	waiter *w = head_;
	if (!w)
		return nullptr;
	do {
		if (w->ctx && !w->observer)
			return w;
		w = w->next;
	} while (w != head_);
	return nullptr;
}

// Puts `w` before `position`, or at the end if that is nullptr.
void wait_list::link_before(waiter &w, waiter *position)
{
	w.queued = true;
	if (!head_) {
		head_ = w.next = w.prev = &w;
		return;
	}
	waiter *next = position ? position : head_;
	w.next = next;
	w.prev = next->prev;
	w.prev->next = &w;
	next->prev = &w;
	if (position == head_)
		head_ = &w;
}

void wait_list::insert(waiter &w)
{
	waiter *position = nullptr;
	if (w.ctx && head_) {
		waiter *at = head_->prev;
		for (;;) {
			if (at->ctx && !at->observer) {
				if (!w.ctx->older_than(*at->ctx))
					break;
				position = at;
			}
			if (at == head_)
				break;
			at = at->prev;
		}
	}
	link_before(w, position);
}

void wait_list::insert_observer(waiter &w)
{
	w.observer = true;
	link_before(w, head_);
}

void wait_list::remove(waiter &w)
{
	if constexpr (config::debug_ww_mutexes)
		if (w.prev->next != &w || w.next->prev != &w)
			return ww_checks::corrupt_wait_list(lock_);
	w.queued = false;
	if (w.next == &w) {
		head_ = nullptr;
		return;
	}
	w.prev->next = w.next;
	w.next->prev = w.prev;
	if (head_ == &w)
		head_ = w.next;
}

void wait_list::pass_observers()
{
	waiter *w = head_;
	if (!w || !w->observer)
		return;
	do {
		w->passed = true;
		w = w->next;
	} while (w != head_ && w->observer);
	head_->mailbox.tell(wakes);
}

void wait_list::tell_passed_observer()
{
	waiter *w = head_;
	if (!w)
		return;
	for (; w->observer; w = w->next) {
		if (w->passed)
			return w->mailbox.tell(wakes);
		if (w->next == head_)
			return;
	}
}

void wait_list::tell_first()
{
	waiter *first = first_locker();
	if (first && !first->spinning)
		first->mailbox.tell(wakes);
}

void wait_list::tell_younger(const ww_acquire_ctx &than)
{
	waiter *w = first_with_context();
	if (!w)
		return;
	// At most one waiter that may not wait for an older one has not been told yet: the first with a context. Any other was
	// told when it ceased to be the first or was wounded, or died on arrival.
	do {
		if (w->ctx && !w->observer && w->ctx->holds_any() && w->ctx->may_not_wait_for_older() &&
		    than.older_than(*w->ctx)) {
			w->mailbox.tell(wakes);
			return;
		}
		w = w->next;
	} while (w != head_);
}

void wait_list::wound(ww_acquire_ctx &holder, const ww_acquire_ctx &by)
{
	by.cls().traffic_.count(by.task(), &ww_traffic::tally::wounds);
	holder.wounded_.store(1, order::relaxed); // the token that follows, or the spin bit, publishes it
	trace(ww_event::wound, by, &holder);
}

int wait_list::send_away(ww_acquire_ctx &ctx, const ww_acquire_ctx *holder) const
{
	trace(ww_event::die, ctx, holder);
	ctx.cls().traffic_.backed_off(ctx);
	return -EDEADLK;
}

void wait_list::trace(ww_event event, const ww_acquire_ctx &self, const ww_acquire_ctx *other) const
{
	if (self.class_->tracer_)
		self.class_->tracer_(event, lock_, self, other);
}

void wait_list::judge(ww_acquire_ctx &holder)
{
	waiter *w = first_with_context();
	if (!w)
		return;
	holder.ensure_stamp();
	tell_younger(holder);
	if (holder.cls().algorithm() == ww_algorithm::wait_die)
		return;
	do {
		if (w->ctx && !w->observer) {
			if (!w->ctx->older_than(holder))
				return;          // sorted: nor is any behind it
			if (w->ctx->holds_any()) // the holder runs: it will see it when it next waits
				return wound(holder, *w->ctx);
		}
		w = w->next;
	} while (w != head_);
}

} // namespace resv
