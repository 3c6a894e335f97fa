// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Fences: something that will happen once, for others to wait for. In Linux, struct dma_fence. What each function does is
// said at resv_fence_*() of its name in resv/fence.h; a resv_fence and a resv::fence are the same object.
#ifndef RESV_FENCE_HPP
#define RESV_FENCE_HPP

#include <resv/atomic_word.hpp>
#include <resv/fence.h>

namespace resv {

/// One cache line. A driver may derive its own from it, of memory from resv_port_alloc() and with nothing to destroy, or
/// with a release op.
///
///   flags_       meaning                                                set by
///   signaled     it has happened; what led to it can be seen            signal, once
///   enabled      the driver knows that somebody waits                   the first waiter
///   container    it is made of other fences                             who makes it
///
/// The flags are changed under the lock, and so is what is in `pending`. Once the fence is signaled, the place of the
/// callbacks is the timestamp's; once the last reference is gone, all of `pending` is the port's.
class fence {
public:
	const uint64_t context;
	const uint64_t seqno;

	/// As resv_fence_init().
	constexpr fence(const resv_fence_ops *ops, resv_port_spinlock *lock, uint64_t its_context,
			uint64_t its_seqno)
		: context(its_context), seqno(its_seqno), ops_(ops ? ops : &no_ops),
		  lock_(lock ? lock : &pending.own_lock), pending{}
	{}
	fence(const fence &) = delete;
	fence &operator=(const fence &) = delete;

	/// Has it been signaled? Looks at one bit; what its signaler wrote is seen if so. Context: any.
	//
	// signaler, in fence_core::signal_locked()      this
	// [W] what led to it, error, timestamp          [R] flags_ (acquire)
	// [W] flags_ (release)                          [R] any of that
	bool test_signaled() const { return flags_.load(order::acquire) & signaled_flag; }

	int signal() { return resv_fence_signal(c()); }
	bool is_signaled() { return resv_fence_is_signaled(c()); }
	int status() { return resv_fence_get_status(c()); }
	void set_error(int error) { resv_fence_set_error(c(), error); }
	int64_t timestamp() const { return resv_fence_timestamp(c()); }
	bool is_later_than(const fence &other) const { return resv_fence_is_later(c(), other.c()); }
	void set_deadline(int64_t deadline_ns) { resv_fence_set_deadline(c(), deadline_ns); }
	RESV_NODISCARD int add_callback(resv_fence_cb &cb, resv_fence_func_t func)
	{
		return resv_fence_add_callback(c(), &cb, func);
	}
	bool remove_callback(resv_fence_cb &cb) { return resv_fence_remove_callback(c(), &cb); }
	RESV_NODISCARD int64_t wait(bool intr) { return resv_fence_wait(c(), intr); }
	RESV_NODISCARD int64_t wait_timeout(bool intr, int64_t timeout_ns)
	{
		return resv_fence_wait_timeout(c(), intr, timeout_ns);
	}

	/// The same fence, in C; and in C++.
	resv_fence *c() { return reinterpret_cast<resv_fence *>(this); }
	const resv_fence *c() const { return reinterpret_cast<const resv_fence *>(this); }
	static fence &of(resv_fence *f) { return *reinterpret_cast<fence *>(f); }
	static const fence &of(const resv_fence *f) { return *reinterpret_cast<const fence *>(f); }

private:
	friend class fence_core;
	friend class fence_stub;

	static constexpr unsigned signaled_flag = 1;
	static constexpr unsigned enabled_flag = 2;
	static constexpr unsigned container_flag = 4;

	static const resv_fence_ops no_ops;

	// The stub: signaled before anybody could look.
	constexpr explicit fence(int64_t timestamp)
		: context(0), seqno(0), lock_(&pending.own_lock), pending{{}, {.timestamp = timestamp}},
		  flags_(signaled_flag)
	{}

	atomic<const resv_fence_ops *> ops_; // null: detached, which implies signaled
	resv_port_spinlock *lock_;
	struct unsignaled {
		resv_port_spinlock own_lock;
		union {
			resv_fence_cb *callbacks; // the first of a ring, in the order of adding
			int64_t timestamp;
		};
	};
	union {
		unsignaled pending;   // while it has not been signaled
		resv_port_work freed; // once the last reference is gone
	};
	atomic<unsigned> flags_{0};
	atomic<unsigned> references_{1};
	int error_ = 0; // written before the signal; read after it
};

/// A reference to a fence, or none.
class fence_ref {
public:
	fence_ref() = default;
	/// Takes the caller's reference over.
	explicit fence_ref(fence *adopted) : fence_(adopted) {}
	explicit fence_ref(resv_fence *adopted) : fence_(adopted ? &fence::of(adopted) : nullptr) {}
	/// Another reference to a fence to which the caller has one.
	static fence_ref to(fence &f)
	{
		resv_fence_get(f.c());
		return fence_ref(&f);
	}
	fence_ref(const fence_ref &other) : fence_(other.fence_) { resv_fence_get(c()); }
	fence_ref(fence_ref &&other) noexcept : fence_(other.release()) {}
	fence_ref &operator=(fence_ref other) noexcept
	{
		fence *mine = fence_;
		fence_ = other.fence_;
		other.fence_ = mine;
		return *this;
	}
	~fence_ref() { resv_fence_put(c()); }

	fence *get() const { return fence_; }
	resv_fence *c() const { return fence_ ? fence_->c() : nullptr; }
	fence *operator->() const { return fence_; }
	fence &operator*() const { return *fence_; }
	explicit operator bool() const { return fence_ != nullptr; }

	/// Gives the reference to the caller.
	RESV_NODISCARD fence *release()
	{
		fence *mine = fence_;
		fence_ = nullptr;
		return mine;
	}

	RESV_NODISCARD resv_fence *release_c()
	{
		fence *mine = release();
		return mine ? mine->c() : nullptr;
	}

private:
	fence *fence_ = nullptr;
};

} // namespace resv

#endif // RESV_FENCE_HPP
