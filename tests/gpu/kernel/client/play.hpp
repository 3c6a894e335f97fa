// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Plays a workload of the software GPU on the driver: its clients are processes, each with a file of its own, which share
// all buffers. What their jobs saw and left is checked as on the host.
#ifndef GPU_KERNEL_CLIENT_PLAY_HPP
#define GPU_KERNEL_CLIENT_PLAY_HPP

#include "../../host/run.hpp"

namespace gpu {

/// What else happens while it is played; rates are per second.
struct trouble {
	unsigned signal_rate = 0; // at least
	unsigned kill_rate = 0;   // clients, in whatever they do; others go on with their files
	bool visitors = false;    // somebody makes and uses buffers of his own, and is killed each time
	bool onlookers = false;   // somebody looks at all buffers, somebody else reads debugfs
};

/// What a workload is in the kernel, where rings run all jobs: memory is limited, if only to what all buffers need.
void adapt(run_spec &spec);

/// Loads the driver, plays, checks, and unloads it. False: `error` says what did not work. `result` as for the host; its
/// `retired` are the jobs that the logs have.
bool play(const run_spec &spec, const trouble &trouble, run_result &result, std::string &error);

} // namespace gpu

#endif // GPU_KERNEL_CLIENT_PLAY_HPP
