// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef GPU_SESSION_HPP
#define GPU_SESSION_HPP

#include "fenced_job.hpp"

namespace gpu {

/// A user who comes and goes, and brings jobs of its own: to a driver, an open file. Its place among the actors is taken
/// again once all of its jobs have been run; numbers of jobs go on then.
class session {
public:
	explicit session(device &gpu) : gpu_(gpu) {}
	void create(actor &self) { self_ = &self; }

	/// False: somebody has it, or jobs of his are still to be run, or there is no memory. Context: task.
	bool open();

	/// Its jobs go on. Context: nobody uses it any more.
	void close() { taken_.store(0, resv::order::release); }

	/// Submits a job for buffers to which the caller has references: see fenced_job. Returns 0 and its number, or what
	/// that may return; and -EBUSY: the log has no room for what it will see. Context: one task at a time, as for the
	/// next two; waits end with a signal.
	RESV_NODISCARD int submit(named_buffer *buffers, unsigned count, int64_t busy_ns, uint32_t &number);

	/// Waits until all of its jobs have been run. Returns 0 or -EINTR.
	RESV_NODISCARD int wait_idle();

	/// What its jobs saw, see job_log. Context: idle; from a submit on that is over.
	const job_log &log() const { return self_->log; }

	unsigned index() const { return self_->index; }
	const counters &stats() const { return self_->stats; }
	const device &owner() const { return gpu_; }

	/// So many buffers may a job name.
	unsigned most_buffers() const { return gpu_.config().max_buffers_per_job; }

private:
	bool give_up()
	{
		close();
		return false;
	}

	device &gpu_;
	actor *self_ = nullptr;
	resv::atomic<unsigned> taken_{0};
	uint32_t submitted_ = 0;  // jobs
	size_t words_logged_ = 0; // or to be, by the ring
	resv::fence_ref last_;    // the last job's
};

} // namespace gpu

#endif // GPU_SESSION_HPP
