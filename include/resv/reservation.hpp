// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The reservation object: who may touch a buffer now, a ww_mutex under the name that drivers use; and what has to happen
// before others may, its fences. In Linux, struct dma_resv.
#ifndef RESV_RESERVATION_HPP
#define RESV_RESERVATION_HPP

#include <resv/fence.hpp>
#include <resv/ww_mutex.hpp>

namespace resv {

struct fence_table;
class line_writer;

/// What a fence is about. Whoever asks for one gets those before it as well.
enum class usage : unsigned {
	kernel,   ///< memory management: moving or clearing the contents. Everybody waits for it
	write,    ///< writes the contents
	read,     ///< reads the contents
	bookkeep, ///< neither: only keeps the memory where it is
};

/// What one who writes, or only reads, has to wait for. Linux: dma_resv_usage_rw().
constexpr usage usage_rw(bool writes)
{
	return writes ? usage::read : usage::write;
}

/// The class of all reservation objects that name no other. Wait-die, as Linux's reservation_ww_class.
extern ww_class reservation_class __asm__("resv_reservation_ww_class"); // C's name for it

/// Reserved by one context at a time. Belongs to a buffer, or to several that are always reserved together; may be
/// shared across devices. Must outlive its unreserve().
///
/// A fence stays in its slot until another one stands for it or it has been signaled, and only then its reference is
/// dropped; who holds the reservation changes the slots, and anybody reads them:
///
///   writer                                     reader, in a read-side section
///   [W] version_ = odd (release)               [R] version_ (acquire): all earlier changes are seen
///   [W] slot (release)                         [R] slots (acquire), then flags of the fences (acquire)
///   [W] version_ = even (release)              [R] version_: the same if no change was seen since
///   drop the old fence's reference             a reference, if there still is one; otherwise the slot has changed
///
/// So what was read between two equal even versions was there at one moment, the second reading. A change that was under
/// way when the version was odd may fall into one pass over the slots, but not into two.
///
///   writer that grows the table                reader
///   [W] new table = copy of the old            [R] table_ (acquire)
///   [W] table_ = new (release)                 [R] its slots
///   free the old one after readers
///
/// A slot keeps its number when the table grows: who walks by number meets every fence that was there all the time.
class RESV_CAPABILITY("reservation") reservation_object {
public:
	/// Context: any. `cls` must be static.
	constexpr explicit reservation_object(ww_class &cls = reservation_class) : lock_(cls) {}

	/// Ends the object's life (Linux: dma_resv_fini), and drops its fences. Debug builds report one that is reserved
	/// or waited for. Context: any.
	void destroy()
	{
		lock_.destroy();
		drop_fences();
	}

	/// Reserves the object for `ctx`, waiting if need be; with nullptr, for the task alone. Returns 0, -EALREADY
	/// or -EDEADLK, as ww_mutex::lock(). Under CONFIG_PROVE_LOCKING it first records, contended or not, that it
	/// might have to wait for an unreserve. May sleep. Context: task.
	RESV_NODISCARD int reserve(ww_acquire_ctx *ctx,
				   const wait_request &request = uninterruptible) RESV_ACQUIRE_ON_ZERO
	{
		return begin(lock_.lock(ctx, request));
	}

	/// Reserves the object that the last -EDEADLK was about, holding nothing else. May sleep.
	void reserve_slow(ww_acquire_ctx *ctx) RESV_ACQUIRE() RESV_NO_ANALYSIS
	{
		lock_.lock_slow(ctx);
		reserved_ = 0;
	}

	/// The same, but gives up with -EINTR or -ETIME as `request` admits.
	RESV_NODISCARD int reserve_slow(ww_acquire_ctx *ctx, const wait_request &request) RESV_ACQUIRE_ON_ZERO
	{
		return begin(lock_.lock_slow(ctx, request));
	}

	/// Reserves the object if that needs no waiting. Never sleeps: the form for eviction, swapout, destruction.
	RESV_NODISCARD bool try_reserve(ww_acquire_ctx *ctx) RESV_ACQUIRE_ON_TRUE
	{
		bool taken = lock_.trylock(ctx);
		if (taken)
			reserved_ = 0;
		return taken;
	}

	/// Ends the reservation; in any order among several. Context: the task that holds it.
	void unreserve() RESV_RELEASE() RESV_NO_ANALYSIS { lock_.unlock(); }

	/// Waits until whoever holds the reservation now has ended it, without taking it. The caller must hold no
	/// reservation (-EDEADLK, and a report in debug builds); -EALREADY if it waits for itself; -EINTR and -ETIME
	/// as `request` admits. Under CONFIG_PROVE_LOCKING it records a lock/unlock cycle, like an interruptible lock
	/// that is always interrupted. May sleep. Linux: ttm_bo_wait_unreserved(), until 5.3.
	RESV_NODISCARD int wait_for_unreserve(ww_acquire_ctx *ctx,
					      const wait_request &request = uninterruptible)
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

	// ---- Fences. Unless it says otherwise, the caller holds the reservation; debug builds report one that does not,
	// and the call changes nothing. No code of others runs, but for the release of a fence whose last reference goes.

	/// Makes room for `n` more fences: that many calls of add_fence() will succeed, beyond those that were promised
	/// before. It is void when the reservation ends. Up to 4 fences need no memory. Returns 0; -ENOMEM; -EINVAL, and
	/// a report, for 0. May sleep. Linux's does not count: there the promise is for `n` in all.
	RESV_NODISCARD int reserve_fences(unsigned n)
	{
		if constexpr (config::debug_ww_mutexes)
			return make_room(n);
		if (n - 1 < inline_fences && used_ + reserved_ + n <= inline_fences) [[likely]] {
			reserved_ += n;
			return 0;
		}
		return make_room(n);
	}

	/// Adds a fence, with a reference of its own. It takes the place of one on the same timeline that is no later,
	/// and no stronger in usage. Takes up one of the promised places; without one it changes nothing, and that is a
	/// report in every build, and -ENOSPC. Otherwise 0; also for a fence made of others, which is reported in every
	/// build: no later fence of its members' timelines takes its place. May not sleep.
	int add_fence(fence &f, usage how);

	/// Puts `f` in the place of all fences on that timeline: because it stands for them, as when the memory that they
	/// are about is not used any more. It takes no promised place. May not sleep.
	void replace_fences(uint64_t context, fence &f, usage how);

	/// Makes the fences those of `from`, which the caller need not hold; signaled ones are left out. Returns 0, or
	/// -ENOMEM and nothing has changed. What was promised stays. May sleep.
	RESV_NODISCARD int copy_fences(const reservation_object &from);

	/// Have all been signaled, at one moment, that are of this usage or before it? Asks the drivers of those that have
	/// not, which may run callbacks of others. Never waits for a writer. Need not be held. Context: any.
	bool test_signaled(usage up_to) const
	{
		resv_port_read_lock();
		unsigned long version = version_.load(order::acquire);
		bool all = !(version & 1) && !table_.load(order::acquire) && is_over(slots_[0], up_to) &&
			   is_over(slots_[1], up_to) && is_over(slots_[2], up_to) &&
			   is_over(slots_[3], up_to) && version_.load(order::relaxed) == version;
		resv_port_read_unlock();
		return all || ask_signaled(up_to);
	}

	/// Waits for all fences of this usage and before it; those that are added meanwhile may be left out. Returns as
	/// resv_fence_wait_timeout(): what is left of `timeout_ns`, 1 at least; 0 if it has run out; -EINTR for a signal
	/// if `intr`; with 0 it does not wait. Need not be held. May sleep.
	RESV_NODISCARD int64_t wait(usage up_to, bool intr, int64_t timeout_ns = RESV_WAIT_FOREVER) const;

	/// Tells all drivers when somebody would like to have them signaled. Need not be held. Context: any.
	void set_deadline(usage up_to, int64_t deadline_ns) const;

	/// All fences that have not been signaled: `*fences` is an array of `*num` from resv_port_alloc(), the caller's,
	/// and so are the references in it; null if there are none. Returns 0 or -ENOMEM. Need not be held. May sleep.
	RESV_NODISCARD int get_fences(usage up_to, unsigned *num, resv_fence ***fences) const;

	/// The same as one fence, with a reference, made of them if there are several; null if there are none. Returns 0
	/// or -ENOMEM. Need not be held. May sleep.
	RESV_NODISCARD int get_singleton(usage up_to, resv_fence **single) const;

	/// Tells, line by line, without newlines: what ww_mutex::describe() tells of the reservation, and then each fence,
	/// of all usages, signaled ones as well: what it is for, its address, the names of who made it, context and seqno;
	/// signaled or not, how long ago, and with which error. Each line is true at its time. `emit` must not sleep, nor
	/// use the library. Need not be held. Context: any in which fences may be released. Linux: dma_resv_describe(),
	/// without the fences for bookkeeping and without the holder.
	void describe(void (*emit)(const char *line, void *data), void *data);

private:
	friend class transaction;
	friend class fence_cursor;
	friend class lru;
	friend struct releasing;
	friend struct abi_check;

	static constexpr unsigned inline_fences = 4; // test_signaled() names each of them
	static constexpr uintptr_t usage_mask = 3;

	static fence &in_word(uintptr_t word) { return *reinterpret_cast<fence *>(word & ~usage_mask); }
	static usage usage_in(uintptr_t word) { return static_cast<usage>(word & usage_mask); }
	static uintptr_t word_of(fence &f, usage how)
	{
		return reinterpret_cast<uintptr_t>(&f) | static_cast<uintptr_t>(how);
	}

	int begin(int rc)
	{
		if (rc == 0)
			reserved_ = 0;
		return rc;
	}

	// Nothing to wait for in this slot? In a read-side section.
	static bool is_over(const atomic<uintptr_t> &slot, usage up_to)
	{
		uintptr_t word = slot.load(order::acquire);
		if (word && (word & usage_mask) <= static_cast<uintptr_t>(up_to)) [[likely]]
			return in_word(word).test_signaled();
		return true;
	}

	bool may_change();
	unsigned capacity() const;
	atomic<uintptr_t> &slot(unsigned i);
	void set(atomic<uintptr_t> &at, uintptr_t word);
	void prune();
	int grow(unsigned capacity);
	int make_room(unsigned n);
	int make_places(unsigned n);
	bool read_slot(unsigned i, uintptr_t *word) const;
	bool find_from(unsigned *i, usage up_to, fence_ref *found, usage *how) const;
	bool ask_signaled(usage up_to) const;
	int collect(usage up_to, unsigned *num, uintptr_t **words) const;
	void drop_fences();
	bool write_fences(line_writer &out) const; // returns whether one has not been signaled

	ww_mutex lock_; // the first member: see transaction::owner_of()

	// A word is a fence's address, and its usage in the bits that the address leaves; 0: free. The slots from number
	// inline_fences on are in the table, if there is one.
	atomic<uintptr_t> slots_[inline_fences];
	atomic<fence_table *> table_{nullptr};
	atomic<unsigned long> version_{0}; // odd while a slot is being changed

	// Who holds the reservation changes these. used_ + reserved_ is never more than there are slots.
	unsigned used_ = 0;     // slots that are not 0
	unsigned reserved_ = 0; // calls of add_fence() that were promised; void when the reservation ends
};

/// A walk over an object's fences, for whom the functions above do not do. Either with the reservation held:
///
///     fence_cursor c(object, usage::read);
///     for (fence *f = c.first(); f; f = c.next())
///
/// or without, by first_unlocked() and next_unlocked(): these leave out signaled fences, and begin again when the fences
/// have changed; is_restarted() then says that what was gathered is void. Linux: struct dma_resv_iter.
class fence_cursor {
public:
	fence_cursor(const reservation_object &object, usage up_to) : object_(&object), up_to_(up_to) {}
	/// Drops the reference to the current fence, which the unlocked walk has.
	~fence_cursor() { resv_fence_put(held_); }
	fence_cursor(const fence_cursor &) = delete;
	fence_cursor &operator=(const fence_cursor &) = delete;

	/// Signaled ones as well; valid while the reservation is held and unchanged.
	fence *first();
	fence *next();

	/// The fence is valid until the next call. Context: any.
	fence *first_unlocked();
	fence *next_unlocked();

	/// Is this the first fence of a walk that has begun, or begun again?
	bool is_restarted() const { return restarted_; }

	/// What the current fence was added as.
	usage current_usage() const { return current_; }

private:
	friend struct abi_check;

	const reservation_object *object_;
	resv_fence *held_ = nullptr;
	unsigned long version_ = 0;
	usage up_to_;
	usage current_ = usage::kernel;
	unsigned index_ = 0;
	bool restarted_ = false;
};

} // namespace resv

#endif // RESV_RESERVATION_HPP
