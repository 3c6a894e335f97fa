// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The reservation object: who may touch a buffer now. A ww_mutex under the name that drivers use; in Linux,
// struct dma_resv.
#ifndef RESV_RESERVATION_HPP
#define RESV_RESERVATION_HPP

#include <resv/ww_mutex.hpp>

namespace resv {

/// The class of all reservation objects that name no other. Wait-die, as Linux's reservation_ww_class.
extern ww_class reservation_class __asm__("resv_reservation_ww_class"); // C's name for it

/// Reserved by one context at a time. Belongs to a buffer, or to several that are always reserved together; may be
/// shared across devices. Must outlive its unreserve().
class RESV_CAPABILITY("reservation") reservation_object {
public:
	/// Context: any. `cls` must be static.
	constexpr explicit reservation_object(ww_class &cls = reservation_class) : lock_(cls) {}

	/// Ends the object's life (Linux: dma_resv_fini). Debug builds report one that is reserved or waited for.
	void destroy() { lock_.destroy(); }

	/// Reserves the object for `ctx`, waiting if need be; with nullptr, for the task alone. Returns 0, -EALREADY
	/// or -EDEADLK, as ww_mutex::lock(). Under CONFIG_PROVE_LOCKING it first records, contended or not, that it
	/// might have to wait for an unreserve. May sleep. Context: task.
	RESV_NODISCARD int reserve(ww_acquire_ctx *ctx, const wait_request &request = {}) RESV_ACQUIRE_ON_ZERO
	{
		return lock_.lock(ctx, request);
	}

	/// Reserves the object that the last -EDEADLK was about, holding nothing else. May sleep.
	void reserve_slow(ww_acquire_ctx *ctx) RESV_ACQUIRE() RESV_NO_ANALYSIS { lock_.lock_slow(ctx); }

	/// The same, but gives up with -EINTR or -ETIME as `request` admits.
	RESV_NODISCARD int reserve_slow(ww_acquire_ctx *ctx, const wait_request &request) RESV_ACQUIRE_ON_ZERO
	{
		return lock_.lock_slow(ctx, request);
	}

	/// Reserves the object if that needs no waiting. Never sleeps: the form for eviction, swapout, destruction.
	RESV_NODISCARD bool try_reserve(ww_acquire_ctx *ctx) RESV_ACQUIRE_ON_TRUE
	{
		return lock_.trylock(ctx);
	}

	/// Ends the reservation; in any order among several. Context: the task that holds it.
	void unreserve() RESV_RELEASE() RESV_NO_ANALYSIS { lock_.unlock(); }

	/// Waits until whoever holds the reservation now has ended it, without taking it. The caller must hold no
	/// reservation (-EDEADLK, and a report in debug builds); -EALREADY if it waits for itself; -EINTR and -ETIME
	/// as `request` admits. Under CONFIG_PROVE_LOCKING it records a lock/unlock cycle, like an interruptible lock
	/// that is always interrupted. May sleep. Linux: ttm_bo_wait_unreserved(), until 5.3.
	RESV_NODISCARD int wait_for_unreserve(ww_acquire_ctx *ctx, const wait_request &request = {})
	{
		return lock_.wait_for_unlock(ctx, request);
	}

	/// Racy unless the caller holds it.
	bool is_reserved() const { return lock_.is_locked(); }

	/// The context that holds the reservation, or nullptr; to be compared with one's own. Linux:
	/// dma_resv_locking_ctx().
	ww_acquire_ctx *locking_ctx() const { return lock_.locking_ctx(); }

	/// Reports, in debug builds, a caller that does not hold the reservation.
	void assert_held() RESV_ASSERT() RESV_NO_ANALYSIS { lock_.assert_held(); }

private:
	friend class transaction;
	friend struct abi_check;

	ww_mutex lock_; // the first member: see transaction::owner_of()
};

} // namespace resv

#endif // RESV_RESERVATION_HPP
