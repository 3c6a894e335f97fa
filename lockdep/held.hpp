// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What one task, or one interrupt level, holds. Lies in the storage that the port keeps for it, and belongs to nobody else.
#ifndef RESV_LOCKDEP_HELD_HPP
#define RESV_LOCKDEP_HELD_HPP

#include <resv/lockdep.hpp>
#include <resv/port.h>

namespace resv::lockdep {

/// The number of a lock class; 0 is none.
using class_id = uint16_t;

/// What is the same for all entries of a class that are taken in the usual way; a word of its own, to be copied as such.
struct alignas(8) held_kind {
	class_id cls;
	lock_read read;
	uint8_t inner;      // the wait type that holders of this lock may use; RESV_LD_WAIT_INV if any
	bool overrides : 1; // it may be used whatever is held below
	bool trylock : 1;
	bool check : 1;
	bool unmarked : 1; // the class is not known to be held like this with interrupts on
	bool subclass : 1; // it was taken with one
	bool passes;       // not all that lies below has an order to it: it must get one to what comes above
	bool plain; // not pinned, does not nest, has no subclass, and restricts nothing: it goes without ado

	/// Does it forbid some locks to be taken?
	bool restricts() const
	{
		return overrides || (inner != RESV_LD_WAIT_INV && inner != RESV_LD_WAIT_SLEEP);
	}
};

/// One held lock, or several of one class that nest in the same lock and were taken one after the other. A cache line.
struct alignas(64) held {
	held *below; // in the order of taking
	held *above;
	// By address: the first of several instances may be freed before the others are released.
	const lockdep_map *map;
	const lockdep_map *nest;
	uintptr_t where;
	held_kind kind;
	uint32_t count; // instances
	uint32_t pins;  // the sum of the cookies
	int64_t since;  // with RESV_LOCK_STAT: when it was taken, or when the wait for it began

	bool exclusive() const { return kind.read == lock_read::exclusive; }
	bool counts_instances() const { return nest && exclusive(); }
};
static_assert(sizeof(held) == 64 && sizeof(held_kind) == 8);

/// What a context holds: a list in the order of taking. It is what the port keeps for the context, resv_port_held; all
/// zero, it has not been used yet, and wants set_up().
class held_stack {
public:
	static constexpr unsigned capacity = RESV_LOCKDEP_HELD;

	bool is_set_up() const { return set_up_; }
	void set_up()
	{
		set_up_ = true;
		ends_.below = ends_.above = &ends_;
		for (held &h : slots_) {
			h.count = 1;
			h.below = free_;
			free_ = &h;
		}
	}

	/// Set up; a task with interrupts on, for which the annotator does not work already, which may take any kind of lock,
	/// and of which nothing is left to be noted.
	bool nothing_special() const
	{
		uint64_t word;
		__builtin_memcpy(&word, &irq_state_, sizeof(word));
		return word == nothing_special_;
	}
	/// A set of enum resv_port_irq_state.
	unsigned irq_state() const { return irq_state_; }
	uintptr_t id() const { return reinterpret_cast<uintptr_t>(this); }

	// ---- Entries ----

	bool empty() const { return ends_.below == &ends_; }
	bool full() const { return !free_; }
	/// The last one taken, and the first; end() if there is none, and beyond both.
	held *top() { return ends_.below; }
	held *bottom() { return ends_.above; }
	const held *end() const { return &ends_; }

	/// How many entries there are of this class, or of some others.
	unsigned count(class_id cls) const { return counts_[cls & 63]; }

	/// The inner wait type that whoever holds all these may use.
	unsigned inner() const { return RESV_LD_WAIT_SLEEP - tightness_; }

	/// The entry that lists this lock, or nullptr; the uppermost one, or the lowest.
	held *find_listed(const lockdep_map *map)
	{
		for (held *h = top(); h != end(); h = h->below)
			if (h->map == map && !h->counts_instances())
				return h;
		return nullptr;
	}
	held *find_lowest_listed(const lockdep_map *map)
	{
		for (held *h = bottom(); h != end(); h = h->above)
			if (h->map == map && !h->counts_instances())
				return h;
		return nullptr;
	}

	/// Entries by number, while they are used.
	held *at(unsigned number) { return &slots_[number]; }
	unsigned number(const held *h) const { return static_cast<unsigned>(h - slots_); }

	/// Puts an entry on top: one instance, which does not nest, of a place that the caller sets. There is room.
	held *push(const lockdep_map &map, const held_kind &kind)
	{
		held *h = push_plain(map, kind);
		if (kind.restricts() && (kind.overrides || tightness(kind) > tightness_))
			tightness_ = static_cast<uint8_t>(tightness(kind));
		return h;
	}
	/// The same for one that does not restrict what may be taken.
	held *push_plain(const lockdep_map &map, const held_kind &kind)
	{
		held *h = free_; // free entries are one instance, and do not nest
		held *under = ends_.below;
		free_ = h->below;
		h->below = under;
		h->above = &ends_;
		under->above = h;
		ends_.below = h;
		h->map = &map;
		h->kind = kind;
		counts_[kind.cls & 63]++;
		return h;
	}

	void remove(held *h)
	{
		remove_plain(h);
		h->nest = nullptr;
		h->count = 1;
		h->pins = 0;
		if (h->kind.restricts())
			sum_up();
	}
	void remove_plain(held *h)
	{
		held *under = h->below;
		held *over = h->above;
		under->above = over;
		over->below = under;
		h->below = free_;
		free_ = h;
		counts_[h->kind.cls & 63]--;
	}

	/// The entry becomes one of another kind.
	void change(held *h, const held_kind &kind)
	{
		counts_[h->kind.cls & 63]--;
		h->kind = kind;
		counts_[kind.cls & 63]++;
		sum_up();
	}

	/// For a time, the top is not what it was: entries are checked once more as if nothing above them were held.
	void pretend_top(held *h) { ends_.below = h; }

	void clear()
	{
		while (!empty())
			remove(top());
		unusual = 0;
	}

private:
	// How much less than everything the holder may do.
	static unsigned tightness(const held_kind &kind)
	{
		return kind.inner == RESV_LD_WAIT_INV
			       ? 0u
			       : static_cast<unsigned>(RESV_LD_WAIT_SLEEP - kind.inner);
	}
	[[gnu::noinline]] void sum_up()
	{
		tightness_ = 0;
		for (held *h = bottom(); h != end(); h = h->above)
			if (h->kind.restricts() && (h->kind.overrides || tightness(h->kind) > tightness_))
				tightness_ = static_cast<uint8_t>(tightness(h->kind));
	}

	// One word: see nothing_special().
	unsigned irq_state_; // the port's
	uint8_t tightness_;

public:
	bool has_unmarked; // some entry may be unmarked
	bool busy;         // the annotator works for this context: what it calls is not annotated
private:
	bool set_up_;
	static constexpr uint64_t nothing_special_ =
		__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? uint64_t{1} << 56 : 1;

public:
	uint32_t unusual;     // entries that nest in others, or have a subclass
	uint32_t no_blocking; // how deep in sections that may only try
	uint32_t lost;        // acquisitions that are not in the stack, and not released yet
	uint32_t cookies;     // pin cookies given out
	uintptr_t caller;     // where the library was called from, if it knows
private:
	held *free_;         // through `below`
	uint8_t counts_[64]; // entries by the low bits of their class
	held ends_;          // its `below` is the top, its `above` the bottom
	held slots_[capacity];
};

static_assert(sizeof(held_stack) <= sizeof(resv_port_held), "RESV_LOCKDEP_HELD is too large");
static_assert(alignof(held_stack) <= RESV_PORT_HELD_ALIGN);

} // namespace resv::lockdep

#endif // RESV_LOCKDEP_HELD_HPP
