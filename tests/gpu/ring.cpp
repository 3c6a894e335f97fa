// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "ring.hpp"

namespace gpu {

bool ring::create(unsigned actors, page_store &pages)
{
	pages_ = &pages;
	return last_retired_.create_zeroed(actors);
}

// Context: the lock is held.
void ring::push(const entry &e)
{
	while (count_ == capacity) {
		resv_port_task scheduler = scheduler_.pop();
		if (scheduler) {
			lock_.unlock();
			wait_queue::wake(scheduler);
			lock_.lock();
			continue;
		}
		for_space_.sleep(lock_);
	}
	entries_[(head_ + count_++) % capacity] = e;
}

void ring::submit(job_id id, int64_t busy_ns)
{
	resv_fence_might_wait();
	lock_.lock();
	push({.id = id, .busy_ns = busy_ns});
	resv_port_task scheduler = busy_ns != 0 || count_ >= capacity / 2 ? scheduler_.pop() : 0;
	lock_.unlock();
	wait_queue::wake(scheduler);
}

void ring::submit_and_wait(const job &work)
{
	completion completed;
	resv_fence_might_wait();
	lock_.lock();
	push({.id = work.id, .work = &work, .completed = &completed, .busy_ns = work.busy_ns});
	resv_port_task scheduler = scheduler_.pop();
	lock_.unlock();
	wait_queue::wake(scheduler);
	lock_.lock();
	while (!completed.done)
		completed.waiter.sleep(lock_);
	lock_.unlock();
}

void ring::serve()
{
	bool cookie = resv_fence_begin_signalling();
	lock_.lock();
	for (;;) {
		while (count_ == 0 && !closed_)
			scheduler_.sleep(lock_, resv_port_clock() + latency_ns);
		if (count_ == 0)
			break;
		entry e = entries_[head_];
		head_ = (head_ + 1) % capacity;
		count_--;
		resv_port_task producer = for_space_.pop();
		lock_.unlock();
		wait_queue::wake(producer);

		if (e.work)
			execute(*pages_, e.id, e.work->uses, e.work->count, *e.work->log);
		stay_busy(e.busy_ns);
		retire(e.id);

		lock_.lock();
		if (e.completed) {
			e.completed->done = true;
			resv_port_task client = e.completed->waiter.pop();
			lock_.unlock();
			wait_queue::wake(client);
			lock_.lock();
		}
	}
	lock_.unlock();
	resv_fence_end_signalling(cookie);
}

void ring::close()
{
	lock_.lock();
	closed_ = true;
	resv_port_task scheduler = scheduler_.pop();
	resv_port_task busy = busy_.pop();
	lock_.unlock();
	wait_queue::wake(scheduler);
	wait_queue::wake(busy);
}

// As long as a job takes the hardware: one begins when the one before it has ended, even if that was noticed late. What
// is left in a ring that is closed takes no time, since nobody waits for it.
void ring::stay_busy(int64_t ns)
{
	if (ns == 0)
		return;
	int64_t now = resv_port_clock();
	busy_until_ = (busy_until_ > now - latency_ns ? busy_until_ : now) + ns;
	lock_.lock();
	while (!closed_ && resv_port_clock() < busy_until_)
		busy_.sleep(lock_, busy_until_);
	lock_.unlock();
}

void ring::retire(job_id id)
{
	in_order_ &= id.number > last_retired_[id.actor]; // those between went to other rings
	last_retired_[id.actor] = id.number;
	retired_++;
}

} // namespace gpu
