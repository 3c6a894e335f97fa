// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The port's functions, on the virtual CPUs. There are no signals: a park ends by a wake, or at its deadline.
#include "deferred.hpp"
#include "machine.hpp"

#include <resv/port.h>
#include <resv_port/atomic.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

using resv::vcpu::the_machine;

namespace {

// Such deadlines are out of reach for virtual time.
constexpr int64_t last_ns = resv::vcpu::machine::never / resv::vcpu::nanosecond;

resv::vcpu::word word_of(resv_port_spinlock *lock)
{
	return {&lock->opaque[0], sizeof lock->opaque[0]};
}

} // namespace

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
	resv::vcpu::run_deferred();
	the_machine().park_prepare();
}

int resv_port_park(resv_port_park_mode, int64_t deadline_ns)
{
	if (deadline_ns >= last_ns)
		return the_machine().park(resv::vcpu::machine::never);
	return the_machine().park(std::max<int64_t>(deadline_ns, 0) * resv::vcpu::nanosecond);
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

void resv_port_relax(unsigned turn)
{
	the_machine().relax(turn);
}

void resv_port_stand_back(int64_t until_ns)
{
	for (unsigned turn = 0; resv_port_clock() < until_ns; turn++)
		resv_port_relax(turn);
}

void resv_port_critical_begin()
{
	the_machine().critical(1);
}

void resv_port_critical_end()
{
	the_machine().critical(-1);
	resv::vcpu::run_deferred();
}

unsigned long resv_port_spin_lock(resv_port_spinlock *lock)
{
	resv_port_critical_begin();
	for (unsigned turn = 0;; turn++) {
		the_machine().modify(lock);
		if (lock->opaque[0] == 0)
			break;
		do
			resv_port_relax(turn);
		while (the_machine().load(word_of(lock)) != 0);
	}
	lock->opaque[0] = 1;
	return 0;
}

void resv_port_spin_unlock(resv_port_spinlock *lock, unsigned long)
{
	the_machine().store(word_of(lock), 0);
	resv_port_critical_end();
}

int64_t resv_port_clock()
{
	return the_machine().now() / resv::vcpu::nanosecond;
}

void resv_port_report(const char *line)
{
	fprintf(stderr, "%s\n", line);
}

void resv_port_task_name(resv_port_task task, char *buf, size_t size)
{
	snprintf(buf, size, "task/%u", the_machine().number_of(task));
}

void resv_port_system(char *buf, size_t size)
{
	snprintf(buf, size, "virtual CPUs");
}

unsigned resv_port_stack_trace(uintptr_t *, unsigned, unsigned)
{
	return 0;
}

void resv_port_symbol(uintptr_t pc, char *buf, size_t size)
{
	snprintf(buf, size, "%#lx", static_cast<unsigned long>(pc));
}

resv_port_held *resv_port_held_locks()
{
	return the_machine().held();
}

void resv_port_panic(const char *why)
{
	resv_port_report(why);
	abort();
}
