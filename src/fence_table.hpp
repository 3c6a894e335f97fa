// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef RESV_FENCE_TABLE_HPP
#define RESV_FENCE_TABLE_HPP

#include <resv/reservation.hpp>

namespace resv {

/// The slots of a reservation object that it has no room for itself; they follow this header.
struct fence_table {
	resv_port_work freed;
	unsigned count; // does not change

	atomic<uintptr_t> &slot(unsigned i) { return reinterpret_cast<atomic<uintptr_t> *>(this + 1)[i]; }
};

} // namespace resv

#endif // RESV_FENCE_TABLE_HPP
