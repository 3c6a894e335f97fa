// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "ring.hpp"

namespace gpu {

namespace {

constexpr resv_fence_ops ops = {
	.get_driver_name = [](resv_fence *) { return "resv-gpu"; },
	.get_timeline_name = [](resv_fence *) { return "ring"; },
	.enable_signaling = nullptr,
	.signaled = nullptr,
	.release = nullptr,
	.set_deadline = nullptr,
};

} // namespace

bool ring::create(unsigned actors, page_store &pages)
{
	pages_ = &pages;
	timeline_ = resv_fence_context_alloc(1);
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

void ring::submit(submission &s)
{
	resv_fence_might_wait();
	lock_.lock();
	push({.id = s.id, .fenced = &s});
	s.begin(ops, timeline_, ++seqno_); // so fences are signaled in the order of their numbers
	resv_fence_get(s.c());
	resv_port_task scheduler = scheduler_.pop();
	lock_.unlock();
	wait_queue::wake(scheduler);
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

		if (e.fenced) {
			finish(*e.fenced);
			lock_.lock();
			continue;
		}
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

void ring::finish(submission &s)
{
	while (resv_fence *f = s.next_dependency()) {
		if (!s.skips_fences)
			await(f);
		resv_fence_put(f);
	}
	s.run(*pages_);
	stay_busy(s.busy_ns);
	if (s.what == work::job)
		retire(s.id);
	resv_fence_signal(s.c());
	resv_fence_put(s.c());
}

// By callback: a scheduler that waited for a fence as clients do would tell the annotator that to signal one fence takes
// another, anyone.
void ring::await(resv_fence *f)
{
	dependency d = {.cb = {}, .waiter = this, .signaled = false};
	if (resv_fence_add_callback(f, &d.cb, signaled) != 0)
		return;
	lock_.lock();
	while (!d.signaled)
		depends_.sleep(lock_);
	lock_.unlock();
}

void ring::signaled(resv_fence *, resv_fence_cb *cb)
{
	auto *d = reinterpret_cast<dependency *>(cb); // its first member
	ring &self = *d->waiter;
	self.lock_.lock();
	d->signaled = true;
	resv_port_task scheduler = self.depends_.pop();
	self.lock_.unlock();
	wait_queue::wake(scheduler);
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
