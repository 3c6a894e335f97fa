// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What tests see of a lock and of a context that others do not.
#ifndef RESV_TESTS_WW_TEST_ACCESS_HPP
#define RESV_TESTS_WW_TEST_ACCESS_HPP

#include <resv/ww_mutex.hpp>

namespace resv {

struct ww_test_access {
	static uintptr_t owner(const ww_mutex &lock) { return lock.owner_.load(order::acquire); }
	static uintptr_t waiters(const ww_mutex &lock) { return lock.waiters_.load(order::acquire); }

	static const void *owner_word(const ww_mutex &lock) { return &lock.owner_; }
	static const void *waiters_word(const ww_mutex &lock) { return &lock.waiters_; }
	static const void *stamp_word(const ww_acquire_ctx &ctx) { return &ctx.stamp_; }
	static const void *wounded_word(const ww_acquire_ctx &ctx) { return &ctx.wounded_; }
	static const void *mailbox(const ww_acquire_ctx &ctx) { return &ctx.parker_; }

	/// As if the holder had not said yet since when it has the lock.
	static bool take_silently(ww_mutex &lock) { return lock.take_fast(nullptr); }
	static void release_silently(ww_mutex &lock) { lock.unlock_held(); }

	/// As if the lock had been held when it was met.
	static int lock_contended(ww_mutex &lock, ww_acquire_ctx *ctx)
	{
		return lock.lock_contended(ctx, {});
	}
	static bool worth_spinning(const ww_mutex &lock, const wait_list &list, const waiter &self)
	{
		return lock.worth_spinning(list, self);
	}
	static bool spin(const ww_mutex &lock, waiter &self) { return lock.spin(self, RESV_SPIN_TURNS); }

	static ww_traffic &traffic(ww_class &cls) { return cls.traffic_; }
	struct counts {
		unsigned long begun, contended, brief, longer;
	};
	static void decide(ww_traffic &t, unsigned long now, const counts &total, bool adaptive = false)
	{
		t.decide(now, {total.begun, total.contended, total.brief, total.longer}, adaptive);
	}
	static void look(ww_traffic &t, unsigned long now) { t.look(now, true); }
	static counts add_up(const ww_traffic &t)
	{
		auto [begun, contended, brief, longer] = t.add_up();
		return {begun, contended, brief, longer};
	}
	static void count_begun(ww_traffic &t, bool on)
	{
		t.at_begin_.store(on ? t.counted : 0, order::relaxed);
	}
	static bool counts_begun(const ww_traffic &t) { return t.at_begin_.load(order::relaxed) & t.counted; }
	static unsigned spin_turns(const ww_traffic &t) { return t.spin_turns(); }
	static bool hasty(const ww_traffic &t) { return t.conduct() & t.hasty_bit; }
	static void set_hasty(ww_class &cls, bool hasty)
	{
		cls.traffic_.conduct_.store(hasty ? ww_traffic::hasty_bit : 0, order::relaxed);
	}
	static unsigned long look_at(const ww_traffic &t) { return t.look_at_.load(order::relaxed); }
	static unsigned away(const ww_traffic &t) { return t.conduct() & t.away_mask; }
	static void calm_down(ww_class &cls)
	{
		cls.traffic_.stage_ = ww_traffic::stage::calm;
		cls.traffic_.conduct_.store(0, order::relaxed);
	}
	static void set_away(ww_class &cls, unsigned away)
	{
		cls.traffic_.conduct_.store(away, order::relaxed);
	}

	static void give_stamp(ww_acquire_ctx &ctx) { (void)ctx.ensure_stamp(); }
};

} // namespace resv

#endif // RESV_TESTS_WW_TEST_ACCESS_HPP
