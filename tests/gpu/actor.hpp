// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef GPU_ACTOR_HPP
#define GPU_ACTOR_HPP

#include "job_log.hpp"
#include "random.hpp"
#include "stats.hpp"
#include "trace.hpp"
#include "wait_queue.hpp"

#include <resv/ww_mutex.hpp>

namespace gpu {

inline constinit lock_class identity_locks{"gpu_actor_identity", RESV_LD_WAIT_CONFIG};

/// A task that touches buffers, and what it leaves behind.
struct alignas(64) actor {
	// Its own, until it has ended.
	unsigned index = 0;
	random_source random;
	job_log log;
	trace_buffer trace;
	counters stats;
	uint32_t waits = 0; // in line, with a context
	bool keeps_log = true;

	/// Who it is while it runs. Context: its task.
	void enter()
	{
		identity_lock.lock();
		task.store(resv_port_current(), resv::order::relaxed);
		identity_lock.unlock();
	}
	void leave()
	{
		identity_lock.lock();
		task.store(0, resv::order::relaxed);
		identity_lock.unlock();
	}

	/// Sends it a signal if it runs. Context: any.
	bool interrupt()
	{
		identity_lock.lock();
		resv_port_task target = task.load(resv::order::relaxed);
		if (target)
			gpu_os_interrupt(target); // cannot end: leave() takes the lock
		identity_lock.unlock();
		return target;
	}

	// For others to watch; each is written by the actor alone, or its ring.
	alignas(64) resv::atomic<resv_port_task> task{0};
	resv::atomic<uint32_t> completed{0};       // jobs
	resv::atomic<uint32_t> waits_for{nothing}; // a reservation, the_ring, or nothing
	resv::atomic<uintptr_t> context{0};        // the last that it opened
	spin_lock identity_lock{identity_locks};

	static constexpr uint32_t nothing = ~0u;
	static constexpr uint32_t the_ring = ~1u;

	void note_wait(uint32_t what) { waits_for.store(what, resv::order::relaxed); }
	void note_context(const resv::ww_acquire_ctx *ctx)
	{
		context.store(reinterpret_cast<uintptr_t>(ctx), resv::order::relaxed);
	}
	void note_completed() { completed.store(log.jobs(), resv::order::relaxed); } // by who writes the log
};

} // namespace gpu

#endif // GPU_ACTOR_HPP
