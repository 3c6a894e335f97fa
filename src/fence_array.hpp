// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef RESV_FENCE_ARRAY_HPP
#define RESV_FENCE_ARRAY_HPP

#include "fence_core.hpp"

namespace resv {

/// A fence for several; the callbacks for its members lie behind it.
class fence_array : public fence, public resv_port_work {
public:
	/// Takes `fences` and the references in it over.
	fence_array(int count, resv_fence **fences, uint64_t its_context, unsigned its_seqno, bool any);

	static bool is(const fence &f) { return fence_core::has_ops(f, ops); }
	static fence_array &of(fence &f) { return static_cast<fence_array &>(f); }
	static fence_array &of(resv_fence *f) { return of(fence::of(f)); }

	/// The member's address; null behind the last.
	resv_fence *at(unsigned i) const { return i < count_ ? fences_[i] : nullptr; }

	static size_t size(int count)
	{
		return sizeof(fence_array) + static_cast<unsigned>(count) * sizeof(member);
	}

private:
	struct member : resv_fence_cb {
		fence_array *array;
	};

	static const resv_fence_ops ops;
	static bool enable(resv_fence *f);
	static bool happened(resv_fence *f);
	static void hurry(resv_fence *f, int64_t deadline_ns);
	static void destroy(resv_fence *f);
	static void member_signaled(resv_fence *f, resv_fence_cb *cb);
	static void complete(resv_port_work *work);

	member *members() { return reinterpret_cast<member *>(this + 1); }
	void note_error(int its_error);
	bool count(int its_error);

	resv_fence **const fences_;
	const unsigned count_;
	const bool any_;             // signaled with the first, not with all
	atomic<unsigned> to_come_;   // members that still have to call; wraps if more do
	atomic<int> first_error_{0}; // among those that have called
};

} // namespace resv

#endif // RESV_FENCE_ARRAY_HPP
