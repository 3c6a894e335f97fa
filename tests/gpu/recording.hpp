// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Jobs that were recorded somewhere, for clients to submit again. The front hands them over in the config, and keeps
// them until the device is gone.
#ifndef GPU_RECORDING_HPP
#define GPU_RECORDING_HPP

#include "page.hpp"

namespace gpu {

/// A job as it was recorded.
struct recorded_job {
	const use *uses = nullptr; // `count` different buffers, in the order in which they were named
	unsigned count = 0;
	unsigned ring = 0;
	int64_t begin_ns = 0; // when it was submitted, since the recording began
	int64_t busy_ns = 0;  // how long it kept its ring busy
};

/// One client's jobs, in the order in which it submitted them.
struct recorded_client {
	const recorded_job *jobs = nullptr;
	unsigned count = 0;
};

} // namespace gpu

#endif // GPU_RECORDING_HPP
