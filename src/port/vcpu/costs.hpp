// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef RESV_PORT_VCPU_COSTS_HPP
#define RESV_PORT_VCPU_COSTS_HPP

#include <cstdint>

namespace resv::vcpu {

/// Virtual time is counted in picoseconds: a cache hit takes less than a nanosecond.
using duration = int64_t;

inline constexpr duration nanosecond = 1000;

/// What things take on a virtual CPU.
struct costs {
	duration hit;      ///< a load or store that needs no other CPU, with the code around it
	duration transfer; ///< a cache line comes from another CPU, or others' copies of it go
	duration ahead;    ///< so long before its turn an access asks for its line, if the CPU can see so far
	duration modify;   ///< a read-modify-write of an own line
	duration fence;    ///< a full fence with nothing to wait for
	duration relax;    ///< a turn of a spin loop
	duration yield;    ///< an offer of the CPU that nobody takes
	duration change;   ///< from one task to another on the same CPU
	duration fall;     ///< into sleep, until the CPU is free
	duration wake;     ///< for whoever wakes a sleeper
	duration wake_up;  ///< from the waker's call until the sleeper runs
	duration timeslice; ///< how long a task runs before others that are ready have their turn
};

} // namespace resv::vcpu

#endif // RESV_PORT_VCPU_COSTS_HPP
