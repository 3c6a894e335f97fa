// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The annotator for C. What is more than a call of the validator is here: what a driver may ask of its locks, and tell.
#include <resv/config.h>

#if RESV_PROVE_LOCKING

#include "forward.hpp"

namespace resv::lockdep {

namespace {

// Checks everything from the entry up once more, in the order of taking.
void reacquire(held_stack &stack, held *h)
{
	held *top = stack.top();
	for (; h != stack.end(); h = h->above) {
		attempt a{stack, h->map, h->where, h->kind.cls, h->kind.read};
		stack.pretend_top(h->below);
		const held *nest = h->nest ? find_nest(stack, *h->nest) : nullptr;
		h->kind.passes = h->kind.read == lock_read::recursive || !h->kind.check || h->kind.trylock ||
				 !validate(a, nest);
		stack.pretend_top(top);
		note_unmarked(stack, *h);
	}
	sample_irqs(stack);
}

// Does the lock lie in the memory, or a part of it?
bool lies_in(const void *map, const void *memory, size_t size)
{
	auto begin = reinterpret_cast<uintptr_t>(map);
	auto from = reinterpret_cast<uintptr_t>(memory);
	return begin < from + size && from < begin + sizeof(lockdep_map);
}

// Somebody tells something of a lock that he does not hold. It may be one for which there was no room.
void refuse(held_stack &stack, lockdep_map &map, uintptr_t where, void (*find)(const attempt &))
{
	if (stack.lost != 0)
		return;
	attempt a{stack, &map, where, class_of(stack, map, 0, where)};
	working now(stack);
	find(a);
}

void refuse_pin(const attempt &a)
{
	findings::pinned(a, "pins or unpins a lock that it does not hold");
}

} // namespace

} // namespace resv::lockdep

using namespace resv;
using namespace resv::lockdep;

extern "C" {

void resv_lockdep_init_map(resv_lockdep_map *map, const char *name, const resv_lock_class_key *key,
			   int subclass)
{
	resv_lockdep_init_map_type(map, name, key, subclass, RESV_LD_WAIT_INV, RESV_LD_WAIT_INV,
				   RESV_LD_LOCK_NORMAL);
}

void resv_lockdep_init_map_type(resv_lockdep_map *map, const char *name, const resv_lock_class_key *key,
				int subclass, resv_lockdep_wait_type inner, resv_lockdep_wait_type outer,
				resv_lockdep_lock_type type)
{
	map_access::make(map, name, key, static_cast<unsigned>(subclass), {inner, outer, type});
}

void resv_lockdep_handoff_out(resv_lockdep_map *map, unsigned long ip)
{
	release(of(map), ip);
}

void resv_lockdep_handoff_in(resv_lockdep_map *map, unsigned long ip)
{
	acquire(of(map), {.trylock = true}, ip);
}

int resv_lockdep_is_held(const resv_lockdep_map *map)
{
	return resv_lockdep_is_held_type(map, -1);
}

int resv_lockdep_is_held_type(const resv_lockdep_map *map, int read)
{
	held_stack *stack = current_stack();
	if (!stack)
		return RESV_LOCK_STATE_UNKNOWN;
	const held *h = find_held(*stack, of(map));
	if (!h)
		return stack->lost != 0 ? RESV_LOCK_STATE_UNKNOWN : RESV_LOCK_STATE_NOT_HELD;
	bool fits = read < 0 || h->exclusive() == (read == 0);
	return fits ? RESV_LOCK_STATE_HELD : RESV_LOCK_STATE_NOT_HELD;
}

void resv_lockdep_assert_map_held_(resv_lockdep_map *map)
{
	if (resv_lockdep_is_held(map) == RESV_LOCK_STATE_NOT_HELD)
		refuse(*current_stack(), of(map), return_address(), findings::assertion);
}

resv_pin_cookie resv_lockdep_pin(resv_lockdep_map *map)
{
	held_stack *stack = current_stack();
	if (!stack)
		return {0};
	held *h = find_held(*stack, of(map));
	if (!h) {
		refuse(*stack, of(map), return_address(), refuse_pin);
		return {0};
	}
	// Never 0, and different each time: the cookie of another pin shows.
	unsigned cookie = (++stack->cookies * 0x9e3779b1u >> 12) | 1;
	h->pins += cookie;
	h->kind.plain = false;
	return {cookie};
}

void resv_lockdep_repin(resv_lockdep_map *map, resv_pin_cookie cookie)
{
	held_stack *stack = current_stack();
	if (!stack || cookie.val == 0)
		return;
	if (held *h = find_held(*stack, of(map)))
		h->pins += cookie.val, h->kind.plain = false;
	else
		refuse(*stack, of(map), return_address(), refuse_pin);
}

void resv_lockdep_unpin(resv_lockdep_map *map, resv_pin_cookie cookie)
{
	held_stack *stack = current_stack();
	if (!stack || cookie.val == 0)
		return;
	held *h = find_held(*stack, of(map));
	if (!h)
		return refuse(*stack, of(map), return_address(), refuse_pin);
	if (h->pins >= cookie.val) {
		h->pins -= cookie.val;
		return;
	}
	attempt a{*stack, &of(map), return_address(), h->kind.cls};
	working now(*stack);
	findings::pinned(a, h->pins == 0 ? "unpins a lock that is not pinned"
					 : "unpins a lock with the cookie of another pin");
	h->pins = 0;
}

// The others that an entry counts keep their class.
void resv_lockdep_set_class(resv_lockdep_map *map, const char *name, const resv_lock_class_key *key,
			    unsigned subclass, unsigned long ip)
{
	held_stack *stack = current_stack();
	held *h = stack ? find_held(*stack, of(map)) : nullptr;
	map_access::rename(of(map), name, key, subclass);
	if (!h || h->counts_instances())
		return;
	class_id cls = lockdep::class_of(*stack, of(map), 0, ip);
	if (cls == 0)
		return;
	held_kind kind = classes[cls].kind;
	kind.read = h->kind.read;
	kind.trylock = h->kind.trylock;
	kind.check = h->kind.check;
	kind.subclass = h->kind.subclass;
	kind.plain = false;
	class_id before = h->kind.cls;
	stack->change(h, kind);
	h->where = ip;
	forward::change(before, *h);
	reacquire(*stack, h);
}

void resv_lockdep_downgrade(resv_lockdep_map *map, unsigned long ip)
{
	held_stack *stack = current_stack();
	if (!stack)
		return;
	held *h = find_held(*stack, of(map));
	if (!h || h->counts_instances())
		return refuse(*stack, of(map), ip, findings::not_held);
	h->kind.read = lock_read::shared;
	h->where = ip;
	forward::change(h->kind.cls, *h);
	reacquire(*stack, h);
}

void resv_lockdep_set_cmp_fn(resv_lockdep_map *map, resv_lockdep_cmp_fn fn)
{
	held_stack *stack = current_stack();
	if (!stack)
		return;
	if (class_id cls = class_of(*stack, of(map), 0, return_address()))
		classes[cls].compare.store(fn, order::relaxed);
}

void resv_lockdep_free(const void *memory, size_t size)
{
	held_stack *stack = current_stack();
	if (!stack)
		return;
	for (const held *h = stack->top(); h != stack->end(); h = h->below) {
		if (!lies_in(h->map, memory, size))
			continue;
		working now(*stack);
		findings::freed({*stack, h->map, return_address(), h->kind.cls}, *h, memory, size);
	}
}

void resv_lockdep_unregister(const void *memory, size_t size)
{
	held_stack *stack = current_stack();
	if (!stack)
		return;
	working now(*stack);
	for (class_id cls = first_class; cls < classes.end(); cls++) {
		uintptr_t key = classes[cls].key.load(order::relaxed);
		if (key == 0 || key - reinterpret_cast<uintptr_t>(memory) >= size)
			continue;
		orders.remove(static_cast<node>(2 * cls));
		orders.remove(static_cast<node>(2 * cls + 1));
		classes.remove(cls);
	}
	// Others will have the classes' numbers, by which these are remembered.
	__builtin_memset(the.found, 0, sizeof(the.found));
	the.found_count = 0;
}

int resv_lockdep_declare_order(resv_lockdep_map *first, resv_lockdep_map *then)
{
	held_stack *stack = current_stack();
	if (!stack)
		return 0;
	uintptr_t where = return_address();
	order_pair o{lockdep::class_of(*stack, of(first), 0, where),
		     lockdep::class_of(*stack, of(then), 0, where), true, false};
	if (o.prev == 0 || o.next == 0 || o.prev == o.next)
		return 0;
	working now(*stack);
	add_order({*stack, &of(then), where, o.next}, o);
	return closes_cycle(o) ? -EDEADLK : 0;
}

void resv_lockdep_no_blocking_begin()
{
	if (held_stack *stack = current_stack())
		stack->no_blocking++;
}

void resv_lockdep_no_blocking_end()
{
	held_stack *stack = current_stack();
	if (!stack)
		return;
	if (stack->no_blocking != 0) {
		stack->no_blocking--;
		return;
	}
	attempt a{*stack, nullptr, return_address(), 0};
	working now(*stack);
	findings::no_section(a);
}

// How long somebody waits is the time from contended() to acquired(); how long he holds, from there to the release.
void resv_lockdep_contended(resv_lockdep_map *map, unsigned long)
{
	if constexpr (config::lock_stat) {
		held_stack *stack = current_stack();
		if (held *h = stack ? find_held(*stack, of(map)) : nullptr) {
			h->since = resv_port_clock();
			classes[h->kind.cls].times.contended();
		}
	}
}

void resv_lockdep_acquired(resv_lockdep_map *map, unsigned long)
{
	if constexpr (config::lock_stat) {
		held_stack *stack = current_stack();
		if (held *h = stack ? find_held(*stack, of(map)) : nullptr) {
			int64_t now = resv_port_clock();
			classes[h->kind.cls].times.waited(now - h->since);
			h->since = now;
		}
	}
}

} // extern "C"

#endif
