// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Waiting for one fence of several.
#include "fence_wait.hpp"

namespace resv {

namespace {

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
		if (resv_fence_add_callback(fences[queued], &waiters[queued], fence_waiter::wake) != 0)
			break;
	}
	if (queued < count) {
		which = queued;
		left = timeout_ns; // which is not 0
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
