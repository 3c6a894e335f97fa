// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef GPU_CLIENT_HPP
#define GPU_CLIENT_HPP

#include "device.hpp"

namespace gpu {

/// A user of the device: makes up jobs, and submits one after the other.
class client {
public:
	explicit client(device &gpu) : gpu_(gpu) {}

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

	void make_job();
	uint32_t pick_buffer();
	void order_uses();
	bool perform();
	int attempt(int64_t begin);
	int reserve_all_and_run(int64_t begin);
	int reserve_one_and_run(int64_t begin);
	span run_reserved(int64_t begin);
	void trace_held(const resv::reservation_object &object, span held);

	device &gpu_;
	actor *self_ = nullptr;
	resv::wait_request request_; // how its waits end

	// The job at hand.
	job job_;
	array<use> uses_;                          // distinct, in the order of reserving
	array<resv::reservation_object *> wanted_; // theirs, with duplicates
	unsigned wanted_count_ = 0;
	bool without_context_ = false;
	bool skips_reservation_ = false;
	bool run_by_ring_ = false;
	array<uint32_t> picked_; // for each buffer, the last job that picked it
};

} // namespace gpu

#endif // GPU_CLIENT_HPP
