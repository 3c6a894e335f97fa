// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The lock classes: what locks of one key have in common.
#ifndef RESV_LOCKDEP_CLASSES_HPP
#define RESV_LOCKDEP_CLASSES_HPP

#include "graph.hpp"
#include "held.hpp"
#include "in_place.hpp"

namespace resv::lockdep {

/// Hard and soft interrupts are classes, too. What is held while they are on is ordered before them, and what they take,
/// after: so an inversion is a cycle like any other.
inline constexpr class_id hardirq_class = 1;
inline constexpr class_id softirq_class = 2;
inline constexpr class_id first_class = 3;

inline constexpr bool is_irq(class_id cls)
{
	return cls == hardirq_class || cls == softirq_class;
}

/// How a class was used: bits of lock_class::usage. Those of soft interrupts are `soft` places further up.
enum usage : uint32_t {
	on_exclusive = 1, ///< held exclusive while interrupts were on
	on_shared = 2,
	in_exclusive = 4, ///< taken exclusive in an interrupt
	in_shared = 8,
	in_recursive = 16,

	soft = 5,
	order_refused = 1 << 10, ///< some order to this class was reported, and is not in the graph
	restricting = 1 << 11,   ///< its holders may not take all kinds of locks

	/// An exclusive acquisition finds nothing that it would have to note, but orders.
	all_noted = on_exclusive | on_exclusive << soft,
	noted_mask = all_noted | order_refused | restricting,
};

/// Contention and hold times of a class: counters that all tasks write.
template <bool on>
class lock_times {
public:
	void taken() {}
	void contended() {}
	void waited(int64_t) {}
	void was_held(int64_t) {}
	void read(struct resv_lockdep_class_stats &) const {}
	void reset() {}
};

template <>
class lock_times<true> {
public:
	void taken() { acquisitions_.fetch_add(1, order::relaxed); }
	void contended() { contentions_.fetch_add(1, order::relaxed); }
	void waited(int64_t ns) { wait_.add(ns); }
	void was_held(int64_t ns) { hold_.add(ns); }
	void read(struct resv_lockdep_class_stats &s) const
	{
		s.acquisitions = acquisitions_.load(order::relaxed);
		s.contentions = contentions_.load(order::relaxed);
		s.wait_total = wait_.total.load(order::relaxed);
		s.wait_max = wait_.most.load(order::relaxed);
		s.hold_total = hold_.total.load(order::relaxed);
		s.hold_max = hold_.most.load(order::relaxed);
	}
	void reset()
	{
		acquisitions_.store(0, order::relaxed);
		contentions_.store(0, order::relaxed);
		wait_.reset();
		hold_.reset();
	}

private:
	struct times {
		atomic<uint64_t> total, most;

		void add(int64_t duration)
		{
			auto ns = static_cast<uint64_t>(duration);
			total.fetch_add(ns, order::relaxed);
			for (uint64_t now = most.load(order::relaxed);
			     now < ns && !most.compare_exchange(now, ns, order::relaxed);)
				now = most.load(order::relaxed);
		}
		void reset()
		{
			total.store(0, order::relaxed);
			most.store(0, order::relaxed);
		}
	};

	atomic<unsigned long> acquisitions_, contentions_;
	times wait_, hold_;
};

struct alignas(64) lock_class {
	atomic<uintptr_t> key; // 0: free
	atomic<uint32_t> usage;
	// Set before the class can be found.
	uint8_t outer, type;
	uint8_t subclass;
	held_kind
		kind; // of an entry that is taken in the usual way: exclusive, with orders from all that lies below
	const char *name;
	uint16_t version; // how many classes had the name before
	uint32_t slot;    // where its number is in the table's slots

	atomic<resv_lockdep_cmp_fn> compare;
	[[no_unique_address]] lock_times<config::lock_stat> times;
};

/// The one place that looks into maps.
class map_access {
public:
	/// As a number: there may be none.
	static uintptr_t key(const lockdep_map &map, unsigned subclass)
	{
		return reinterpret_cast<uintptr_t>(map.key_) + subclass;
	}
	static unsigned subclass(const lockdep_map &map, unsigned more) { return map.subclass_ + more; }

	/// The class as the map remembers it, which may be of another time: 0 if it remembers none.
	static class_id cached(const lockdep_map &map, unsigned subclass)
	{
		return static_cast<class_id>(subclass < 2 ? map.classes_.load(order::relaxed) >> 16 * subclass
							  : 0);
	}
	static void cache(lockdep_map &map, unsigned subclass, class_id cls)
	{
		if (subclass >= 2)
			return;
		uint32_t other = map.classes_.load(order::relaxed) & 0xffffu << 16 * (1 - subclass);
		map.classes_.store(other | uint32_t{cls} << 16 * subclass, order::relaxed);
	}

	static bool counted_in(const lockdep_map &map, const held_stack &stack)
	{
		return map.holder_.load(order::relaxed) == stack.id();
	}
	static unsigned counted_by(const lockdep_map &map) { return map.entry_; }
	static void count_in(lockdep_map &map, const held_stack &stack, unsigned slot)
	{
		map.entry_ = static_cast<uint8_t>(slot);
		map.holder_.store(stack.id(), order::relaxed);
	}
	static void count_nowhere(lockdep_map &map) { map.holder_.store(0, order::relaxed); }

	// A key or a subclass that cannot be one is told when the lock is used.
	static const char *key_at(const resv_lock_class_key *key, unsigned subclass)
	{
		return key && subclass < sizeof(key->subclass) ? key->subclass + subclass : nullptr;
	}
	static void make(resv_lockdep_map *storage, const char *name, const resv_lock_class_key *key,
			 unsigned subclass, const lock_traits &traits)
	{
		new (storage, in_place) lockdep_map(key_at(key, subclass), name, subclass, traits);
	}
	static void rename(lockdep_map &map, const char *name, const resv_lock_class_key *key,
			   unsigned subclass)
	{
		map.key_ = key_at(key, subclass);
		map.name_.store(name, order::relaxed);
		map.subclass_ = static_cast<uint8_t>(subclass & 7);
	}

	static void describe(const lockdep_map &map, lock_class &cls)
	{
		cls.outer = map.outer_;
		cls.type = map.type_;
		cls.kind.inner = map.inner_;
	}
};

class class_table {
public:
	static constexpr unsigned capacity = RESV_LOCKDEP_CLASSES;

	lock_class &operator[](class_id cls) { return classes_[cls]; }
	const lock_class &operator[](class_id cls) const { return classes_[cls]; }

	/// The class of the key, or 0. Needs no lock.
	class_id find(uintptr_t key) const;

	// Under the annotator's lock.

	/// Adds the class of the map and subclass, which is not there. 0: no room.
	class_id add(const lockdep_map &map, unsigned subclass);
	void remove(class_id cls);
	void reset();

	/// Classes have numbers from first_class to end(); those without a key are not there.
	class_id end() const { return static_cast<class_id>(first_class + used_); }
	unsigned count() const { return used_ - removed_; }

private:
	static constexpr unsigned slot_bits = bits_for(2 * capacity);
	static constexpr unsigned slot_mask = (1u << slot_bits) - 1;
	static constexpr class_id removed_slot = 0xffff;
	static_assert(capacity < removed_slot);

	static unsigned home_of(uintptr_t key)
	{
		return static_cast<unsigned>(key * 0x9e3779b97f4a7c15u >> (64 - slot_bits));
	}

	void forget(class_id cls);

	lock_class classes_[capacity]{};
	atomic<class_id> slots_[1u << slot_bits]{}; // numbers of classes, by their key
	unsigned used_ = 0;                         // including those removed
	unsigned removed_ = 0;
	bool untidy_ = false; // some slot says removed_slot
};

} // namespace resv::lockdep

#endif // RESV_LOCKDEP_CLASSES_HPP
