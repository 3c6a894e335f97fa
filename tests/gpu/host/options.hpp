// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef GPU_HOST_OPTIONS_HPP
#define GPU_HOST_OPTIONS_HPP

#include "capture.hpp"

#include <string>
#include <vector>

namespace gpu {

/// The command line of resv-gpu.
struct options {
	std::string workload = "desktop";
	std::vector<std::string> settings; // key=value
	std::string capture;               // a file to replay instead of a workload, or empty
	replay how;
	std::string trace;      // a file, or empty
	std::string lock_graph; // a file, or empty
	std::string demo;       // or empty
	bool help = false;
};

extern const char *const usage;

/// False: `error` says what is wrong.
bool parse_options(const std::vector<std::string> &arguments, options &result, std::string &error);

} // namespace gpu

#endif // GPU_HOST_OPTIONS_HPP
