// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Memory that tasks allocate, and what they defer. It is the scenario's to say that there is any: states are compared
// with all of it.
#ifndef RESV_PORT_SIM_HEAP_HPP
#define RESV_PORT_SIM_HEAP_HPP

#include <cstddef>

namespace resv::sim {

/// Called where a scenario begins: in this execution tasks may allocate, open read-side sections and defer.
void share_heap();

/// The task runs what was deferred, if it may be run now: where it drops the last spin lock, ends the last section,
/// parks, drains or ends.
void run_deferred();

/// How many pieces of memory have been allocated and not been freed, and how much one takes of what a task has.
unsigned pieces_in_use();
size_t piece_size(size_t size);
inline constexpr size_t heap_of_task = 2048;

} // namespace resv::sim

#endif // RESV_PORT_SIM_HEAP_HPP
