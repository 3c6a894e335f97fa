// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Fences: something that will happen once, for others to wait for. In Linux, struct dma_fence. What each function does is
// said in resv/fence.h; a resv_fence is a fence, and may be passed as either.
#ifndef RESV_FENCE_HPP
#define RESV_FENCE_HPP

#include <resv/atomic_word.hpp>
#include <resv/fence.h>

namespace resv {

/// One cache line.
///
///   flags_                meaning                                            set by
///   signaled              it has happened; what led to it can be seen        signal, under the lock, once
///   enabled               the driver knows that somebody waits               the first waiter, under the lock
///   ...
///
/// callbacks_ is the first of a ring, in the order of adding; changed under the lock. Once the fence is signaled its place
/// is the timestamp's, and once the last reference is gone the port's.
class fence {
public:
	const uint64_t context;
	const uint64_t seqno;

	/// Has it been signaled? Looks at one bit; what its signaler wrote is seen if so. Context: any.
	bool test_signaled() const { return flags_.load(order::acquire) & signaled_flag; }

private:
	friend class fence_core;

	static constexpr unsigned signaled_flag = 1;

	atomic<const resv_fence_ops *> ops_;
	resv_port_spinlock *lock_;
	union {
		struct {
			resv_port_spinlock own_lock_;
			union {
				resv_fence_cb *callbacks_;
				int64_t timestamp_;
			};
		};
		resv_port_work freed_;
	};
	atomic<unsigned> flags_;
	atomic<unsigned> references_;
	int error_;
};

} // namespace resv

#endif // RESV_FENCE_HPP
