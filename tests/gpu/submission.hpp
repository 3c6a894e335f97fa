// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Work that a ring does once what it depends on has happened: a job, or a copy of one page. It is its own fence.
#ifndef GPU_SUBMISSION_HPP
#define GPU_SUBMISSION_HPP

#include "actor.hpp"
#include "page.hpp"

#include <resv/reservation.hpp>

namespace gpu {

enum class work : unsigned {
	job,
	copy, ///< the contents of a place to another one; what is left there is poison
	fill, ///< a new buffer's contents to a place
};

/// Memory of the port, all public and plain; freed with the last reference to the fence; ring::submit() makes that.
struct submission {
	/// Of so many buffers, with room for so many dependencies; nullptr: no memory. May sleep.
	static submission *create(work what, unsigned uses, unsigned dependencies);

	/// Drops one that was not submitted; nullptr is fine.
	static void destroy(submission *s);

	/// How many fences wait_for() would find.
	static unsigned count(const resv::reservation_object &object, resv::usage up_to);

	/// The ring will wait for all fences of this usage and before it. Context: the object is reserved, and there is
	/// room.
	void wait_for(const resv::reservation_object &object, resv::usage up_to);

	/// The same for one fence, whose reference it takes over; nullptr: nothing.
	void wait_for(resv_fence *f);

	// The ring's part.
	void begin(const resv_fence_ops &ops, uint64_t timeline, uint64_t seqno);
	resv_fence *next_dependency() { return waited != dependencies ? depends[waited++] : nullptr; }
	void run(page_store &pages);

	resv_fence *c() { return &base; }
	resv::fence &fence() { return resv::fence::of(&base); }

	resv_fence base; // the first: who frees the fence frees all

	// A job's.
	job_id id;
	actor *owner;
	use *uses; // count_of_uses
	uint32_t *places;
	unsigned count_of_uses;
	bool skips_fences; // breakage::skip_fences
	int64_t busy_ns;

	// A copy's or a filling's.
	uint32_t from, to;
	uint32_t buffer;
	bool loses_copy; // breakage::lose_copy

	work what;
	resv_fence **depends;
	unsigned dependencies, waited;
};

} // namespace gpu

#endif // GPU_SUBMISSION_HPP
