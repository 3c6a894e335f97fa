// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// ww_mutex, call by call: taking, waiting, standing in line. Who gives way is the matter of ww_deadlock_test.cpp.

#include "helpers.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <limits>
#include <memory>
#include <set>

namespace resv::test {
namespace {

constexpr int64_t millisecond = 1000000;

using order_of_taking = std::vector<const ww_mutex *>;

order_of_taking held_by(ww_acquire_ctx &ctx)
{
	order_of_taking result;
	for (const ww_mutex *lock = ctx.first_held(); lock; lock = lock->next_held())
		result.push_back(lock);
	return result;
}

// ---- Nobody contends ----------------------------------------------------------------------------------------------

class ww_mutex_alone : public with_each {};
INSTANTIATE_TEST_SUITE_P(each, ww_mutex_alone, testing::ValuesIn(all_algorithms), algorithm_name);

TEST_P(ww_mutex_alone, lock_and_unlock_with_a_context)
{
	calm_ctx ctx(cls);

	EXPECT_FALSE(m[0].is_locked());
	EXPECT_FALSE(m[0].is_held_by_caller());
	ASSERT_EQ(m[0].lock(&ctx), 0);
	EXPECT_TRUE(m[0].is_locked());
	EXPECT_TRUE(m[0].is_held_by_caller());
	EXPECT_EQ(m[0].locking_ctx(), &ctx);
	EXPECT_EQ(ctx.acquired(), 1u);
	m[0].assert_held();
	m[0].unlock();
	EXPECT_FALSE(m[0].is_locked());
	EXPECT_FALSE(m[0].is_held_by_caller());
	EXPECT_EQ(m[0].locking_ctx(), nullptr);
	EXPECT_EQ(ctx.acquired(), 0u);
}

TEST_P(ww_mutex_alone, lock_and_unlock_as_a_plain_mutex)
{
	ASSERT_EQ(m[0].lock(nullptr), 0);
	EXPECT_TRUE(m[0].is_locked());
	EXPECT_TRUE(m[0].is_held_by_caller());
	EXPECT_EQ(m[0].locking_ctx(), nullptr);
	m[0].assert_held();
	m[0].unlock();
	EXPECT_FALSE(m[0].is_locked());
}

TEST_P(ww_mutex_alone, plain_locks_leave_the_context_alone)
{
	calm_ctx ctx(cls);

	ASSERT_EQ(m[0].lock(&ctx), 0);
	ASSERT_EQ(m[1].lock(nullptr), 0);
	EXPECT_TRUE(m[2].trylock(nullptr));
	EXPECT_EQ(ctx.acquired(), 1u);
	EXPECT_EQ(held_by(ctx), (order_of_taking{&m[0]}));
	m[2].unlock();
	m[1].unlock();
	ctx.unlock_all();
	expect_order_reports({RESV_REPORT_RECURSION});
}

TEST_P(ww_mutex_alone, holder_is_the_task_not_another)
{
	actor other;
	party other_party(cls);
	calm_ctx ctx(cls);

	ASSERT_EQ(other.run([&] { return m[0].lock(nullptr); }), 0);
	ASSERT_EQ(other_party.lock(m[1]), 0);
	EXPECT_FALSE(m[0].is_held_by_caller());
	EXPECT_FALSE(m[1].is_held_by_caller());
	EXPECT_NE(m[1].locking_ctx(), &ctx);
	EXPECT_TRUE(other.run([&] { return m[0].is_held_by_caller(); }));
	EXPECT_TRUE(other_party.run([&] { return m[1].is_held_by_caller(); }));
	other.run([&] { m[0].unlock(); });
}

TEST_P(ww_mutex_alone, context_says_who_opened_it)
{
	party other(cls);
	calm_ctx ctx(cls);

	EXPECT_EQ(ctx.task(), resv_port_current());
	EXPECT_EQ(other.ctx().task(), other.task());
	EXPECT_EQ(&ctx.cls(), &cls);
	EXPECT_EQ(ctx.cls().algorithm(), GetParam());
}

TEST_P(ww_mutex_alone, trylock_takes_a_free_lock_only)
{
	actor other;
	calm_ctx ctx(cls);

	EXPECT_TRUE(m[0].trylock(&ctx));
	EXPECT_EQ(m[0].locking_ctx(), &ctx);
	EXPECT_EQ(ctx.acquired(), 1u);
	EXPECT_FALSE(m[0].trylock(&ctx));
	EXPECT_FALSE(m[0].trylock(nullptr));
	EXPECT_EQ(ctx.acquired(), 1u);
	EXPECT_TRUE(m[1].trylock(nullptr));
	EXPECT_TRUE(m[1].is_held_by_caller());
	EXPECT_FALSE(m[1].trylock(nullptr));
	EXPECT_FALSE(m[1].trylock(&ctx));
	other.run([&] {
		calm_ctx theirs(cls);
		EXPECT_FALSE(m[0].trylock(&theirs));
		EXPECT_FALSE(m[0].trylock(nullptr));
		EXPECT_FALSE(m[1].trylock(&theirs));
		EXPECT_FALSE(m[1].trylock(nullptr));
		EXPECT_EQ(theirs.acquired(), 0u);
	});
	m[1].unlock();
	ctx.unlock_all();
}

TEST_P(ww_mutex_alone, locking_what_the_context_holds_is_ealready)
{
	calm_ctx ctx(cls);

	ASSERT_EQ(m[0].lock(&ctx), 0);
	ASSERT_TRUE(m[1].trylock(&ctx));
	for (int again = 0; again < 3; again++) {
		EXPECT_EQ(m[0].lock(&ctx), -EALREADY);
		EXPECT_EQ(m[1].lock(&ctx), -EALREADY);
		EXPECT_EQ(m[0].lock(&ctx, interruptible), -EALREADY);
		EXPECT_EQ(m[0].lock(&ctx, for_at_most(0)), -EALREADY);
	}
	EXPECT_EQ(ctx.acquired(), 2u);
	m[0].unlock();
	EXPECT_FALSE(m[0].is_locked()); // one unlock suffices
	ctx.unlock_all();
}

TEST_P(ww_mutex_alone, ealready_also_while_others_wait)
{
	party holder(cls), other(cls);
	actor plain;

	ASSERT_EQ(holder.lock(m[0]), 0);
	other.start_lock(m[0]);
	plain.start([&] {
		EXPECT_EQ(m[0].lock(nullptr), 0);
		m[0].unlock();
	});
	ASSERT_TRUE(waits(m[0], 2));
	EXPECT_EQ(holder.lock(m[0]), -EALREADY);
	EXPECT_EQ(queue(m[0]).size(), 2u);
	holder.unlock(m[0]);
	EXPECT_EQ(other.finish(), 0);
	other.unlock(m[0]);
}

TEST_P(ww_mutex_alone, held_locks_are_listed_in_the_order_of_taking)
{
	calm_ctx ctx(cls);

	EXPECT_EQ(held_by(ctx), order_of_taking{});
	for (size_t i : {3u, 1u, 4u, 0u, 2u})
		ASSERT_TRUE(m[i].trylock(&ctx));
	EXPECT_EQ(held_by(ctx), (order_of_taking{&m[3], &m[1], &m[4], &m[0], &m[2]}));
	m[4].unlock(); // in the middle
	EXPECT_EQ(held_by(ctx), (order_of_taking{&m[3], &m[1], &m[0], &m[2]}));
	m[3].unlock(); // the first
	EXPECT_EQ(held_by(ctx), (order_of_taking{&m[1], &m[0], &m[2]}));
	m[2].unlock(); // the last
	EXPECT_EQ(held_by(ctx), (order_of_taking{&m[1], &m[0]}));
	ASSERT_TRUE(m[3].trylock(&ctx)); // once more: at the end
	EXPECT_EQ(held_by(ctx), (order_of_taking{&m[1], &m[0], &m[3]}));
	EXPECT_EQ(ctx.acquired(), 3u);
	ctx.unlock_all();
	EXPECT_EQ(held_by(ctx), order_of_taking{});
}

TEST_P(ww_mutex_alone, unlock_in_any_order)
{
	std::array<size_t, 4> out = {0, 1, 2, 3};
	calm_ctx ctx(cls);

	do {
		for (size_t i = 0; i < 4; i++)
			ASSERT_TRUE(m[i].trylock(&ctx));
		std::set<const ww_mutex *> left = {&m[0], &m[1], &m[2], &m[3]};
		for (size_t i : out) {
			m[i].unlock();
			left.erase(&m[i]);
			auto held = held_by(ctx);
			EXPECT_EQ(std::set<const ww_mutex *>(held.begin(), held.end()), left);
			EXPECT_EQ(held.size(), ctx.acquired());
		}
	} while (std::next_permutation(out.begin(), out.end()));
}

TEST_P(ww_mutex_alone, unlock_all_releases_any_number)
{
	constexpr size_t batch = ww_acquire_ctx::release_batch;
	lock_set many(cls, 3 * batch + 1);
	calm_ctx ctx(cls);

	for (size_t n : {size_t{0}, size_t{1}, size_t{2}, size_t{3}, batch - 1, batch, batch + 1, 2 * batch,
			 many.size()}) {
		for (size_t i = 0; i < n; i++)
			ASSERT_TRUE(many[i].trylock(&ctx));
		EXPECT_EQ(ctx.acquired(), n);
		ctx.unlock_all();
		EXPECT_EQ(ctx.acquired(), 0u);
		EXPECT_EQ(ctx.first_held(), nullptr);
		for (ww_mutex &lock : many)
			EXPECT_FALSE(lock.is_locked());
	}
	// And the list is in order after that.
	ASSERT_EQ(m[0].lock(&ctx), 0);
	ASSERT_EQ(m[1].lock(&ctx), 0);
	EXPECT_EQ(held_by(ctx), (order_of_taking{&m[0], &m[1]}));
	ctx.unlock_all();
}

TEST_P(ww_mutex_alone, nobody_met_no_stamp_and_the_counter_untouched)
{
	party first(cls), idle(cls), second(cls);

	age(first);
	for (int i = 0; i < 20; i++) {
		ASSERT_EQ(idle.lock(m[0]), 0);
		ASSERT_TRUE(idle.trylock(m[1]));
		ASSERT_EQ(idle.lock(m[2]), 0);
		idle.unlock_all();
	}
	EXPECT_EQ(idle.ctx().stamp(), 0u);
	EXPECT_FALSE(idle.ctx().wounded());
	age(second);
	EXPECT_EQ(second.ctx().stamp(), first.ctx().stamp() + 1);
}

TEST_P(ww_mutex_alone, abandon_and_done_change_nothing_else)
{
	calm_ctx ctx(cls);

	ASSERT_EQ(m[0].lock(&ctx), 0);
	ctx.abandon(); // nothing to abandon
	ASSERT_EQ(m[1].lock(&ctx), 0);
	ctx.done();
	EXPECT_EQ(held_by(ctx), (order_of_taking{&m[0], &m[1]}));
	m[0].unlock();
	ctx.unlock_all();
}

TEST_P(ww_mutex_alone, what_is_free_by_now_is_taken_as_if_one_came_later)
{
	calm_ctx ctx(cls);
	unsigned long before = cls.statistics().spins;

	EXPECT_EQ(ww_test_access::lock_contended(m[0], &ctx), 0);
	EXPECT_EQ(held_by(ctx), order_of_taking{&m[0]});
	EXPECT_EQ(cls.statistics().spins, before + !config::steady);
	ww_test_access::release_silently(m[0]);

	EXPECT_EQ(ww_test_access::lock_contended(m[0], nullptr), 0);
	EXPECT_TRUE(m[0].is_held_by_caller());
	EXPECT_EQ(cls.statistics().spins, before + !config::steady); // those with a context are counted
	ww_test_access::release_silently(m[0]);
}

// ---- Waiting, and how it ends -------------------------------------------------------------------------------------

enum class way { plain, context, context_that_holds, slow, observer, observer_with_context };

class ww_mutex_wait : public fixture, public testing::WithParamInterface<std::tuple<ww_algorithm, way>> {
protected:
	ww_mutex_wait()
	{
		switch (how) {
		case way::slow: // needs an -EDEADLK first; the holder is older
			provoke_deadlk(holder, self, m[0], m[1]);
			break;
		case way::context_that_holds: // waits in either algorithm if the holder has no context
			EXPECT_TRUE(self.trylock(m[2]));
			plain_holder = true;
			[[fallthrough]];
		default:
			holder.run(
				[&] { EXPECT_TRUE(m[0].trylock(plain_holder ? nullptr : &holder.ctx())); });
		}
	}

	void start(const wait_request &request)
	{
		self.start([this, request] { return wait(request); });
	}

	/// The holder lets go, and `self` gets what it waits for.
	void succeed()
	{
		holder.unlock(m[0]);
		EXPECT_EQ(self.finish(), 0);
		let_go();
	}

	/// `self` has given up: nothing is left of it. What it held it still holds, and next time it succeeds.
	void after_giving_up()
	{
		EXPECT_EQ(queue(m[0]).size(), 0u);
		EXPECT_EQ(self.ctx().acquired(), how == way::context_that_holds);
		self.clear_signals();
		start({});
		EXPECT_TRUE(waits(m[0]));
		succeed();
	}

	ww_class &cls = class_of(std::get<0>(GetParam()));
	way how = std::get<1>(GetParam());
	lock_set m{cls};
	party holder{cls}, self{cls};

private:
	int wait(const wait_request &request)
	{
		switch (how) {
		case way::plain:
			return m[0].lock(nullptr, request);
		case way::context:
		case way::context_that_holds:
			return m[0].lock(&self.ctx(), request);
		case way::slow:
			return m[0].lock_slow(&self.ctx(), request);
		case way::observer:
			return m[0].wait_for_unlock(nullptr, request);
		case way::observer_with_context:
			return m[0].wait_for_unlock(&self.ctx(), request);
		}
		return -EINVAL;
	}

	void let_go()
	{
		bool takes = how != way::observer && how != way::observer_with_context;
		EXPECT_EQ(m[0].is_locked(), takes);
		if (!takes)
			return;
		self.run([this] {
			EXPECT_TRUE(m[0].is_held_by_caller());
			EXPECT_EQ(m[0].locking_ctx(), how == way::plain ? nullptr : &self.ctx());
			m[0].unlock();
		});
	}

	bool plain_holder = false;
};

std::string way_name(const testing::TestParamInfo<std::tuple<ww_algorithm, way>> &info)
{
	const char *ways[] = {"plain", "context",  "context_that_holds",
			      "slow",  "observer", "observer_with_context"};
	auto [algorithm, how] = info.param;
	return name_of(algorithm) + "_" + ways[static_cast<int>(how)];
}

INSTANTIATE_TEST_SUITE_P(each, ww_mutex_wait,
			 testing::Combine(testing::ValuesIn(all_algorithms),
					  testing::Values(way::plain, way::context, way::context_that_holds,
							  way::slow, way::observer,
							  way::observer_with_context)),
			 way_name);

TEST_P(ww_mutex_wait, ends_with_the_unlock)
{
	start({});
	ASSERT_TRUE(waits(m[0]));
	succeed();
}

TEST_P(ww_mutex_wait, asleep_ends_with_the_unlock)
{
	start({});
	ASSERT_TRUE(first_sleeps(m[0]));
	succeed();
	// It is a time, no moment.
	EXPECT_LT(cls.statistics().longest_wait_ns, static_cast<uint64_t>(resv_port_clock()));
}

TEST_P(ww_mutex_wait, uninterruptible_ignores_signals)
{
	start({});
	ASSERT_TRUE(first_sleeps(m[0]));
	self.interrupt();
	self.kill();
	succeed();
	self.clear_signals();
}

TEST_P(ww_mutex_wait, interruptible_ends_with_a_signal)
{
	start(interruptible);
	ASSERT_TRUE(waits(m[0]));
	self.interrupt();
	EXPECT_EQ(self.finish(), -EINTR);
	after_giving_up();
}

TEST_P(ww_mutex_wait, interruptible_ends_with_a_signal_that_came_before)
{
	self.interrupt();
	start(interruptible);
	EXPECT_EQ(self.finish(), -EINTR);
	after_giving_up();
}

TEST_P(ww_mutex_wait, interruptible_ends_with_a_fatal_signal)
{
	start(interruptible);
	ASSERT_TRUE(waits(m[0]));
	self.kill();
	EXPECT_EQ(self.finish(), -EINTR);
	after_giving_up();
}

TEST_P(ww_mutex_wait, killable_ignores_a_signal_that_is_not_fatal)
{
	start(killable);
	ASSERT_TRUE(first_sleeps(m[0]));
	self.interrupt();
	succeed();
	self.clear_signals();
}

TEST_P(ww_mutex_wait, killable_ends_with_a_fatal_signal)
{
	start(killable);
	ASSERT_TRUE(waits(m[0]));
	self.kill();
	EXPECT_EQ(self.finish(), -EINTR);
	after_giving_up();
}

TEST_P(ww_mutex_wait, no_time_at_all)
{
	for (int64_t time : {int64_t{0}, int64_t{-1}, std::numeric_limits<int64_t>::min()}) {
		start(for_at_most(time));
		EXPECT_EQ(self.finish(), -ETIME);
	}
	after_giving_up();
}

TEST_P(ww_mutex_wait, time_passes)
{
	int64_t begin = resv_port_clock();
	start(for_at_most(20 * millisecond));
	EXPECT_EQ(self.finish(), -ETIME);
	EXPECT_GE(resv_port_clock() - begin, 20 * millisecond);
	after_giving_up();
}

TEST_P(ww_mutex_wait, time_beyond_the_clock_is_forever)
{
	start(for_at_most(RESV_WAIT_FOREVER - 1));
	ASSERT_TRUE(waits(m[0]));
	succeed();
}

TEST_P(ww_mutex_wait, interruptible_and_timed)
{
	start({RESV_PARK_INTERRUPTIBLE, 20 * millisecond});
	EXPECT_EQ(self.finish(), -ETIME);
	start({RESV_PARK_INTERRUPTIBLE, RESV_WAIT_FOREVER - 1});
	ASSERT_TRUE(waits(m[0]));
	self.interrupt();
	EXPECT_EQ(self.finish(), -EINTR);
	after_giving_up();
}

TEST_P(ww_mutex_wait, no_wait_needs_no_time_and_heeds_no_signal)
{
	holder.unlock(m[0]);
	self.interrupt();
	self.kill();
	start({RESV_PARK_INTERRUPTIBLE, 0});
	EXPECT_EQ(self.finish(), 0);
	self.clear_signals();
	self.run([this] {
		if (m[0].is_locked())
			m[0].unlock();
	});
}

// ---- The line -----------------------------------------------------------------------------------------------------

class ww_mutex_line : public with_each {
protected:
	/// Has `p` take m[0] when it can, and note that, and let go.
	void start_turn(party &p, int number, bool with_context)
	{
		size_t ahead = queue(m[0]).size();
		p.start([this, &p, number, with_context] {
			EXPECT_EQ(m[0].lock(with_context ? &p.ctx() : nullptr), 0);
			turns.push_back(number);
			m[0].unlock();
		});
		ASSERT_TRUE(waits(m[0], ahead + 1));
	}

	std::vector<int> turns; // guarded by m[0]
};
INSTANTIATE_TEST_SUITE_P(each, ww_mutex_line, testing::ValuesIn(all_algorithms), algorithm_name);

TEST_P(ww_mutex_line, contexts_are_served_by_age)
{
	std::array<int, 4> arrival = {0, 1, 2, 3};
	do {
		party p[] = {party(cls), party(cls), party(cls), party(cls)};
		for (party &each : p)
			age(each);
		turns.clear();
		ASSERT_EQ(m[0].lock(nullptr), 0);
		for (int i : arrival)
			start_turn(p[i], i, true);
		std::vector<const ww_acquire_ctx *> by_age = {&p[0].ctx(), &p[1].ctx(), &p[2].ctx(),
							      &p[3].ctx()};
		EXPECT_EQ(queue(m[0]), by_age);
		m[0].unlock();
		for (party &each : p)
			each.finish();
		EXPECT_EQ(turns, (std::vector<int>{0, 1, 2, 3}));
	} while (std::next_permutation(arrival.begin(), arrival.end()));
}

TEST_P(ww_mutex_line, plain_waiters_are_served_in_the_order_of_arrival)
{
	party p[] = {party(cls), party(cls), party(cls)};

	ASSERT_EQ(m[0].lock(nullptr), 0);
	for (int i = 0; i < 3; i++)
		start_turn(p[i], i, false);
	m[0].unlock();
	for (party &each : p)
		each.finish();
	EXPECT_EQ(turns, (std::vector<int>{0, 1, 2}));
}

// A context passes a plain waiter only on its way past a younger context, so a plain head stays the head.
TEST_P(ww_mutex_line, plain_waiters_keep_their_place_among_contexts)
{
	party oldest(cls), old(cls), young(cls), plain0(cls), plain1(cls), plain2(cls);

	age(oldest);
	age(old);
	age(young);
	ASSERT_EQ(m[0].lock(nullptr), 0);
	start_turn(plain0, 0, false);
	start_turn(young, 1, true);
	start_turn(plain1, 2, false);
	start_turn(oldest, 3, true); // goes ahead of young, hence of plain1, but not of plain0
	start_turn(plain2, 4, false);
	start_turn(old, 5, true); // between the two
	EXPECT_EQ(queue(m[0]), (std::vector<const ww_acquire_ctx *>{nullptr, &oldest.ctx(), &old.ctx(),
								    &young.ctx(), nullptr, nullptr}));
	m[0].unlock();
	for (party *each : {&oldest, &old, &young, &plain0, &plain1, &plain2})
		each->finish();
	EXPECT_EQ(turns, (std::vector<int>{0, 3, 5, 1, 2, 4}));
}

TEST_P(ww_mutex_line, who_comes_without_a_stamp_is_younger_than_all)
{
	party old(cls), fresh(cls);

	age(old);
	ASSERT_EQ(m[0].lock(nullptr), 0);
	start_turn(fresh, 0, true);
	start_turn(old, 1, true);
	EXPECT_GT(fresh.ctx().stamp(), old.ctx().stamp());
	m[0].unlock();
	fresh.finish();
	old.finish();
	EXPECT_EQ(turns, (std::vector<int>{1, 0}));
}

// Seniority is a matter of distance: who got the last stamps before the counter wrapped is older than who got the first
// ones after. 0 is never given out.
TEST_P(ww_mutex_line, stamps_may_wrap)
{
	static constinit ww_class classes[] = {
		{ww_algorithm::wound_wait, "wrapping_wound_wait_acquire", "wrapping_wound_wait_mutex"},
		{ww_algorithm::wait_die, "wrapping_wait_die_acquire", "wrapping_wait_die_mutex"},
		{ww_algorithm::adaptive, "wrapping_adaptive_acquire", "wrapping_adaptive_mutex"}};
	constexpr unsigned long last = std::numeric_limits<unsigned long>::max();
	ww_class &wrapping = classes[static_cast<size_t>(GetParam())];
	auto &given_out = reinterpret_cast<atomic<unsigned long> &>(wrapping); // its first member
	lock_set locks(wrapping, 1);

	given_out.store(last - 2, order::relaxed);
	party p[] = {party(wrapping), party(wrapping), party(wrapping), party(wrapping)};
	std::vector<unsigned long> stamps;
	std::vector<const ww_acquire_ctx *> by_age;
	for (party &each : p) {
		age(each);
		stamps.push_back(each.ctx().stamp());
		by_age.push_back(&each.ctx());
	}
	EXPECT_EQ(stamps, (std::vector<unsigned long>{last - 1, last, 1, 2}));

	ASSERT_EQ(locks[0].lock(nullptr), 0);
	for (size_t i : {2u, 0u, 3u, 1u}) {
		size_t ahead = queue(locks[0]).size();
		p[i].start([&p, &locks, i] {
			EXPECT_EQ(locks[0].lock(&p[i].ctx()), 0);
			locks[0].unlock();
		});
		ASSERT_TRUE(waits(locks[0], ahead + 1));
	}
	EXPECT_EQ(queue(locks[0]), by_age);
	locks[0].unlock();
}

TEST_P(ww_mutex_line, each_place_can_be_left)
{
	for (size_t leaver = 0; leaver < 3; leaver++) {
		party p[] = {party(cls), party(cls), party(cls)};
		std::vector<const ww_acquire_ctx *> left;

		for (party &each : p)
			age(each);
		ASSERT_EQ(m[0].lock(nullptr), 0);
		for (size_t i = 0; i < 3; i++) {
			p[i].start_lock(m[0], interruptible);
			ASSERT_TRUE(waits(m[0], i + 1));
			if (i != leaver)
				left.push_back(&p[i].ctx());
		}
		p[leaver].interrupt();
		EXPECT_EQ(p[leaver].finish(), -EINTR);
		EXPECT_EQ(queue(m[0]), left);
		m[0].unlock();
		for (size_t i = 0; i < 3; i++) {
			if (i == leaver)
				continue;
			EXPECT_EQ(p[i].finish(), 0);
			p[i].unlock(m[0]);
		}
	}
}

// The one that leaves may have been told already that the lock is free: it must pass that on.
TEST_P(ww_mutex_line, who_leaves_passes_the_wake_on)
{
	party first(cls), second(cls);
	actor holder;

	age(first);
	age(second);
	for (int round = 0; round < 200; round++) {
		ASSERT_EQ(holder.run([&] { return m[0].lock(nullptr); }), 0);
		first.start_lock(m[0], interruptible);
		ASSERT_TRUE(waits(m[0], 1));
		second.start_lock(m[0]);
		ASSERT_TRUE(waits(m[0], 2));
		ASSERT_TRUE(first_sleeps(m[0]));
		{
			// Both then come to the spin bit, and either may get it. (A checked unlock takes the bit before it
			// frees the lock, too.)
			wait_list list(m[0]);
			first.interrupt();
			holder.start([&] { m[0].unlock(); });
			ASSERT_TRUE(
				eventually([&] { return config::debug_ww_mutexes || !m[0].is_locked(); }));
		}
		if (first.finish() == 0)
			first.unlock(m[0]);
		ASSERT_EQ(second.finish(), 0);
		second.unlock(m[0]);
		holder.finish();
		first.clear_signals();
	}
}

// Who is first in line and awake loses to somebody who comes later, but once only.
TEST_P(ww_mutex_line, bypass_is_bounded)
{
	for (bool with_context : {false, true}) {
		party first(cls);
		turns.clear();
		ASSERT_EQ(m[0].lock(nullptr), 0);
		start_turn(first, 0, with_context);
		ASSERT_TRUE(first_sleeps(m[0]));
		EXPECT_FALSE(ww_test_access::waiters(m[0]) & no_barging_bit) << "it has not lost yet";
		{
			// As if the lock had been unlocked, and taken again before it was awake.
			wait_list list(m[0]);
			list.tell_first();
		}
		EXPECT_TRUE(eventually([&] { return ww_test_access::waiters(m[0]) & no_barging_bit; }));
		m[0].unlock();
		if (m[0].trylock(nullptr)) {
			EXPECT_FALSE(turns.empty()) << "passed twice";
			m[0].unlock();
		}
		first.finish();
		EXPECT_EQ(turns.size(), 1u);
	}
}

// That it has lost is noted in the lock, for everybody.
TEST_P(ww_mutex_line, nobody_passes_who_has_lost_once)
{
	calm_ctx ctx(cls);
	parker told(resv_port_current());
	waiter first(nullptr, told);
	{
		wait_list list(m[0]);
		list.insert(first);
		list.set_no_barging(true);
	}
	EXPECT_FALSE(m[0].trylock(nullptr));
	EXPECT_FALSE(m[0].trylock(&ctx));
	{
		wait_list list(m[0]);
		list.remove(first);
	}
	EXPECT_TRUE(m[0].trylock(nullptr)); // there is nobody to pass
	m[0].unlock();
}

// The word tells an unlocker whether the first in line spins. An observer ahead of it has to be told in any case.
TEST_P(ww_mutex_line, first_that_spins_shows_in_the_word)
{
	parker told(resv_port_current()), observer_told(resv_port_current());
	waiter spinner(nullptr, told), observer(nullptr, observer_told);
	auto shows = [&] { return wait_list::unlocker_may_pass(ww_test_access::waiters(m[0])); };
	{
		wait_list list(m[0]);
		list.insert(spinner);
	}
	EXPECT_FALSE(shows());
	{
		wait_list list(m[0]);
		spinner.spinning = true;
	}
	EXPECT_TRUE(shows());
	{
		wait_list list(m[0]);
		list.insert_observer(observer);
	}
	EXPECT_FALSE(shows());
	{
		wait_list list(m[0]);
		list.remove(observer);
		list.remove(spinner);
	}
	EXPECT_FALSE(shows());
}

TEST_P(ww_mutex_line, nobody_spins_but_the_first)
{
	actor holder;
	parker told(resv_port_current());
	waiter first(nullptr, told), second(nullptr, told);
	std::atomic<bool> runs = false, seen = false;

	holder.start([&] {
		runs = m[0].trylock(nullptr);
		while (!seen)
			std::this_thread::yield();
		m[0].unlock();
	});
	ASSERT_TRUE(eventually([&] { return runs.load(); }));
	{
		wait_list list(m[0]);
		list.insert(first);
		list.insert(second);
		for (int64_t end = resv_port_clock() + 20 * millisecond; resv_port_clock() < end;)
			EXPECT_FALSE(ww_test_access::worth_spinning(m[0], list, second));
		list.remove(second);
		list.remove(first);
	}
	seen = true;
	holder.finish();
}

TEST_P(ww_mutex_line, spins_until_told_or_the_lock_is_free)
{
	parker mailbox(resv_port_current());
	waiter self(nullptr, mailbox);

	EXPECT_TRUE(ww_test_access::spin(m[0], self));
	ASSERT_TRUE(m[0].trylock(nullptr));
	EXPECT_FALSE(ww_test_access::spin(m[0], self));
	{
		wait_list list(m[0]);
		mailbox.tell(list.wakes);
	}
	EXPECT_TRUE(ww_test_access::spin(m[0], self));
	EXPECT_FALSE(mailbox.take_token());
	m[0].unlock();
}

// ---- Waiting for an unlock ----------------------------------------------------------------------------------------

class ww_mutex_observer : public with_each {
protected:
	static void observe(actor &a, ww_mutex &lock, const wait_request &request = {})
	{
		a.start([&lock, request] { return lock.wait_for_unlock(nullptr, request); });
	}
};
INSTANTIATE_TEST_SUITE_P(each, ww_mutex_observer, testing::ValuesIn(all_algorithms), algorithm_name);

TEST_P(ww_mutex_observer, free_lock_is_no_wait)
{
	calm_ctx ctx(cls);

	EXPECT_EQ(m[0].wait_for_unlock(&ctx, {}), 0);
	EXPECT_EQ(m[0].wait_for_unlock(nullptr, for_at_most(0)), 0);
	EXPECT_FALSE(m[0].is_locked());
	EXPECT_EQ(ctx.acquired(), 0u);
}

TEST_P(ww_mutex_observer, does_not_take_the_lock)
{
	party holder(cls), observer(cls);

	ASSERT_EQ(holder.lock(m[0]), 0);
	observer.start([&] { return m[0].wait_for_unlock(&observer.ctx(), {}); });
	ASSERT_TRUE(waits(m[0]));
	holder.unlock(m[0]);
	EXPECT_EQ(observer.finish(), 0);
	EXPECT_FALSE(m[0].is_locked());
	EXPECT_EQ(observer.ctx().acquired(), 0u);
	EXPECT_EQ(observer.ctx().stamp(), 0u); // it contends with nobody
}

TEST_P(ww_mutex_observer, one_unlock_lets_all_of_them_pass)
{
	party holder(cls), next(cls);
	actor observers[5];

	ASSERT_EQ(holder.lock(m[0]), 0);
	for (size_t i = 0; i < 5; i++) {
		size_t already = i + (i >= 2);
		if (i == 2)
			next.start_lock(m[0]);
		ASSERT_TRUE(waits(m[0], already));
		observe(observers[i], m[0]);
		ASSERT_TRUE(waits(m[0], already + 1));
	}
	holder.unlock(m[0]);
	EXPECT_EQ(next.finish(), 0);
	for (actor &each : observers)
		EXPECT_EQ(each.finish(), 0); // though the next one keeps the lock
	EXPECT_TRUE(next.holds(m[0]));
	EXPECT_EQ(queue(m[0]).size(), 0u);
}

TEST_P(ww_mutex_observer, who_comes_later_waits_for_the_next_unlock)
{
	party holder(cls), next(cls);
	actor early, late;

	ASSERT_EQ(holder.lock(m[0]), 0);
	next.start_lock(m[0]);
	ASSERT_TRUE(waits(m[0], 1));
	observe(early, m[0]);
	ASSERT_TRUE(waits(m[0], 2));
	holder.unlock(m[0]);
	EXPECT_EQ(early.finish(), 0);
	EXPECT_EQ(next.finish(), 0);
	observe(late, m[0]);
	ASSERT_TRUE(waits(m[0], 1));
	EXPECT_TRUE(late.busy());
	next.unlock(m[0]);
	EXPECT_EQ(late.finish(), 0);
}

TEST_P(ww_mutex_observer, one_that_gives_up_breaks_no_chain)
{
	actor holder;

	for (size_t leaver = 0; leaver < 3; leaver++) {
		for (bool at_the_unlock : {false, true}) {
			actor observers[3];
			ASSERT_EQ(holder.run([&] { return m[0].lock(nullptr); }), 0);
			for (size_t i = 0; i < 3; i++) {
				observe(observers[i], m[0], interruptible);
				ASSERT_TRUE(waits(m[0], i + 1));
			}
			observers[leaver].interrupt();
			if (!at_the_unlock) {
				EXPECT_EQ(observers[leaver].finish(), -EINTR);
			}
			holder.run([&] { m[0].unlock(); });
			for (size_t i = 0; i < 3; i++) {
				int rc = observers[i].finish();
				EXPECT_TRUE(rc == 0 || (i == leaver && rc == -EINTR)) << rc;
			}
		}
	}
}

// Who comes after the unlock stands ahead of those that have been let through, and is not.
TEST_P(ww_mutex_observer, one_that_comes_in_between_breaks_no_chain)
{
	parker told(resv_port_current()), told_next(resv_port_current()), told_late(resv_port_current());
	waiter first(nullptr, told), next(nullptr, told_next), late(nullptr, told_late);
	{
		wait_list list(m[0]);
		list.insert_observer(next);
		list.insert_observer(first);
		list.pass_observers();
		list.insert_observer(late);
		list.remove(first);
		list.tell_passed_observer();
		list.remove(next);
		list.tell_passed_observer();
		list.remove(late);
	}
	EXPECT_TRUE(told.take_token());
	EXPECT_TRUE(told_next.take_token());
	EXPECT_FALSE(told_late.take_token());
}

TEST_P(ww_mutex_observer, does_not_keep_the_first_in_line_from_its_turn)
{
	party holder(cls), next(cls);
	actor observer;

	ASSERT_EQ(holder.lock(m[0]), 0);
	next.start_lock(m[0]);
	ASSERT_TRUE(first_sleeps(m[0]));
	observe(observer, m[0]);
	ASSERT_TRUE(waits(m[0], 2));
	holder.unlock_all();
	EXPECT_EQ(next.finish(), 0);
	EXPECT_EQ(observer.finish(), 0);
}

TEST_P(ww_mutex_observer, sends_nobody_away)
{
	party old(cls), young(cls);
	actor plain;

	age(old);
	age(young);
	ASSERT_EQ(plain.run([&] { return m[0].lock(nullptr); }), 0);
	old.start([&] { return m[0].wait_for_unlock(&old.ctx(), {}); });
	ASSERT_TRUE(waits(m[0], 1));
	ASSERT_EQ(young.lock(m[1]), 0);
	young.start_lock(m[0]);
	ASSERT_TRUE(waits(m[0], 2));
	plain.run([&] { m[0].unlock(); });
	EXPECT_EQ(young.finish(), 0);
	EXPECT_EQ(old.finish(), 0);
}

// An observer may have a context, but its age is nobody's concern.
TEST_P(ww_mutex_observer, is_not_passed_by_its_elders)
{
	party old(cls), observer(cls);
	actor plain;

	age(old);
	age(observer);
	ASSERT_EQ(plain.run([&] { return m[0].lock(nullptr); }), 0);
	observer.start([&] { return m[0].wait_for_unlock(&observer.ctx(), {}); });
	ASSERT_TRUE(waits(m[0], 1));
	old.start_lock(m[0]);
	ASSERT_TRUE(waits(m[0], 2));
	EXPECT_EQ(queue(m[0]), (std::vector<const ww_acquire_ctx *>{&observer.ctx(), &old.ctx()}));
	plain.run([&] { m[0].unlock(); });
	EXPECT_EQ(old.finish(), 0);
	EXPECT_TRUE(waits(m[0], 0)); // it has been let through, although the lock is held again
	old.unlock(m[0]);
	EXPECT_EQ(observer.finish(), 0);
}

// A holder is judged against the waiters that want the lock, past observers of any age.
TEST_P(ww_mutex_observer, hides_nobody_from_the_judge)
{
	party old(cls), young(cls), observer(cls);
	bool wounds = GetParam() != ww_algorithm::wait_die;

	age(old);
	age(young);
	age(observer);
	party &taker = wounds ? young : old;
	party &rival = wounds ? old : young;
	ASSERT_TRUE(rival.trylock(m[1]));

	// Both stand in line at a lock that is free: the moment between an unlock and the next in line's awakening.
	parker told(resv_port_current()), rival_told(resv_port_current());
	waiter watching(&observer.ctx(), told), wanting(&rival.ctx(), rival_told);
	{
		wait_list list(m[0]);
		list.insert(wanting);
		list.insert_observer(watching);
	}
	EXPECT_TRUE(taker.trylock(m[0]));
	EXPECT_EQ(taker.ctx().wounded(), wounds);
	EXPECT_EQ(rival_told.take_token(), !wounds);
	EXPECT_FALSE(told.take_token());
	{
		wait_list list(m[0]);
		list.remove(wanting);
		list.remove(watching);
	}
}

// ---- What a tracer sees -------------------------------------------------------------------------------------------

struct traced {
	ww_event what;
	const ww_mutex *lock;
	const ww_acquire_ctx *self, *other;
	bool operator==(const traced &) const = default;
};

std::mutex trace_mutex;
std::vector<traced> trace; // guarded by trace_mutex

class ww_mutex_tracer : public with_each {
protected:
	ww_mutex_tracer()
	{
		age(old);
		age(young);
		cls.set_tracer([](ww_event what, const ww_mutex &lock, const ww_acquire_ctx &self,
				  const ww_acquire_ctx *other) {
			std::scoped_lock guard(trace_mutex);
			trace.push_back({what, &lock, &self, other});
		});
		trace.clear();
	}
	~ww_mutex_tracer() override { cls.set_tracer(nullptr); }

	party old{cls}, young{cls};
};
INSTANTIATE_TEST_SUITE_P(each, ww_mutex_tracer, testing::ValuesIn(all_algorithms), algorithm_name);

TEST_P(ww_mutex_tracer, nothing_without_contention)
{
	ASSERT_EQ(old.lock(m[0]), 0);
	EXPECT_FALSE(young.trylock(m[0]));
	EXPECT_EQ(old.lock(m[1]), 0);
	old.unlock_all();
	EXPECT_TRUE(trace.empty());
}

TEST_P(ww_mutex_tracer, wait_and_acquired)
{
	ASSERT_EQ(old.lock(m[0]), 0);
	young.start_lock(m[0]);
	ASSERT_TRUE(waits(m[0]));
	old.unlock_all();
	EXPECT_EQ(young.finish(), 0);
	EXPECT_EQ(trace, (std::vector<traced>{{ww_event::wait, &m[0], &young.ctx(), &old.ctx()},
					      {ww_event::acquired, &m[0], &young.ctx(), nullptr}}));
}

TEST_P(ww_mutex_tracer, leave)
{
	ASSERT_EQ(m[0].lock(nullptr), 0);
	EXPECT_EQ(young.lock(m[0], for_at_most(0)), -ETIME);
	m[0].unlock();
	EXPECT_EQ(trace, (std::vector<traced>{{ww_event::wait, &m[0], &young.ctx(), nullptr},
					      {ww_event::leave, &m[0], &young.ctx(), nullptr}}));
}

TEST_P(ww_mutex_tracer, deadlock)
{
	provoke_deadlk(old, young, m[0], m[1]);
	std::vector<traced> expected;
	if (GetParam() != ww_algorithm::wait_die)
		expected.push_back({ww_event::wound, &m[1], &old.ctx(), &young.ctx()});
	expected.push_back({ww_event::wait, &m[1], &old.ctx(), &young.ctx()});
	expected.push_back({ww_event::die, &m[0], &young.ctx(), &old.ctx()});
	expected.push_back({ww_event::acquired, &m[1], &old.ctx(), nullptr});
	EXPECT_EQ(trace, expected);
}

// Who dies in the line has not left it for another reason.
TEST_P(ww_mutex_tracer, death_in_the_line)
{
	actor plain;
	bool wounds = GetParam() == ww_algorithm::wound_wait;
	ww_mutex &wanted_by_old = wounds ? m[1] : m[0];

	ww_test_access::set_hasty(cls, true);
	ASSERT_EQ(plain.run([&] { return m[0].lock(nullptr); }), 0);
	ASSERT_TRUE(young.trylock(m[1]));
	ASSERT_TRUE(old.trylock(m[2]));
	young.start_lock(m[0]);
	ASSERT_TRUE(waits(m[0]));
	old.start_lock(wanted_by_old);
	EXPECT_EQ(young.finish(), -EDEADLK);
	std::vector<traced> expected = {{ww_event::wait, &m[0], &young.ctx(), nullptr}};
	if (wounds)
		expected.push_back({ww_event::wound, &m[1], &old.ctx(), &young.ctx()});
	expected.push_back({ww_event::wait, &wanted_by_old, &old.ctx(), wounds ? &young.ctx() : nullptr});
	expected.push_back({ww_event::die, &m[0], &young.ctx(), nullptr});
	ASSERT_TRUE(waits(wanted_by_old));
	{
		std::scoped_lock guard(trace_mutex);
		// With wound-wait the death may come before old has noted that it waits: they are at different locks.
		EXPECT_TRUE(
			std::is_permutation(trace.begin(), trace.end(), expected.begin(), expected.end()));
	}
	young.unlock_all();
	plain.run([&] { m[0].unlock(); });
	EXPECT_EQ(old.finish(), 0);
	young.run([&] { young.ctx().abandon(); });
}

} // namespace
} // namespace resv::test
