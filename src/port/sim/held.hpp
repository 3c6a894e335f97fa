// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What the annotator keeps for each task and interrupt. It is the scenario's to say that there is any: states are compared
// with all of it.
#ifndef RESV_PORT_SIM_HELD_HPP
#define RESV_PORT_SIM_HELD_HPP

#include <cstddef>

namespace resv::sim {

/// Called where a scenario begins: so many tasks and interrupts hold locks, of whose memory only the first `used` bytes
/// are ever written.
void share_held(unsigned tasks, size_t used);

} // namespace resv::sim

#endif // RESV_PORT_SIM_HELD_HPP
