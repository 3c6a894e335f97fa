// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The port's functions and atomics, as calls to the simulated machine. Time stands still: a deadline may pass whenever
// a task parks.
#include "heap.hpp"
#include "machine.hpp"

#include <resv/port.h>
#include <resv_port/atomic.hpp>

#include <cstdio>

using resv::sim::the_machine;

namespace resv::sim {

uint64_t load(word w)
{
	return the_machine().access(action::load, w.address, w.size, 0);
}

void store(word w, uint64_t value, bool release)
{
	the_machine().access(action::store, w.address, w.size, value, release);
}

uint64_t exchange(word w, uint64_t value)
{
	return the_machine().access(action::modify, w.address, w.size, value);
}

uint64_t fetch_add(word w, uint64_t value)
{
	return the_machine().access(action::add, w.address, w.size, value);
}

bool compare_exchange(word w, uint64_t expected, uint64_t value)
{
	return the_machine().access(action::compare, w.address, w.size, value, expected) != 0;
}

void fence()
{
	the_machine().fence();
}

void begin_life(word w)
{
	the_machine().begin_life(w.address, w.size);
}

void end_life(word w)
{
	the_machine().end_life(w.address, w.size);
}

} // namespace resv::sim

resv_port_task resv_port_current()
{
	return the_machine().current_id();
}

bool resv_port_task_running(resv_port_task task)
{
	return the_machine().running(task);
}

void resv_port_park_prepare(resv_port_park_mode)
{
	if (!the_machine().in_critical_section())
		resv::sim::run_deferred();
	the_machine().park_prepare();
}

int resv_port_park(resv_port_park_mode mode, int64_t deadline_ns)
{
	return the_machine().park(mode, deadline_ns != RESV_WAIT_FOREVER);
}

void resv_port_park_finish() {}

void resv_port_task_pin(resv_port_task task)
{
	the_machine().pin(task);
}

void resv_port_task_wake(resv_port_task task)
{
	the_machine().wake(task);
}

void resv_port_relax(unsigned)
{
	the_machine().relax();
}

void resv_port_stand_back(int64_t)
{
	the_machine().relax();
}

void resv_port_critical_begin()
{
	the_machine().critical(1);
}

void resv_port_critical_end()
{
	the_machine().critical(-1);
	if (!the_machine().in_critical_section())
		resv::sim::run_deferred();
}

unsigned long resv_port_spin_lock(resv_port_spinlock *lock)
{
	resv_port_critical_begin();
	the_machine().interrupts_off(1);
	while (resv::sim::load({&lock->opaque, sizeof lock->opaque}) != 0 ||
	       !resv::sim::compare_exchange({&lock->opaque, sizeof lock->opaque}, 0, 1))
		resv_port_relax(0);
	return 0;
}

void resv_port_spin_unlock(resv_port_spinlock *lock, unsigned long)
{
	resv::sim::store({&lock->opaque, sizeof lock->opaque}, 0, true);
	the_machine().interrupts_off(-1);
	resv_port_critical_end();
}

int64_t resv_port_clock()
{
	return 1;
}

void resv_port_report(const char *line)
{
	the_machine().report(line);
}

void resv_port_task_name(resv_port_task task, char *buf, size_t size)
{
	unsigned number = the_machine().task_of(task, "something is asked its name that is no task");
	snprintf(buf, size, "%s/%u", the_machine().task_label(number).c_str(), number + 1);
}

void resv_port_system(char *buf, size_t size)
{
	snprintf(buf, size, "simulated");
}

unsigned resv_port_stack_trace(uintptr_t *, unsigned, unsigned)
{
	return 0;
}

void resv_port_symbol(uintptr_t pc, char *buf, size_t size)
{
	snprintf(buf, size, "%#lx", static_cast<unsigned long>(pc));
}
