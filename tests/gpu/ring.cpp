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

void ring::submit(job_id id)
{
	resv_fence_might_wait();
	lock_.lock();
	push({.id = id});
	resv_port_task scheduler = count_ >= capacity / 2 ? scheduler_.pop() : 0;
	lock_.unlock();
	wait_queue::wake(scheduler);
}

void ring::submit_and_wait(const job &work)
{
	completion completed;
	resv_fence_might_wait();
	lock_.lock();
	push({.id = work.id, .work = &work, .completed = &completed});
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
	lock_.unlock();
	wait_queue::wake(scheduler);
}

void ring::retire(job_id id)
{
	in_order_ &= id.number == ++last_retired_[id.actor];
	retired_++;
}

} // namespace gpu
