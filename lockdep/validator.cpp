// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The rules: who gets an order to whom, and what is wrong at once.
//
//   operation                gets orders from     is checked for              can be an order's source
//   blocking acquire, sync   what is held         recursion, nest, wait type  yes (sync: no)
//   trylock                  nothing              nothing                     yes
//   `check` off              nothing              nothing                     no
//
// Orders come from the top of the stack downwards. An entry that has an order from all that lies below it ends the walk:
// whatever leads to it leads on. The others are passed: those that were tried, and so got none; those taken by a
// recursive reader, whom only writers stop; and those of which an order was exempted or refused.
//
// What is known is found without a lock and without a shared write.
#include "annotator.hpp"

#if RESV_PROVE_LOCKING

namespace resv::lockdep {

namespace {

constinit dependency_memory memory{};

constexpr unsigned handler_bits = RESV_IN_HARDIRQ | RESV_IN_SOFTIRQ;

constexpr uint32_t usage_in_irq(unsigned irq_state, lock_read read)
{
	constexpr uint32_t by_read[] = {in_exclusive, in_shared, in_recursive};
	uint32_t bit = by_read[static_cast<unsigned>(read)];
	return (irq_state & RESV_IN_HARDIRQ ? bit : 0) | (irq_state & RESV_IN_SOFTIRQ ? bit << soft : 0);
}

// What the context itself admits, before any lock is held.
unsigned context_limit(unsigned irq_state)
{
	if (irq_state & RESV_IN_HARDIRQ)
		return irq_state & RESV_IRQ_THREADED ? RESV_LD_WAIT_CONFIG : RESV_LD_WAIT_SPIN;
	return irq_state & RESV_IN_SOFTIRQ ? RESV_LD_WAIT_CONFIG : RESV_LD_WAIT_SLEEP;
}

void note_usage(const attempt &a, uint32_t bits, const order_pair &o)
{
	working now(a.stack);
	add_order(a, o);
	lock_class &cls = classes[is_irq(o.prev) ? o.next : o.prev];
	cls.usage.store(cls.usage.load(order::relaxed) | bits, order::relaxed);
}

// The lock is taken in an interrupt.
void mark_in_irq(const attempt &a)
{
	bool recursive = a.read == lock_read::recursive;
	if (a.irq_state & RESV_IN_HARDIRQ)
		note_usage(a, usage_in_irq(RESV_IN_HARDIRQ, a.read), {hardirq_class, a.cls, true, recursive});
	if (a.irq_state & RESV_IN_SOFTIRQ)
		note_usage(a, usage_in_irq(RESV_IN_SOFTIRQ, a.read), {softirq_class, a.cls, true, recursive});
}

// The entries from `from` on are held with interrupts on.
void mark_interruptible(held_stack &stack, unsigned from, class_id irq, unsigned irq_state)
{
	for (held *h = stack.at + from; h != stack.end(); h++) {
		uint32_t bit = h->exclusive() ? on_exclusive : on_shared;
		if (irq == softirq_class)
			bit <<= soft;
		if (h->check && !(classes[h->cls].usage.load(order::relaxed) & bit)) {
			attempt a{stack, h->map, h->where, h->cls, h->read, irq_state};
			note_usage(a, bit, {h->cls, irq, h->exclusive(), false});
		}
	}
}

} // namespace

// Without a hook where interrupts are switched, this is looked at whenever a lock is taken or released.
void sample_irqs(held_stack &stack, unsigned irq_state)
{
	if (!(irq_state & RESV_HARDIRQS_ON))
		return;
	if (stack.marked_hard < stack.depth) {
		mark_interruptible(stack, stack.marked_hard, hardirq_class, irq_state);
		stack.marked_hard = stack.depth;
	}
	if (irq_state & RESV_SOFTIRQS_ON && stack.marked_soft < stack.depth) {
		mark_interruptible(stack, stack.marked_soft, softirq_class, irq_state);
		stack.marked_soft = stack.depth;
	}
}

namespace {

void lose_edge()
{
	the.lost_edges++;
	say_limit(limit::lock_orders);
}

bool closes_cycle(const order_pair &o)
{
	node tails[2];
	for (unsigned i = o.tails(tails); i-- != 0;)
		if (orders.would_cycle(tails[i], o.head()))
			return true;
	return false;
}

// The order has been reported: from now on it is known, but leads nowhere.
void refuse_order(const order_pair &o)
{
	lock_class &next = classes[o.next];
	if (o.prev != o.next)
		next.usage.store(next.usage.load(order::relaxed) | order_refused, order::relaxed);
	the.refused++;
	if (orders.refuse(o.tail(), o.head()) == verdict::full)
		lose_edge();
}

// Other locks of the class are held, perhaps. False if this one gets no orders at all: it is serialized with them by a
// real lock, or recursive, which has been reported.
bool check_recursion(const attempt &a, const held *nest)
{
	for (const held *h = a.stack.end(); h-- != a.stack.at;) {
		if (h->cls != a.cls || (a.read == lock_read::recursive && !h->exclusive()))
			continue;
		if (nest && nest < h) {
			if (nest->exclusive() && classes[nest->cls].type != RESV_LD_LOCK_CONTEXT)
				return false;
			continue;
		}
		auto compare = classes[a.cls].compare.load(order::relaxed);
		if (compare && compare(reinterpret_cast<const resv_lockdep_map *>(h->map),
				       reinterpret_cast<const resv_lockdep_map *>(a.map)) < 0)
			continue;
		order_pair o{a.cls, a.cls, h->exclusive(), a.read == lock_read::recursive};
		if (!is_known(o)) {
			working now(a.stack);
			findings::recursion(a, *h);
			refuse_order(o);
		}
		return false;
	}
	return true;
}

// The order is new, or was refused before. True if it is there then. `quiet`: not worth a report.
bool settle_order(const attempt &a, const order_pair &o, bool quiet)
{
	working now(a.stack);
	if (is_known(o))
		return orders.find(o.tail(), o.head()) != nullptr;
	if (quiet && closes_cycle(o))
		return false;
	return add_order(a, o);
}

} // namespace

bool validate(const attempt &a, const held *nest)
{
	const lock_class &cls = classes[a.cls];
	uint32_t usage = cls.usage.load(order::relaxed);

	if (a.irq_state & handler_bits) {
		uint32_t in_irq = usage_in_irq(a.irq_state, a.read);
		if ((usage & in_irq) != in_irq)
			mark_in_irq(a);
	}
	if (cls.inner != RESV_LD_WAIT_INV) {
		unsigned outer = cls.outer != RESV_LD_WAIT_INV ? cls.outer : cls.inner;
		unsigned limit = context_limit(a.irq_state);
		if (a.stack.inner() < limit)
			limit = a.stack.inner();
		if (outer > limit) [[unlikely]] {
			working now(a.stack);
			findings::wait_context(a, limit);
		}
	}
	if (a.stack.bloom() & bloom_of(a.cls) && !check_recursion(a, nest))
		return false;

	// Below an entry that ends the walk, but whose own order was refused, the walk goes on: nothing leads there. A circle
	// that closes from below is the one that was reported; not refused, it is reported if it ever is the first.
	bool complete = true;
	bool quiet = false;
	for (const held *h = a.stack.end(); h-- != a.stack.at;) {
		bool accepted = true;
		if (h->check && h->cls != a.cls) {
			order_pair o{h->cls, a.cls, h->exclusive(), a.read == lock_read::recursive};
			if (!is_known(o) || usage & order_refused || !complete) [[unlikely]]
				accepted = settle_order(a, o, quiet);
		}
		complete &= accepted;
		if (!h->passes) {
			if (accepted)
				break;
			quiet = true;
		}
	}
	return complete;
}

namespace {

// Finds the lock that this one nests in.
const held *nest_of(const attempt &a, const lockdep_map *nest)
{
	const held *h = find_nest(a.stack, *nest);
	if (!h) [[unlikely]] {
		working now(a.stack);
		findings::nest_not_held(a, nest);
	}
	return h;
}

// Can the lock count as one more of the top entry?
bool merges(const held_stack &stack, const held &h)
{
	if (stack.depth == 0 || !h.counts_instances())
		return false;
	const held &top = stack.at[stack.depth - 1];
	return top.counts_instances() && top.cls == h.cls && top.nest == h.nest && top.check == h.check;
}

void lose(held_stack &stack, limit l)
{
	atomic<unsigned long> &lost = l == limit::held_locks ? the.lost_held : the.lost_classes;
	lost.fetch_add(1, order::relaxed);
	stack.lost++;
	say_limit(l);
}

} // namespace

constinit class_table classes;
constinit graph orders(memory);
constinit trace_store traces;
constinit annotator the;

class_id class_of(held_stack &stack, lockdep_map &map, unsigned subclass, uintptr_t where)
{
	const char *key = map_access::key(map, subclass);
	class_id cls = map_access::cached(map, subclass);
	// The number may be older than the class: see resv_lockdep_unregister().
	if (cls != 0 && classes[cls].key.load(order::relaxed) == key) [[likely]]
		return cls;

	if (map_access::subclass(map, subclass) >= sizeof(lock_class_key) || !map_access::key(map, 0))
		[[unlikely]] {
		working now(stack);
		findings::bad_key({stack, &map, where, 0}, map_access::subclass(map, subclass));
		return 0;
	}
	cls = classes.find(key);
	if (cls == 0) {
		working now(stack);
		cls = classes.find(key);
		if (cls == 0)
			cls = classes.add(map, subclass);
	}
	if (cls != 0)
		map_access::cache(map, subclass, cls);
	return cls;
}

void say_limit(limit l)
{
	static constexpr const char *lines[] = {
		"resv: no room for more lock classes (CONFIG_RESV_LOCKDEP_CLASSES): their locks are not checked",
		"resv: no room for more lock orders (CONFIG_RESV_LOCKDEP_EDGES): new ones are not remembered",
		"resv: no room for more stack traces (CONFIG_RESV_LOCKDEP_TRACES): reports go without",
		"resv: a task holds more locks than there is room for (CONFIG_RESV_LOCKDEP_HELD): they are not checked",
		"resv: enough reports (CONFIG_RESV_LOCKDEP_REPORTS): further ones are counted only",
	};
	unsigned bit = 1u << static_cast<unsigned>(l);
	unsigned told = the.limits_told.load(order::relaxed);
	while (!(told & bit)) {
		if (the.limits_told.compare_exchange(told, told | bit, order::relaxed))
			return resv_port_report(lines[static_cast<unsigned>(l)]);
		told = the.limits_told.load(order::relaxed);
	}
}

bool add_order(const attempt &a, const order_pair &o)
{
	if (is_known(o))
		return true; // somebody else was faster; or refused, which has been reported

	if (closes_cycle(o)) {
		findings::cycle(a, o);
		refuse_order(o);
		return false;
	}

	node head = o.head();
	node tails[2];
	unsigned n = o.tails(tails);

	uint32_t trace = traces.keep(current_frames(a.where).get());
	if (trace == 0 && traces.lost() != 0)
		say_limit(limit::stack_traces);
	// The one that tells whether the order is there comes last.
	bool full = false;
	for (unsigned i = n; i-- != 0;)
		full |= orders.insert(tails[i], head, trace) == verdict::full;
	if (full) {
		lose_edge();
		return false;
	}
	the.dependencies++;
	return true;
}

held *find_held(held_stack &stack, const lockdep_map &map)
{
	if (map_access::counted_in(map, stack))
		return stack.find_serial(map_access::counted_by(map));
	return stack.find_listed(&map);
}

// The lowest entry of the lock: what lies above nests in it.
const held *find_nest(held_stack &stack, const lockdep_map &map)
{
	if (map_access::counted_in(map, stack))
		return find_held(stack, map);
	for (const held &h : stack)
		if (h.map == &map && !h.counts_instances())
			return &h;
	return nullptr;
}

void acquire(lockdep_map &map, const acquisition &how, uintptr_t where)
{
	unsigned irq_state;
	held_stack *stack = current_stack(irq_state);
	if (!stack) [[unlikely]]
		return;
	class_id cls = class_of(*stack, map, how.subclass, where);
	if (cls == 0) [[unlikely]]
		return lose(*stack, limit::lock_classes);

	attempt a{*stack, &map, where, cls, how.read, irq_state};
	const held *nest = how.nest && how.check ? nest_of(a, how.nest) : nullptr;
	bool complete = how.check && !how.trylock && validate(a, nest);
	const lock_class &c = classes[cls];
	held h = {
		.map = &map,
		.nest = nest ? how.nest : nullptr,
		.where = where,
		.since = config::lock_stat ? resv_port_clock() : 0,
		.bloom = 0,
		.count = 1,
		.pins = 0,
		.cls = cls,
		.read = how.read,
		.own_inner = c.inner,
		.inner = 0,
		.serial = 0,
		.overrides = c.type == RESV_LD_LOCK_WAIT_OVERRIDE,
		.trylock = how.trylock,
		.check = how.check,
		.passes = !complete || how.read == lock_read::recursive,
	};
	if (merges(*stack, h)) {
		stack->top().count++;
		stack->top().passes &= h.passes; // nothing lies between: what leads to one leads to the others
	} else if (stack->full()) [[unlikely]] {
		return lose(*stack, limit::held_locks);
	} else {
		stack->push(h);
	}
	if (h.counts_instances())
		map_access::count_in(map, *stack, stack->top().serial);
	classes[cls].times.taken();
	sample_irqs(*stack, irq_state);
}

void sync(lockdep_map &map, const acquisition &how, uintptr_t where)
{
	unsigned irq_state;
	held_stack *stack = current_stack(irq_state);
	if (!stack || !how.check) [[unlikely]]
		return;
	class_id cls = class_of(*stack, map, how.subclass, where);
	if (cls == 0) [[unlikely]] {
		the.lost_classes.fetch_add(1, order::relaxed);
		return say_limit(limit::lock_classes);
	}
	attempt a{*stack, &map, where, cls, how.read, irq_state, true};
	validate(a, how.nest ? nest_of(a, how.nest) : nullptr);
}

void release(lockdep_map &map, uintptr_t where)
{
	unsigned irq_state;
	held_stack *stack = current_stack(irq_state);
	if (!stack) [[unlikely]]
		return;
	sample_irqs(*stack, irq_state);
	held *h = find_held(*stack, map);
	if (!h) [[unlikely]] {
		if (stack->lost != 0) { // it may be one of these
			stack->lost--;
			return;
		}
		attempt a{*stack, &map, where, class_of(*stack, map, 0, where)};
		working now(*stack);
		return findings::not_held(a);
	}
	attempt a{*stack, &map, where, h->cls};
	if (h + 1 != stack->end() && find_nest(*stack, map) == h)
		for (held *inner = h + 1; inner != stack->end(); inner++)
			if (inner->nest == &map) [[unlikely]] {
				working now(*stack);
				findings::nest_released(a, *inner);
				break;
			}
	if (h->counts_instances()) {
		map_access::count_nowhere(map);
		if (--h->count != 0)
			return;
	}
	if (h->pins != 0) [[unlikely]] {
		working now(*stack);
		findings::pinned(a, "releases a pinned lock");
	}
	if constexpr (config::lock_stat)
		classes[h->cls].times.was_held(resv_port_clock() - h->since);
	stack->remove(h);
}

void may_block(lockdep_map &map, uintptr_t where)
{
	held_stack *stack = current_stack();
	if (!stack || stack->no_blocking == 0) [[likely]]
		return;
	attempt a{*stack, &map, where, class_of(*stack, map, 0, where)};
	working now(*stack);
	findings::blocking(a);
}

} // namespace resv::lockdep

#endif
