// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// One transaction of 800 objects among a flood of transactions of 8, on all other CPUs. All want objects of the same 2000, so
// that the large one is in the way of each small one, and each of them in its way. It gets through, because of its seniority:
//
// - It gets a stamp when it first meets contention, and keeps it. Whatever begins after that is younger. So its elders are
//   transactions that had their stamps by then: at most one for each other CPU, and none comes after them.
// - It is sent back for an elder only: it is wounded by one that waits for what it holds (wound-wait), or meets one that holds
//   or waits for what it wants (wait-die). So once the last elder is done, it is never sent back again.
// - A pass of an elder asks for 8 objects, once each. For each it sends the large one back at most twice: the lock may be taken
//   out of turn once, before the first in line insists.
//
// So it is sent back at most 2 x 8 times for each pass of an elder. An elder's passes are bounded in the same way by its own
// elders, and the oldest of all has one.
#ifndef RESV_TESTS_SIMULATE_STARVATION_HPP
#define RESV_TESTS_SIMULATE_STARVATION_HPP

#include "costs.hpp"
#include "workload.hpp"

namespace simulate {

struct flood {
	const algorithm *how;
	bool eager;
	unsigned cpus;
	unsigned seed;
};

struct survival {
	std::string failure; // what of the above does not hold; empty: all does
	uint64_t small = 0;  // transactions that were done from the begin of the large one to its end
	unsigned retries = 0;
	unsigned elders = 0;
	uint64_t bound = 0;
	double seconds = 0; // it took the large one
};

survival starve(const flood &f, const calibration &c);

} // namespace simulate

#endif // RESV_TESTS_SIMULATE_STARVATION_HPP
