// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// A spin lock and sleeping under it, out of the port's parts.
#ifndef GPU_WAIT_QUEUE_HPP
#define GPU_WAIT_QUEUE_HPP

#include "annotate.hpp"

#include <resv/port.h>

namespace gpu {

/// What it tells the annotator, it tells before it turns interrupts off: no interrupt handler takes any of them.
class spin_lock {
public:
	explicit spin_lock(const lock_class &cls) : annotation_(cls) {}

	[[gnu::always_inline]] void lock()
	{
		annotation_.acquire();
		unsigned long flags = resv_port_spin_lock(&lock_);
		flags_ = flags;
	}
	[[gnu::always_inline]] void unlock()
	{
		annotation_.release();
		resv_port_spin_unlock(&lock_, flags_);
	}

private:
	resv_port_spinlock lock_{};
	unsigned long flags_ = 0; // the holder's
	[[no_unique_address]] annotation annotation_;
};

/// Tasks that sleep until something is so; first come, first woken. Guarded by the owner's spin lock.
class wait_queue {
public:
	/// Drops the lock, sleeps until taken from the queue by pop() or until `deadline_ns`, and takes the lock again.
	/// Context: the lock is held.
	void sleep(spin_lock &lock, int64_t deadline_ns = RESV_WAIT_FOREVER);

	/// Takes the first out of the queue. Its task must be given to wake() once the lock is dropped; 0: nobody
	/// sleeps. Context: the lock is held.
	[[nodiscard]] resv_port_task pop();

	static void wake(resv_port_task task)
	{
		if (task)
			resv_port_task_wake(task);
	}

private:
	struct sleeper {
		resv_port_task task;
		sleeper *next = nullptr;
		bool popped = false;
	};

	sleeper *first_ = nullptr;
	sleeper **last_ = &first_;
};

/// Sleeps until `deadline_ns`, or a little less. Context: task.
void nap_until(int64_t deadline_ns);

} // namespace gpu

#endif // GPU_WAIT_QUEUE_HPP
