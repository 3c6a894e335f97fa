// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The whole device, end to end, in small runs.
#include "host/run.hpp"
#include "host/table.hpp"

#include <resv/lockdep.h>
#include <resv_port/host.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

namespace {

using gpu::config;
using gpu::run_result;
using gpu::run_spec;

struct kind {
	const char *name;
	std::vector<std::string> settings;
};

void PrintTo(const kind &k, std::ostream *out)
{
	*out << k.name;
}

run_spec spec_of(const std::vector<std::string> &settings)
{
	gpu::workload workload;
	std::string error;
	EXPECT_TRUE(gpu::parse_workload("clients = 4\nbuffers = 12\nbuffers_per_job = 1-6\nseconds = 0\n"
					"jobs = 400\nlog_mb = 16\nwords = 13\n",
					"test", settings, workload, error))
		<< error;
	return workload.runs.at(0);
}

run_result run_watched(const run_spec &spec, const gpu::observer &watch = {})
{
	run_result result;
	EXPECT_TRUE(gpu::run_workload(spec, watch, result));
	return result;
}

run_result run(const std::vector<std::string> &settings)
{
	return run_watched(spec_of(settings));
}

class gpu_run : public testing::TestWithParam<std::tuple<kind, std::string>> {};

TEST_P(gpu_run, is_serializable)
{
	auto [kind, algorithm] = GetParam();
	kind.settings.push_back("algorithm=" + algorithm);
	run_spec spec = spec_of(kind.settings);
	run_result r = run_watched(spec);
	EXPECT_FALSE(r.violated()) << gpu::describe_violation(r);
	EXPECT_EQ(r.lock_order_reports, 0u);
	EXPECT_EQ(r.total.jobs, uint64_t{4} * spec.config.jobs);
	const uint64_t logged_evictions = spec.config.vram == 0 ? r.total.evictions : 0;
	EXPECT_EQ(r.serial.jobs_checked, r.total.jobs + logged_evictions);
	EXPECT_EQ(std::accumulate(r.jobs_of_clients.begin(), r.jobs_of_clients.end(), uint64_t{0}),
		  r.total.jobs);
	EXPECT_EQ(r.stopped, gpu::stop_reason::none);
	if (algorithm == "wait-die") {
		EXPECT_EQ(r.met.wounds, 0u);
	}
}

INSTANTIATE_TEST_SUITE_P(
	kinds, gpu_run,
	testing::Combine(
		testing::Values(kind{"random", {}}, kind{"ascending", {"order=ascending"}},
				kind{"descending", {"order=descending"}},
				kind{"opposite", {"order=opposite", "buffers=8", "buffers_per_job=4-8"}},
				kind{"skewed", {"skew=1.2", "read_share=60"}},
				kind{"duplicates", {"duplicate_share=100"}},
				kind{"shared", {"shared_reservations=5", "duplicate_share=50"}},
				kind{"one_for_all", {"shared_reservations=64"}},
				kind{"no_context", {"no_context_share=50"}},
				kind{"evictions",
				     {"eviction_rate=20000", "buffers=3", "buffers_per_job=2-3"}},
				kind{"signals", {"signal_rate=20000", "no_context_share=10"}},
				kind{"ring", {"execute=ring", "jobs=100"}},
				kind{"mixed_two_rings", {"execute=mixed", "rings=2", "jobs=200"}},
				kind{"tiny_vram", {"execute=ring", "vram=6"}},
				kind{"tiny_vram_two_devices",
				     {"execute=ring", "vram=6", "devices=2", "rings=2", "duplicate_share=30",
				      "read_share=50"}},
				kind{"vram_of_three_rings",
				     {"execute=ring", "vram=12", "rings=3", "read_share=60", "words=301",
				      "buffers=8", "eviction_rate=100"}},
				kind{"tiny_vram_all_of_it",
				     {"execute=ring", "vram=7", "devices=2", "rings=3", "system=3",
				      "eviction_rate=5000", "swapout_rate=5000", "recycle_rate=5000",
				      "interrupt_every=5", "signal_rate=5000", "read_share=40"}},
				kind{"all_of_it",
				     {"execute=mixed", "jobs=200", "shared_reservations=2",
				      "duplicate_share=30", "no_context_share=10", "eviction_rate=5000",
				      "signal_rate=5000", "read_share=40", "order=opposite"}}),
		testing::Values("wait-die", "wound-wait", "adaptive")),
	[](const auto &test) {
		std::string name = std::string(std::get<0>(test.param).name) + "_" + std::get<1>(test.param);
		std::replace(name.begin(), name.end(), '-', '_');
		return name;
	});

// ---- Each kind of trouble happens, and is counted ---------------------------------------------------------------

TEST(gpu_trouble, contention_makes_clients_back_off)
{
	for (const char *algorithm : {"algorithm=wait-die", "algorithm=wound-wait", "algorithm=adaptive"}) {
		run_result r = run({algorithm, "buffers=4", "buffers_per_job=4", "execute=ring"});
		EXPECT_FALSE(r.violated()) << gpu::describe_violation(r);
		EXPECT_GT(r.met.contended, 0u);
		EXPECT_GT(r.met.deaths, 0u);
		EXPECT_GE(r.total.retries, r.met.deaths);
		EXPECT_GT(r.met.most_retries, 0u);
		EXPECT_EQ(r.total.jobs_by_ring, r.total.jobs);
		if (r.spec.config.algorithm != resv::ww_algorithm::wait_die) {
			EXPECT_GT(r.met.wounds, 0u);
		}
	}
}

TEST(gpu_trouble, of_other_runs_is_not_counted)
{
	for (const char *algorithm : {"algorithm=wait-die", "algorithm=wound-wait"}) {
		run({algorithm, "buffers=4", "buffers_per_job=4", "execute=ring"});
		run_result r = run({algorithm, "clients=1"});
		EXPECT_EQ(r.met.contended, 0u);
		EXPECT_EQ(r.met.most_retries, 0u);
		EXPECT_EQ(r.met.longest_wait_ns, 0u);
	}
}

TEST(gpu_trouble, signals_interrupt_waits)
{
	run_result r = run({"signal_rate=20000", "buffers=2", "buffers_per_job=2", "execute=ring"});
	EXPECT_FALSE(r.violated()) << gpu::describe_violation(r);
	EXPECT_GT(r.signals_sent, 0u);
	EXPECT_GT(r.total.interrupted, 0u);
}

TEST(gpu_trouble, evictor_finds_free_and_busy_buffers)
{
	run_result r = run({"eviction_rate=20000", "buffers=2", "buffers_per_job=1-2", "execute=ring"});
	EXPECT_FALSE(r.violated()) << gpu::describe_violation(r);
	EXPECT_GT(r.total.evictions, 0u);
	r = run({"eviction_rate=20000", "buffers=1", "buffers_per_job=1", "execute=ring"});
	EXPECT_FALSE(r.violated()) << gpu::describe_violation(r);
	EXPECT_GT(r.total.evictions_busy, 0u);
	EXPECT_GT(r.total.waits_for_unreserve, 0u);
}

TEST(gpu_trouble, jobs_without_context)
{
	run_result r = run({"no_context_share=100"});
	EXPECT_FALSE(r.violated()) << gpu::describe_violation(r);
	EXPECT_EQ(r.total.jobs_without_context, r.total.jobs);
	EXPECT_EQ(r.total.retries, 0u);
}

TEST(gpu_trouble, memory_runs_short)
{
	run_result r = run({"execute=ring", "vram=4", "buffers_per_job=4", "rings=2", "devices=2", "system=3",
			    "eviction_rate=10000", "swapout_rate=10000", "recycle_rate=10000",
			    "interrupt_every=3", "jobs=300"});
	EXPECT_FALSE(r.violated()) << gpu::describe_violation(r);
	EXPECT_GT(r.total.evictions, 0u);
	EXPECT_GT(r.total.evictions_passed, 0u);
	EXPECT_GT(r.total.bytes_moved, r.total.evictions * 16 * sizeof(uint64_t));
	EXPECT_GT(r.total.no_space, 0u);
	EXPECT_GT(r.total.swapouts, 0u);
	EXPECT_GT(r.total.recycled, 0u);
	EXPECT_GT(r.total.interrupted, 0u);
	EXPECT_EQ(r.total.jobs_by_ring, r.total.jobs);
}

TEST(gpu_trouble, each_nth_wait_is_interrupted)
{
	run_result r = run({"interrupt_every=1", "buffers=2", "buffers_per_job=2", "execute=ring"});
	EXPECT_FALSE(r.violated()) << gpu::describe_violation(r);
	EXPECT_EQ(r.signals_sent, 0u);
	EXPECT_GT(r.total.interrupted, 0u);
}

// ---- How runs end ------------------------------------------------------------------------------------------------

TEST(gpu_end, by_time)
{
	run_spec spec = spec_of({"jobs=0", "seconds=0.1", "log_mb=512"});
	unsigned shown = 0;
	gpu::observer watch;
	watch.progress = [&](double, uint64_t) { shown++; };
	run_result r = run_watched(spec, watch);
	EXPECT_FALSE(r.violated()) << gpu::describe_violation(r);
	EXPECT_EQ(r.stopped, gpu::stop_reason::time);
	EXPECT_GE(r.seconds, 0.1);
	EXPECT_GT(shown, 0u);
	EXPECT_GT(r.total.jobs, 0u);
}

TEST(gpu_end, by_the_user)
{
	run_spec spec = spec_of({"jobs=0", "seconds=1000", "log_mb=512"});
	std::atomic<bool> cancel = true;
	gpu::observer watch;
	watch.cancel = &cancel;
	run_result r = run_watched(spec, watch);
	EXPECT_FALSE(r.violated()) << gpu::describe_violation(r);
	EXPECT_EQ(r.stopped, gpu::stop_reason::user);
}

TEST(gpu_end, by_log_capacity)
{
	run_result r = run({"jobs=0", "seconds=1000", "log_mb=1", "buffers=400", "buffers_per_job=400"});
	EXPECT_FALSE(r.violated()) << gpu::describe_violation(r);
	EXPECT_EQ(r.stopped, gpu::stop_reason::log_full);
	EXPECT_GT(r.total.jobs, 0u);
}

TEST(gpu_end, by_the_watchdog)
{
	run_result r = run({"break=hang", "stall_seconds=1", "buffers=4", "buffers_per_job=4", "jobs=1000000",
			    "log_mb=256"});
	EXPECT_TRUE(r.violated());
	EXPECT_EQ(r.stopped, gpu::stop_reason::stuck);
	EXPECT_NE(r.stuck.find("client 0, after 0 jobs, waits for nothing"), std::string::npos) << r.stuck;
	EXPECT_NE(r.stuck.find("waits for buffer "), std::string::npos) << r.stuck;
	EXPECT_NE(r.stuck.find(", held by client 0"), std::string::npos) << r.stuck;
}

TEST(gpu_end, by_the_watchdog_with_limited_memory)
{
	run_result r = run({"break=hang", "stall_seconds=1", "buffers=4", "buffers_per_job=4", "jobs=1000000",
			    "log_mb=256", "vram=4", "execute=ring", "interrupt_every=20"});
	EXPECT_TRUE(r.violated());
	EXPECT_EQ(r.stopped, gpu::stop_reason::stuck);
	EXPECT_NE(r.stuck.find(", held by client 0"), std::string::npos) << r.stuck;
}

// ---- Planted violations are found --------------------------------------------------------------------------------

TEST(gpu_broken, skipped_reservations_are_found)
{
	run_result r = run({"break=skip-reservation", "break_share=50", "buffers=2", "buffers_per_job=2",
			    "words=61", "jobs=1000"});
	EXPECT_TRUE(r.violated());
	EXPECT_GT(r.total.jobs_unreserved, 0u);
	std::string text = gpu::describe_violation(r);
	EXPECT_NE(text.find("VIOLATED: "), std::string::npos) << text;
	EXPECT_NE(text.find("buffer "), std::string::npos) << text;
	EXPECT_NE(text.find("client "), std::string::npos) << text;
	EXPECT_NE(text.find(" job "), std::string::npos) << text;
}

// It goes well: nobody who has a reservation waits for memory here.
TEST(gpu_broken, blocking_eviction_is_for_the_annotator_to_find)
{
	std::string reports;
	resv_lockdep_reset();
	resv_host_set_report_sink(
		[](const char *line, void *text) { *static_cast<std::string *>(text) += line; }, &reports);
	run_result r = run({"break=blocking-eviction", "eviction_rate=20000", "execute=ring"});
	resv_host_set_report_sink(nullptr, nullptr);
	EXPECT_GT(r.total.evictions, 0u);
	EXPECT_FALSE(r.violated()) << gpu::describe_violation(r);
#if RESV_PROVE_LOCKING
	EXPECT_EQ(r.lock_order_reports, 2u);
	EXPECT_NE(reports.find("blocking reserve where only trying is allowed"), std::string::npos);
	EXPECT_NE(reports.find("possible circular locking dependency detected"), std::string::npos);
#else
	EXPECT_EQ(reports, "");
#endif
}

std::vector<std::string> tiny_vram(std::initializer_list<const char *> more)
{
	std::vector<std::string> settings = {"execute=ring", "vram=6", "devices=2", "rings=2", "system=4"};
	settings.insert(settings.end(), more.begin(), more.end());
	return settings;
}

TEST(gpu_broken, lost_copies_are_found)
{
	run_result r = run(tiny_vram({"break=lose-copy", "break_share=1"}));
	EXPECT_TRUE(r.violated());
	EXPECT_NE(r.serial.what, gpu::violation::none);
}

TEST(gpu_broken, skipped_fences_are_found)
{
	run_result r = run(tiny_vram({"break=skip-fences", "break_share=50"}));
	EXPECT_TRUE(r.violated());
	EXPECT_NE(r.serial.what, gpu::violation::none);
}

TEST(gpu_broken, blocking_eviction_of_limited_memory_is_for_the_annotator_to_find)
{
	std::string reports;
	resv_lockdep_reset();
	resv_host_set_report_sink(
		[](const char *line, void *text) { *static_cast<std::string *>(text) += line; }, &reports);
	run_result r = run(tiny_vram({"break=blocking-eviction", "eviction_rate=20000", "jobs=1000"}));
	resv_host_set_report_sink(nullptr, nullptr);
	EXPECT_FALSE(r.violated()) << gpu::describe_violation(r);
#if RESV_PROVE_LOCKING
	EXPECT_EQ(r.lock_order_reports, 2u);
	EXPECT_NE(reports.find("blocking reserve where only trying is allowed"), std::string::npos);
	EXPECT_NE(reports.find("possible circular locking dependency detected"), std::string::npos);
#else
	EXPECT_EQ(reports, "");
#endif
}

} // namespace
