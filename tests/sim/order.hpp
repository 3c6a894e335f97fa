// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What a class's tracer checks on the simulated machine: contexts are served by their age, and the older one wins.
#ifndef RESV_TESTS_SIM_ORDER_HPP
#define RESV_TESTS_SIM_ORDER_HPP

#include "src/port/sim/machine.hpp"
#include "tests/ww_test_access.hpp"

namespace resv::sim {

inline unsigned long stamp_of(const ww_acquire_ctx &ctx)
{
	return the_machine().peek(ww_test_access::stamp_word(ctx), sizeof(unsigned long));
}

/// An event of a lock. `waiting`: for each task the stamp with which it waits for the lock, or 0.
template <unsigned tasks>
void check_order(unsigned long (&waiting)[tasks], ww_event event, const ww_acquire_ctx &self,
		 const ww_acquire_ctx *other)
{
	unsigned long &own = waiting[the_machine().current()];
	switch (event) {
	case ww_event::wait:
		own = stamp_of(self);
		break;
	case ww_event::acquired:
		for (unsigned long stamp : waiting)
			if (stamp != 0 && stamp < own)
				the_machine().fail("a context got a lock before an older one that waits");
		own = 0;
		break;
	case ww_event::wound:
		if (stamp_of(self) >= stamp_of(*other))
			the_machine().fail("an older context was wounded");
		break;
	case ww_event::die:
	case ww_event::leave:
		own = 0;
		break;
	}
}

} // namespace resv::sim

#endif // RESV_TESTS_SIM_ORDER_HPP
