// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef RESV_PORT_SIM_DRAW_HPP
#define RESV_PORT_SIM_DRAW_HPP

#include "machine.hpp"

#include <cstdio>

namespace resv::sim {

/// Draws the last execution, of which the machine kept remarks, as a sequence diagram: a column for each task.
void draw(const machine &m, FILE *out);

/// Writes it as Chrome trace JSON, which Perfetto and chrome://tracing show; a step is a microsecond.
void write_trace(const machine &m, FILE *out);

} // namespace resv::sim

#endif // RESV_PORT_SIM_DRAW_HPP
