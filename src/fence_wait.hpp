// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Waiting for fences: a callback on the waiter's stack wakes him. He leaves by way of the fence's lock, under which
// callbacks are called, so that no callback outlives its stack.
//
//   waiter                             signaler
//   prepare (full barrier)             [W] flags_: signaled
//   [R] flags_: signaled -> no park    wakes the task, in the callback
//   park                               (a wake after prepare ends the park; one before it was seen)
#ifndef RESV_FENCE_WAIT_HPP
#define RESV_FENCE_WAIT_HPP

#include "fence_core.hpp"

namespace resv {

struct fence_waiter : resv_fence_cb {
	resv_port_task task;

	// The task is alive: it waits for the lock that is held here before it leaves.
	static void wake(resv_fence *, resv_fence_cb *cb)
	{
		resv_port_task task = static_cast<fence_waiter *>(cb)->task;
		resv_port_task_pin(task);
		resv_port_task_wake(task);
	}
};

// A timeout, and the moment when it ends.
class time_limit {
public:
	explicit time_limit(int64_t timeout_ns) : timeout_(timeout_ns), end_(RESV_WAIT_FOREVER)
	{
		if (timeout_ != RESV_WAIT_FOREVER &&
		    __builtin_add_overflow(resv_port_clock(), timeout_ns, &end_))
			end_ = RESV_WAIT_FOREVER;
	}
	int64_t end() const { return end_; }

	int64_t left() const
	{
		if (timeout_ == RESV_WAIT_FOREVER)
			return RESV_WAIT_FOREVER;
		int64_t ns = end_ - resv_port_clock();
		return ns > 0 ? ns : 1;
	}

private:
	int64_t timeout_, end_;
};

// Waits until `done()`. Returns what is left, 0 or -EINTR.
template <typename F>
int64_t wait_until(F done, bool intr, const time_limit &limit)
{
	const resv_port_park_mode mode = intr ? RESV_PARK_INTERRUPTIBLE : RESV_PARK_UNINTERRUPTIBLE;
	for (;;) {
		int rc = 0;
		resv_port_park_prepare(mode);
		const bool now = done();
		if (!now)
			rc = resv_port_park(mode, limit.end());
		resv_port_park_finish();
		if (now || (rc == -ETIME && done()))
			return limit.left();
		if (rc != 0)
			return rc == -ETIME ? 0 : rc;
	}
}

} // namespace resv

#endif // RESV_FENCE_WAIT_HPP
