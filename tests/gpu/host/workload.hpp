// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Workload files: `key = value` lines and # comments. Each `[name]` begins a run, which inherits what stands above the
// first of them; without any, the file is one run. The keys are explained in workloads/desktop.conf.
#ifndef GPU_HOST_WORKLOAD_HPP
#define GPU_HOST_WORKLOAD_HPP

#include "../config.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace gpu {

/// One run of a workload: the device's configuration, and how long.
struct run_spec {
	std::string name;
	gpu::config config;
	unsigned milliseconds = 5000; // 0: no limit
	unsigned stall_seconds = 30;  // without a job, until the run counts as stuck
	std::string file;             // it was read from, for messages
	std::string buffers_at;       // where the number of buffers, or that of a job, was set last
	std::string vram_at;          // where something was set last that has to do with memory
};

struct workload {
	std::string name;
	std::vector<run_spec> runs;
};

/// Sets one key. False: `error` says what is wrong, beginning with `where`.
bool set_key(run_spec &run, std::string_view key, std::string_view value, const std::string &where,
	     std::string &error);

/// Checks what no key can be judged by alone.
bool check_run(const run_spec &run, std::string &error);

/// Reads a workload from the text of `file`, then applies `settings` ("key=value") to every run of it.
bool parse_workload(std::string_view text, const std::string &file, const std::vector<std::string> &settings,
		    workload &result, std::string &error);

/// Finds `name_or_path` (a name: in `directories`) and parses it.
bool load_workload(const std::string &name_or_path, const std::vector<std::string> &directories,
		   const std::vector<std::string> &settings, workload &result, std::string &error);

/// Where workload files are looked for: below the current directory, and in the tree that the program lies in.
std::vector<std::string> workload_directories();

} // namespace gpu

#endif // GPU_HOST_WORKLOAD_HPP
