// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The serializability check, on histories made up here: no threads, no locks.
#include "serial.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace {

using gpu::access;
using gpu::job_id;
using gpu::use;
using gpu::violation;

constexpr unsigned actors = 3;
constexpr unsigned buffers = 4;

use reads(unsigned buffer)
{
	return {.buffer = buffer & 0x7fffffff, .write = 0};
}

use writes(unsigned buffer)
{
	return {.buffer = buffer & 0x7fffffff, .write = 1};
}

// Loses all stores after the first few.
struct losing_access : gpu::reserved_access {
	static inline unsigned stores_left = 0;
	static void store(volatile uint64_t &word, uint64_t value)
	{
		if (stores_left == 0)
			return;
		stores_left--;
		word = value;
	}
};

class gpu_serial : public testing::Test {
protected:
	gpu_serial()
	{
		EXPECT_TRUE(pages.create(buffers, 5));
		for (gpu::job_log &log : logs)
			EXPECT_TRUE(log.create(10000));
	}

	// Runs a job as the device does.
	template <typename Access = gpu::reserved_access>
	void run(unsigned actor, std::vector<use> uses)
	{
		gpu::execute<Access>(pages, {actor, logs[actor].jobs() + 1}, uses.data(),
				     static_cast<unsigned>(uses.size()), logs[actor]);
	}

	// Puts a job on record that did not run.
	void log(unsigned actor, std::vector<access> accesses)
	{
		uint64_t *entry = logs[actor].begin(static_cast<unsigned>(accesses.size()));
		for (access a : accesses)
			*entry++ = a.word();
		logs[actor].commit();
	}

	gpu::verdict check()
	{
		const gpu::job_log *all[actors];
		for (unsigned i = 0; i < actors; i++)
			all[i] = &logs[i];
		return gpu::check_serial(all, actors, pages);
	}

	gpu::page_store pages;
	gpu::job_log logs[actors];
};

access read_of(uint32_t buffer, uint32_t version)
{
	return access(buffer, version, false, false);
}

access write_of(uint32_t buffer, uint32_t seen)
{
	return access(buffer, seen, true, false);
}

TEST_F(gpu_serial, nothing_happened)
{
	EXPECT_EQ(check().what, violation::none);
}

TEST_F(gpu_serial, one_after_the_other)
{
	run(0, {writes(0), reads(1)});
	run(1, {writes(0), writes(1)});
	run(2, {reads(0), reads(1)});
	run(0, {reads(0), writes(3)});
	gpu::verdict v = check();
	EXPECT_EQ(v.what, violation::none);
	EXPECT_EQ(v.jobs_checked, 4u);
	EXPECT_EQ(v.accesses_checked, 8u);
}

TEST_F(gpu_serial, long_histories)
{
	gpu::random_source random(1);
	for (unsigned i = 0; i < 2000; i++) {
		unsigned a = random.below(buffers), b = (a + 1 + random.below(buffers - 1)) % buffers;
		run(random.below(actors),
		    {random.percent(50) ? reads(a) : writes(a), random.percent(50) ? reads(b) : writes(b)});
	}
	EXPECT_EQ(check().what, violation::none);
}

TEST_F(gpu_serial, lost_update)
{
	run(0, {reads(0)});
	run(0, {writes(2)});
	log(1, {write_of(2, 0)});
	gpu::verdict v = check();
	EXPECT_EQ(v.what, violation::lost_update);
	EXPECT_EQ(v.buffer, 2u);
	EXPECT_EQ(v.version, 1u);
	ASSERT_EQ(v.job_count, 2u);
	EXPECT_EQ(v.jobs[0], (job_id{0, 2}));
	EXPECT_EQ(v.jobs[1], (job_id{1, 1}));
}

// Each reads what the other one writes, before that write: either alone is possible, both are not.
TEST_F(gpu_serial, write_skew)
{
	log(0, {read_of(0, 0), write_of(1, 0)});
	log(2, {write_of(0, 0), read_of(1, 0)});
	gpu::verdict v = check();
	EXPECT_EQ(v.what, violation::cycle);
	ASSERT_EQ(v.job_count, 2u);
	EXPECT_EQ(v.jobs[0].actor + v.jobs[1].actor, 2u);
	EXPECT_EQ(v.jobs[0].number, 1u);
	EXPECT_EQ(v.jobs[1].number, 1u);
	// Client 0's job comes first over buffer 0, client 2's over buffer 1.
	EXPECT_EQ(v.over[0], v.jobs[0].actor == 0 ? 0u : 1u);
	EXPECT_EQ(v.over[1], v.jobs[1].actor == 0 ? 0u : 1u);
}

TEST_F(gpu_serial, opposite_orders_of_writes)
{
	log(0, {write_of(0, 0), write_of(1, 1)});
	log(1, {write_of(0, 1), write_of(1, 0)});
	gpu::verdict v = check();
	EXPECT_EQ(v.what, violation::cycle);
	EXPECT_EQ(v.job_count, 2u);
}

TEST_F(gpu_serial, cycle_of_three)
{
	log(0, {read_of(0, 0), write_of(1, 0)});
	log(1, {read_of(1, 0), write_of(2, 0)});
	log(2, {read_of(2, 0), write_of(0, 0)});
	gpu::verdict v = check();
	EXPECT_EQ(v.what, violation::cycle);
	ASSERT_EQ(v.job_count, 3u);
	for (unsigned i = 0; i < 3; i++) {
		EXPECT_EQ(v.over[i], v.jobs[i].actor);
		// It read what the next one wrote: the one before it in the list above.
		EXPECT_EQ(v.jobs[(i + 1) % 3].actor, (v.jobs[i].actor + 2) % 3);
	}
}

// No job contradicts another, but an actor would have to run its second job before its first.
TEST_F(gpu_serial, against_the_order_of_an_actor)
{
	log(0, {write_of(0, 0)});
	log(0, {read_of(1, 0)});
	log(1, {write_of(1, 0)});
	log(1, {read_of(0, 0)});
	gpu::verdict v = check();
	EXPECT_EQ(v.what, violation::cycle);
	ASSERT_EQ(v.job_count, 2u);
	EXPECT_EQ(v.jobs[0].number, 2u);
	EXPECT_EQ(v.jobs[1].number, 2u);
}

TEST_F(gpu_serial, stale_read_of_ones_own_write)
{
	log(0, {write_of(0, 0)});
	log(0, {read_of(0, 0)});
	gpu::verdict v = check();
	EXPECT_EQ(v.what, violation::cycle);
	ASSERT_EQ(v.job_count, 1u);
	EXPECT_EQ(v.jobs[0], (job_id{0, 2}));
	EXPECT_EQ(v.buffer, 0u);
}

TEST_F(gpu_serial, longer_cycles_than_a_verdict_holds_are_cut)
{
	constexpr unsigned n = gpu::verdict::max_jobs + 3;
	gpu::job_log ring[n];
	const gpu::job_log *all[n];
	gpu::page_store many;
	ASSERT_TRUE(many.create(n, 1));
	for (uint32_t i = 0; i < n; i++) {
		ASSERT_TRUE(ring[i].create(10));
		uint64_t *entry = ring[i].begin(2);
		entry[0] = read_of(i, 0).word();
		entry[1] = write_of((i + 1) % n, 0).word();
		ring[i].commit();
		all[i] = &ring[i];
	}
	gpu::verdict v = gpu::check_serial(all, n, many);
	EXPECT_EQ(v.what, violation::cycle);
	EXPECT_EQ(v.job_count, gpu::verdict::max_jobs);
}

TEST_F(gpu_serial, torn_contents)
{
	run(1, {writes(3)});
	losing_access::stores_left = 5; // of eight
	run<losing_access>(0, {writes(3)});
	run(2, {reads(3)});
	gpu::verdict v = check();
	EXPECT_EQ(v.what, violation::torn_read);
	EXPECT_EQ(v.buffer, 3u);
	EXPECT_EQ(v.version, 2u);
	ASSERT_EQ(v.job_count, 2u);
	EXPECT_EQ(v.jobs[0], (job_id{2, 1}));
	EXPECT_EQ(v.jobs[1], (job_id{0, 1}));
}

TEST_F(gpu_serial, torn_contents_that_nobody_read)
{
	losing_access::stores_left = 5;
	run<losing_access>(0, {writes(3)});
	gpu::verdict v = check();
	EXPECT_EQ(v.what, violation::wrong_contents);
	EXPECT_EQ(v.buffer, 3u);
	EXPECT_EQ(v.jobs[0], (job_id{0, 1}));
}

TEST_F(gpu_serial, write_that_is_missing_in_the_contents)
{
	run(0, {writes(1)});
	losing_access::stores_left = 0;
	run<losing_access>(1, {writes(1)});
	gpu::verdict v = check();
	EXPECT_EQ(v.what, violation::wrong_contents);
	EXPECT_EQ(v.buffer, 1u);
	EXPECT_EQ(v.version, 1u);
	EXPECT_EQ(v.jobs[0], (job_id{1, 1}));
}

TEST_F(gpu_serial, write_that_is_missing_on_record)
{
	run(0, {writes(1)});
	gpu::job_log unseen;
	ASSERT_TRUE(unseen.create(10));
	use again = writes(1);
	gpu::execute(pages, {7, 1}, &again, 1, unseen);
	run(1, {reads(0)});
	run(1, {reads(1)});
	gpu::verdict v = check();
	EXPECT_EQ(v.what, violation::unwritten_version);
	EXPECT_EQ(v.buffer, 1u);
	EXPECT_EQ(v.version, 2u);
	EXPECT_EQ(v.jobs[0], (job_id{1, 2}));
}

TEST_F(gpu_serial, gap_in_the_versions)
{
	log(0, {write_of(1, 1)});
	EXPECT_EQ(check().what, violation::unwritten_version);
}

// The versions are right, but what was computed is not.
TEST_F(gpu_serial, wrong_contents)
{
	run(0, {writes(0), reads(1)});
	pages.write(0, 1, 12345, {0, 1});
	gpu::verdict v = check();
	EXPECT_EQ(v.what, violation::wrong_contents);
	EXPECT_EQ(v.buffer, 0u);
}

TEST_F(gpu_serial, wrong_input_shows_in_everything_made_of_it)
{
	pages.write(1, 0, 12345, {}); // as if a write were seen under its predecessor's version
	run(0, {writes(0), reads(1)});
	pages.write(1, 0, gpu::job_function::initial(1), {});
	gpu::verdict v = check();
	EXPECT_EQ(v.what, violation::wrong_contents);
	EXPECT_EQ(v.buffer, 0u);
}

// Any one access of a good history that claims to have seen another version.
TEST_F(gpu_serial, one_false_version_is_always_found)
{
	constexpr unsigned jobs = 20;
	gpu::random_source random(1);
	for (unsigned i = 0; i < jobs; i++) {
		unsigned a = random.below(buffers), b = (a + 1) % buffers;
		run(i % actors, {writes(a), reads(b)});
	}
	for (unsigned i = 0; i < jobs; i++) {
		for (unsigned which = 0; which < 2; which++) {
			for (int by : {-1, 1}) {
				gpu::job_log forged[actors];
				const gpu::job_log *all[actors];
				for (unsigned actor = 0; actor < actors; actor++) {
					ASSERT_TRUE(forged[actor].create(100));
					all[actor] = &forged[actor];
					for (unsigned job = 0; job < logs[actor].jobs(); job++) {
						uint64_t *entry = forged[actor].begin(2);
						for (unsigned n = 0; n < 2; n++) {
							access a = logs[actor].at(job * 3, n);
							bool lie = job * actors + actor == i && n == which;
							uint32_t version =
								a.version() +
								static_cast<uint32_t>(lie ? by : 0);
							entry[n] =
								access(a.buffer(), version, a.write(), false)
									.word();
						}
						forged[actor].commit();
					}
				}
				EXPECT_NE(gpu::check_serial(all, actors, pages).what, violation::none)
					<< "job " << i << ", access " << which << ", by " << by;
			}
		}
	}
}

} // namespace
