// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "wait_queue.hpp"

namespace gpu {

void wait_queue::sleep(spin_lock &lock, int64_t deadline_ns)
{
	sleeper self{resv_port_current()};
	*last_ = &self;
	last_ = &self.next;
	int err = 0;
	while (!self.popped && err != -ETIME) {
		resv_port_park_prepare(RESV_PARK_UNINTERRUPTIBLE);
		lock.unlock();
		err = resv_port_park(RESV_PARK_UNINTERRUPTIBLE, deadline_ns);
		resv_port_park_finish();
		lock.lock();
	}
	if (self.popped)
		return;
	sleeper **at = &first_;
	while (*at != &self)
		at = &(*at)->next;
	*at = self.next;
	if (last_ == &self.next)
		last_ = at;
}

resv_port_task wait_queue::pop()
{
	sleeper *s = first_;
	if (!s)
		return 0;
	first_ = s->next;
	if (!first_)
		last_ = &first_;
	s->popped = true;
	resv_port_task_pin(s->task); // alive: it cannot return without the lock
	return s->task;
}

void nap_until(int64_t deadline_ns)
{
	resv_port_park_prepare(RESV_PARK_UNINTERRUPTIBLE);
	[[maybe_unused]] int woken_or_late = resv_port_park(RESV_PARK_UNINTERRUPTIBLE, deadline_ns);
	resv_port_park_finish();
}

} // namespace gpu
