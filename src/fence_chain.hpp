// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef RESV_FENCE_CHAIN_HPP
#define RESV_FENCE_CHAIN_HPP

#include "fence_core.hpp"

namespace resv {

/// A link of a chain. It is signaled once its own fence is, and all links before it.
class fence_chain : public fence, public resv_fence_cb, public resv_port_work {
public:
	/// Takes the references to both over.
	fence_chain(resv_fence *before, resv_fence *its_fence, uint64_t its_context, uint64_t its_seqno,
		    uint64_t seqno_before);

	static bool is(const fence &f) { return fence_core::has_ops(f, ops); }
	static fence_chain &of(fence &f) { return static_cast<fence_chain &>(f); }
	/// Null if it is not a link.
	static fence_chain *maybe(resv_fence *f)
	{
		return f && is(fence::of(f)) ? &of(fence::of(f)) : nullptr;
	}

	resv_fence *contained() const { return contained_; }

	/// The seqno of the link before when this one was made: how far back this one stands for seqnos.
	uint64_t prev_seqno() const { return prev_seqno_; }

	/// The link before that is not signaled, with a reference; others are dropped from the chain.
	resv_fence *find_prev();

private:
	static const resv_fence_ops ops;
	static bool enable(resv_fence *f);
	static bool happened(resv_fence *f);
	static void hurry(resv_fence *f, int64_t deadline_ns);
	static void destroy(resv_fence *f);
	static void contained_signaled(resv_fence *f, resv_fence_cb *cb);
	static void go_on(resv_port_work *work);

	resv_fence *get_prev();

	atomic<resv_fence *> prev_;
	const uint64_t prev_seqno_;
	resv_fence *const contained_;
};

} // namespace resv

#endif // RESV_FENCE_CHAIN_HPP
