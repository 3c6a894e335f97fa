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

/// The calling context's held locks; nullptr if there is no room for them, or the annotator works for it.
inline held_stack *current_stack(unsigned &irq_state)
{
	auto *stack = static_cast<held_stack *>(resv_port_held_locks(&irq_state));
	if (!stack) [[unlikely]] {
		the.lost_tasks.fetch_add(1, order::relaxed);
		return nullptr;
	}
	return stack->busy ? nullptr : stack;
}

inline held_stack *current_stack()
{
	unsigned irq_state;
	return current_stack(irq_state);
}

/// The class of the lock, registered if it is new. 0: there is none, no room, or the subclass is wrong.
class_id class_of(held_stack &stack, lockdep_map &map, unsigned subclass, uintptr_t where);

/// What somebody does with a lock when a rule turns out to be broken.
struct attempt {
	held_stack &stack;
	const lockdep_map *map;
	uintptr_t where;
	class_id cls;
	lock_read read = lock_read::exclusive;
	unsigned irq_state = 0;
	bool is_sync = false;
};

/// The entry of this very lock, or nullptr.
held *find_held(held_stack &stack, const lockdep_map &map);
/// The entry that others nest in, or nullptr.
const held *find_nest(held_stack &stack, const lockdep_map &map);

/// The rules for a blocking acquire; see validator.cpp. `nest`: the entry in which the lock nests. True if it has an order
/// from all that is held.
bool validate(const attempt &a, const held *nest);

/// Interrupts are on, or not: marks what is held with them on.
void sample_irqs(held_stack &stack, unsigned irq_state);

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
void bad_key(const attempt &a, unsigned subclass);
/// Writes what the stack holds, line by line.
void list_held(held_stack &stack, void (*emit)(const char *line, void *data), void *data);
} // namespace findings

/// The room for something is used up: says so once, and only then.
enum class limit : unsigned { lock_classes, lock_orders, stack_traces, held_locks, reports };
void say_limit(limit l);

} // namespace resv::lockdep

#endif // RESV_LOCKDEP_ANNOTATOR_HPP
