// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "capture.hpp"
#include "run.hpp"
#include "table.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>

namespace {

struct parsed {
	std::unique_ptr<gpu::capture> capture = std::make_unique<gpu::capture>();
	bool good = false;
	std::string error;

	const gpu::recorded_job &job(size_t task, size_t i) const
	{
		return capture->tasks.at(task).jobs.at(i);
	}
	std::vector<unsigned> buffers(size_t task, size_t i) const
	{
		std::vector<unsigned> all;
		for (unsigned k = 0; k < job(task, i).count; k++)
			all.push_back(job(task, i).uses[k].buffer);
		return all;
	}
};

parsed parse(const std::string &text)
{
	parsed p;
	p.good = gpu::parse_capture(text, "x/some.txt", *p.capture, p.error);
	return p;
}

// Lines of a trace; times are in microseconds.
std::string at(unsigned us, const std::string &event, const std::string &task = "game-7")
{
	std::string decimals = std::to_string(1000000 + us % 1000000).substr(1);
	return "  " + task + " [001] d..1. " + std::to_string(5 + us / 1000000) + "." + decimals + ": " +
	       event + "\n";
}
std::string bo(unsigned us, const std::string &address, const std::string &task = "game-7",
	       const std::string &list = "0xffff888012340000", unsigned bytes = 4096)
{
	return at(us,
		  "amdgpu_bo_list_set:   list=" + list + ", bo=" + address +
			  ", bo_size=" + std::to_string(bytes),
		  task);
}
std::string fence(unsigned context, unsigned seqno)
{
	return "context=" + std::to_string(context) + ", seqno=" + std::to_string(seqno);
}
std::string cs(unsigned us, unsigned context, unsigned seqno, const std::string &task = "game-7",
	       const std::string &ring = "gfx_0.0.0")
{
	return at(us,
		  "amdgpu_cs_ioctl:      sched_job=9, timeline=" + ring + ", " + fence(context, seqno) +
			  ", ring_name=" + ring + ", num_ibs=1",
		  task);
}
std::string run(unsigned us, unsigned context, unsigned seqno, const std::string &ring = "gfx_0.0.0")
{
	return at(us,
		  "amdgpu_sched_run_job: sched_job=9, timeline=" + ring + ", " + fence(context, seqno) +
			  ", ring_name=" + ring + ", num_ibs=1",
		  ring + "-99");
}
std::string signaled(unsigned us, unsigned context, unsigned seqno)
{
	return at(us,
		  "dma_fence_signaled:   driver=drm_sched timeline=gfx_0.0.0 context=" +
			  std::to_string(context) + " seqno=" + std::to_string(seqno),
		  "<idle>-0");
}

TEST(gpu_capture, jobs_of_tasks_with_their_buffers_rings_and_times)
{
	parsed p = parse("version = 7\ncpus=8\n# comment\n\n" + bo(0, "0xa") + bo(1, "0xb") + cs(10, 3, 1) +
			 run(20, 3, 1) + bo(100, "0xb", "web-8") + cs(110, 4, 1, "web-8", "sdma0") +
			 run(120, 4, 1, "sdma0") + bo(200, "0xa") + cs(210, 3, 2) + run(220, 3, 2) +
			 signaled(520, 3, 1) + signaled(600, 4, 1) + signaled(1520, 3, 2));
	ASSERT_TRUE(p.good) << p.error;
	ASSERT_EQ(p.capture->tasks.size(), 2u);
	EXPECT_EQ(p.capture->tasks[0].name, "game-7");
	EXPECT_EQ(p.capture->tasks[1].name, "web-8");
	EXPECT_EQ(p.capture->rings, (std::vector<std::string>{"gfx_0.0.0", "sdma0"}));
	EXPECT_EQ(p.capture->buffers.size(), 2u);
	EXPECT_EQ(p.capture->buffers[1].address, 0xbu);
	EXPECT_EQ(p.capture->buffers[1].bytes, 4096u);
	EXPECT_EQ(p.capture->jobs(), 3u);
	EXPECT_EQ(p.buffers(0, 0), (std::vector<unsigned>{0, 1}));
	EXPECT_EQ(p.buffers(0, 1), (std::vector<unsigned>{0}));
	EXPECT_EQ(p.buffers(1, 0), (std::vector<unsigned>{1}));
	EXPECT_TRUE(p.job(0, 0).uses[0].write);
	EXPECT_EQ(p.job(1, 0).ring, 1u);
	EXPECT_EQ(p.job(0, 0).begin_ns, 0);
	EXPECT_EQ(p.job(1, 0).begin_ns, 100000);
	EXPECT_EQ(p.job(0, 1).begin_ns, 200000);
	EXPECT_EQ(p.job(0, 0).busy_ns, 500000);
	EXPECT_EQ(p.job(1, 0).busy_ns, 480000);
	EXPECT_EQ(p.job(0, 1).busy_ns, 1000000); // it lay behind the first until then
	EXPECT_EQ(p.capture->duration_ns, 200000);
	EXPECT_EQ(p.capture->longest_gap_ns, 100000);
	EXPECT_EQ(gpu::describe_capture(*p.capture, "f"),
		  "f: 3 jobs of 2 tasks on 2 rings in 200.0 us; 2 buffers of 8 KiB in all\n");
}

// Each is one job with one buffer.
TEST(gpu_capture, formats_of_kernels_and_of_trace_cmd)
{
	const std::string fields = "timeline=gfx, context=3, seqno=1, ring_name=gfx, num_ibs=1";
	for (const std::string &line : {
		     // Linux 6.1 and 6.12.
		     "game-7 [001] 5.000001: amdgpu_cs_ioctl: sched_job=12, " + fields,
		     // 6.15, and since 6.17.
		     "game-7 [001] 5.000001: amdgpu_cs_ioctl: " + fields,
		     "game-7 [001] 5.000001: amdgpu_cs_ioctl: " +
			     std::string("timeline=gfx, fence=3:1, ring_name=gfx, num_ibs=1"),
		     // Nanoseconds, flags, a thread group, spaces before and after.
		     "    game-7     [001] d..1.   5.000001000: amdgpu_cs_ioctl:     " + fields + "  \r",
		     "game-7   (      7) [001] ....   5.000001: amdgpu_cs_ioctl: " + fields,
	     }) {
		std::string list = bo(0, "ffff888000000001");
		parsed p = parse(list + line + "\n" + run(10, 3, 1) + signaled(20, 3, 1));
		ASSERT_TRUE(p.good) << p.error;
		EXPECT_EQ(p.capture->jobs(), 1u) << line;
		EXPECT_EQ(p.capture->jobs_without_times, 0u) << line;
		EXPECT_EQ(p.capture->buffers.at(0).address, 0xffff888000000001u);
		EXPECT_EQ(p.job(0, 0).busy_ns, 10000) << line;
	}
}

TEST(gpu_capture, a_comm_may_hold_anything)
{
	for (const char *task :
	     {"Web Content-7", "a-b [x]-7", "<...>-7", "kworker/u16:3-7", "[1]-7", "x: y-1 -7"}) {
		parsed p = parse(bo(0, "0xa", task) + cs(1, 3, 1, task));
		ASSERT_TRUE(p.good) << task << p.error;
		EXPECT_EQ(p.capture->tasks[0].name, task);
	}
}

TEST(gpu_capture, fences_since_6_17)
{
	parsed p = parse(bo(0, "0xa") + cs(1, 3, 1) +
			 at(2, "amdgpu_sched_run_job: timeline=gfx, fence=3:1, ring_name=gfx, num_ibs=1") +
			 at(9, "dma_fence_signaled: driver=drm_sched timeline=gfx context=3 seqno=1"));
	ASSERT_TRUE(p.good) << p.error;
	EXPECT_EQ(p.job(0, 0).busy_ns, 7000);
}

TEST(gpu_capture, buffers_are_told_by_address_and_size)
{
	parsed p = parse(bo(0, "0xa") + bo(1, "0xa", "game-7", "0xffff888012340000", 8192) + bo(2, "0xa") +
			 cs(3, 3, 1));
	ASSERT_TRUE(p.good) << p.error;
	EXPECT_EQ(p.buffers(0, 0), (std::vector<unsigned>{0, 1})); // and each is named once
}

TEST(gpu_capture, counts_what_it_leaves_out)
{
	parsed p = parse(cs(0, 3, 1) + run(1, 3, 1) +                                      // no buffers
			 bo(10, "0xa", "game-7", "0x1") + bo(11, "0xb", "game-7", "0x2") + // another list
			 cs(12, 3, 2) + bo(20, "0xc") +                                    // no job
			 run(21, 77, 1) + signaled(22, 78, 1) + // not submitted here
			 "CPU:3 [204 EVENTS DROPPED]\nCPU:1 [LOST 6 EVENTS]\nCPU:0 [EVENTS DROPPED]\n"
			 "some plugin says hello\n" +
			 at(30, "sched_switch: prev_comm=a"));
	ASSERT_TRUE(p.good) << p.error;
	EXPECT_EQ(p.capture->jobs(), 1u);
	EXPECT_EQ(p.buffers(0, 0), (std::vector<unsigned>{1}));
	EXPECT_EQ(p.capture->jobs_without_buffers, 1u);
	EXPECT_EQ(p.capture->jobs_without_times, 1u);
	EXPECT_EQ(p.capture->buffers_without_job, 2u);
	EXPECT_EQ(p.capture->foreign_jobs, 1u);
	EXPECT_EQ(p.capture->lost_events, 210u);
	EXPECT_EQ(p.capture->losses_unknown, 1u);
	EXPECT_EQ(p.capture->other_lines, 1u);
	EXPECT_EQ(gpu::describe_capture(*p.capture, "f"),
		  "f: 1 jobs of 1 tasks on 1 rings in 0 ns; 3 buffers of 12 KiB in all\n"
		  "  1 jobs with no buffers, left out\n"
		  "  1 jobs that never ran or never signaled: they keep no ring busy\n"
		  "  2 buffer events that no job followed\n"
		  "  1 jobs that ran but were not submitted in the capture, left out\n"
		  "  210 events lost while it was recorded\n"
		  "  1 losses of an unknown number of events\n"
		  "  1 lines that are no events\n");
}

struct bad {
	const char *name;
	std::string text;
	const char *error;
};

void PrintTo(const bad &b, std::ostream *out)
{
	*out << b.name;
}

class gpu_capture_error : public testing::TestWithParam<bad> {};

TEST_P(gpu_capture_error, names_file_line_and_reason)
{
	parsed p = parse(GetParam().text);
	EXPECT_FALSE(p.good);
	EXPECT_EQ(p.error, GetParam().error);
}

std::string many_buffers(unsigned n)
{
	std::string text;
	for (unsigned i = 1; i <= n; i++)
		text += bo(0, std::to_string(i));
	return text;
}
std::string many_rings(unsigned n)
{
	std::string text;
	for (unsigned i = 1; i <= n; i++)
		text += bo(0, "1") + cs(1, 3, i, "game-7", "ring" + std::to_string(i));
	return text;
}
std::string many_tasks(unsigned n)
{
	std::string text;
	for (unsigned i = 1; i <= n; i++)
		text += bo(0, "1", "a-" + std::to_string(i)) + cs(1, i, 1, "a-" + std::to_string(i));
	return text;
}

INSTANTIATE_TEST_SUITE_P(
	files, gpu_capture_error,
	testing::Values(
		bad{"empty", "",
		    "x/some.txt:1: the capture ends without a job: no amdgpu_cs_ioctl that has buffers"},
		bad{"no_job", "cpus=8\n" + bo(0, "0xa"),
		    "x/some.txt:2: the capture ends without a job: no amdgpu_cs_ioctl that has buffers"},
		bad{"binary", std::string("\x17\x08\x44") + "tracing6",
		    "x/some.txt:1: this is trace-cmd's own file, expected the text that `trace-cmd report` "
		    "prints "
		    "of it"},
		bad{"no_list", "cpus=8\n" + at(0, "amdgpu_bo_list_set: bo=0xa, bo_size=1"),
		    "x/some.txt:2: no list= in 'bo=0xa, bo_size=1'"},
		bad{"no_bo", at(0, "amdgpu_bo_list_set: list=0xa, bo_size=1"),
		    "x/some.txt:1: no bo= in 'list=0xa, bo_size=1'"},
		bad{"cut_off", at(0, "amdgpu_bo_list_set: list=0xa, bo=0xb"),
		    "x/some.txt:1: no bo_size= in 'list=0xa, bo=0xb'"},
		bad{"address", at(0, "amdgpu_bo_list_set: list=0xa, bo=0xg, bo_size=1"),
		    "x/some.txt:1: got '0xg', expected bo= to be an address"},
		bad{"hidden_address", at(0, "amdgpu_bo_list_set: list=0xa, bo=(____ptrval____), bo_size=1"),
		    "x/some.txt:1: got '(____ptrval____)', expected bo= to be an address"},
		bad{"size", at(0, "amdgpu_bo_list_set: list=0xa, bo=0xb, bo_size=-1"),
		    "x/some.txt:1: got '-1', expected bo_size= to be a number"},
		bad{"context", at(0, "amdgpu_cs_ioctl: sched_job=1, timeline=a, seqno=1, ring_name=a"),
		    "x/some.txt:1: no context= in 'sched_job=1, timeline=a, seqno=1, ring_name=a'"},
		bad{"seqno", at(0, "amdgpu_sched_run_job: context=1, seqno=, ring_name=a"),
		    "x/some.txt:1: got '', expected seqno= to be a number"},
		bad{"fence", at(0, "amdgpu_cs_ioctl: timeline=a, fence=1:x, ring_name=a"),
		    "x/some.txt:1: got '1:x', expected fence= to be context:seqno"},
		bad{"ring", bo(0, "1") + at(0, "amdgpu_cs_ioctl: context=1, seqno=1"),
		    "x/some.txt:2: no ring_name= in 'context=1, seqno=1'"},
		bad{"signaled", at(0, "dma_fence_signaled: driver=a timeline=b context=1"),
		    "x/some.txt:1: no seqno= in 'driver=a timeline=b context=1'"},
		bad{"twice", bo(0, "1") + cs(1, 3, 4) + bo(2, "1") + cs(3, 3, 4),
		    "x/some.txt:4: context 3 submits seqno 4 again"},
		bad{"prefix", "game-7 amdgpu_cs_ioctl: context=1, seqno=1, ring_name=a",
		    "x/some.txt:1: got amdgpu_cs_ioctl, expected 'comm-pid [cpu] time: ' before it"},
		bad{"time", "game-7 [001] 5.x: amdgpu_cs_ioctl: context=1, seqno=1, ring_name=a",
		    "x/some.txt:1: got amdgpu_cs_ioctl, expected 'comm-pid [cpu] time: ' before it"},
		bad{"buffers", many_buffers(4097), "x/some.txt:4097: more than 4096 buffers in a list"},
		bad{"rings", many_rings(65), "x/some.txt:130: more than 64 rings"},
		bad{"tasks", many_tasks(257), "x/some.txt:514: more than 256 tasks that submit jobs"}),
	[](const auto &test) { return std::string(test.param.name); });

TEST(gpu_capture, missing_file)
{
	gpu::capture capture;
	std::string error;
	EXPECT_FALSE(gpu::load_capture("/nosuch", capture, error));
	EXPECT_EQ(error, "--capture: got '/nosuch', expected a file with the text of a trace-cmd report");
	EXPECT_FALSE(gpu::load_capture("/", capture, error));
}

// ---- Replays -----------------------------------------------------------------------------------------------------

std::string shipped()
{
	for (const std::string &workloads : gpu::workload_directories()) {
		std::filesystem::path file = workloads + "/../captures/desktop-and-game.txt";
		if (std::filesystem::exists(file))
			return file.string();
	}
	return "tests/gpu/captures/desktop-and-game.txt";
}

gpu::run_result replay(const gpu::replay &how, const std::vector<std::string> &settings)
{
	gpu::capture capture;
	std::vector<gpu::recorded_client> clients;
	gpu::workload workload;
	std::string error;
	gpu::run_result result;
	EXPECT_TRUE(gpu::load_capture(shipped(), capture, error)) << error;
	EXPECT_EQ(capture.jobs_without_buffers, 1u);
	EXPECT_EQ(capture.lost_events, 3u);
	EXPECT_TRUE(gpu::make_replay(capture, shipped(), how, settings, clients, workload, error)) << error;
	EXPECT_TRUE(gpu::run_workload(workload.runs.at(0), {}, result));
	EXPECT_FALSE(result.violated()) << gpu::describe_violation(result);
	EXPECT_EQ(result.stopped, gpu::stop_reason::none);
	EXPECT_EQ(result.total.jobs, capture.jobs());
	EXPECT_EQ(result.serial.jobs_checked, result.total.jobs + result.total.evictions);
	EXPECT_EQ(result.lock_order_reports, 0u);
	for (size_t i = 0; i < capture.tasks.size(); i++)
		EXPECT_EQ(result.jobs_of_clients.at(i), capture.tasks[i].jobs.size());
	return result;
}

TEST(gpu_replay, is_serializable_and_keeps_the_pace)
{
	EXPECT_GE(replay({.at_captured_pace = true, .busy_percent = 100}, {}).seconds, 0.6);
}

TEST(gpu_replay, is_serializable_as_fast_as_possible)
{
	for (const char *algorithm : {"algorithm=wait-die", "algorithm=wound-wait"})
		replay({.at_captured_pace = false, .busy_percent = 0}, {algorithm});
}

TEST(gpu_replay, is_serializable_among_trouble)
{
	replay({.at_captured_pace = false, .busy_percent = 1},
	       {"execute=mixed", "shared_reservations=4", "duplicate_share=30", "order=opposite",
		"signal_rate=5000", "eviction_rate=5000", "read_share=30"});
}

TEST(gpu_replay, notices_missing_reservations)
{
	gpu::capture capture;
	std::vector<gpu::recorded_client> clients;
	gpu::workload workload;
	std::string text, error;
	for (unsigned i = 1; i <= 2000; i++)
		for (const char *task : {"a-1", "b-2"})
			text += bo(i, "0xa", task) + cs(i, static_cast<unsigned>(task[2]), i, task);
	ASSERT_TRUE(gpu::parse_capture(text, "x", capture, error)) << error;
	ASSERT_TRUE(gpu::make_replay(capture, "x", {.at_captured_pace = false, .busy_percent = 0},
				     {"break=skip-reservation", "break_share=100"}, clients, workload,
				     error));
	gpu::run_result result;
	ASSERT_TRUE(gpu::run_workload(workload.runs.at(0), {}, result));
	EXPECT_TRUE(result.violated());
}

TEST(gpu_replay, a_job_of_years_is_cut_short)
{
	parsed p = parse(bo(0, "0xa") + cs(0, 3, 1) + run(0, 3, 1) +
			 "a-0 [000] 1000000000.0: dma_fence_signaled: context=3 seqno=1\n");
	ASSERT_TRUE(p.good) << p.error;
	std::vector<gpu::recorded_client> clients;
	gpu::workload workload;
	std::string error;
	ASSERT_TRUE(gpu::make_replay(*p.capture, "x", {.busy_percent = 1000}, {}, clients, workload, error));
	EXPECT_EQ(p.job(0, 0).busy_ns, INT64_MAX / 1000 * 1000 / 100);
}

TEST(gpu_replay, a_capture_decides_some_keys_itself)
{
	gpu::capture capture;
	std::vector<gpu::recorded_client> clients;
	gpu::workload workload;
	std::string error;
	ASSERT_TRUE(gpu::parse_capture(bo(0, "1") + cs(1, 3, 4), "x", capture, error));
	auto with = [&](const std::string &setting) {
		EXPECT_FALSE(gpu::make_replay(capture, "x", {}, {setting}, clients, workload, error));
		return error;
	};
	EXPECT_EQ(with("clients=3"), "--set: got key 'clients', which a capture decides itself");
	EXPECT_EQ(with("words"), "--set: got 'words', expected key=value");
	EXPECT_EQ(with("words=0"), "--set words=0: got '0', expected 'words' to be a number from 1 to 509");
}

} // namespace
