// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef GPU_CLIENT_HPP
#define GPU_CLIENT_HPP

#include "fenced_job.hpp"
#include "job_source.hpp"

namespace gpu {

/// A user of the device: submits one job after the other.
class client {
public:
	explicit client(device &gpu) : gpu_(gpu), source_(gpu.config(), gpu.popularity()) {}

	/// False: no memory.
	[[nodiscard]] bool create(actor &self);

	/// Until it has run its jobs, the device is stopped, or the log is full. Context: the client's task.
	void run();

private:
	struct wish_list {
		resv::reservation_object **first, **last;
		resv::reservation_object **begin() const { return first; }
		resv::reservation_object **end() const { return last; }
	};

	struct span {
		int64_t begin, end;
	};

	bool sleep_until(int64_t when);
	void make_job();
	bool perform();
	int attempt(int64_t begin);
	int reserve_all_and_run(int64_t begin);
	int reserve_one_and_run(int64_t begin);
	span run_reserved(int64_t begin);
	bool has_room() const;
	void trace_span(int64_t begin, span held);

	// Where memory is limited; see memory.hpp.
	int submit_with_fences(int64_t begin);
	void back_off(unsigned times);
	void wait_for_last();

	void trace_held(const resv::reservation_object &object, span held);

	device &gpu_;
	actor *self_ = nullptr;
	resv::wait_request request_; // how its waits end

	// The job at hand.
	job_source source_;
	job_plan plan_;
	uint32_t submitted_ = 0; // jobs
	job job_;
	array<resv::reservation_object *> wanted_; // the buffers' own, with duplicates
	unsigned wanted_count_ = 0;

	// Where memory is limited.
	array<named_buffer> held_; // the buffers of the job at hand
	resv::fence_ref last_;     // the last job's
	size_t words_logged_ = 0;  // or to be, by the ring
};

} // namespace gpu

#endif // GPU_CLIENT_HPP
