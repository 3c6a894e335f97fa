// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The host port's part for the annotator: where a task keeps its held locks, and interrupts to test with. A file of its
// own, so that programs without the annotator do not link it.

#include <resv/port.h>
#include <resv_port/host.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace {

// The contexts of a thread. A handler runs in a higher one than what it interrupts.
enum level : unsigned { task, softirq, hardirq, levels };

struct context {
	unsigned state = RESV_HARDIRQS_ON | RESV_SOFTIRQS_ON; // a set of enum resv_port_irq_state
	level current = task;
	unsigned interrupted[levels] = {}; // for each level that is entered: the state to go back to
};

// Apart from the context, so that a new thread gets zero pages of it instead of a copy.
struct alignas(64) held_locks {
	std::byte bytes[RESV_PORT_HELD_BYTES];
};

__attribute__((tls_model("initial-exec"))) constinit thread_local context self;
__attribute__((tls_model("initial-exec"))) constinit thread_local held_locks held[levels] = {};

[[noreturn]] void die(const char *why)
{
	resv_port_report(why);
	abort();
}

level level_of(unsigned state)
{
	if (state & RESV_IN_HARDIRQ)
		return hardirq;
	return state & RESV_IN_SOFTIRQ ? softirq : task;
}

unsigned state_of_handler(resv_host_irq irq, unsigned interrupted)
{
	switch (irq) {
	case RESV_HOST_HARDIRQ:
		return RESV_IN_HARDIRQ;
	case RESV_HOST_HARDIRQ_THREADED:
		return RESV_IN_HARDIRQ | RESV_IRQ_THREADED;
	case RESV_HOST_SOFTIRQ:
		return RESV_IN_SOFTIRQ | (interrupted & RESV_HARDIRQS_ON);
	}
	die("resv: irq_enter() of an unknown kind");
}

bool turn(unsigned flag, bool on)
{
	const bool was_on = self.state & flag;

	self.state = on ? self.state | flag : self.state & ~flag;
	return was_on;
}

} // namespace

void *resv_port_held_locks(unsigned *irq_state)
{
	*irq_state = self.state;
	return &held[self.current];
}

void resv_port_panic(const char *)
{
	abort();
}

void resv_host_irq_enter(enum resv_host_irq irq)
{
	const unsigned state = state_of_handler(irq, self.state);
	const level entered = level_of(state);

	if (entered <= self.current)
		die("resv: irq_enter() in a handler that this cannot interrupt");
	self.interrupted[entered] = self.state;
	self.state = state;
	self.current = entered;
	memset(&held[entered], 0, sizeof(held[entered]));
}

void resv_host_irq_exit(void)
{
	if (self.current == task)
		die("resv: irq_exit() without irq_enter()");
	self.state = self.interrupted[self.current];
	self.current = level_of(self.state);
}

bool resv_host_hardirqs(bool on)
{
	return turn(RESV_HARDIRQS_ON, on);
}

bool resv_host_softirqs(bool on)
{
	return turn(RESV_SOFTIRQS_ON, on);
}
