// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Waiting for fences: a callback on the waiter's stack wakes him. He leaves by way of the fence's lock, under which
// callbacks are called, so that no callback outlives its stack.
//
//   waiter                             signaler
//   prepare (full barrier)             [W] flags_: signaled
//   [R] flags_: signaled -> no park    wakes the task, in the callback
//   park                               (a wake after prepare ends the park; one before it was seen)
#include "fence_core.hpp"

namespace resv {

namespace {

struct fence_waiter : resv_fence_cb {
	resv_port_task task;
};

// The task is alive: it waits for the lock that is held here before it leaves.
void wake(resv_fence *, resv_fence_cb *cb)
{
	resv_port_task task = static_cast<fence_waiter *>(cb)->task;
	resv_port_task_pin(task);
	resv_port_task_wake(task);
}

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

int64_t at_once(int64_t timeout_ns)
{
	return timeout_ns ? timeout_ns : 1;
}

// Which of them is signaled; `count`: none.
unsigned first_signaled(resv_fence **fences, unsigned count)
{
	unsigned i = 0;
	while (i < count && !resv_fence_test_signaled(fences[i]))
		i++;
	return i;
}

// Waits for one of them, with a waiter for each, of which `waiters` are storage.
int64_t wait_any(resv_fence **fences, unsigned count, fence_waiter *waiters, bool intr, int64_t timeout_ns,
		 unsigned &which)
{
	time_limit limit(timeout_ns);
	const resv_port_task task = resv_port_current();
	unsigned queued = 0;
	int64_t left;
	for (; queued < count; queued++) {
		waiters[queued].task = task;
		if (resv_fence_add_callback(fences[queued], &waiters[queued], wake) != 0)
			break;
	}
	if (queued < count) {
		which = queued;
		left = at_once(timeout_ns);
	} else {
		left = wait_until([&] { return (which = first_signaled(fences, count)) < count; }, intr,
				  limit);
	}
	while (queued-- != 0)
		resv_fence_remove_callback(fences[queued], &waiters[queued]);
	return left;
}

} // namespace

} // namespace resv

using namespace resv;

int64_t resv_fence_wait(resv_fence *f, bool intr)
{
	int64_t left = resv_fence_wait_timeout(f, intr, RESV_WAIT_FOREVER);
	return left < 0 ? left : 0;
}

int64_t resv_fence_wait_timeout(resv_fence *f, bool intr, int64_t timeout_ns)
{
	if (timeout_ns < 0)
		return -EINVAL;
	if (timeout_ns == 0) {
		resv_fence_enable_sw_signaling(f);
		return resv_fence_is_signaled(f);
	}

	// Contended or not: the wait that might have been is what deadlocks are made of.
	resv_fence_might_wait();
	if (fence::of(f).test_signaled())
		return timeout_ns;
	time_limit limit(timeout_ns);
	fence_waiter self;
	self.task = resv_port_current();
	if (resv_fence_add_callback(f, &self, wake) != 0)
		return timeout_ns;
	int64_t left = wait_until([f] { return fence::of(f).test_signaled(); }, intr, limit);
	resv_fence_remove_callback(f, &self);
	return left;
}

int64_t resv_fence_wait_any_timeout(resv_fence **fences, unsigned count, bool intr, int64_t timeout_ns,
				    unsigned *idx)
{
	if (!fences || count == 0 || timeout_ns < 0)
		return -EINVAL;
	for (unsigned i = 0; i < count; i++)
		if (!fences[i])
			return -EINVAL;

	unsigned which = 0;
	int64_t left = 0;
	if (timeout_ns == 0) {
		while (which < count && !resv_fence_is_signaled(fences[which]))
			which++;
		left = which < count;
	} else {
		resv_fence_might_wait();
		fence_waiter few[8];
		constexpr unsigned fit = sizeof(few) / sizeof(few[0]);
		fence_waiter *waiters = few;
		if (count > fit)
			waiters = static_cast<fence_waiter *>(resv_port_alloc(count * sizeof(*waiters)));
		if (!waiters)
			return -ENOMEM;
		left = wait_any(fences, count, waiters, intr, timeout_ns, which);
		if (waiters != few)
			resv_port_free(waiters);
	}
	if (left > 0 && idx)
		*idx = which;
	return left;
}
