// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The calling context's held locks, on the host: no call, but a thread's own variable.
#ifndef RESV_PORT_HELD_HPP
#define RESV_PORT_HELD_HPP

#include <resv/port.h>

/// The contexts of a thread: the task, a software interrupt, a hard one. All zero for a new thread.
struct resv_port_host_contexts {
	resv_port_held held[3];
	size_t current;        // where the current one is in `held`, in bytes
	size_t interrupted[3]; // for each that runs: where the one is that it interrupted
};

extern "C" __attribute__((tls_model(
	"initial-exec"))) constinit thread_local resv_port_host_contexts resv_port_host_contexts_of_thread;

namespace resv {

inline resv_port_held *port_held_locks()
{
	resv_port_host_contexts &all = resv_port_host_contexts_of_thread;

	return reinterpret_cast<resv_port_held *>(reinterpret_cast<char *>(all.held) + all.current);
}

} // namespace resv

#endif // RESV_PORT_HELD_HPP
