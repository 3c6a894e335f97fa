// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The host port's part for the annotator: where a task keeps its held locks, and interrupts to test with. A file of its
// own, so that programs without the annotator do not link it.

#include "resv_port/held.hpp"

#include <resv_port/host.h>

#include <cstdlib>
#include <cstring>

constinit thread_local resv_port_host_contexts resv_port_host_contexts_of_thread = {};

namespace {

enum level : unsigned { task, softirq, hardirq };

constexpr unsigned all_off = RESV_HARDIRQS_OFF | RESV_SOFTIRQS_OFF;

[[noreturn]] void die(const char *why)
{
	resv_port_report(why);
	abort();
}

unsigned state_of_handler(resv_host_irq irq, unsigned state)
{
	switch (irq) {
	case RESV_HOST_HARDIRQ:
		return RESV_IN_HARDIRQ | all_off;
	case RESV_HOST_HARDIRQ_THREADED:
		return RESV_IN_HARDIRQ | RESV_IRQ_THREADED | all_off;
	case RESV_HOST_SOFTIRQ:
		return RESV_IN_SOFTIRQ | RESV_SOFTIRQS_OFF | (state & RESV_HARDIRQS_OFF);
	}
	die("resv: irq_enter() of an unknown kind");
}

bool turn(unsigned off, bool on)
{
	unsigned &state = resv::port_held_locks()->irq_state;
	const bool was_on = !(state & off);

	state = on ? state & ~off : state | off;
	return was_on;
}

} // namespace

struct resv_port_held *resv_port_held_locks(void)
{
	return resv::port_held_locks();
}

void resv_port_panic(const char *)
{
	abort();
}

void resv_host_irq_enter(enum resv_host_irq irq)
{
	resv_port_host_contexts &all = resv_port_host_contexts_of_thread;
	const level entered = irq == RESV_HOST_SOFTIRQ ? softirq : hardirq;
	resv_port_held &held = all.held[entered];

	if (&held <= resv::port_held_locks())
		die("resv: irq_enter() in a handler that this cannot interrupt");
	memset(&held, 0, sizeof(held));
	held.irq_state = state_of_handler(irq, resv::port_held_locks()->irq_state);
	all.interrupted[entered] = all.current;
	all.current = entered * sizeof(held);
}

void resv_host_irq_exit(void)
{
	resv_port_host_contexts &all = resv_port_host_contexts_of_thread;

	if (all.current == 0)
		die("resv: irq_exit() without irq_enter()");
	all.current = all.interrupted[all.current / sizeof(resv_port_held)];
}

bool resv_host_hardirqs(bool on)
{
	return turn(RESV_HARDIRQS_OFF, on);
}

bool resv_host_softirqs(bool on)
{
	return turn(RESV_SOFTIRQS_OFF, on);
}
