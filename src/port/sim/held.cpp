// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "held.hpp"
#include "machine.hpp"

#include <cstring>

namespace resv::sim {

namespace {

// The last is that of the scenario, when no task runs.
resv_port_held all[max_tasks + 1];

} // namespace

void share_held(unsigned tasks, size_t used)
{
	memset(all, 0, sizeof all);
	for (unsigned i = 0; i < tasks; i++)
		the_machine().share(&all[i], used);
}

} // namespace resv::sim

resv_port_held *resv_port_held_locks()
{
	using namespace resv::sim;
	const machine &m = the_machine();
	resv_port_held &own = all[m.in_task() ? m.current() : max_tasks];
	own.irq_state = m.in_interrupt()         ? RESV_IN_HARDIRQ | RESV_HARDIRQS_OFF | RESV_SOFTIRQS_OFF
			: m.are_interrupts_off() ? RESV_HARDIRQS_OFF | RESV_SOFTIRQS_OFF
						 : 0u;
	return &own;
}
