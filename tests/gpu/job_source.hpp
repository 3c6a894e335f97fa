// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Where a client's jobs come from: they are made up at random, or were recorded.
#ifndef GPU_JOB_SOURCE_HPP
#define GPU_JOB_SOURCE_HPP

#include "actor.hpp"
#include "config.hpp"
#include "recording.hpp"

namespace gpu {

/// A job that is to be submitted.
struct job_plan {
	use *uses = nullptr; // `count` different buffers, in the order of reserving; the source's
	unsigned count = 0;
	unsigned twice = ~0u; // the one of them that is named twice
	unsigned ring = 0;
	int64_t begin_ns = 0; // not before so long after the client began
	int64_t busy_ns = 0;  // keeps the ring busy for so long
	bool without_context = false;
	bool skips_reservation = false;
	bool run_by_ring = false;
};

/// One client's jobs.
class job_source {
public:
	job_source(const config &c, const zipf &popularity) : config_(c), popularity_(popularity) {}

	/// False: no memory.
	[[nodiscard]] bool create(actor &self);

	/// The next job. False: there are no more. Context: the client's task.
	bool next(job_plan &plan);

private:
	void make_up(job_plan &plan);
	void play(job_plan &plan, const recorded_job &job);
	uint32_t pick_buffer(uint32_t job);
	void order_uses(unsigned count);

	const config &config_;
	const zipf &popularity_;
	actor *self_ = nullptr;
	uint32_t given_ = 0; // jobs
	array<use> uses_;
	array<uint32_t> picked_; // for each buffer, the last job that picked it
};

} // namespace gpu

#endif // GPU_JOB_SOURCE_HPP
