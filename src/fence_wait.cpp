// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "fence_wait.hpp"

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
	if (resv_fence_add_callback(f, &self, fence_waiter::wake) != 0)
		return timeout_ns;
	int64_t left = wait_until([f] { return fence::of(f).test_signaled(); }, intr, limit);
	resv_fence_remove_callback(f, &self);
	return left;
}
