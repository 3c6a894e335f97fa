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
#include <resv/config.h>

#if RESV_PROVE_LOCKING

#include "forward.hpp"

namespace resv::lockdep {

namespace {

constinit dependency_memory memory{};

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
	if (a.stack.irq_state() & RESV_IN_HARDIRQ)
		note_usage(a, usage_in_irq(RESV_IN_HARDIRQ, a.read), {hardirq_class, a.cls, true, recursive});
	if (a.stack.irq_state() & RESV_IN_SOFTIRQ)
		note_usage(a, usage_in_irq(RESV_IN_SOFTIRQ, a.read), {softirq_class, a.cls, true, recursive});
}

} // namespace

void note_unmarked(held_stack &stack, held &h)
{
	uint32_t on = h.exclusive() ? on_exclusive : on_shared;
	on |= on << soft;
	h.kind.unmarked = h.kind.check && (classes[h.kind.cls].usage.load(order::relaxed) & on) != on;
	stack.has_unmarked |= h.kind.unmarked;
}

[[gnu::cold]] void mark_interruptible(held_stack &stack)
{
	bool soft_on = !(stack.irq_state() & RESV_SOFTIRQS_OFF);
	for (unsigned level = 0; level < (soft_on ? 2 : 1); level++)
		for (held *h = stack.bottom(); h != stack.end(); h = h->above) {
			uint32_t bit = h->exclusive() ? on_exclusive : on_shared;
			bit <<= level * soft;
			if (!h->kind.unmarked || classes[h->kind.cls].usage.load(order::relaxed) & bit)
				continue;
			attempt a{stack, h->map, h->where, h->kind.cls, h->kind.read};
			note_usage(a, bit,
				   {h->kind.cls, level == 0 ? hardirq_class : softirq_class, h->exclusive(),
				    false});
		}
	stack.has_unmarked = !soft_on;
}

bool closes_cycle(const order_pair &o)
{
	node tails[2];
	for (unsigned i = o.tails(tails); i-- != 0;)
		if (orders.would_cycle(tails[i], o.head()))
			return true;
	return false;
}

namespace {

void lose_edge()
{
	the.lost_edges++;
	say_limit(limit::lock_orders);
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
	bool nests = nest; // in something that lies below
	for (const held *h = a.stack.top(); h != a.stack.end(); h = h->below) {
		nests &= h != nest;
		if (h->kind.cls != a.cls || (a.read == lock_read::recursive && !h->exclusive()))
			continue;
		if (nests) {
			if (nest->exclusive() && classes[nest->kind.cls].type != RESV_LD_LOCK_CONTEXT)
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
[[gnu::cold]] bool settle_order(const attempt &a, const order_pair &o, bool quiet)
{
	working now(a.stack);
	if (is_known(o))
		return orders.find(o.tail(), o.head()) != nullptr;
	if (quiet && closes_cycle(o))
		return false;
	return add_order(a, o);
}

[[gnu::cold]] void refuse_wait_type(const attempt &a, unsigned limit)
{
	working now(a.stack);
	findings::wait_context(a, limit);
}

} // namespace

bool validate(const attempt &a, const held *nest)
{
	const lock_class &cls = classes[a.cls];
	uint32_t usage = cls.usage.load(order::relaxed);

	unsigned irq_state = a.stack.irq_state();
	if (irq_state & (RESV_IN_HARDIRQ | RESV_IN_SOFTIRQ)) [[unlikely]] {
		uint32_t in_irq = usage_in_irq(irq_state, a.read);
		if ((usage & in_irq) != in_irq)
			mark_in_irq(a);
	}
	if (cls.kind.inner != RESV_LD_WAIT_INV) {
		unsigned outer = cls.outer != RESV_LD_WAIT_INV ? cls.outer : cls.kind.inner;
		unsigned limit = context_limit(irq_state);
		if (a.stack.inner() < limit)
			limit = a.stack.inner();
		if (outer > limit) [[unlikely]]
			refuse_wait_type(a, limit);
	}
	if (a.stack.count(a.cls) != 0 && !check_recursion(a, nest))
		return false;

	// Below an entry that ends the walk, but whose own order was refused, the walk goes on: nothing leads there. A circle
	// that closes from below is the one that was reported; not refused, it is reported if it ever is the first.
	bool complete = true;
	bool quiet = false;
	for (const held *h = a.stack.top(); h != a.stack.end(); h = h->below) {
		bool accepted = true;
		if (h->kind.check && h->kind.cls != a.cls) {
			order_pair o{h->kind.cls, a.cls, h->exclusive(), a.read == lock_read::recursive};
			if (!is_known(o) || usage & order_refused || !complete) [[unlikely]]
				accepted = settle_order(a, o, quiet);
		} else if (h->kind.check && h->exclusive() && a.read != lock_read::exclusive) {
			accepted = false; // what this one leads to, it leads to as a shared holder only
		}
		complete &= accepted;
		if (!h->kind.passes) {
			if (accepted)
				break;
			quiet = h->kind.cls != a.cls;
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

[[gnu::cold]] void lose_held(held_stack &stack)
{
	the.lost_held.fetch_add(1, order::relaxed);
	stack.lost++;
	say_limit(limit::held_locks);
}

// A lock is released that is not there. It may be one that was lost.
[[gnu::cold]] void refuse_release(held_stack &stack, lockdep_map &map, uintptr_t where)
{
	if (stack.lost != 0) {
		stack.lost--;
		return;
	}
	attempt a{stack, &map, where, class_of(stack, map, 0, where)};
	working now(stack);
	findings::not_held(a);
}

[[gnu::cold]] void refuse_pinned(const attempt &a)
{
	working now(a.stack);
	findings::pinned(a, "releases a pinned lock");
}

// Does any of the entries above nest in the lock?
void check_nested(const attempt &a, const held *h)
{
	while ((h = h->above) != a.stack.end())
		if (h->nest == a.map) [[unlikely]] {
			working now(a.stack);
			return findings::nest_released(a, *h);
		}
}

} // namespace

constinit class_table classes;
constinit graph orders(memory);
constinit trace_store traces;
constinit annotator the;

[[gnu::cold]] class_id look_up_class(held_stack &stack, lockdep_map &map, unsigned subclass, uintptr_t where)
{
	if (!map_access::key(map, 0) || map_access::subclass(map, subclass) >= sizeof(lock_class_key))
		[[unlikely]] {
		working now(stack);
		findings::bad_key({stack, &map, where, 0}, map_access::subclass(map, subclass));
		return 0;
	}
	uintptr_t key = map_access::key(map, subclass);
	class_id cls = classes.find(key);
	if (cls == 0) {
		working now(stack);
		cls = classes.find(key);
		if (cls == 0) {
			cls = classes.add(map, subclass);
			if (cls != 0)
				forward::new_class(cls);
		}
	}
	if (cls != 0) {
		map_access::cache(map, subclass, cls);
	} else {
		the.lost_classes.fetch_add(1, order::relaxed);
		say_limit(limit::lock_classes);
	}
	return cls;
}

void say_limit(limit l)
{
	static constexpr const char *lines[] = {
		"resv: no room for more lock classes (CONFIG_RESV_LOCKDEP_CLASSES): their locks are not "
		"checked",
		"resv: no room for more lock orders (CONFIG_RESV_LOCKDEP_EDGES): new ones are not remembered",
		"resv: no room for more stack traces (CONFIG_RESV_LOCKDEP_TRACES): reports go without",
		"resv: a task holds more locks than there is room for (CONFIG_RESV_LOCKDEP_HELD): they are "
		"not checked",
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
	return map_access::counted_in(map, stack) ? stack.at(map_access::counted_by(map))
						  : stack.find_listed(&map);
}

// The lowest entry of the lock: what lies above nests in it.
const held *find_nest(held_stack &stack, const lockdep_map &map)
{
	return map_access::counted_in(map, stack) ? stack.at(map_access::counted_by(map))
						  : stack.find_lowest_listed(&map);
}

namespace {

// The top entry counts one more, if it can.
bool merge(held_stack &stack, lockdep_map &map, class_id cls, const lockdep_map *nest, bool passes)
{
	held *top = stack.top();
	if (!top->counts_instances() || top->kind.cls != cls || top->nest != nest)
		return false;
	top->count++;
	top->kind.passes &= passes; // nothing lies between: what leads to one leads to the others
	map_access::count_in(map, stack, stack.number(top));
	return true;
}

[[gnu::noinline]] void acquire_slowly(lockdep_map &map, acquisition how, uintptr_t where)
{
	held_stack *const stack = current_stack();
	if (!stack) [[unlikely]]
		return;
	where = place_of(*stack, where);
	const class_id cls = class_of(*stack, map, how.subclass, where);
	if (cls == 0) [[unlikely]] {
		stack->lost++;
		return;
	}
	lock_class &c = classes[cls];
	c.times.taken();

	attempt a{*stack, &map, where, cls, how.read};
	const held *outer = how.nest && how.check ? nest_of(a, how.nest) : nullptr;
	const lockdep_map *nest = outer ? how.nest : nullptr;
	held_kind kind = c.kind;
	kind.read = how.read;
	kind.trylock = how.trylock;
	kind.check = how.check;
	kind.passes = !how.check || how.trylock || !validate(a, outer) || how.read == lock_read::recursive;

	if (nest && how.read == lock_read::exclusive && merge(*stack, map, cls, nest, kind.passes)) {
		forward::acquire(cls, how, outer, where);
		return sample_irqs(*stack);
	}
	if (stack->full()) [[unlikely]]
		return lose_held(*stack);
	forward::acquire(cls, how, outer, where);
	held *h = stack->push(map, kind);
	h->nest = nest;
	h->where = where;
	h->since = config::lock_stat ? resv_port_clock() : 0;
	h->kind.subclass = map_access::subclass(map, how.subclass) != 0;
	h->kind.plain &= !nest && !h->kind.subclass;
	stack->unusual += nest || h->kind.subclass;
	if (h->counts_instances())
		map_access::count_in(map, *stack, stack->number(h));
	note_unmarked(*stack, *h);
	sample_irqs(*stack);
}

// What the quick ways would leave out.
constexpr bool always_slow = config::lock_stat || config::lockdep_forward;

// The usual case of an exclusive lock that is checked: its class was used like this before, by a task in no special state,
// and nothing is held, or the order from the top entry is known, and ends the walk. False: nothing has been done.
[[gnu::always_inline]] inline bool acquire_quickly(lockdep_map &map, uintptr_t where)
{
	held_stack *const stack = any_stack();
	if (always_slow || !stack || !stack->nothing_special() || stack->full()) [[unlikely]]
		return false;
	const class_id cls = map_access::cached(map, 0);
	const lock_class &c = classes[cls];
	if (c.key.load(order::acquire) != map_access::key(map, 0) || // see class_of()
	    (c.usage.load(order::relaxed) & noted_mask) != all_noted || stack->count(cls) != 0) [[unlikely]]
		return false;
	if (const held *top = stack->top(); top != stack->end()) {
		auto tail = static_cast<node>(2 * top->kind.cls + top->exclusive());
		if (top->kind.passes || !orders.seen_at_once(tail, static_cast<node>(2 * cls))) [[unlikely]]
			return false;
	}
	stack->push_plain(map, c.kind)->where = where;
	return true;
}

[[gnu::noinline]] void release_slowly(lockdep_map &map, uintptr_t where)
{
	held_stack *const stack = current_stack();
	if (!stack) [[unlikely]]
		return;
	sample_irqs(*stack);
	held *h = find_held(*stack, map);
	if (!h) [[unlikely]]
		return refuse_release(*stack, map, place_of(*stack, where));
	if (stack->unusual != 0 && find_nest(*stack, map) == h)
		check_nested({*stack, &map, place_of(*stack, where), h->kind.cls}, h);
	forward::release(h->kind.cls, place_of(*stack, where));
	if (h->counts_instances()) {
		map_access::count_nowhere(map);
		if (--h->count != 0)
			return;
	}
	if (h->pins != 0) [[unlikely]]
		refuse_pinned({*stack, &map, place_of(*stack, where), h->kind.cls});
	if constexpr (config::lock_stat)
		classes[h->kind.cls].times.was_held(resv_port_clock() - h->since);
	stack->unusual -= h->nest || h->kind.subclass;
	stack->remove(h);
}

// The last or the first of what is held, if that is a plain one, by a task in no special state. Most locks are released in
// the order of taking, or in the opposite one.
[[gnu::always_inline]] inline bool release_quickly(const lockdep_map &map)
{
	held_stack *const stack = any_stack();
	if (always_slow || !stack || !stack->nothing_special()) [[unlikely]]
		return false;
	held *h = stack->top();
	if (h->map != &map) {
		h = stack->bottom();
		if (h->map != &map || stack->unusual != 0 || stack->count(h->kind.cls) != 1)
			return false;
	}
	if (!h->kind.plain) [[unlikely]]
		return false;
	stack->remove_plain(h);
	return true;
}

} // namespace

void acquire(lockdep_map &map, acquisition how, uintptr_t where)
{
	if (!how.is_usual() || !acquire_quickly(map, where))
		acquire_slowly(map, how, where);
}

void release(lockdep_map &map, uintptr_t where)
{
	if (!release_quickly(map))
		release_slowly(map, where);
}

void sync(lockdep_map &map, acquisition how, uintptr_t where)
{
	held_stack *stack = current_stack();
	if (!stack || !how.check) [[unlikely]]
		return;
	where = place_of(*stack, where);
	class_id cls = class_of(*stack, map, how.subclass, where);
	if (cls == 0) [[unlikely]]
		return;
	attempt a{*stack, &map, where, cls, how.read, true};
	const held *nest = how.nest ? nest_of(a, how.nest) : nullptr;
	validate(a, nest);
	forward::sync(cls, how, nest, where);
}

void may_block(lockdep_map &map, uintptr_t where)
{
	held_stack *stack = current_stack();
	if (!stack || stack->no_blocking == 0) [[likely]]
		return;
	where = place_of(*stack, where);
	attempt a{*stack, &map, where, class_of(*stack, map, 0, where)};
	working now(*stack);
	findings::blocking(a);
}

void waited(lockdep_map &map, int64_t ns)
{
	held_stack *stack = current_stack();
	if (const held *h = stack ? find_held(*stack, map) : nullptr) {
		classes[h->kind.cls].times.contended();
		classes[h->kind.cls].times.waited(ns);
	}
}

uintptr_t caller_or(uintptr_t where)
{
	const held_stack *stack = current_stack();
	return stack ? place_of(*stack, where) : where;
}

caller::caller(uintptr_t where) : stack_(nullptr)
{
	held_stack *stack = current_stack();
	if (!stack || stack->caller != 0)
		return;
	stack->caller = where;
	stack_ = stack;
}

caller::~caller()
{
	if (stack_)
		static_cast<held_stack *>(stack_)->caller = 0;
}

} // namespace resv::lockdep

// The same for C. Here, and not with the rest of the C functions, so that the usual case is one call.

using namespace resv;

extern "C" {

void resv_lockdep_acquire(resv_lockdep_map *c_map, unsigned subclass, int trylock, int read, int check,
			  resv_lockdep_map *nest_lock, unsigned long ip)
{
	lockdep_map &map = lockdep::of(c_map);
	if ((reinterpret_cast<uintptr_t>(nest_lock) | subclass |
	     static_cast<unsigned>(trylock | read | (check ^ 1))) == 0) [[likely]] {
		// All is known but the map: none of the arguments has to be kept.
		if (!lockdep::acquire_quickly(map, ip)) [[unlikely]]
			lockdep::acquire_slowly(map, {}, ip);
		return;
	}
	lockdep::acquire_slowly(map,
				{.subclass = subclass,
				 .trylock = trylock != 0,
				 .read = static_cast<lock_read>(read),
				 .check = check != 0,
				 .nest = nest_lock ? &lockdep::of(nest_lock) : nullptr},
				ip);
}

void resv_lockdep_release(resv_lockdep_map *map, unsigned long ip)
{
	if (!lockdep::release_quickly(lockdep::of(map)))
		lockdep::release_slowly(lockdep::of(map), ip);
}

void resv_lockdep_sync(resv_lockdep_map *map, unsigned subclass, int read, int check,
		       resv_lockdep_map *nest_lock, unsigned long ip)
{
	lockdep::sync(lockdep::of(map),
		      {.subclass = subclass,
		       .read = static_cast<lock_read>(read),
		       .check = check != 0,
		       .nest = nest_lock ? &lockdep::of(nest_lock) : nullptr},
		      ip);
}

} // extern "C"

#endif
