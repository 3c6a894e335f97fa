// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Workload files, and settings. What the parser takes can be run, and what it does not take it says why and where. Comments
// and blank lines change nothing.
#include "gpu_config.hpp"

using namespace resv::fuzz;

namespace {

const std::string file = "a.conf";

void check_refused(const file_input &in, const std::string &error)
{
	check(error.find("got ") != error.npos && error.find(", expected ") != error.npos,
	      "no reason in: " + error);
	if (!error.starts_with("--set"))
		check_place(error, file, in.text, false);
}

std::string with_comments(const std::string &text)
{
	std::string more = "# first\n";
	for (char c : text) {
		if (c == '\n')
			more += " \t# [x] y = z\r\n\n";
		else
			more += c;
	}
	return more;
}

} // namespace

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const file_input in(data, size);
	gpu::workload read, again;
	std::string error, error_again;
	const bool taken = gpu::parse_workload(in.text, file, in.settings, read, error);

	if (taken) {
		check(!read.runs.empty(), "no run");
		for (const gpu::run_spec &run : read.runs)
			check_run(run, gpu::max_rings);
	} else {
		check_refused(in, error);
	}
	check(gpu::parse_workload(with_comments(in.text), file, in.settings, again, error_again) == taken,
	      "comments make a difference: " + error + error_again);
	for (size_t i = 0; taken && i < read.runs.size(); i++)
		check(read.runs[i].name == again.runs[i].name &&
			      read.runs[i].milliseconds == again.runs[i].milliseconds,
		      "comments change a run");
	return 0;
}
