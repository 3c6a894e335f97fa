// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "host/options.hpp"
#include "host/workload.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace {

using gpu::config;

struct parsed {
	bool good = false;
	gpu::workload workload;
	std::string error;

	const config &only() const { return workload.runs.at(0).config; }
};

parsed parse(const std::string &text, const std::vector<std::string> &settings = {})
{
	parsed p;
	p.good = gpu::parse_workload(text, "x/some.conf", settings, p.workload, p.error);
	return p;
}

TEST(gpu_workload, all_keys)
{
	parsed p = parse(
		"# comment\n"
		"clients = 3\nrings=2\n buffers =\t100 \nbuffers_per_job = 2-7 # range\nwords = 9\n"
		"skew = 1.25\nread_share = 10\nduplicate_share = 20\nno_context_share = 30\n"
		"shared_reservations = 4\nsignal_rate = 50\neviction_rate = 60\njobs = 70\nlog_mb = 80\n"
		"trace_events = 90\nbreak_share = 99\nseed = 12\nalgorithm = wound-wait\n"
		"order = opposite\nexecute = mixed\ninterrupt_every = 20\nbreak = hang\nseconds = "
		"1.5\nstall_seconds = 7");
	ASSERT_TRUE(p.good) << p.error;
	EXPECT_EQ(p.workload.name, "some");
	ASSERT_EQ(p.workload.runs.size(), 1u);
	EXPECT_EQ(p.workload.runs[0].name, "some");
	EXPECT_EQ(p.workload.runs[0].milliseconds, 1500u);
	EXPECT_EQ(p.workload.runs[0].stall_seconds, 7u);
	const config &c = p.only();
	EXPECT_EQ(c.clients, 3u);
	EXPECT_EQ(c.rings, 2u);
	EXPECT_EQ(c.buffers, 100u);
	EXPECT_EQ(c.min_buffers_per_job, 2u);
	EXPECT_EQ(c.max_buffers_per_job, 7u);
	EXPECT_EQ(c.words, 9u);
	EXPECT_EQ(c.skew, 125u);
	EXPECT_EQ(c.read_share, 10u);
	EXPECT_EQ(c.duplicate_share, 20u);
	EXPECT_EQ(c.no_context_share, 30u);
	EXPECT_EQ(c.shared_reservations, 4u);
	EXPECT_EQ(c.signal_rate, 50u);
	EXPECT_EQ(c.eviction_rate, 60u);
	EXPECT_EQ(c.interrupt_every, 20u);
	EXPECT_EQ(c.jobs, 70u);
	EXPECT_EQ(c.log_mb, 80u);
	EXPECT_EQ(c.trace_events, 90u);
	EXPECT_EQ(c.break_share, 99u);
	EXPECT_EQ(c.seed, 12u);
	EXPECT_EQ(c.algorithm, resv::ww_algorithm::wound_wait);
	EXPECT_EQ(c.order, gpu::lock_order::opposite);
	EXPECT_EQ(c.execute, gpu::executor::mixed);
	EXPECT_EQ(c.broken, gpu::breakage::hang);
}

TEST(gpu_workload, keys_of_limited_memory)
{
	parsed p = parse("vram = 5\ndevices = 2\nrings = 2\nexecute = ring\nsystem = 6\nswapout_rate = 7\n"
			 "recycle_rate = 8\nbreak = lose-copy\n");
	ASSERT_TRUE(p.good) << p.error;
	EXPECT_EQ(p.only().vram, 5u);
	EXPECT_EQ(p.only().devices, 2u);
	EXPECT_EQ(p.only().system, 6u);
	EXPECT_EQ(p.only().swapout_rate, 7u);
	EXPECT_EQ(p.only().recycle_rate, 8u);
	EXPECT_EQ(p.only().broken, gpu::breakage::lose_copy);
	EXPECT_EQ(config{}.vram, 0u);
}

TEST(gpu_workload, empty_file_is_one_run_of_defaults)
{
	parsed p = parse("");
	ASSERT_TRUE(p.good) << p.error;
	EXPECT_EQ(p.only().clients, config{}.clients);
}

TEST(gpu_workload, runs_inherit_the_top)
{
	parsed p = parse("clients = 3\nbuffers = 50\n[one]\nclients = 5\n[ two ]\nbuffers = 60\r\n",
			 {"rings = 2"});
	ASSERT_TRUE(p.good) << p.error;
	ASSERT_EQ(p.workload.runs.size(), 2u);
	const gpu::run_spec &one = p.workload.runs[0], &two = p.workload.runs[1];
	EXPECT_EQ(one.name, "one");
	EXPECT_EQ(one.config.clients, 5u);
	EXPECT_EQ(one.config.buffers, 50u);
	EXPECT_EQ(one.config.rings, 2u);
	EXPECT_EQ(two.name, "two");
	EXPECT_EQ(two.config.clients, 3u);
	EXPECT_EQ(two.config.buffers, 60u);
	EXPECT_EQ(two.config.rings, 2u);
}

TEST(gpu_workload, auto_clients)
{
	parsed p = parse("clients = auto");
	ASSERT_TRUE(p.good) << p.error;
	EXPECT_GE(p.only().clients, 4u);
}

struct bad {
	const char *name;
	const char *text;
	const char *error;
};

void PrintTo(const bad &b, std::ostream *out)
{
	*out << b.name;
}

class gpu_workload_error : public testing::TestWithParam<bad> {};

TEST_P(gpu_workload_error, names_file_line_and_what_was_expected)
{
	parsed p = parse(GetParam().text);
	EXPECT_FALSE(p.good);
	EXPECT_EQ(p.error, GetParam().error);
}

INSTANTIATE_TEST_SUITE_P(
	files, gpu_workload_error,
	testing::Values(
		bad{"no_equals", "\n# c\nclients 3\n",
		    "x/some.conf:3: got 'clients 3', expected 'key = value' or '[name]'"},
		bad{"not_a_number", "clients = three",
		    "x/some.conf:1: got 'three', expected 'clients' to be a number from 1 to 256, or auto"},
		bad{"empty_value",
		    "rings =", "x/some.conf:1: got '', expected 'rings' to be a number from 1 to 16"},
		bad{"too_small", "buffers = 0",
		    "x/some.conf:1: got '0', expected 'buffers' to be a number from 1 to 1000000"},
		bad{"too_large", "read_share = 101",
		    "x/some.conf:1: got '101', expected 'read_share' to be a number from 0 to 100"},
		bad{"overflow", "jobs = 99999999999999999999",
		    "x/some.conf:1: got '99999999999999999999', expected 'jobs' to be a number from 0 to "
		    "1000000000"},
		bad{"negative", "words = -1",
		    "x/some.conf:1: got '-1', expected 'words' to be a number from 1 to 509"},
		bad{"trailing", "words = 1x",
		    "x/some.conf:1: got '1x', expected 'words' to be a number from 1 to 509"},
		bad{"choice", "algorithm = wait",
		    "x/some.conf:1: got 'wait', expected 'algorithm' to be wound-wait, wait-die or adaptive"},
		bad{"range", "buffers_per_job = 7-2",
		    "x/some.conf:1: got '7-2', expected 'buffers_per_job' to be a number or a range N-M, "
		    "from 1 to 4096"},
		bad{"decimals", "skew = 0.123",
		    "x/some.conf:1: got '0.123', expected 'skew' to be a number from 0 to 4 with at most 2 "
		    "decimals"},
		bad{"no_decimals", "seconds = 5.",
		    "x/some.conf:1: got '5.', expected 'seconds' to be a number from 0 to 86400 with at most "
		    "3 decimals"},
		bad{"twice", "rings = 1\nrings = 2",
		    "x/some.conf:2: got 'rings' again, expected each key once in a section"},
		bad{"unclosed", "[a", "x/some.conf:1: got '[a', expected '[name]' with a name of its own"},
		bad{"unnamed", "[ ]", "x/some.conf:1: got '[ ]', expected '[name]' with a name of its own"},
		bad{"same_name", "[a]\n[a]",
		    "x/some.conf:2: got '[a]', expected '[name]' with a name of its own"},
		bad{"too_few_buffers", "\nbuffers_per_job = 65",
		    "x/some.conf:2: got 65 buffers per job in run 'some', expected no more than its 64 "
		    "buffers"},
		bad{"too_few_buffers_in_a_run", "buffers_per_job = 9\n[a]\nbuffers = 9\n[b]\nbuffers = 8",
		    "x/some.conf:5: got 9 buffers per job in run 'b', expected no more than its 8 buffers"},
		bad{"job_larger_than_vram", "execute = ring\nvram = 8\nbuffers_per_job = 9",
		    "x/some.conf:3: got 9 buffers per job in run 'some', expected no more than its 8 pages "
		    "of "
		    "'vram'"},
		bad{"vram_with_jobs_of_clients", "vram = 8",
		    "x/some.conf:1: got 'vram' without 'execute = ring' in run 'some', expected that the "
		    "rings "
		    "run all jobs"},
		bad{"vram_with_what_it_cannot_do", "vram = 8\nexecute = ring\nno_context_share = 5",
		    "x/some.conf:3: got 'vram' with 'shared_reservations', 'no_context_share' or 'break = "
		    "skip-reservation' in run 'some', expected none of them"},
		bad{"more_devices_than_rings", "vram = 8\nexecute = ring\ndevices = 2",
		    "x/some.conf:3: got 2 devices in run 'some', expected no more than its 1 rings"},
		bad{"devices_without_vram", "devices = 2",
		    "x/some.conf:1: got 'devices', 'system', 'swapout_rate' or 'recycle_rate' without 'vram' "
		    "in "
		    "run 'some', expected a number of pages for 'vram'"},
		bad{"lost_copies_without_vram", "break = lose-copy",
		    "x/some.conf:1: got a 'break' of fences or copies without 'vram' in run 'some', expected "
		    "a "
		    "number of pages for 'vram'"},
		bad{"endless", "seconds = 0",
		    "x/some.conf: got neither 'seconds' nor 'jobs' above 0 in run 'some', expected one of "
		    "them"}),
	[](const auto &test) { return std::string(test.param.name); });

TEST(gpu_workload, unknown_key_lists_all)
{
	parsed p = parse("[a]\nclient = 3");
	EXPECT_FALSE(p.good);
	EXPECT_EQ(p.error.find("x/some.conf:2: got key 'client', expected one of: algorithm, break, "), 0u)
		<< p.error;
	EXPECT_NE(p.error.find(", words"), std::string::npos) << p.error;
}

TEST(gpu_workload, bad_settings)
{
	EXPECT_EQ(parse("", {"clients"}).error, "--set: got 'clients', expected key=value");
	EXPECT_EQ(parse("", {"rings=0"}).error,
		  "--set rings=0: got '0', expected 'rings' to be a number from 1 to 16");
	EXPECT_EQ(
		parse("", {"buffers=3"}).error,
		"--set buffers=3: got 4 buffers per job in run 'some', expected no more than its 3 buffers");
	EXPECT_EQ(parse("", {"nonsense=3"})
			  .error.find("--set nonsense=3: got key 'nonsense', expected one of: "),
		  0u);
}

TEST(gpu_workload, those_of_the_tree_are_good)
{
	for (const char *name : {"desktop", "compute", "thrash", "kernel-08295b3", "tiny-vram"}) {
		gpu::workload workload;
		std::string error;
		EXPECT_TRUE(gpu::load_workload(name, gpu::workload_directories(), {}, workload, error))
			<< error;
		EXPECT_EQ(workload.name, name);
	}
}

TEST(gpu_workload, missing_file_lists_those_there_are)
{
	gpu::workload workload;
	std::string error;
	EXPECT_FALSE(gpu::load_workload("nosuch", gpu::workload_directories(), {}, workload, error));
	EXPECT_EQ(error, "--workload: got 'nosuch', expected a workload file, or one of: compute, desktop, "
			 "kernel-08295b3, thrash, tiny-vram");
	EXPECT_FALSE(gpu::load_workload("/", gpu::workload_directories(), {}, workload, error));
}

TEST(gpu_options, all)
{
	gpu::options o;
	std::string error;
	ASSERT_TRUE(gpu::parse_options({"--workload=a", "--set", "b=c", "--set=d=e", "--trace", "f",
					"--lockgraph=g.svg", "--demo=h", "--capture=i", "--pace=fast",
					"--busy=50"},
				       o, error));
	EXPECT_EQ(o.workload, "a");
	EXPECT_EQ(o.settings, (std::vector<std::string>{"b=c", "d=e"}));
	EXPECT_EQ(o.trace, "f");
	EXPECT_EQ(o.lock_graph, "g.svg");
	EXPECT_EQ(o.demo, "h");
	EXPECT_EQ(o.capture, "i");
	EXPECT_FALSE(o.how.at_captured_pace);
	EXPECT_EQ(o.how.busy_percent, 50u);
	EXPECT_FALSE(o.help);
	ASSERT_TRUE(gpu::parse_options({"--help"}, o, error));
	EXPECT_TRUE(o.help);
}

TEST(gpu_options, none)
{
	gpu::options o;
	std::string error;
	ASSERT_TRUE(gpu::parse_options({}, o, error));
	EXPECT_EQ(o.workload, "desktop");
}

TEST(gpu_options, bad)
{
	gpu::options o;
	std::string error;
	EXPECT_FALSE(gpu::parse_options({"--bad"}, o, error));
	EXPECT_EQ(error, "got '--bad', expected --workload, --capture, --pace, --busy, --set, --trace, "
			 "--lockgraph, --demo or --help");
	EXPECT_FALSE(gpu::parse_options({"desktop"}, o, error));
	EXPECT_FALSE(gpu::parse_options({"--workload"}, o, error));
	EXPECT_EQ(error, "got '--workload' alone, expected a value for --workload");
	EXPECT_FALSE(gpu::parse_options({"--trace="}, o, error));
	EXPECT_FALSE(gpu::parse_options({"--pace=slow"}, o, error));
	EXPECT_EQ(error, "got 'slow', expected --pace to be captured or fast");
	for (const char *bad : {"--busy=1001", "--busy=-1", "--busy=1x"})
		EXPECT_FALSE(gpu::parse_options({bad}, o, error));
	EXPECT_EQ(error, "got '1x', expected --busy to be a number from 0 to 1000");
	EXPECT_FALSE(gpu::parse_options({"--help=yes"}, o, error));
}

} // namespace
