// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef GPU_HOST_RUN_HPP
#define GPU_HOST_RUN_HPP

#include "../device.hpp"
#include "workload.hpp"

#include <atomic>
#include <functional>

namespace gpu {

/// What came out of a run.
struct run_result {
	run_spec spec;
	double seconds = 0;
	counters total;
	resv::ww_statistics met{}; // by all contexts
	std::vector<uint64_t> jobs_of_clients;
	uint64_t signals_sent = 0;
	uint64_t retired = 0;
	bool retired_in_order = true;
	uint64_t trace_events = 0;
	uint64_t trace_dropped = 0;
	uint64_t lock_order_reports = 0; // with CONFIG_PROVE_LOCKING
	stop_reason stopped = stop_reason::none;
	std::string stuck; // who waited for what
	verdict serial;

	/// Is anything wrong with it?
	bool violated() const;
};

/// Who watches a run. All may be empty.
struct observer {
	std::function<void(double seconds, uint64_t jobs)> progress;    // every now and then
	std::function<void(const run_spec &, const device &)> finished; // before the device is gone
	const std::atomic<bool> *cancel = nullptr;                      // ends the run early
};

/// Runs it in threads of its own. A run that makes no progress is stopped; if even then its threads do not end, says so
/// on stderr and ends the process with exit code 1. False: no memory.
bool run_workload(const run_spec &spec, const observer &watch, run_result &result);

} // namespace gpu

#endif // GPU_HOST_RUN_HPP
