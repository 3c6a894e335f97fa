// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef GPU_HOST_TABLE_HPP
#define GPU_HOST_TABLE_HPP

#include "run.hpp"

namespace gpu {

/// The results of a workload, one column for each run, and below it what is wrong with them, if anything is.
std::string format_table(const std::string &workload, const std::vector<run_result> &results);

/// What is wrong with a run, in a line or more; empty if nothing is.
std::string describe_violation(const run_result &result);

/// "1234567" as "1,234,567".
std::string with_commas(uint64_t n);

/// Nanoseconds in a unit that suits them.
std::string format_time(uint64_t ns);

} // namespace gpu

#endif // GPU_HOST_TABLE_HPP
