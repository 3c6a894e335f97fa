// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What was measured of a machine, as a file: a line 'NAME NANOSECONDS' for each cost, and a line 'measured WORKLOAD CLASS
// THREADS PER-SECOND' for each throughput to compare the model with. What follows a # is a comment.
#ifndef RESV_TESTS_SIMULATE_COSTS_HPP
#define RESV_TESTS_SIMULATE_COSTS_HPP

#include "src/port/vcpu/costs.hpp"

#include <string>
#include <vector>

namespace simulate {

struct measurement {
	std::string workload;
	std::string algorithm;
	unsigned threads;
	double per_second;
};

struct calibration {
	resv::vcpu::costs machine = {};
	resv::vcpu::duration draw = 0; ///< the drawing of one object, which is the workload's own work
	std::vector<measurement> measured;
};

/// A cost and its name in the file.
struct named_cost {
	const char *name;
	resv::vcpu::duration *value;
	const char *what;
};
std::vector<named_cost> costs_of(calibration &c);

/// Empty, or why the file cannot be used.
std::string read_calibration(const std::string &file, calibration &c);

} // namespace simulate

#endif // RESV_TESTS_SIMULATE_COSTS_HPP
