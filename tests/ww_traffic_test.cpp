// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What a class counts of its contention, and what it decides by that. Time and counts are the test's own there.
#include "helpers.hpp"

#include <resv/resv.h>

#include <atomic>
#include <limits>

namespace resv::test {
namespace {

// ---- Deciding ------------------------------------------------------------------------------------------------------------

// A class whose tasks get done so many transactions in an epoch, for each time to stay away, waiting and in haste.
class ww_traffic_decides : public testing::Test {
protected:
	static constexpr unsigned long epoch = 1000; // ticks, as in ww_traffic.cpp

	// One look, when it is due; how long after the one before.
	unsigned long look(unsigned long met_in_an_epoch)
	{
		unsigned long took = ww_test_access::look_at(traffic) - now;
		if (static_cast<long>(took) < static_cast<long>(epoch))
			took = epoch; // the first
		pass(took, met_in_an_epoch);
		ww_test_access::decide(traffic, now, total, adapts);
		return took;
	}

	void pass(unsigned long ticks, unsigned long met_in_an_epoch)
	{
		now += ticks;
		total.begun += done[hasty()][away()] * ticks / epoch;
		total.contended += met_in_an_epoch * ticks / epoch;
	}

	// Looks until it is done with `tries`.
	void try_out(int tries)
	{
		for (bool before = false; tries != 0; before = counts()) {
			look(1000);
			tries -= before && !counts();
		}
	}

	void all_do(unsigned long rate)
	{
		for (auto &each : done)
			for (unsigned long &it : each)
				it = rate;
	}

	bool counts() { return ww_test_access::counts_begun(traffic); }
	unsigned away() { return ww_test_access::away(traffic); }
	bool hasty() { return ww_test_access::hasty(traffic); }

	ww_class cls{ww_algorithm::adaptive, "decides_acquire", "decides_mutex"};
	ww_traffic &traffic = ww_test_access::traffic(cls);
	bool adapts = false;
	unsigned long done[2][4] = {{1000, 1000, 1000, 1000}, {1000, 1000, 1000, 1000}};
	unsigned long now = 0;
	ww_test_access::counts total{};
};

TEST_F(ww_traffic_decides, nothing_while_few_meet)
{
	for (int i = 0; i < 100; i++) {
		look(7);
		ASSERT_FALSE(counts());
		ASSERT_EQ(away(), 0u);
	}
	look(8);
	EXPECT_TRUE(counts());
}

TEST_F(ww_traffic_decides, not_by_meetings_that_took_long_to_come)
{
	look(0);
	for (int i = 0; i < 10; i++) {
		pass(2 * epoch, 7);
		ww_test_access::decide(traffic, now, total);
		ASSERT_FALSE(counts());
	}
}

TEST_F(ww_traffic_decides, counts_for_two_epochs)
{
	look(0);
	look(1000);
	EXPECT_TRUE(counts());
	EXPECT_EQ(away(), 0u);
	look(1000);
	EXPECT_TRUE(counts());
	EXPECT_NE(away(), 0u);
	look(1000);
	EXPECT_FALSE(counts());
}

// Transactions may be long, but it does not count for ever.
TEST_F(ww_traffic_decides, counts_for_longer_where_few_begin)
{
	auto epochs = [&] {
		unsigned before = away(), n = 0;
		while (counts() && away() == before) {
			look(1000);
			n++;
		}
		return n;
	};
	all_do(16);
	look(1000);
	EXPECT_EQ(epochs(), 4u); // 64 have begun
	EXPECT_EQ(epochs(), 4u);
	all_do(1);
	while (!counts())
		look(1000);
	EXPECT_EQ(epochs(), 32u);
	EXPECT_EQ(epochs(), 32u);
}

// Nothing went on meanwhile, so there is nothing to compare.
TEST_F(ww_traffic_decides, nothing_by_a_look_that_comes_late)
{
	all_do(100);
	done[0][3] = 200;
	look(1000);
	look(1000);
	ASSERT_EQ(away(), 3u);
	pass(66 * epoch, 1000);
	ww_test_access::decide(traffic, now, total);
	EXPECT_EQ(away(), 0u);
	EXPECT_TRUE(counts()); // begins again
	try_out(4);
	EXPECT_EQ(away(), 3u);
	now = ww_test_access::look_at(traffic) + 65 * epoch; // and nobody met
	ww_test_access::decide(traffic, now, total);
	EXPECT_EQ(away(), 3u);
	EXPECT_TRUE(counts());
	look(3); // few do
	EXPECT_EQ(away(), 0u);
	EXPECT_FALSE(counts());
}

TEST_F(ww_traffic_decides, comes_together_where_that_is_better)
{
	for (unsigned i = 1; i < 4; i++)
		done[0][i] = 900;
	for (int i = 1; i < 20; i++) {
		try_out(1);
		ASSERT_EQ(away(), 0u);
	}
}

TEST_F(ww_traffic_decides, stays_away_only_where_it_is_worth_it)
{
	all_do(200);
	done[0][1] = done[0][2] = 0;
	done[0][3] = 225;
	try_out(2);
	EXPECT_EQ(away(), 0u);
	done[0][3] = 226;
	try_out(2);
	EXPECT_EQ(away(), 3u);
}

TEST_F(ww_traffic_decides, finds_the_best_and_keeps_to_it)
{
	for (unsigned best = 0; best < 4; best++) {
		for (unsigned i = 0; i < 4; i++)
			done[0][i] = i < best ? 63 * (i + 1) : 63 * (best + 1) - 19 * (i - best);
		try_out(8);
		for (int i = 0; i < 8; i++) {
			EXPECT_EQ(away(), best);
			try_out(1);
		}
	}
}

// One step further is no better, but the longest is.
TEST_F(ww_traffic_decides, finds_what_is_far_away)
{
	all_do(90);
	done[0][0] = 100;
	done[0][3] = 250;
	try_out(4);
	EXPECT_EQ(away(), 3u);
}

// Where transactions are short, the longest stay is that of a thousand of them, and next to nothing better.
TEST_F(ww_traffic_decides, stays_for_longest_only_where_few_begin)
{
	all_do(256);
	done[0][3] = 5000;
	for (int i = 0; i < 8; i++) {
		try_out(1);
		ASSERT_EQ(away(), 0u);
	}
	done[0][2] = 3000; // that far it goes at once
	try_out(4);
	EXPECT_EQ(away(), 2u);
}

TEST_F(ww_traffic_decides, comes_back_from_the_longest_when_many_begin)
{
	all_do(100);
	done[0][3] = 255;
	try_out(4);
	ASSERT_EQ(away(), 3u);
	done[0][3] = 256;
	done[0][2] = 250;
	while (away() == 3)
		look(1000);
	EXPECT_EQ(away(), 2u);
	EXPECT_TRUE(counts()); // anew
	try_out(8);
	EXPECT_EQ(away(), 2u);
}

TEST_F(ww_traffic_decides, comes_back_where_that_costs_little)
{
	done[0][1] = 2000;
	done[0][2] = 4000;
	done[0][3] = 3000;
	try_out(4);
	ASSERT_EQ(away(), 2u);
	done[0][3] = 4000;
	done[0][1] = 3800;
	try_out(3); // longer is not better, and shorter is nearly as good
	EXPECT_EQ(away(), 1u);
	done[0][0] = 3500;
	try_out(3);
	EXPECT_EQ(away(), 1u);
}

TEST_F(ww_traffic_decides, in_an_adaptive_class_whether_to_wait)
{
	for (unsigned long &each : done[1])
		each = 1064;
	try_out(8);
	EXPECT_FALSE(hasty()); // is none
	adapts = true;
	try_out(8);
	EXPECT_TRUE(hasty());
	for (unsigned long &each : done[0])
		each = 1130; // a sixteenth more, and nothing
	try_out(8);
	EXPECT_TRUE(hasty());
	for (unsigned long &each : done[0])
		each = 1131;
	try_out(8);
	EXPECT_FALSE(hasty());
	EXPECT_EQ(away(), 0u);
}

TEST_F(ww_traffic_decides, both_at_a_time)
{
	adapts = true;
	done[1][2] = 3000;
	done[1][1] = 2000;
	done[1][0] = done[1][3] = 1500;
	try_out(12);
	EXPECT_TRUE(hasty());
	EXPECT_EQ(away(), 2u);
}

TEST_F(ww_traffic_decides, tries_ever_more_rarely_what_was_not_better)
{
	auto until_next = [&] {
		unsigned long took = 0;
		while (!counts())
			took += look(1000);
		return took;
	};
	done[0][1] = done[0][3] = 500;
	unsigned long expected = 16 * epoch;
	for (int i = 0; i < 5; i++, expected *= 2) {
		try_out(1);
		EXPECT_EQ(until_next(), expected);
	}
	for (int i = 0; i < 3; i++) {
		try_out(1);
		EXPECT_EQ(until_next(), expected / 2);
	}
	done[0][1] = 5000; // all is different now
	try_out(2);
	EXPECT_EQ(until_next(), 16 * epoch);
	EXPECT_EQ(away(), 1u);
}

TEST_F(ww_traffic_decides, for_a_second_at_most)
{
	for (unsigned long &each : done[0])
		each = 1;
	for (int i = 0; i < 12; i++) {
		try_out(1);
		EXPECT_LE(ww_test_access::look_at(traffic) - now, 1024 * epoch);
	}
	EXPECT_EQ(ww_test_access::look_at(traffic) - now, 1024 * epoch);
}

TEST_F(ww_traffic_decides, calms_down_when_few_meet)
{
	all_do(100);
	done[0][3] = 250;
	try_out(4);
	ASSERT_EQ(away(), 3u);
	while (!counts())
		look(4);
	try_out(1);
	ASSERT_EQ(away(), 3u);
	while (away() != 0) {
		ASSERT_FALSE(counts());
		look(3);
	}
	EXPECT_FALSE(counts());
}

TEST_F(ww_traffic_decides, when_time_wraps)
{
	now = std::numeric_limits<unsigned long>::max() - 2 * epoch;
	all_do(100);
	done[0][3] = 250;
	ww_test_access::decide(traffic, now, total);
	try_out(1);
	EXPECT_LT(now, 100 * epoch);
	EXPECT_EQ(away(), 3u);
}

TEST_F(ww_traffic_decides, how_long_to_spin)
{
	auto see = [&](unsigned long brief, unsigned long longer) {
		total.brief += brief;
		total.longer += longer;
		look(0);
		return ww_test_access::spin_turns(traffic);
	};
	const unsigned most = ww_test_access::spin_turns(traffic);

	EXPECT_EQ(see(0, 15), most);
	EXPECT_EQ(see(3, 15), most);
	EXPECT_EQ(see(3, 16), most / 2);
	EXPECT_EQ(see(16, 16), most / 2);
	EXPECT_EQ(see(17, 16), most);
	EXPECT_EQ(see(17, 0), most);
	for (int i = 0; i < 20; i++)
		see(0, 100);
	EXPECT_EQ(see(0, 0), most / 32);
	for (int i = 0; i < 5; i++)
		see(16, 0);
	EXPECT_EQ(see(0, 0), most);
}

// That one decides at a time, and finds what the one before left, the thread sanitizer sees.
TEST(ww_traffic, is_looked_at_by_many)
{
	ww_class cls(ww_algorithm::adaptive, "looked_at_acquire", "looked_at_mutex");
	ww_traffic &traffic = ww_test_access::traffic(cls);
	std::atomic<unsigned long> now{0};
	std::vector<std::thread> threads;

	for (int i = 0; i < 4; i++)
		threads.emplace_back([&] {
			for (int look = 0; look < 20000; look++)
				ww_test_access::look(traffic, now.fetch_add(100, std::memory_order_relaxed));
		});
	for (std::thread &t : threads)
		t.join();
	EXPECT_EQ(ww_test_access::away(traffic), 0u);
	EXPECT_GT(ww_test_access::look_at(traffic), 4000000u);
}

// ---- Counting --------------------------------------------------------------------------------------------------------------

class ww_traffic_counts : public with_each {
protected:
	ww_statistics since() const
	{
		ww_statistics s = cls.statistics();
		s.contended -= before.contended;
		s.waits -= before.waits;
		s.bypasses -= before.bypasses;
		s.wounds -= before.wounds;
		s.deaths -= before.deaths;
		return s;
	}

	ww_statistics before = cls.statistics();
};
INSTANTIATE_TEST_SUITE_P(each, ww_traffic_counts, testing::ValuesIn(all_algorithms), algorithm_name);

TEST_P(ww_traffic_counts, nothing_where_nobody_meets)
{
	calm_ctx ctx(cls);

	for (ww_mutex &lock : m)
		ASSERT_EQ(lock.lock(&ctx), 0);
	ctx.unlock_all();
	EXPECT_EQ(since().contended, 0u);
}

TEST_P(ww_traffic_counts, who_begins_while_that_is_counted)
{
	ww_traffic &traffic = ww_test_access::traffic(cls);
	const unsigned long begun = ww_test_access::add_up(traffic).begun;
	auto begin_one = [&] { calm_ctx ctx(cls); };

	ww_test_access::count_begun(traffic, false); // others may have left it counting
	begin_one();
	EXPECT_EQ(ww_test_access::add_up(traffic).begun, begun);
	ww_test_access::count_begun(traffic, true);
	begin_one();
	begin_one();
	EXPECT_EQ(ww_test_access::add_up(traffic).begun, begun + 2);
	ww_test_access::count_begun(traffic, false);
}

TEST_P(ww_traffic_counts, who_waits_and_for_how_long)
{
	party holder(cls), other(cls);
	const ww_test_access::counts then = ww_test_access::add_up(ww_test_access::traffic(cls));

	ASSERT_EQ(holder.lock(m[0]), 0);
	other.start_lock(m[0]);
	ASSERT_TRUE(first_sleeps(m[0]));
	auto begin = std::chrono::steady_clock::now();
	while (std::chrono::steady_clock::now() - begin < std::chrono::milliseconds(20))
		std::this_thread::yield();
	holder.unlock(m[0]);
	EXPECT_EQ(other.finish(), 0);
	other.unlock(m[0]);
	EXPECT_EQ(since().contended, 1u);
	EXPECT_EQ(since().waits, 1u);
	EXPECT_GE(since().longest_wait_ns, 15000000u); // it may have begun to sleep a little later
	const ww_test_access::counts now = ww_test_access::add_up(ww_test_access::traffic(cls));
	EXPECT_EQ(now.contended, then.contended + 1);
	EXPECT_EQ(now.brief, then.brief);
	EXPECT_EQ(now.longer, then.longer + 1);
}

TEST_P(ww_traffic_counts, who_backs_off)
{
	party old(cls), young(cls);

	provoke_deadlk(old, young, m[0], m[1]);
	EXPECT_EQ(since().deaths, 1u);
	EXPECT_EQ(since().wounds, GetParam() != ww_algorithm::wait_die ? 1u : 0u);
	old.unlock_all();
	young.start_over_with(m[0]);
	EXPECT_EQ(young.finish(), 0);
	young.unlock_all();
	provoke_deadlk(old, young, m[0], m[1]);
	EXPECT_EQ(since().deaths, 2u);
	EXPECT_GE(since().most_retries, 2u);
	EXPECT_LT(since().most_retries, 1000000u);
	old.unlock_all();
	young.start_over_with(m[0]);
	EXPECT_EQ(young.finish(), 0);
}

TEST_P(ww_traffic_counts, who_is_passed)
{
	party first(cls);
	calm_ctx passing(cls);
	bool passed = false;

	for (int attempts = 0; attempts < 1000 && !passed; attempts++) { // it may be awake too soon
		ASSERT_EQ(m[0].lock(&passing), 0);
		first.start_lock(m[0]);
		ASSERT_TRUE(first_sleeps(m[0]));
		m[0].unlock();
		passed = m[0].trylock(&passing);
		EXPECT_EQ(since().bypasses, passed ? 1u : 0u);
		if (passed)
			m[0].unlock();
		EXPECT_EQ(first.finish(), 0);
		first.unlock(m[0]);
	}
	EXPECT_TRUE(passed);
}

TEST_P(ww_traffic_counts, in_c_as_well)
{
	party old(cls), young(cls);
	resv_ww_stats stats{};

	provoke_deadlk(old, young, m[0], m[1]);
	resv_ww_class_stats(reinterpret_cast<const resv_ww_class *>(&cls), &stats);
	ww_statistics same = cls.statistics();
	EXPECT_EQ(stats.contended, same.contended);
	EXPECT_EQ(stats.deaths, same.deaths);
	EXPECT_EQ(stats.wounds, same.wounds);
	EXPECT_EQ(stats.waits, same.waits);
	EXPECT_EQ(stats.most_retries, same.most_retries);
	EXPECT_EQ(stats.longest_wait_ns, same.longest_wait_ns);
	old.unlock_all();
	young.start_over_with(m[0]);
	EXPECT_EQ(young.finish(), 0);
}

// ---- Staying away ------------------------------------------------------------------------------------------------------------

TEST_P(ww_traffic_counts, who_holds_nothing_stays_away)
{
	party holder(cls), other(cls), third(cls);
	auto stays = [&] { return cls.statistics().stays; };

	ww_test_access::set_away(cls, 3);
	ASSERT_EQ(holder.lock(m[0]), 0);
	unsigned long stays_before = stays();
	other.start_lock(m[0]);
	ASSERT_TRUE(waits(m[0])); // and stands in line then
	EXPECT_EQ(stays(), stays_before + 1);
	ASSERT_EQ(third.lock(m[1]), 0);
	third.start_lock(m[0]); // somebody may want what it holds
	if (GetParam() != ww_algorithm::wait_die)
		ASSERT_TRUE(waits(m[0], 2));
	else
		EXPECT_EQ(third.finish(), -EDEADLK);
	EXPECT_EQ(stays(), stays_before + 1);
	ww_test_access::set_away(cls, 0);
	holder.unlock(m[0]);
	EXPECT_EQ(other.finish(), 0);
	other.unlock(m[0]);
	if (GetParam() == ww_algorithm::wait_die)
		third.start_over_with(m[0]);
	third.finish();
	third.unlock_all();
}

TEST_P(ww_traffic_counts, who_has_a_deadline_is_back_by_then)
{
	party holder(cls), other(cls);

	ww_test_access::set_away(cls, 3);
	ASSERT_EQ(holder.lock(m[0]), 0);
	EXPECT_EQ(other.lock(m[0], for_at_most(1000)), -ETIME);
	unsigned long stays = cls.statistics().stays;
	EXPECT_EQ(other.lock(m[0], for_at_most(0)), -ETIME); // does not wait at all
	EXPECT_EQ(cls.statistics().stays, stays);
	ww_test_access::set_away(cls, 0);
	holder.unlock(m[0]);
}

} // namespace
} // namespace resv::test
