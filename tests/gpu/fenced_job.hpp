// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// A job where memory is limited: reserves its buffers, makes them resident, hands the job to a ring, adds its fence to
// them, lets go, and does not wait for it. Clients and sessions submit this way.
#ifndef GPU_FENCED_JOB_HPP
#define GPU_FENCED_JOB_HPP

#include "device.hpp"

namespace gpu {

/// A buffer that a job names. The caller has a reference to it.
struct named_buffer {
	buffer *what;
	bool write;
	bool again; // stands further ahead in the list already; found out by submit()
};

struct fenced_job {
	job_id id;
	named_buffer *buffers; // `count`, in the order of reserving; one may be named twice
	unsigned count;
	int64_t busy_ns;
	bool skips_fences;
	int64_t begin; // the user has been waiting since then

	// Of one that was submitted: when it held all reservations, and let go of them.
	int64_t reserved_at = 0, released_at = 0;

	/// From the task of `self`, to its ring. Returns 0, and a reference to the job's fence; -ENOSPC: there is no room for
	/// now, and the caller should come back after a while; -ENOMEM; and -EINTR as `request` admits. With an error nothing
	/// has been submitted, but buffers may have moved. May sleep.
	RESV_NODISCARD int submit(device &gpu, actor &self, const resv::wait_request &request,
				  resv::fence_ref &fence);

private:
	int make_all_resident(resv::transaction &t, device &gpu, actor &self);
	void note_again(unsigned i);
	int hand_in(device &gpu, actor &self, resv::fence_ref &fence);
};

} // namespace gpu

#endif // GPU_FENCED_JOB_HPP
