// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What the parts of the annotator share.
//
//   classes, graph, traces      data, under `lock`; asked without it
//   held.hpp                    what a context holds, its own
//   validator.cpp               acquire, release, sync: the rules
//   findings.cpp                reports
//   c_api.cpp, fence.cpp        what a driver may ask and tell
//   dump.cpp                    what there is to see
#ifndef RESV_LOCKDEP_ANNOTATOR_HPP
#define RESV_LOCKDEP_ANNOTATOR_HPP

#include "classes.hpp"
#include "graph.hpp"
#include "held.hpp"
#include "traces.hpp"

#include <resv_port/held.hpp>

namespace resv::lockdep {

/// That `next` is taken while `prev` is held. Each class is two nodes of the graph, for whether it was taken in a way
/// that recursive readers take it, who wait for writers alone: from there only an exclusive holder's order goes on. So a
/// cycle of the graph is a cycle of tasks that do wait for each other, and the other way round.
struct order_pair {
	class_id prev;
	class_id next;
	bool exclusive; // is `prev` held so?
	bool recursive; // does `next` wait for writers alone?

	node head() const { return static_cast<node>(2 * next + recursive); }
	/// The node whose edge to head() is there if, and only if, the order is.
	node tail() const { return static_cast<node>(2 * prev + (exclusive && !is_irq(prev))); }
	/// All that have an edge to head(), tail() first. Returns how many.
	unsigned tails(node (&out)[2]) const
	{
		out[0] = tail();
		out[1] = static_cast<node>(2 * prev);
		return out[0] == out[1] ? 1 : 2;
	}
};

extern class_table classes;
extern graph orders;
extern trace_store traces;

inline bool is_known(const order_pair &o)
{
	return orders.seen(o.tail(), o.head());
}

struct annotator {
	resv_port_spinlock lock{};

	/// Bugs that are no orders, by hash; see is_new(). 0 is none.
	static constexpr unsigned max_found = 512;
	uint32_t found[max_found]{};
	unsigned found_count = 0;

	unsigned dependencies = 0;
	unsigned refused = 0;
	unsigned reports = 0;
	unsigned long lost_reports = 0;
	unsigned long lost_edges = 0;
	atomic<unsigned long> lost_classes{0};
	atomic<unsigned long> lost_held{0};
	atomic<unsigned long> lost_tasks{0};
	atomic<unsigned> limits_told{0}; // bits of enum class limit
};

extern annotator the;

/// The annotator works for this context, with `the.lock` and interrupts off. What it calls is not annotated.
class working {
public:
	explicit working(held_stack &stack) : stack_(stack), flags_(resv_port_spin_lock(&the.lock))
	{
		stack_.busy = true;
	}
	~working()
	{
		stack_.busy = false;
		resv_port_spin_unlock(&the.lock, flags_);
	}
	working(const working &) = delete;
	working &operator=(const working &) = delete;

private:
	held_stack &stack_;
	unsigned long flags_;
};

/// The calling context's held locks as they are; nullptr if there is no room for them.
inline held_stack *any_stack()
{
	return reinterpret_cast<held_stack *>(port_held_locks());
}

/// The same, to be used; nullptr also if the annotator works for the context already.
inline held_stack *current_stack()
{
	held_stack *stack = any_stack();
	if (!stack) [[unlikely]] {
		the.lost_tasks.fetch_add(1, order::relaxed);
		return nullptr;
	}
	if (!stack->is_set_up()) [[unlikely]]
		stack->set_up();
	return stack->busy ? nullptr : stack;
}

/// The place that reports name: where the library was called from, if that is known.
inline uintptr_t place_of(const held_stack &stack, uintptr_t where)
{
	return stack.caller != 0 ? stack.caller : where;
}

/// The class of a lock whose map does not know it.
class_id look_up_class(held_stack &stack, lockdep_map &map, unsigned subclass, uintptr_t where);

/// The class of the lock, registered if it is new. 0: there is none, no room, or the subclass is wrong.
inline class_id class_of(held_stack &stack, lockdep_map &map, unsigned subclass, uintptr_t where)
{
	class_id cls = map_access::cached(map, subclass);
	// The number may be older than the class: see resv_lockdep_unregister().
	// Acquire: what describes the class; partner: class_table::add().
	if (cls != 0 && classes[cls].key.load(order::acquire) == map_access::key(map, subclass)) [[likely]]
		return cls;
	return look_up_class(stack, map, subclass, where);
}

/// What somebody does with a lock when a rule turns out to be broken.
struct attempt {
	held_stack &stack;
	const lockdep_map *map;
	uintptr_t where;
	class_id cls;
	lock_read read = lock_read::exclusive;
	bool is_sync = false;
};

/// This very lock's entry, or nullptr.
held *find_held(held_stack &stack, const lockdep_map &map);
/// The entry that others nest in, or nullptr.
const held *find_nest(held_stack &stack, const lockdep_map &map);

/// The rules for a blocking acquire; see validator.cpp. `nest`: the entry in which the lock nests, or nullptr. True if it
/// has an order from all that is held.
bool validate(const attempt &a, const held *nest);

/// Remembers the entry if its class is not known to be held like this with interrupts on.
void note_unmarked(held_stack &stack, held &h);

/// Marks what is held with interrupts on, if they are. Without a hook where interrupts are switched, this is looked at
/// whenever a lock is taken or released.
void mark_interruptible(held_stack &stack);
inline void sample_irqs(held_stack &stack)
{
	if (stack.has_unmarked && !(stack.irq_state() & RESV_HARDIRQS_OFF)) [[unlikely]]
		mark_interruptible(stack);
}

/// Would the order close a circle? Under the lock.
bool closes_cycle(const order_pair &o);

/// Adds the order, or reports and refuses it. False if it is not there then. Under the lock.
bool add_order(const attempt &a, const order_pair &o);

/// The annotator finds something; it reports under the lock, and each bug once.
namespace findings {
void cycle(const attempt &a, const order_pair &o);
void recursion(const attempt &a, const held &h);
void wait_context(const attempt &a, unsigned limit);
void nest_not_held(const attempt &a, const lockdep_map *nest);
void nest_released(const attempt &a, const held &inner);
void not_held(const attempt &a);
void assertion(const attempt &a);
void pinned(const attempt &a, const char *what);
void freed(const attempt &a, const held &h, const void *memory, size_t size);
void blocking(const attempt &a);
void no_section(const attempt &a);
void bad_key(const attempt &a, unsigned subclass);
/// Writes what the stack holds, line by line.
void list_held(held_stack &stack, void (*emit)(const char *line, void *data), void *data);
} // namespace findings

/// What C calls a map.
inline lockdep_map &of(resv_lockdep_map *map)
{
	static_assert(sizeof(lockdep_map) == sizeof(resv_lockdep_map));
	return *reinterpret_cast<lockdep_map *>(map);
}
inline const lockdep_map &of(const resv_lockdep_map *map)
{
	return *reinterpret_cast<const lockdep_map *>(map);
}

/// The room for something is used up: says so once, and only then.
enum class limit : unsigned { lock_classes, lock_orders, stack_traces, held_locks, reports };
void say_limit(limit l);

} // namespace resv::lockdep

#endif // RESV_LOCKDEP_ANNOTATOR_HPP
