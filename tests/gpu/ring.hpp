// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// A hardware ring: a bounded queue of submissions, and the scheduler's task, which takes them in order, runs those that
// are its to run, and retires all of them. It never reserves anything, so a client may wait for it while it holds
// reservations: to the annotator this is a fence.
//
// Work that has a fence of its own (see submission.hpp) may have to wait for others, in the ring: what is behind it waits,
// too. Nobody waits in a circle, because work can only depend on fences that others could see when it was handed in, which
// is after these were handed in themselves.
#ifndef GPU_RING_HPP
#define GPU_RING_HPP

#include "page.hpp"
#include "submission.hpp"
#include "wait_queue.hpp"

namespace gpu {

inline constinit lock_class ring_locks{"gpu_ring", RESV_LD_WAIT_CONFIG};

/// A job, as its client describes it to whoever runs it.
struct job {
	job_id id;
	unsigned count = 0;
	use *uses = nullptr; // `count` different buffers
	job_log *log = nullptr;
	int64_t busy_ns = 0; // keeps the ring busy for so long
};

class ring {
public:
	/// For the jobs of `actors`, whose contents are in `pages`. False: no memory.
	[[nodiscard]] bool create(unsigned actors, page_store &pages);

	/// Hands in a job whose contents are done, and which keeps the ring busy for so long. Sleeps while the ring is
	/// full.
	void submit(job_id id, int64_t busy_ns = 0);

	/// Hands in a job for the ring to run; returns when it has. Context: its buffers are reserved.
	void submit_and_wait(const job &work);

	/// Hands in work with a fence, which is the next one on the ring's timeline; the caller gets a reference to it.
	/// Sleeps while the ring is full, but never for a reservation.
	void submit(submission &s);

	/// The scheduler's task: serves the ring until it has been closed and is empty.
	void serve();

	/// After the last submission.
	void close();

	/// So many jobs have been retired. Context: served to its end.
	uint64_t retired() const { return retired_; }

	/// Has no actor's job been retired after a later one of its? Context: served to its end.
	bool in_order() const { return in_order_; }

private:
	static constexpr unsigned capacity = 256;

	// How long a finished job may lie in the ring: as with interrupt coalescing, nobody wakes the scheduler for it
	// before the ring is half full.
	static constexpr int64_t latency_ns = 1000000;

	struct completion {
		bool done = false;
		wait_queue waiter;
	};
	struct entry {
		job_id id;
		const job *work = nullptr;
		submission *fenced = nullptr;
		completion *completed = nullptr;
		int64_t busy_ns = 0;
	};

	struct dependency {
		resv_fence_cb cb;
		ring *waiter;
		bool signaled; // guarded by lock_
	};

	void push(const entry &e);
	void finish(submission &s);
	void await(resv_fence *f);
	static void signaled(resv_fence *f, resv_fence_cb *cb);
	void stay_busy(int64_t ns);
	void retire(job_id id);

	// Guarded by lock_.
	spin_lock lock_{ring_locks};
	entry entries_[capacity];
	unsigned head_ = 0, count_ = 0;
	bool closed_ = false;
	wait_queue scheduler_;
	wait_queue for_space_;
	wait_queue busy_;    // the scheduler, while the hardware is at work
	wait_queue depends_; // the scheduler, while it waits for a fence
	uint64_t seqno_ = 0; // of the last fence

	// The scheduler's.
	page_store *pages_ = nullptr;
	uint64_t timeline_ = 0;
	array<uint32_t> last_retired_; // of each actor
	uint64_t retired_ = 0;
	int64_t busy_until_ = 0;
	bool in_order_ = true;
};

} // namespace gpu

#endif // GPU_RING_HPP
