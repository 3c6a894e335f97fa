// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "host/progress.hpp"
#include "host/table.hpp"

#include <gtest/gtest.h>

#include <cstdlib>

namespace {

gpu::run_result example(const std::string &name)
{
	gpu::run_result r;
	r.spec.name = name;
	r.spec.config.clients = 2;
	r.seconds = 2;
	r.total.jobs = r.retired = 3000000;
	r.met = {.contended = 12345,
		 .spins = 9876,
		 .stays = 2,
		 .waits = 1234,
		 .bypasses = 56,
		 .wounds = 0,
		 .deaths = 6,
		 .most_retries = 3,
		 .longest_wait_ns = 2048000};
	r.total.retries = 7;
	for (int64_t ns : {0, 5, 5, 1500})
		r.total.wait.add(ns);
	r.jobs_of_clients = {1000000, 2000000};
	r.lock_order_reports = 4;
	return r;
}

TEST(gpu_table, one_run)
{
	const std::string expected = R"(name
algorithm                                          wait-die
clients, rings                                         2, 1
buffers, per job                                    64, 1-4
jobs, seconds                               3,000,000, 2.00
jobs/s                                            1,500,000
wait p50                                               5 ns
wait p99                                             1.5 us
wait max                                             1.5 us
contended waits                                      12,345
had by watching                                       9,876
stayed away                                               2
slept in line                                         1,234
longest sleep                                       2.05 ms
taken out of turn                                        56
wounds                                                    0
deaths                                                    6
longest retry chain                                       3
retries                                                   7
jobs/client min/mean/max  1,000,000 / 1,500,000 / 2,000,000
fairness (Jain)                                      0.9000
)"
#if RESV_PROVE_LOCKING
				     R"(lock-order reports                                        4
)"
#endif
				     R"(ended by                                       all jobs run
serializable                                            yes
)";
	EXPECT_EQ(gpu::format_table("name", {example("name")}), expected);
}

TEST(gpu_table, a_column_for_each_run_and_rows_that_only_some_have)
{
	gpu::run_result a = example("a"), b = example("b");
	b.spec.config.signal_rate = 1;
	b.signals_sent = 9;
	b.total.interrupted = 8;
	b.spec.config.algorithm = resv::ww_algorithm::wound_wait;
	std::string text = gpu::format_table("name", {a, b});
	EXPECT_NE(text.find("name                                                      a                     "
			    "             b\n"),
		  text.npos)
		<< text;
	EXPECT_NE(text.find("wait-die                         wound-wait\n"), text.npos) << text;
	EXPECT_NE(text.find("signals, interrupted                                      -                     "
			    "          9, 8\n"),
		  text.npos)
		<< text;
	EXPECT_EQ(text.find("evictions"), text.npos) << text;
}

TEST(gpu_table, rows_of_limited_memory)
{
	gpu::run_result r = example("x");
	r.spec.config.vram = 1234;
	r.spec.config.devices = 2;
	r.spec.config.eviction_rate = 1;
	r.total.evictions = 11;
	r.total.evictions_passed = 12;
	r.total.evictions_busy = 13;
	r.total.no_space = 14;
	r.total.bytes_moved = 15000;
	r.total.swapouts = 16;
	r.total.recycled = 17;
	std::string text = gpu::format_table("name", {r});
	for (const char *line : {"\nVRAM pages, devices                                  1,234, 2\n"
				 "evictions                                                  11\n"
				 "skipped as busy, all busy                              12, 13\n"
				 "-ENOSPC                                                    14\n"
				 "bytes moved                                            15,000\n"
				 "swapouts, recycled buffers                             16, 17\n"})
		EXPECT_NE(text.find(line), text.npos) << text;
	EXPECT_EQ(text.find("evictions, all busy, waits"), text.npos) << text;
}

TEST(gpu_table, says_what_is_wrong)
{
	gpu::run_result r = example("x");
	r.serial.what = gpu::violation::lost_update;
	r.serial.buffer = 4;
	r.serial.version = 5;
	r.serial.jobs[0] = {0, 6};
	r.serial.jobs[1] = {2, 7};
	r.serial.job_count = 2;
	std::string text = gpu::format_table("name", {r});
	EXPECT_NE(text.find("VIOLATED\nx: VIOLATED: buffer 4: client 0 job 6 and eviction 7 both wrote "
			    "version 5 (lost update)\n"),
		  text.npos)
		<< text;

	auto described = [&](gpu::violation what) {
		r.serial.what = what;
		return gpu::describe_violation(r);
	};
	EXPECT_EQ(described(gpu::violation::none), "");
	EXPECT_EQ(described(gpu::violation::torn_read), "x: VIOLATED: buffer 4: client 0 job 6 found torn "
							"contents at version 5, which eviction 7 wrote\n");
	EXPECT_EQ(described(gpu::violation::unwritten_version),
		  "x: VIOLATED: buffer 4: client 0 job 6 saw or wrote version 5, which the writes on record "
		  "do not reach\n");
	EXPECT_EQ(described(gpu::violation::wrong_contents),
		  "x: VIOLATED: buffer 4: ends at version 5 with other contents than a serial run leaves; "
		  "last written by "
		  "client 0 job 6\n");
	r.serial.over[1] = 9;
	EXPECT_EQ(described(gpu::violation::cycle), "x: VIOLATED: cycle: client 0 job 6 comes before, over "
						    "buffer 0, eviction 7 comes before, over buffer 9, "
						    "client 0 job 6 or an earlier job of its client\n");
	EXPECT_EQ(described(gpu::violation::not_freed),
		  "x: VIOLATED: 5 buffers were destroyed, but not freed\n");
	EXPECT_EQ(described(gpu::violation::no_memory), "x: VIOLATED: no memory for the check\n");
}

TEST(gpu_table, other_violations)
{
	gpu::run_result lost = example("x"), swapped = example("x"), failed = example("x"),
			stuck = example("x");
	EXPECT_FALSE(lost.violated());
	lost.retired--;
	swapped.retired_in_order = false;
	failed.total.errors = 1;
	failed.total.last_error = -EDEADLK;
	stuck.stuck = "why\n";
	EXPECT_EQ(gpu::describe_violation(lost),
		  "x: VIOLATED: the rings retired 2,999,999 of 3,000,000 jobs\n");
	EXPECT_EQ(gpu::describe_violation(swapped),
		  "x: VIOLATED: the rings retired 3,000,000 of 3,000,000 jobs, not in order\n");
	EXPECT_EQ(gpu::describe_violation(failed),
		  "x: VIOLATED: a reserve returned -35 (Resource deadlock avoided)\n");
	EXPECT_EQ(gpu::describe_violation(stuck), "x: VIOLATED: why\n");
	for (const gpu::run_result *r : {&lost, &swapped, &failed, &stuck})
		EXPECT_TRUE(r->violated());
}

TEST(gpu_table, units)
{
	EXPECT_EQ(gpu::format_time(999), "999 ns");
	EXPECT_EQ(gpu::format_time(1000), "1.0 us");
	EXPECT_EQ(gpu::format_time(2500000), "2.50 ms");
	EXPECT_EQ(gpu::format_time(61000000000), "61.00 s");
	EXPECT_EQ(gpu::with_commas(0), "0");
	EXPECT_EQ(gpu::with_commas(999), "999");
	EXPECT_EQ(gpu::with_commas(1000), "1,000");
	EXPECT_EQ(gpu::with_commas(1234567), "1,234,567");
}

TEST(gpu_histogram, percentiles_to_an_eighth)
{
	gpu::histogram h;
	EXPECT_EQ(h.percentile(50), 0u);
	for (int64_t ns = 1; ns <= 10000; ns++)
		h.add(ns);
	for (unsigned percent : {1u, 10u, 50u, 90u, 99u}) {
		EXPECT_GE(h.percentile(percent), percent * 100);
		EXPECT_LE(h.percentile(percent), percent * 100 * 9 / 8);
	}
	EXPECT_EQ(h.percentile(100), 10000u);
	EXPECT_EQ(h.max(), 10000u);

	gpu::histogram other;
	other.add(INT64_MAX);
	other.add(-1);
	other.merge(h);
	EXPECT_EQ(other.max(), uint64_t{INT64_MAX});
	EXPECT_EQ(other.percentile(100), uint64_t{INT64_MAX});
	EXPECT_GE(other.percentile(50), 5000u);
}

std::string shown(bool terminal)
{
	gpu::run_spec spec;
	spec.name = "run";
	spec.milliseconds = 4000;
	char *text = nullptr;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	{
		gpu::progress progress(out, terminal, spec);
		progress.show(0.5, 1000);
		progress.show(1, 2000);
		progress.show(2, 5000);
	}
	fclose(out);
	std::string result(text, size);
	free(text);
	return result;
}

TEST(gpu_progress, lines)
{
	EXPECT_EQ(shown(false), "run: 1 s, 2,000 jobs, 2,000 jobs/s\nrun: 2 s, 5,000 jobs, 3,000 jobs/s\n");
}

TEST(gpu_progress, bar)
{
	std::string text = shown(true);
	EXPECT_NE(text.find("\rrun [###############...............] 2.0 s, 5,000 jobs\033[K"), text.npos)
		<< text;
	EXPECT_EQ(text.substr(text.size() - 4), "\r\033[K");
}

} // namespace
