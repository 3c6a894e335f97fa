// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The calling context's held locks, for the annotator. A port that has a quicker way than a call has a header of this name
// earlier on the include path.
#ifndef RESV_PORT_HELD_HPP
#define RESV_PORT_HELD_HPP

#include <resv/port.h>

namespace resv {

inline resv_port_held *port_held_locks()
{
	return resv_port_held_locks();
}

} // namespace resv

#endif // RESV_PORT_HELD_HPP
