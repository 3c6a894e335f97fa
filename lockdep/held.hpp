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

/// A set of classes that may contain some too many.
using class_bloom = uint64_t;

constexpr class_bloom bloom_of(class_id cls)
{
	return class_bloom{1} << (cls & 63);
}

/// One held lock, or several of one class that nest in the same lock and were taken one after the other.
struct held {
	const lockdep_map *map;  // of the first instance; by address: it may be freed before the others are released
	const lockdep_map *nest; // by address
	uintptr_t where;
	int64_t since;     // with RESV_LOCK_STAT: when it was taken, or when the wait for it began
	class_bloom bloom; // the classes from the bottom of the stack up to this entry
	uint32_t count;    // instances
	uint32_t pins;     // the sum of the cookies
	class_id cls;
	lock_read read;
	uint8_t own_inner; // the wait type that holders of this lock may use; RESV_LD_WAIT_INV if any
	uint8_t inner;     // the same for all from the bottom of the stack up to this entry
	uint8_t serial;    // different from that of all other entries
	bool overrides : 1; // `own_inner` holds whatever is held below
	bool trylock : 1;
	bool check : 1;
	bool passes : 1; // not all that lies below has an order to it: it must get one to what comes above

	bool exclusive() const { return read == lock_read::exclusive; }
	bool counts_instances() const { return nest && exclusive(); }
};

/// All zero is the empty one.
struct held_stack {
	static constexpr unsigned capacity = RESV_LOCKDEP_HELD;

	held at[capacity];
	uint64_t serials; // a bit for each that an entry has
	uint16_t depth;
	// Entries below these have been marked as held with hard, or soft, interrupts on.
	uint16_t marked_hard;
	uint16_t marked_soft;
	bool busy;            // the annotator works for this context: what it calls is not annotated
	uint32_t lost;        // acquisitions that are not in the stack, and not released yet
	uint32_t no_blocking; // how deep in sections that may only try
	uint32_t cookies;     // pin cookies given out

	static constexpr uint8_t no_limit = RESV_LD_WAIT_SLEEP;

	held &top() { return at[depth - 1]; }
	held *begin() { return at; }
	held *end() { return at + depth; }
	bool full() const { return depth == capacity; }
	uintptr_t id() const { return reinterpret_cast<uintptr_t>(this); }

	/// The entry that lists this lock, or nullptr; the uppermost one.
	held *find_listed(const lockdep_map *map)
	{
		for (held *h = end(); h-- != at;)
			if (h->map == map && !h->counts_instances())
				return h;
		return nullptr;
	}

	/// The entry of this serial number, which is there.
	held *find_serial(unsigned serial)
	{
		held *h = end() - 1;
		while (h->serial != serial)
			h--;
		return h;
	}

	class_bloom bloom() const { return depth != 0 ? at[depth - 1].bloom : 0; }
	unsigned inner() const { return depth != 0 ? at[depth - 1].inner : no_limit; }

	void push(const held &h)
	{
		at[depth] = h;
		at[depth].serial = static_cast<uint8_t>(__builtin_ctzll(~serials));
		serials |= uint64_t{1} << at[depth].serial;
		settle(depth++);
	}

	void remove(held *h)
	{
		auto index = static_cast<unsigned>(h - at);
		serials &= ~(uint64_t{1} << h->serial);
		depth--;
		if (index < marked_hard)
			marked_hard--;
		if (index < marked_soft)
			marked_soft--;
		if (index == depth)
			return;
		__builtin_memmove(h, h + 1, (depth - index) * sizeof(held));
		for (; index < depth; index++)
			settle(index);
	}

	/// Sums up what lies below.
	void settle(unsigned index)
	{
		held &h = at[index];
		h.bloom = bloom_of(h.cls);
		h.inner = no_limit;
		if (index != 0) {
			h.bloom |= at[index - 1].bloom;
			h.inner = at[index - 1].inner;
		}
		if (h.own_inner != RESV_LD_WAIT_INV && (h.overrides || h.own_inner < h.inner))
			h.inner = h.own_inner;
	}
};

static_assert(held_stack::capacity <= 64, "an entry's serial is a bit of a word");
static_assert(sizeof(held_stack) <= RESV_PORT_HELD_BYTES, "RESV_LOCKDEP_HELD is too large");

} // namespace resv::lockdep

#endif // RESV_LOCKDEP_HELD_HPP
