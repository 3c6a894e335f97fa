// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// How long locks are waited for and held: with CONFIG_RESV_LOCK_STAT the annotator measures it, without, it does not.
#include <tests/helpers.hpp>

#include <resv/resv.h>

#include <string_view>

namespace resv::test {
namespace {

#if RESV_PROVE_LOCKING

resv_lock_class_key timed_key, other_key;

class lockdep_stat : public fixture {
protected:
	lockdep_stat() { resv_lockdep_init_map(&timed, "timed", &timed_key, 0); }

	/// What is known of the class of that name; nothing if it is not there.
	static struct resv_lockdep_class_stats of(std::string_view name)
	{
		struct resv_lockdep_class_stats stats = {};
		for (unsigned i = 0; resv_lockdep_class_stats(i, &stats); i++)
			if (stats.name == name)
				return stats;
		return {};
	}
	static void let_time_pass()
	{
		for (int64_t begin = resv_port_clock(); resv_port_clock() < begin + 100000;)
			;
	}
	void acquire() { resv_lockdep_acquire(&timed, 0, 0, 0, 1, nullptr, 1); }
	void release() { resv_lockdep_release(&timed, 2); }

	resv_lockdep_map timed;
};

TEST_F(lockdep_stat, classes_are_listed)
{
	EXPECT_EQ(of("timed").name, nullptr);
	acquire();
	release();
	resv_lockdep_map other;
	resv_lockdep_init_map(&other, "other", &other_key, 0);
	resv_lockdep_acquire(&other, 0, 0, 0, 1, nullptr, 1);
	resv_lockdep_release(&other, 2);
	EXPECT_STREQ(of("timed").name, "timed");
	EXPECT_STREQ(of("other").name, "other");
	struct resv_lockdep_class_stats stats;
	EXPECT_FALSE(resv_lockdep_class_stats(1000000, &stats));
}

TEST_F(lockdep_stat, holding)
{
	acquire();
	let_time_pass();
	release();
	acquire();
	release();
	struct resv_lockdep_class_stats stats = of("timed");
	EXPECT_EQ(stats.acquisitions, RESV_LOCK_STAT ? 2u : 0u);
	EXPECT_EQ(stats.contentions, 0u);
	EXPECT_EQ(stats.hold_max >= 100000, RESV_LOCK_STAT == 1);
	EXPECT_GE(stats.hold_total, stats.hold_max);
	EXPECT_EQ(stats.wait_total, 0u);
}

// The time from contended() to acquired() is the wait's, and not the holding's.
TEST_F(lockdep_stat, waiting)
{
	acquire();
	resv_lockdep_contended(&timed, 3);
	let_time_pass();
	resv_lockdep_acquired(&timed, 4);
	release();
	struct resv_lockdep_class_stats stats = of("timed");
	EXPECT_EQ(stats.contentions, RESV_LOCK_STAT ? 1u : 0u);
	EXPECT_EQ(stats.wait_max >= 100000, RESV_LOCK_STAT == 1);
	EXPECT_EQ(stats.wait_total, stats.wait_max);
}

TEST_F(lockdep_stat, waiting_for_a_reservation)
{
	party holder(reservation_class), waiter(reservation_class);
	reservation_object object;
	const unsigned long before = of("reservation_ww_class_mutex").acquisitions; // the parties' own

	ASSERT_EQ(holder.lock(lock_of(object)), 0);
	waiter.start_lock(lock_of(object));
	ASSERT_TRUE(waits(lock_of(object)));
	let_time_pass();
	holder.unlock_all();
	ASSERT_EQ(waiter.finish(), 0);
	waiter.unlock_all();
	struct resv_lockdep_class_stats stats = of("reservation_ww_class_mutex");
	EXPECT_EQ(stats.acquisitions - before, RESV_LOCK_STAT ? 2u : 0u);
	EXPECT_EQ(stats.contentions, RESV_LOCK_STAT ? 1u : 0u);
	EXPECT_EQ(stats.wait_max >= 100000, RESV_LOCK_STAT == 1);
}

TEST_F(lockdep_stat, reset_forgets)
{
	acquire();
	let_time_pass();
	release();
	resv_lockdep_reset();
	acquire();
	release();
	EXPECT_EQ(of("timed").acquisitions, RESV_LOCK_STAT ? 1u : 0u);
	EXPECT_LT(of("timed").hold_max, 100000u);
}

#else

TEST(lockdep_stat, there_are_no_classes)
{
	struct resv_lockdep_class_stats stats;

	EXPECT_FALSE(resv_lockdep_class_stats(0, &stats));
}

#endif

} // namespace
} // namespace resv::test
