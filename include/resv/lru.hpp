// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The LRU of a device, whose walkers only try-reserve. What each function does is said in resv/lru.h; here are the
// walks in the form that takes a callable:
//
//     resv::reservation_object *victim;
//     int err = device.lru.reserve_first(&ctx, [&](resv::lru_entry &entry, resv::reservation_object &, bool reserved) {
//             return buffer_of(entry).in_vram && (!reserved || (found = buffer_of(entry).get_unless_gone()));
//     }, victim);
#ifndef RESV_LRU_HPP
#define RESV_LRU_HPP

#include <resv/lru.h>
#include <resv/transaction.hpp>

namespace resv {

class lru;
class lru_bulk;

/// A buffer's place on an LRU; embedded in the buffer, at best right in front of its reservation object. C:
/// resv_lru_entry. All members are guarded by the lock of the LRU that it is on; lru_ changes under it too, and may be
/// read without.
class lru_entry {
public:
	constexpr lru_entry() = default;
	lru_entry(const lru_entry &) = delete;
	lru_entry &operator=(const lru_entry &) = delete;

	/// The LRU that the entry is on, or nullptr; racy unless the caller keeps others from changing it.
	lru *where() const { return lru_.load(order::relaxed); }

private:
	friend class lru;
	friend class lru_bulk;
	friend class lru_cursor;
	friend struct lru_abi_check;

	bool is_cursor() const { return !object_; }

	static constexpr uintptr_t newest_bit = 1;

	// Does not write what is there already: that would make the line dirty.
	void hint(const lru_entry &other, uintptr_t bit)
	{
		uintptr_t word = reinterpret_cast<uintptr_t>(&other) | bit;
		if (ahead_ == word && ahead_object_ == other.object_)
			return;
		ahead_ = word;
		ahead_object_ = other.object_;
	}

	lru_entry *next_ = nullptr;
	lru_entry *prev_ = nullptr;
	atomic<lru *> lru_{nullptr};
	reservation_object *object_ = nullptr; // of a cursor none
	lru_bulk *bulk_ = nullptr;             // of a cursor: the range that it is within

	// A hint, possibly stale, for prefetching and nothing else: an entry some places further on, and its object. Bit 0:
	// lru::newest_ has this one. Of a cursor: the next cursor of the LRU.
	uintptr_t ahead_ = 0;
	const void *ahead_object_ = nullptr;
};

/// Entries that are moved in one step. C: resv_lru_bulk.
class lru_bulk {
public:
	constexpr explicit lru_bulk(lru &on) : lru_(&on) {}
	lru_bulk(const lru_bulk &) = delete;
	lru_bulk &operator=(const lru_bulk &) = delete;

	void destroy();
	void add(lru_entry &entry);
	static void del(lru_entry &entry);
	void move_tail();

private:
	friend class lru;
	friend class lru_cursor;
	friend struct lru_abi_check;

	void leave(lru_entry &entry);

	lru *lru_;
	lru_entry *first_ = nullptr; // guarded, like all of the range, by the LRU's lock
	lru_entry *last_ = nullptr;
};

/// A place on an LRU. C: resv_lru_cursor.
class lru_cursor {
public:
	explicit lru_cursor(lru &on);
	~lru_cursor();
	lru_cursor(const lru_cursor &) = delete;
	lru_cursor &operator=(const lru_cursor &) = delete;

	lru_entry *next();

private:
	friend class lru;
	friend struct lru_abi_check;

	lru_entry mark_;
};

/// C: resv_lru.
class lru {
public:
	explicit lru(const resv_lru_ops *ops = nullptr);
	lru(const lru &) = delete;
	lru &operator=(const lru &) = delete;

	void destroy();
	void add(lru_entry &entry, reservation_object &object);
	static void del(lru_entry &entry);
	static void move_tail(lru_entry &entry);
	static void set_object(lru_entry &entry, reservation_object &object);
	unsigned long count();
	void describe(void (*emit)(const char *line, void *data), void *data);

	/// resv_lru_reserve_first(). `accept(entry, object, reserved)` returns a bool, or one of resv_lru_accept_fn's
	/// answers. `object` is set if the result is 0 or -EALREADY.
	template <typename Accept>
	RESV_NODISCARD int reserve_first(ww_acquire_ctx *ctx, Accept &&accept, reservation_object *&object)
	{
		return call(accept, [&](resv_lru_accept_fn fn, void *data) {
			return try_first(ctx, fn, data, object);
		});
	}

	/// resv_lru_reserve_wait().
	template <typename Accept>
	RESV_NODISCARD int reserve_wait(transaction &t, Accept &&accept, unsigned retries,
					reservation_object *&object)
	{
		return call(accept, [&](resv_lru_accept_fn fn, void *data) {
			return wait_first(t, fn, data, retries, object);
		});
	}

	/// private: the same for C
	RESV_NODISCARD int try_first(ww_acquire_ctx *ctx, resv_lru_accept_fn accept, void *data,
				     reservation_object *&object);
	RESV_NODISCARD int wait_first(transaction &t, resv_lru_accept_fn accept, void *data, unsigned retries,
				      reservation_object *&object);

private:
	friend class lru_bulk;
	friend class lru_cursor;
	friend struct lru_abi_check;

	class guard;
	class owner_guard;
	class walk;

	template <typename Accept>
	static int ask(resv_lru_entry *entry, resv_object *object, bool reserved, void *data)
	{
		return (*static_cast<Accept *>(data))(*reinterpret_cast<lru_entry *>(entry),
						      *reinterpret_cast<reservation_object *>(object),
						      reserved);
	}
	template <typename Accept, typename Walk>
	static int call(Accept &accept, Walk walk)
	{
		return walk(&ask<Accept>,
			    const_cast<void *>(static_cast<const void *>(__builtin_addressof(accept))));
	}

	static reservation_object *object_of(const lru_entry &entry);
	static void link_behind(lru_entry &at, lru_entry &entry);
	static void unlink(lru_entry &entry);
	static lru_entry *next_cursor(const lru_entry &cursor)
	{
		return reinterpret_cast<lru_entry *>(cursor.ahead_);
	}
	void put_behind(lru_entry &at, lru_entry &cursor);
	void take_off(lru_entry &cursor);
	void append(lru_entry &entry);
	void remove(lru_entry &entry);
	void note_newest(lru_entry &entry);
	void forget_newest(lru_entry &entry);
	void note_oldest(unsigned place, const lru_entry &entry);
	bool still_suits(lru_entry &entry, reservation_object &object, resv_lru_accept_fn accept, void *data);

	static constexpr unsigned ahead = RESV_LRU_AHEAD;

	resv_port_spinlock lock_{};
	lru_entry head_; // of a ring; looks like a cursor
	lru_entry *cursors_ = nullptr;
	const resv_lru_ops *ops_;
	unsigned long count_ = 0;

	// The entries that came last, so that the one that is `ahead` places before a new one gets its hint.
	unsigned long at_ = 0;
	lru_entry *newest_[ahead] = {};

	// Hints as in the entries: where a walk begins, which no entry before can tell.
	const void *oldest_[ahead] = {};
};

} // namespace resv

#endif // RESV_LRU_HPP
