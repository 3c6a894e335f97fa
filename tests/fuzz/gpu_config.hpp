// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef RESV_TESTS_FUZZ_GPU_CONFIG_HPP
#define RESV_TESTS_FUZZ_GPU_CONFIG_HPP

#include "fuzz.hpp"

#include <tests/gpu/host/workload.hpp>

namespace resv::fuzz {

/// What the device counts on, whoever made the run.
inline void check_run(const gpu::run_spec &run, unsigned most_rings)
{
	const gpu::config &c = run.config;
	auto within = [](unsigned value, unsigned min, unsigned max, const char *what) {
		check(value >= min && value <= max, std::to_string(value) + " for " + what);
	};
	within(c.clients, 1, gpu::max_clients, "clients");
	within(c.rings, 1, most_rings, "rings");
	within(c.buffers, 1, gpu::max_buffers, "buffers");
	within(c.max_buffers_per_job, 1, gpu::max_buffers_per_job, "the most buffers of a job");
	within(c.max_buffers_per_job, 1, c.buffers, "the most buffers of a job, of all");
	within(c.min_buffers_per_job, 1, c.max_buffers_per_job, "the fewest buffers of a job");
	within(c.words, 1, gpu::max_words, "words");
	within(c.skew, 0, 400, "skew");
	for (unsigned share : {c.read_share, c.duplicate_share, c.no_context_share, c.break_share})
		within(share, 0, 100, "a share");
	within(c.shared_reservations, 1, 64, "shared reservations");
	for (unsigned rate : {c.signal_rate, c.eviction_rate, c.swapout_rate, c.recycle_rate})
		within(rate, 0, 1000000, "a rate");
	within(c.devices, 1, c.vram != 0 ? std::min(c.rings, gpu::max_devices) : 1, "devices");
	within(c.system, 0, c.vram != 0 ? gpu::max_buffers : 0, "pages of system memory");
	within(c.log_mb, 1, 4096, "log_mb");
	if (c.vram != 0) {
		within(c.vram, c.max_buffers_per_job, gpu::max_buffers, "pages of VRAM");
		check(c.execute == gpu::executor::ring && c.shared_reservations == 1 &&
			      c.no_context_share == 0,
		      "VRAM that goes with something else");
	}
	check(run.milliseconds != 0 || c.jobs != 0, "a run without an end");
	within(run.stall_seconds, 1, 2000000000, "stall_seconds");
}

} // namespace resv::fuzz

#endif // RESV_TESTS_FUZZ_GPU_CONFIG_HPP
