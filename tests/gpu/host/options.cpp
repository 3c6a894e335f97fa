// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "options.hpp"

namespace gpu {

const char *const usage =
	"usage: resv-gpu [--workload=NAME|FILE] [--set key=value]... [--trace=FILE] [--lockgraph=FILE]\n"
	"       resv-gpu --demo=NAME [--lockgraph=FILE]\n"
	"\n"
	"Runs a workload of the software GPU and checks that it was serializable.\n"
	"\n"
	"  --workload=NAME   a file of tests/gpu/workloads without its .conf; default: desktop\n"
	"  --workload=FILE   any other workload file\n"
	"  --set key=value   overrides a key of the workload, in all of its runs\n"
	"  --trace=FILE      writes a trace, to be opened in Perfetto or chrome://tracing\n"
	"  --lockgraph=FILE  draws the lock order that was seen: .dot, or .svg, .png, .pdf by graphviz;\n"
	"                    needs a build with PROVE_LOCKING\n"
	"  --demo=NAME       plays a demo instead of a workload: mail-thread\n"
	"  --help            shows this\n"
	"\n"
	"Ctrl-C ends a run early. Exit code: 0; 1 if the run was not serializable, got stuck or broke a\n"
	"lock order, or if a demo went otherwise than told; 2 if it could not be started. The keys are\n"
	"explained in tests/gpu/workloads/desktop.conf.\n";

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
		    flag != "--demo") {
			error = "got '" + argument +
				"', expected --workload, --set, --trace, --lockgraph, --demo or --help";
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
		else
			result.demo = value;
	}
	return true;
}

} // namespace gpu
