// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "options.hpp"

#include <charconv>

namespace gpu {

const char *const usage =
	"usage: resv-gpu [--workload=NAME|FILE] [--set key=value]... [--trace=FILE] [--lockgraph=FILE]\n"
	"       resv-gpu --capture=FILE [--pace=captured|fast] [--busy=PERCENT] [the same options]\n"
	"       resv-gpu --demo=NAME [--lockgraph=FILE]\n"
	"\n"
	"Runs a workload of the software GPU and checks that it was serializable.\n"
	"\n"
	"  --workload=NAME   a file of tests/gpu/workloads without its .conf; default: desktop\n"
	"  --workload=FILE   any other workload file\n"
	"  --set key=value   overrides a key of the workload, in all of its runs\n"
	"  --capture=FILE    replays what trace-cmd report printed of a machine with an amdgpu; how to "
	"record\n"
	"                    one is said in tests/gpu/captures/README.md\n"
	"  --pace=captured   submits its jobs when they were submitted then (the default); fast: as soon as\n"
	"                    possible\n"
	"  --busy=PERCENT    how long a job keeps its ring busy, of the captured time; default: 100\n"
	"  --trace=FILE      writes a trace, to be opened in Perfetto or chrome://tracing\n"
	"  --lockgraph=FILE  draws the lock order that was seen: .dot, or .svg, .png, .pdf by graphviz;\n"
	"                    needs a build with PROVE_LOCKING\n"
	"  --demo=NAME       plays a demo instead of a workload: mail-thread\n"
	"  --help            shows this\n"
	"\n"
	"Ctrl-C ends a run early. Exit code: 0; 1 if the run was not serializable, got stuck or broke a\n"
	"lock order, or if a demo went otherwise than told; 2 if it could not be started. The keys are\n"
	"explained in tests/gpu/workloads/desktop.conf.\n";

namespace {

bool set_pace(const std::string &value, replay &how)
{
	how.at_captured_pace = value == "captured";
	return how.at_captured_pace || value == "fast";
}

bool set_busy(const std::string &value, replay &how)
{
	auto [end, err] = std::from_chars(value.data(), value.data() + value.size(), how.busy_percent);
	return err == std::errc() && end == value.data() + value.size() && how.busy_percent <= 1000;
}

} // namespace

bool parse_options(const std::vector<std::string> &arguments, options &result, std::string &error)
{
	for (size_t i = 0; i < arguments.size(); i++) {
		const std::string &argument = arguments[i];
		size_t equals = argument.find('=');
		std::string flag = argument.substr(0, equals);
		if (argument == "--help" || argument == "-h") {
			result.help = true;
			continue;
		}
		if (flag != "--workload" && flag != "--set" && flag != "--trace" && flag != "--lockgraph" &&
		    flag != "--demo" && flag != "--capture" && flag != "--pace" && flag != "--busy") {
			error = "got '" + argument +
				"', expected --workload, --capture, --pace, --busy, --set, --trace, "
				"--lockgraph, --demo or "
				"--help";
			return false;
		}
		std::string value;
		if (equals != argument.npos)
			value = argument.substr(equals + 1);
		else if (i + 1 < arguments.size())
			value = arguments[++i];
		if (value.empty()) {
			error = "got '" + argument + "' alone, expected a value for " + flag;
			return false;
		}
		if (flag == "--workload")
			result.workload = value;
		else if (flag == "--set")
			result.settings.push_back(value);
		else if (flag == "--trace")
			result.trace = value;
		else if (flag == "--lockgraph")
			result.lock_graph = value;
		else if (flag == "--capture")
			result.capture = value;
		else if (flag == "--demo")
			result.demo = value;
		else if (flag == "--pace" ? !set_pace(value, result.how) : !set_busy(value, result.how)) {
			error = "got '" + value + "', expected " + flag + " to be " +
				(flag == "--pace" ? "captured or fast" : "a number from 0 to 1000");
			return false;
		}
	}
	return true;
}

} // namespace gpu
