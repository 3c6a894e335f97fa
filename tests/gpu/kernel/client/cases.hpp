// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef GPU_KERNEL_CLIENT_CASES_HPP
#define GPU_KERNEL_CLIENT_CASES_HPP

#include "ktap.hpp"

namespace gpu {

/// One test of the driver, which it loads with these parameters before and unloads after.
struct test_case {
	const char *name;
	const char *parameters;
	void (*run)(expectations &e);
};

extern const test_case cases[];
extern const unsigned case_count;

/// Returns what was wrong; empty: nothing.
std::string run_case(const test_case &c);

/// Calls the driver `calls` times with what a seed makes up, from two processes; then it must work as before.
void fuzz(uint64_t seed, unsigned calls, expectations &e);

} // namespace gpu

#endif // GPU_KERNEL_CLIENT_CASES_HPP
