// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Who gives way: stamps, the two algorithms, and the ways in which tasks get into each other's way. Threads move in a
// fixed order here.

#include "helpers.hpp"

#include <atomic>
#include <memory>
#include <set>

namespace resv::test {
namespace {

// ---- Stamps -------------------------------------------------------------------------------------------------------

class ww_stamp : public with_each {};
INSTANTIATE_TEST_SUITE_P(each, ww_stamp, testing::ValuesIn(all_algorithms), algorithm_name);

TEST_P(ww_stamp, holder_is_the_older)
{
	party holder(cls), requester(cls);

	ASSERT_EQ(holder.lock(m[0]), 0);
	EXPECT_EQ(holder.ctx().stamp(), 0u);
	requester.start_lock(m[0]);
	ASSERT_TRUE(waits(m[0]));
	EXPECT_NE(holder.ctx().stamp(), 0u);
	EXPECT_EQ(requester.ctx().stamp(), holder.ctx().stamp() + 1);
	holder.unlock(m[0]);
	EXPECT_EQ(requester.finish(), 0);
}

// Who begins first is the older, whoever comes to a lock first.
TEST_P(ww_stamp, eager_classes_give_them_in_the_beginning)
{
	static constinit ww_class classes[] = {
		{ww_algorithm::wound_wait, "eager_ww_acquire", "eager_ww_mutex", ww_stamps::eager},
		{ww_algorithm::wait_die, "eager_wd_acquire", "eager_wd_mutex", ww_stamps::eager},
		{ww_algorithm::adaptive, "eager_acquire", "eager_mutex", ww_stamps::eager}};
	ww_class &eager = classes[static_cast<size_t>(GetParam())];
	lock_set locks(eager);
	party old(eager), young(eager);

	EXPECT_NE(old.ctx().stamp(), 0u);
	EXPECT_EQ(young.ctx().stamp(), old.ctx().stamp() + 1);
	ASSERT_EQ(young.lock(locks[0]), 0);
	ASSERT_EQ(old.lock(locks[1]), 0);
	old.start_lock(locks[0]);
	ASSERT_TRUE(waits(locks[0]));
	EXPECT_EQ(young.lock(locks[1]), -EDEADLK);
	EXPECT_EQ(young.ctx().stamp(), old.ctx().stamp() + 1);
	young.start_over_with(locks[1]);
	EXPECT_EQ(old.finish(), 0);
	old.unlock_all();
	young.finish();
	young.unlock_all();
}

TEST_P(ww_stamp, plain_tasks_have_none_to_give)
{
	party requester(cls);

	ASSERT_EQ(m[0].lock(nullptr), 0);
	EXPECT_EQ(requester.lock(m[0], for_at_most(0)), -ETIME);
	EXPECT_NE(requester.ctx().stamp(), 0u);
	m[0].unlock();
}

TEST_P(ww_stamp, plain_requester_needs_no_stamps)
{
	party holder(cls);

	ASSERT_EQ(holder.lock(m[0]), 0);
	EXPECT_EQ(m[0].lock(nullptr, for_at_most(0)), -ETIME);
	EXPECT_FALSE(m[0].trylock(nullptr));
	EXPECT_EQ(holder.ctx().stamp(), 0u);
}

TEST_P(ww_stamp, trylock_and_duplicates_are_no_contention)
{
	party holder(cls), other(cls);

	ASSERT_EQ(holder.lock(m[0]), 0);
	EXPECT_EQ(holder.lock(m[0]), -EALREADY);
	EXPECT_FALSE(other.trylock(m[0]));
	EXPECT_EQ(holder.ctx().stamp(), 0u);
	EXPECT_EQ(other.ctx().stamp(), 0u);
}

TEST_P(ww_stamp, kept_over_every_retry)
{
	party old(cls), young(cls);
	unsigned long stamp = 0;

	for (int retry = 0; retry < 20; retry++) {
		provoke_deadlk(old, young, m[0], m[1]);
		if (retry == 0)
			stamp = young.ctx().stamp();
		EXPECT_EQ(young.ctx().stamp(), stamp);
		EXPECT_GT(young.ctx().stamp(), old.ctx().stamp());
		young.start_over_with(m[0]);
		ASSERT_TRUE(waits(m[0]));
		old.unlock_all();
		young.finish();
		young.unlock_all();
	}
	EXPECT_EQ(young.ctx().stamp(), stamp);
}

TEST_P(ww_stamp, each_context_has_its_own)
{
	std::set<unsigned long> stamps;

	for (int i = 0; i < 50; i++) {
		party p(cls);
		age(p);
		stamps.insert(p.ctx().stamp());
	}
	EXPECT_EQ(stamps.size(), 50u);
}

// ---- Who gives way: what both algorithms have in common -----------------------------------------------------------

class ww_deadlock : public with_each {
protected:
	party old{cls}, young{cls};

	ww_deadlock()
	{
		age(old);
		age(young);
	}
};
INSTANTIATE_TEST_SUITE_P(each, ww_deadlock, testing::ValuesIn(all_algorithms), algorithm_name);

TEST_P(ww_deadlock, abba_the_younger_gives_way)
{
	for (bool try_first : {false, true}) {
		for (bool old_comes_first : {false, true}) {
			ASSERT_TRUE(try_first ? old.trylock(m[0]) : old.lock(m[0]) == 0);
			ASSERT_TRUE(try_first ? young.trylock(m[1]) : young.lock(m[1]) == 0);
			if (old_comes_first) {
				old.start_lock(m[1]);
				ASSERT_TRUE(waits(m[1]));
				young.start_lock(m[0]);
			} else {
				young.start_lock(m[0]); // waits for its elder, or dies
				if (GetParam() != ww_algorithm::wait_die) {
					ASSERT_TRUE(waits(m[0]));
				}
				old.start_lock(m[1]);
			}
			EXPECT_EQ(young.finish(), -EDEADLK);
			EXPECT_TRUE(young.holds(m[1]));
			young.start_over_with(m[0]);
			EXPECT_EQ(old.finish(), 0);
			EXPECT_TRUE(old.holds(m[0]));
			EXPECT_TRUE(old.holds(m[1]));
			old.unlock_all();
			young.finish();
			EXPECT_TRUE(young.holds(m[0]));
			EXPECT_EQ(young.ctx().acquired(), 1u);
			EXPECT_EQ(young.lock(m[1]), 0);
			young.unlock_all();
		}
	}
}

// Whoever holds nothing waits: old or young, whoever holds the lock, whoever else waits.
TEST_P(ww_deadlock, who_holds_nothing_is_never_sent_away)
{
	party oldest_waiting(cls), fresh(cls);

	for (party *holder : {&old, &young}) {
		party *other = holder == &old ? &young : &old;
		ASSERT_EQ(holder->lock(m[0]), 0);
		other->start_lock(m[0]);
		ASSERT_TRUE(waits(m[0], 1));
		fresh.start_lock(m[0]);
		ASSERT_TRUE(waits(m[0], 2));
		EXPECT_FALSE(holder->ctx().wounded()); // nor does it hurt anybody
		holder->unlock(m[0]);
		EXPECT_EQ(other->finish(), 0);
		other->unlock(m[0]);
		EXPECT_EQ(fresh.finish(), 0);
		fresh.unlock(m[0]);
	}
}

TEST_P(ww_deadlock, plain_holder_and_plain_waiters_are_nobodys_elders)
{
	actor plain, plain_waiter;

	ASSERT_EQ(plain.run([&] { return m[0].lock(nullptr); }), 0);
	plain_waiter.start([&] {
		EXPECT_EQ(m[0].lock(nullptr), 0);
		m[0].unlock();
	});
	ASSERT_TRUE(waits(m[0], 1));
	ASSERT_EQ(young.lock(m[1]), 0);
	young.start_lock(m[0]);
	ASSERT_TRUE(waits(m[0], 2));
	plain.run([&] { m[0].unlock(); });
	EXPECT_EQ(young.finish(), 0);
}

// Plain tasks take one lock in the way of two contexts. old holds 0 and wants 1; young holds 1 and wants 0; a plain task
// is ahead of old in the line for 1.
TEST_P(ww_deadlock, abba_with_a_plain_waiter_in_the_way)
{
	actor plain;

	ASSERT_EQ(old.lock(m[0]), 0);
	ASSERT_EQ(young.lock(m[1]), 0);
	plain.start([&] {
		EXPECT_EQ(m[1].lock(nullptr), 0);
		m[1].unlock();
	});
	ASSERT_TRUE(waits(m[1], 1));
	old.start_lock(m[1]);
	ASSERT_TRUE(waits(m[1], 2));
	EXPECT_EQ(young.lock(m[0]), -EDEADLK);
	young.start_over_with(m[0]);
	EXPECT_EQ(old.finish(), 0);
	plain.finish();
	old.unlock_all();
	young.finish();
}

// A cycle that a plain task would close if the others waited for it: it holds 1, young holds 2 and wants 0, old holds 0
// and wants first 1, then 2.
TEST_P(ww_deadlock, cycle_of_three_with_a_plain_holder)
{
	actor plain;

	ASSERT_EQ(plain.run([&] { return m[1].lock(nullptr); }), 0);
	ASSERT_EQ(old.lock(m[0]), 0);
	ASSERT_EQ(young.lock(m[2]), 0);
	old.start_lock(m[1]);
	ASSERT_TRUE(waits(m[1]));
	young.start_lock(m[0]);
	if (GetParam() == ww_algorithm::wait_die)
		EXPECT_EQ(young.finish(), -EDEADLK);
	else
		ASSERT_TRUE(waits(m[0]));
	plain.run([&] { m[1].unlock(); });
	EXPECT_EQ(old.finish(), 0);
	old.start_lock(m[2]);
	EXPECT_EQ(young.finish(), -EDEADLK); // wound-wait: only now there is a cycle
	young.start_over_with(m[0]);
	EXPECT_EQ(old.finish(), 0);
	old.unlock_all();
	young.finish();
}

TEST_P(ww_deadlock, cycle_of_three_contexts)
{
	party youngest(cls);
	age(youngest);
	ASSERT_EQ(old.lock(m[0]), 0);
	ASSERT_EQ(young.lock(m[1]), 0);
	ASSERT_EQ(youngest.lock(m[2]), 0);

	old.start_lock(m[1]); // waits: wounds young, or older
	ASSERT_TRUE(waits(m[1]));
	youngest.start_lock(m[0]);
	if (GetParam() == ww_algorithm::wait_die)
		EXPECT_EQ(youngest.finish(), -EDEADLK);
	else
		ASSERT_TRUE(waits(m[0]));
	young.start_lock(m[2]);
	if (GetParam() == ww_algorithm::wound_wait) {
		EXPECT_EQ(young.finish(), -EDEADLK);
		young.unlock_all();
		EXPECT_EQ(old.finish(), 0);
		old.unlock_all();
		EXPECT_EQ(youngest.finish(), 0);
	} else {
		ASSERT_TRUE(waits(m[2]));
		if (GetParam() == ww_algorithm::adaptive) { // now it is wounded, too, and waits for its elder
			EXPECT_EQ(youngest.finish(), -EDEADLK);
		}
		youngest.unlock_all();
		EXPECT_EQ(young.finish(), 0);
		young.unlock_all();
		EXPECT_EQ(old.finish(), 0);
		youngest.run([&] { youngest.ctx().abandon(); });
	}
}

TEST_P(ww_deadlock, lock_slow_that_gave_up_may_be_tried_again)
{
	provoke_deadlk(old, young, m[0], m[1]);
	EXPECT_EQ(young.run([&] { return m[0].lock_slow(&young.ctx(), for_at_most(0)); }), -ETIME);
	young.interrupt();
	EXPECT_EQ(young.run([&] { return m[0].lock_slow(&young.ctx(), interruptible); }), -EINTR);
	EXPECT_EQ(young.ctx().acquired(), 0u);
	young.start_over_with(m[0]);
	ASSERT_TRUE(waits(m[0]));
	old.unlock_all();
	young.finish();
	EXPECT_TRUE(young.holds(m[0]));
}

TEST_P(ww_deadlock, abandon_frees_of_the_visit)
{
	provoke_deadlk(old, young, m[0], m[1]);
	young.run([&] { young.ctx().abandon(); });
	EXPECT_EQ(young.lock(m[2]), 0);
	EXPECT_EQ(young.lock(m[3]), 0);
}

TEST_P(ww_deadlock, contended_lock_may_be_had_by_any_call)
{
	provoke_deadlk(old, young, m[0], m[1]);
	old.unlock_all();
	EXPECT_EQ(young.lock(m[0]), 0);
	young.unlock_all();

	provoke_deadlk(old, young, m[0], m[1]);
	old.unlock_all();
	EXPECT_TRUE(young.trylock(m[0]));
	EXPECT_EQ(young.lock(m[1]), 0);
}

TEST_P(ww_deadlock, unlock_all_wakes_the_waiters_of_every_lock)
{
	constexpr size_t batch = ww_acquire_ctx::release_batch;
	lock_set many(cls, 2 * batch + 3);
	const size_t contended[] = {0, 1, batch - 1, batch, 2 * batch, 2 * batch + 2};
	actor waiters[std::size(contended)];

	for (ww_mutex &lock : many)
		ASSERT_TRUE(old.trylock(lock));
	for (size_t i = 0; i < std::size(contended); i++) {
		ww_mutex &lock = many[contended[i]];
		waiters[i].start([&lock] { return lock.lock(nullptr); });
		ASSERT_TRUE(first_sleeps(lock));
	}
	old.unlock_all();
	for (size_t i = 0; i < std::size(contended); i++) {
		EXPECT_EQ(waiters[i].finish(), 0);
		waiters[i].run([&] { many[contended[i]].unlock(); });
	}
}

TEST_P(ww_deadlock, unlock_all_of_one_or_two_wakes_the_waiters_of_each)
{
	for (size_t n : {size_t{1}, size_t{2}}) {
		actor waiters[2];

		for (size_t i = 0; i < n; i++) {
			ww_mutex &lock = m[i];
			ASSERT_TRUE(old.trylock(lock));
			waiters[i].start([&lock] { return lock.lock(nullptr); });
			ASSERT_TRUE(first_sleeps(lock));
		}
		old.unlock_all();
		for (size_t i = 0; i < n; i++) {
			EXPECT_EQ(waiters[i].finish(), 0);
			waiters[i].run([&] { m[i].unlock(); });
		}
	}
}

TEST_P(ww_deadlock, end_of_a_context_releases_and_wakes)
{
	actor holder;
	std::optional<calm_ctx> ctx;

	holder.run([&] {
		ctx.emplace(cls);
		EXPECT_TRUE(m[0].trylock(&*ctx));
		EXPECT_TRUE(m[1].trylock(&*ctx));
	});
	young.start_lock(m[1]);
	ASSERT_TRUE(waits(m[1]));
	holder.run([&] { ctx.reset(); });
	EXPECT_EQ(young.finish(), 0);
	EXPECT_FALSE(m[0].is_locked());
	EXPECT_EQ(take_report_kinds(), config::debug_ww_mutexes ? std::vector{RESV_REPORT_FINI_HOLDING}
								: std::vector<resv_report_kind>{});
}

// ---- Who gives way: wound-wait ------------------------------------------------------------------------------------

class ww_wound_wait : public fixture {
protected:
	ww_wound_wait()
	{
		age(old);
		age(young);
	}

	/// old holds m[5] and waits for m[0], which young holds.
	void wound_young()
	{
		ASSERT_TRUE(young.trylock(m[0]));
		ASSERT_TRUE(old.trylock(m[5]));
		old.start_lock(m[0]);
		ASSERT_TRUE(waits(m[0]));
		ASSERT_TRUE(young.ctx().wounded());
	}

	lock_set m{wound_wait};
	party old{wound_wait}, young{wound_wait};
};

TEST_F(ww_wound_wait, older_wounds_the_younger_holder_who_learns_of_it_when_it_waits)
{
	actor plain;

	wound_young();
	EXPECT_TRUE(young.trylock(m[1])); // nobody waits here
	EXPECT_EQ(young.lock(m[2]), 0);   // nor here
	EXPECT_EQ(young.lock(m[2]), -EALREADY);
	EXPECT_EQ(plain.run([&] { return m[3].lock(nullptr); }), 0);
	EXPECT_EQ(young.lock(m[3]), -EDEADLK);
	EXPECT_EQ(young.ctx().acquired(), 3u); // it is up to the caller to drop them
	EXPECT_EQ(queue(m[3]).size(), 0u);
	young.unlock_all();
	EXPECT_FALSE(young.ctx().wounded());
	EXPECT_EQ(old.finish(), 0);
	plain.run([&] { m[3].unlock(); });
	young.run([&] { m[3].lock_slow(&young.ctx()); });
}

TEST_F(ww_wound_wait, victim_that_waits_for_nothing_more_finishes)
{
	wound_young();
	EXPECT_EQ(young.lock(m[1]), 0);
	young.unlock(m[1]);
	young.unlock(m[0]);
	EXPECT_EQ(old.finish(), 0);
}

TEST_F(ww_wound_wait, victim_that_waits_for_another_lock_is_woken)
{
	actor plain;

	for (bool asleep : {false, true}) {
		ASSERT_EQ(plain.run([&] { return m[3].lock(nullptr); }), 0);
		ASSERT_TRUE(young.trylock(m[0]));
		ASSERT_TRUE(old.trylock(m[5]));
		young.start_lock(m[3]);
		ASSERT_TRUE(asleep ? first_sleeps(m[3]) : waits(m[3]));
		old.start_lock(m[0]);
		EXPECT_EQ(young.finish(), -EDEADLK);
		EXPECT_EQ(queue(m[3]).size(), 0u);
		young.unlock_all();
		EXPECT_EQ(old.finish(), 0);
		old.unlock_all();
		plain.run([&] { m[3].unlock(); });
		young.run([&] { young.ctx().abandon(); });
	}
}

TEST_F(ww_wound_wait, younger_waits_for_the_older_even_if_it_holds_locks)
{
	ASSERT_EQ(old.lock(m[0]), 0);
	ASSERT_EQ(young.lock(m[1]), 0);
	young.start_lock(m[0]);
	ASSERT_TRUE(waits(m[0]));
	EXPECT_FALSE(old.ctx().wounded());
	EXPECT_FALSE(young.ctx().wounded());
	old.unlock_all();
	EXPECT_EQ(young.finish(), 0);
}

TEST_F(ww_wound_wait, older_that_holds_nothing_wounds_nobody)
{
	ASSERT_EQ(young.lock(m[0]), 0);
	old.start_lock(m[0]);
	ASSERT_TRUE(waits(m[0]));
	EXPECT_FALSE(young.ctx().wounded());
	young.unlock_all();
	EXPECT_EQ(old.finish(), 0);
}

TEST_F(ww_wound_wait, wounded_until_nothing_is_held)
{
	wound_young();
	ASSERT_TRUE(young.trylock(m[1]));
	young.unlock(m[0]);
	EXPECT_EQ(old.finish(), 0);
	EXPECT_TRUE(young.ctx().wounded());
	young.unlock(m[1]);
	EXPECT_FALSE(young.ctx().wounded());
}

// A wound that is not cleared would show as a second -EDEADLK, for no reason.
TEST_F(ww_wound_wait, old_wounds_are_healed)
{
	for (bool all_at_once : {false, true}) {
		actor plain;
		wound_young();
		all_at_once ? young.unlock_all() : young.unlock(m[0]);
		EXPECT_EQ(old.finish(), 0);
		old.unlock_all();
		ASSERT_EQ(young.lock(m[1]), 0);
		ASSERT_EQ(plain.run([&] { return m[2].lock(nullptr); }), 0);
		young.start_lock(m[2]);
		ASSERT_TRUE(waits(m[2]));
		plain.run([&] { m[2].unlock(); });
		EXPECT_EQ(young.finish(), 0);
		young.unlock_all();
	}
}

// A signal and a wound arrive together: the wound is not forgotten.
TEST_F(ww_wound_wait, wound_outlives_an_interrupted_wait)
{
	actor plain;

	ASSERT_EQ(plain.run([&] { return m[3].lock(nullptr); }), 0);
	wound_young();
	EXPECT_EQ(young.lock(m[3], interruptible), -EDEADLK);
	young.unlock_all();
	EXPECT_EQ(old.finish(), 0);
	old.unlock_all();
	young.run([&] { young.ctx().abandon(); });

	ASSERT_TRUE(young.trylock(m[0]));
	young.start_lock(m[3], interruptible);
	ASSERT_TRUE(waits(m[3]));
	young.interrupt();
	EXPECT_EQ(young.finish(), -EINTR);
	ASSERT_TRUE(old.trylock(m[5]));
	old.start_lock(m[0]);
	ASSERT_TRUE(waits(m[0]));
	EXPECT_EQ(young.lock(m[3], interruptible), -EDEADLK);
	young.unlock_all();
	EXPECT_EQ(old.finish(), 0);
	plain.run([&] { m[3].unlock(); });
}

// A free lock that others wait for, taken out of turn: the taker is judged against every waiter. Here the oldest, at the
// head, holds nothing and wounds nobody, but the second does.
TEST_F(ww_wound_wait, who_passes_the_line_is_judged_against_all_of_it)
{
	bool passed = false;

	for (int round = 0; !passed && round < 1000; round++) {
		party last(wound_wait);
		age(last);
		ASSERT_EQ(last.run([&] { return m[0].lock(nullptr); }), 0);
		old.start_lock(m[0]);
		ASSERT_TRUE(waits(m[0], 1));
		ASSERT_TRUE(young.trylock(m[1]));
		young.start_lock(m[0]);
		ASSERT_TRUE(waits(m[0], 2));
		ASSERT_TRUE(first_sleeps(m[0]));
		// The first in line needs longer to wake, as a rule.
		last.run([&] {
			m[0].unlock();
			passed = m[0].trylock(&last.ctx());
		});
		EXPECT_EQ(last.ctx().wounded(), passed);
		last.unlock_all();
		EXPECT_EQ(old.finish(), 0);
		old.unlock_all();
		EXPECT_EQ(young.finish(), 0);
		young.unlock_all();
	}
	EXPECT_TRUE(passed);
}

TEST_F(ww_wound_wait, who_passes_younger_waiters_or_idle_ones_is_not_wounded)
{
	bool passed = false;

	for (int round = 0; !passed && round < 1000; round++) {
		party younger(wound_wait), youngest(wound_wait);
		age(younger);
		age(youngest);
		ASSERT_EQ(young.run([&] { return m[0].lock(nullptr); }), 0);
		old.start_lock(m[0]); // older, but holds nothing
		ASSERT_TRUE(waits(m[0], 1));
		ASSERT_TRUE(younger.trylock(m[1]));
		younger.start_lock(m[0]); // holds something, but is younger
		ASSERT_TRUE(waits(m[0], 2));
		ASSERT_TRUE(first_sleeps(m[0]));
		young.run([&] {
			m[0].unlock();
			passed = m[0].trylock(&young.ctx());
		});
		EXPECT_FALSE(young.ctx().wounded());
		young.unlock_all();
		EXPECT_EQ(old.finish(), 0);
		old.unlock_all();
		EXPECT_EQ(younger.finish(), 0);
	}
	EXPECT_TRUE(passed);
}

// The next holder is judged like the first.
TEST_F(ww_wound_wait, each_new_holder_is_judged)
{
	party middle(wound_wait);
	actor plain;

	// middle is older than young but waits behind a plain task; old is not there yet.
	ASSERT_EQ(plain.run([&] { return m[0].lock(nullptr); }), 0);
	age(middle);
	middle.start_lock(m[0]);
	ASSERT_TRUE(waits(m[0], 1));
	ASSERT_TRUE(young.trylock(m[1]));
	young.start_lock(m[0]);
	ASSERT_TRUE(waits(m[0], 2));
	plain.run([&] { m[0].unlock(); });
	EXPECT_EQ(young.finish(), 0); // aged before middle
	ASSERT_TRUE(old.trylock(m[2]));
	EXPECT_FALSE(young.ctx().wounded());
	old.start_lock(m[0]);
	ASSERT_TRUE(waits(m[0], 2));
	EXPECT_TRUE(young.ctx().wounded());
	young.unlock_all();
	EXPECT_EQ(old.finish(), 0);
	EXPECT_FALSE(old.ctx().wounded());
	old.unlock_all();
	EXPECT_EQ(middle.finish(), 0);
}

// ---- Who gives way: wait-die --------------------------------------------------------------------------------------

class ww_wait_die : public testing::WithParamInterface<ww_algorithm>, public fixture {
protected:
	ww_wait_die()
	{
		age(old);
		age(young);
		ww_test_access::set_hasty(cls, true);
	}
	~ww_wait_die() override { ww_test_access::set_hasty(cls, false); }

	ww_class &cls = class_of(GetParam());
	lock_set m{cls};
	party old{cls}, young{cls};
	actor plain;
};
// An adaptive class that is hasty is one of wait-die.
INSTANTIATE_TEST_SUITE_P(each, ww_wait_die, testing::Values(ww_algorithm::wait_die, ww_algorithm::adaptive),
			 algorithm_name);

TEST_P(ww_wait_die, younger_with_locks_dies_at_once)
{
	ASSERT_EQ(old.lock(m[0]), 0);
	ASSERT_EQ(young.lock(m[1]), 0);
	EXPECT_EQ(young.lock(m[0]), -EDEADLK);
	EXPECT_TRUE(young.holds(m[1])); // it is up to the caller to drop it
	EXPECT_EQ(queue(m[0]).size(), 0u);
	EXPECT_FALSE(young.ctx().wounded());
}

TEST_P(ww_wait_die, older_with_locks_waits)
{
	ASSERT_EQ(young.lock(m[0]), 0);
	ASSERT_EQ(old.lock(m[1]), 0);
	old.start_lock(m[0]);
	ASSERT_TRUE(waits(m[0]));
	EXPECT_EQ(young.ctx().wounded(), GetParam() == ww_algorithm::adaptive);
	EXPECT_EQ(young.lock(m[2]), 0); // nor is it hindered
	young.unlock_all();
	EXPECT_EQ(old.finish(), 0);
}

TEST_P(ww_wait_die, dies_on_arrival_behind_an_older_waiter)
{
	ASSERT_EQ(plain.run([&] { return m[0].lock(nullptr); }), 0);
	old.start_lock(m[0]);
	ASSERT_TRUE(waits(m[0]));
	ASSERT_EQ(young.lock(m[1]), 0);
	EXPECT_EQ(young.lock(m[0]), -EDEADLK);
	plain.run([&] { m[0].unlock(); });
	EXPECT_EQ(old.finish(), 0);
}

TEST_P(ww_wait_die, waits_ahead_of_a_younger_waiter)
{
	ASSERT_EQ(plain.run([&] { return m[0].lock(nullptr); }), 0);
	young.start_lock(m[0]);
	ASSERT_TRUE(waits(m[0], 1));
	ASSERT_EQ(old.lock(m[1]), 0);
	old.start_lock(m[0]);
	ASSERT_TRUE(waits(m[0], 2));
	plain.run([&] { m[0].unlock(); });
	EXPECT_EQ(old.finish(), 0);
	old.unlock_all();
	EXPECT_EQ(young.finish(), 0);
}

TEST_P(ww_wait_die, waiter_dies_when_an_older_one_comes)
{
	for (bool asleep : {false, true}) {
		for (bool old_holds_something : {false, true}) {
			ASSERT_EQ(plain.run([&] { return m[0].lock(nullptr); }), 0);
			ASSERT_TRUE(young.trylock(m[1]));
			young.start_lock(m[0]);
			ASSERT_TRUE(asleep ? first_sleeps(m[0]) : waits(m[0]));
			if (old_holds_something) {
				ASSERT_TRUE(old.trylock(m[2]));
			}
			old.start_lock(m[0]);
			EXPECT_EQ(young.finish(), -EDEADLK);
			ASSERT_TRUE(waits(m[0], 1));
			plain.run([&] { m[0].unlock(); });
			EXPECT_EQ(old.finish(), 0);
			old.unlock_all();
			young.run([&] {
				young.ctx().unlock_all();
				young.ctx().abandon();
			});
		}
	}
}

// The waiter that dies need not be the last in line, nor next to the one that came.
TEST_P(ww_wait_die, waiter_dies_in_the_middle_of_the_line)
{
	party youngest(cls);
	actor plain_waiter;

	age(youngest);
	ASSERT_EQ(plain.run([&] { return m[0].lock(nullptr); }), 0);
	ASSERT_TRUE(young.trylock(m[1]));
	young.start_lock(m[0]);
	ASSERT_TRUE(waits(m[0], 1));
	plain_waiter.start([&] {
		EXPECT_EQ(m[0].lock(nullptr), 0);
		m[0].unlock();
	});
	ASSERT_TRUE(waits(m[0], 2));
	youngest.start_lock(m[0]);
	ASSERT_TRUE(waits(m[0], 3));
	old.start_lock(m[0]);
	EXPECT_EQ(young.finish(), -EDEADLK);
	ASSERT_TRUE(waits(m[0], 3));
	EXPECT_EQ(queue(m[0]), (std::vector<const ww_acquire_ctx *>{&old.ctx(), nullptr, &youngest.ctx()}));
	plain.run([&] { m[0].unlock(); });
	EXPECT_EQ(old.finish(), 0);
	old.unlock_all();
	plain_waiter.finish();
	EXPECT_EQ(youngest.finish(), 0);
}

// Those behind it have been told before, or died on arrival: one spin-bit section tells one that must look again.
TEST_P(ww_wait_die, younger_waiter_is_told_alone)
{
	party youngest(cls);
	parker told(resv_port_current()), told_before(resv_port_current());
	waiter first(&young.ctx(), told), second(&youngest.ctx(), told_before);

	age(youngest);
	ASSERT_TRUE(young.trylock(m[1]));
	ASSERT_TRUE(youngest.trylock(m[2]));
	{
		wait_list list(m[0]);
		list.insert(first);
		list.insert(second);
		list.tell_younger(old.ctx());
		list.remove(first);
		list.remove(second);
	}
	EXPECT_TRUE(told.take_token());
	EXPECT_FALSE(told_before.take_token());
}

TEST_P(ww_wait_die, waiter_dies_when_an_older_one_passes_the_line)
{
	bool passed = false;

	for (int round = 0; !passed && round < 1000; round++) {
		ASSERT_TRUE(young.trylock(m[1]));
		passed = pass(old, young, m[0]);
		EXPECT_EQ(young.finish(), passed ? -EDEADLK : 0);
		old.unlock_all();
		young.run([&] {
			young.ctx().unlock_all();
			young.ctx().abandon();
		});
	}
	EXPECT_TRUE(passed);
}

// ---- Who gives way: adaptive --------------------------------------------------------------------------------------

class ww_adaptive : public fixture {
protected:
	ww_adaptive()
	{
		for (party *each : {&old, &elder, &young, &youngest})
			age(*each);
	}

	/// old holds m[5] and waits for m[0], which young holds.
	void wound_young()
	{
		ASSERT_TRUE(young.trylock(m[0]));
		ASSERT_TRUE(old.trylock(m[5]));
		old.start_lock(m[0]);
		ASSERT_TRUE(waits(m[0]));
		ASSERT_TRUE(young.ctx().wounded());
	}

	ww_class &cls = class_of(ww_algorithm::adaptive);
	lock_set m{cls};
	party old{cls}, elder{cls}, young{cls}, youngest{cls};
};

TEST_F(ww_adaptive, younger_waits_for_the_older)
{
	ASSERT_EQ(old.lock(m[0]), 0);
	ASSERT_EQ(young.lock(m[1]), 0);
	young.start_lock(m[0]);
	ASSERT_TRUE(first_sleeps(m[0]));
	ww_test_access::set_hasty(cls, true); // is for those that look at a lock
	EXPECT_EQ(youngest.lock(m[2]), 0);
	EXPECT_EQ(youngest.lock(m[0]), -EDEADLK);
	ww_test_access::set_hasty(cls, false);
	EXPECT_EQ(queue(m[0]).size(), 1u);
	old.unlock_all();
	EXPECT_EQ(young.finish(), 0);
}

TEST_F(ww_adaptive, wounded_waits_for_a_younger_one_alone)
{
	actor plain;

	wound_young();
	ASSERT_EQ(youngest.lock(m[1]), 0);
	young.start_lock(m[1]);
	ASSERT_TRUE(waits(m[1]));
	EXPECT_TRUE(youngest.ctx().wounded());
	youngest.unlock_all();
	EXPECT_EQ(young.finish(), 0);
	EXPECT_EQ(plain.run([&] { return m[2].lock(nullptr); }), 0);
	young.start_lock(m[2]);
	ASSERT_TRUE(waits(m[2]));
	plain.run([&] { m[2].unlock(); });
	EXPECT_EQ(young.finish(), 0);
	EXPECT_EQ(young.lock(m[5]), -EDEADLK);
	young.start_over_with(m[5]);
	EXPECT_EQ(old.finish(), 0);
	old.unlock_all();
	young.finish();
}

TEST_F(ww_adaptive, wounded_while_it_waits_for_an_older_one)
{
	ASSERT_EQ(old.lock(m[0]), 0);
	ASSERT_EQ(young.lock(m[1]), 0);
	young.start_lock(m[0]);
	ASSERT_TRUE(waits(m[0]));
	old.start_lock(m[1]);
	EXPECT_EQ(young.finish(), -EDEADLK);
	young.start_over_with(m[0]);
	EXPECT_EQ(old.finish(), 0);
	old.unlock_all();
	young.finish();
}

// Another elder joins the line in which the wounded one waits, or passes it.
TEST_F(ww_adaptive, wounded_waiter_dies_when_an_older_one_joins_the_line)
{
	actor plain;

	for (bool asleep : {false, true}) {
		wound_young();
		ASSERT_EQ(plain.run([&] { return m[1].lock(nullptr); }), 0);
		young.start_lock(m[1]);
		ASSERT_TRUE(asleep ? first_sleeps(m[1]) : waits(m[1]));
		elder.start_lock(m[1]);
		EXPECT_EQ(young.finish(), -EDEADLK);
		young.unlock_all();
		EXPECT_EQ(old.finish(), 0);
		old.unlock_all();
		plain.run([&] { m[1].unlock(); });
		EXPECT_EQ(elder.finish(), 0);
		elder.unlock_all();
		young.run([&] { young.ctx().abandon(); });
	}
}

TEST_F(ww_adaptive, wounded_waiter_dies_when_an_older_one_passes_the_line)
{
	bool passed = false;

	for (int round = 0; !passed && round < 1000; round++) {
		wound_young();
		ASSERT_TRUE(youngest.trylock(m[2]));
		EXPECT_EQ(young.lock(m[2], for_at_most(0)),
			  -ETIME); // knows of its wound now, and need not look again
		youngest.unlock_all();
		passed = pass(elder, young, m[1]);
		EXPECT_EQ(young.finish(), passed ? -EDEADLK : 0);
		elder.unlock_all();
		young.run([&] {
			young.ctx().unlock_all();
			young.ctx().abandon();
		});
		EXPECT_EQ(old.finish(), 0);
		old.unlock_all();
	}
	EXPECT_TRUE(passed);
}

// ---- The scenarios of the kernel's own test -----------------------------------------------------------------------

class ww_scenario : public with_each {};
INSTANTIATE_TEST_SUITE_P(each, ww_scenario, testing::ValuesIn(all_algorithms), algorithm_name);

// One holds the lock, with or without a context; another wants it, by waiting or by trying, with or without a context.
TEST_P(ww_scenario, exclusion)
{
	for (bool holder_has_ctx : {false, true}) {
		for (bool contender_has_ctx : {false, true}) {
			for (bool tries : {false, true}) {
				party holder(cls), contender(cls);
				ww_acquire_ctx *theirs = contender_has_ctx ? &contender.ctx() : nullptr;
				std::atomic<int> attempts = 0;
				std::atomic<bool> inside = false;

				ASSERT_EQ(holder.run([&] {
					return m[0].lock(holder_has_ctx ? &holder.ctx() : nullptr);
				}),
					  0);
				contender.start([&] {
					if (!tries)
						EXPECT_EQ(m[0].lock(theirs), 0);
					else
						while (!m[0].trylock(theirs)) {
							attempts++;
							std::this_thread::yield();
						}
					inside = true;
					m[0].unlock();
				});
				ASSERT_TRUE(tries ? eventually([&] { return attempts > 10; }) : waits(m[0]));
				EXPECT_FALSE(inside);
				holder.run([&] { m[0].unlock(); });
				contender.finish();
				EXPECT_TRUE(inside);
			}
		}
	}
}

// n contexts in a ring: each holds its own lock and wants the next one's.
TEST_P(ww_scenario, ring)
{
	for (size_t n = 2; n <= 6; n++) {
		std::vector<std::unique_ptr<party>> ring;
		std::atomic<size_t> ready = 0;

		for (size_t i = 0; i < n; i++)
			ring.push_back(std::make_unique<party>(cls));
		for (size_t i = 0; i < n; i++) {
			party &p = *ring[i];
			ww_mutex &own = m[i], &next = m[(i + 1) % n];
			p.start([&p, &own, &next, &ready, n] {
				int deadlks = 0;
				EXPECT_EQ(own.lock(&p.ctx()), 0);
				ready++;
				while (ready != n)
					std::this_thread::yield();
				ww_mutex *wanted = &next, *had = &own;
				while (wanted->lock(&p.ctx()) == -EDEADLK) {
					deadlks++;
					had->unlock();
					wanted->lock_slow(&p.ctx());
					std::swap(wanted, had);
				}
				EXPECT_EQ(p.ctx().acquired(), 2u);
				p.ctx().unlock_all();
				return deadlks;
			});
		}
		int deadlks = 0;
		for (auto &p : ring)
			deadlks += p->finish();
		EXPECT_GE(deadlks, 1) << "a ring of " << n;
	}
}

// A context that is older than all others takes many locks against a stream of young ones, and is never sent away.
TEST_P(ww_scenario, oldest_is_never_sent_away)
{
	constexpr size_t size = 24;
	lock_set many(cls, size);
	party old(cls);
	std::atomic<bool> stop = false;
	actor stream[3];

	age(old);
	for (size_t i = 0; i < 3; i++) {
		stream[i].start([&, i] {
			std::minstd_rand random(static_cast<unsigned>(i + 1));
			while (!stop) {
				ww_acquire_ctx ctx(cls);
				size_t at = random() % size;
				ww_mutex *contended = nullptr;
				for (size_t taken = 0; taken < 4;) {
					ww_mutex &lock = contended ? *contended : many[at++ % size];
					int rc = contended ? lock.lock_slow(&ctx, {}) : lock.lock(&ctx);
					contended = nullptr;
					if (rc == -EDEADLK) {
						ctx.unlock_all();
						contended = &lock;
						taken = 0;
					} else {
						taken++;
					}
				}
				ctx.unlock_all();
			}
		});
	}
	for (int round = 0; round < 10; round++) {
		for (ww_mutex &lock : many)
			ASSERT_EQ(old.lock(lock), 0);
		EXPECT_FALSE(old.ctx().wounded());
		old.unlock_all();
	}
	stop = true;
}

} // namespace
} // namespace resv::test
