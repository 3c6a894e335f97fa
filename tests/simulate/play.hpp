// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef RESV_TESTS_SIMULATE_PLAY_HPP
#define RESV_TESTS_SIMULATE_PLAY_HPP

#include "costs.hpp"
#include "workload.hpp"

namespace simulate {

/// A workload on a number of CPUs.
struct point {
	const workload *what;
	const algorithm *how;
	bool eager = false; // stamps: given when a transaction begins, or when it first meets contention
	unsigned cpus = 1;
	unsigned tasks = 1;
	uint64_t transactions = 0;
	unsigned seed = 1;
};

/// What was seen, once a tenth of the transactions had warmed the caches.
struct outcome {
	double per_second = 0;
	double rollbacks = 0;    // of a transaction
	double longest_wait = 0; // for all of a set, in seconds
	double stamps = 0;       // accesses to the class's counter, of a transaction
	double stamp_time = 0;   // of all CPU time, the part that was lost on the counter's line
	double sleeps = 0;       // of a transaction
	bool hangs = false;
};

outcome play(const point &p, const calibration &c);

/// How many transactions of a workload say enough about so many tasks.
uint64_t enough(const workload &w, unsigned tasks);

/// The time that a line takes from one CPU to another and back, as a microbenchmark of the machine would see it.
resv::vcpu::duration round_trip(const calibration &c);

} // namespace simulate

#endif // RESV_TESTS_SIMULATE_PLAY_HPP
