// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "port.hpp"

#include <resv/ww_mutex.hpp>

#include <cerrno>

namespace resv::test {

port *port::the_port;

port::port()
{
	for (task_state &task : tasks_)
		task.woken.store(0, rl::mo_relaxed, RL_INFO);
	the_port = this;
}

port::~port()
{
	the_port = nullptr;
}

void port::prepare()
{
	check(!self().preparing, "a wait is prepared twice");
	check(self().critical == 0, "a wait inside a critical section");
	self().preparing = true;
	self().woken.store(0, rl::mo_relaxed, RL_INFO);
	rl::atomic_thread_fence(rl::mo_seq_cst, RL_INFO);
}

int port::park(resv_port_park_mode mode, int64_t deadline_ns)
{
	check(self().preparing, "a wait that was not prepared");
	// Relacy switches tasks before an operation: nothing comes between the exchange, which sees the last wake if there
	// was one since prepare, and the wait.
	if (self().woken.exchange(0, rl::mo_acquire, RL_INFO) != 0)
		return 0;
	bool timed = mode != RESV_PARK_UNINTERRUPTIBLE || deadline_ns != RESV_WAIT_FOREVER;
	bool for_no_reason = rl::ctx().is_random_sched() && rl::rand(4) == 0;
	if (self().woken.wait(rl::ctx(), timed, for_no_reason, RL_INFO) != rl::unpark_reason_timeout)
		return 0;
	return deadline_ns != RESV_WAIT_FOREVER ? -ETIME : -EINTR;
}

void port::finish()
{
	check(self().preparing, "the end of a wait that was not prepared");
	self().preparing = false;
}

void port::wake(resv_port_task task)
{
	check(self().critical == 0, "a wake inside a critical section");
	rl::atomic<unsigned> &woken = tasks_[(task >> 2) - 1].woken;
	woken.store(1, rl::mo_release, RL_INFO);
	woken.wake(rl::ctx(), 1, RL_INFO);
}

void port::critical(int change)
{
	self().critical += change;
	check(self().critical >= 0, "a critical section ends that has not begun");
}

bool port::idle() const
{
	for (const task_state &task : tasks_)
		if (task.preparing || task.critical != 0)
			return false;
	return true;
}

} // namespace resv::test

using resv::test::check;
using resv::test::fail;
using resv::test::port;

resv_port_task resv_port_current()
{
	return port::current();
}

bool resv_port_task_running(resv_port_task task)
{
	check(task != 0 && (task & 3) == 0 && (task >> 2) <= port::max_tasks, "not a task");
	return rl::rand(2) != 0;
}

void resv_port_park_prepare(resv_port_park_mode)
{
	port::get().prepare();
}

int resv_port_park(resv_port_park_mode mode, int64_t deadline_ns)
{
	return port::get().park(mode, deadline_ns);
}

void resv_port_park_finish()
{
	port::get().finish();
}

// Tasks are valid to the end of the execution.
void resv_port_task_pin(resv_port_task task)
{
	check(task != 0 && (task & 3) == 0 && (task >> 2) <= port::max_tasks, "not a task");
}

void resv_port_task_wake(resv_port_task task)
{
	port::get().wake(task);
}

void resv_port_relax(unsigned)
{
	rl::yield(1, RL_INFO);
}

void resv_port_stand_back(int64_t)
{
	rl::yield(1, RL_INFO);
}

void resv_port_critical_begin()
{
	port::get().critical(1);
}

void resv_port_critical_end()
{
	port::get().critical(-1);
}

// Time does not pass: a wait with a deadline ends when the scheduler says so.
int64_t resv_port_clock()
{
	return 0;
}

// The one report of a build without checks.
void resv::ww_checks::slow_lock_failed(const ww_mutex &, int)
{
	fail("lock_slow() failed");
}
