// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The annotator for C. What is more than a call of the validator is here: what a driver may ask of its locks, and tell.
#include "annotator.hpp"

#if RESV_PROVE_LOCKING

namespace resv::lockdep {

namespace {

// Checks everything from `h` up once more, in the order of taking.
void reacquire(held_stack &stack, held *h, unsigned irq_state)
{
	auto index = static_cast<unsigned>(h - stack.at);
	unsigned end = stack.depth;
	for (; index < end; index++) {
		stack.depth = static_cast<uint16_t>(index);
		held &entry = stack.at[index];
		attempt a{stack, entry.map, entry.where, entry.cls, entry.read, irq_state};
		const held *nest = entry.nest ? find_nest(stack, *entry.nest) : nullptr;
		bool complete = entry.check && !entry.trylock && validate(a, nest);
		entry.passes = !complete || entry.read == lock_read::recursive;
		stack.settle(index);
	}
	stack.depth = static_cast<uint16_t>(end);
	auto first = static_cast<uint16_t>(h - stack.at);
	if (stack.marked_hard > first)
		stack.marked_hard = first;
	if (stack.marked_soft > first)
		stack.marked_soft = first;
	sample_irqs(stack, irq_state);
}

bool lies_in(const void *address, const void *memory, size_t size)
{
	return reinterpret_cast<uintptr_t>(address) - reinterpret_cast<uintptr_t>(memory) < size;
}

lockdep_map &of(resv_lockdep_map *map)
{
	static_assert(sizeof(lockdep_map) == sizeof(resv_lockdep_map));
	return *reinterpret_cast<lockdep_map *>(map);
}
const lockdep_map &of(const resv_lockdep_map *map)
{
	return *reinterpret_cast<const lockdep_map *>(map);
}

[[gnu::always_inline]] inline uintptr_t here()
{
	return reinterpret_cast<uintptr_t>(__builtin_return_address(0));
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

acquisition how_of(unsigned subclass, int trylock, int read, int check, const resv_lockdep_map *nest)
{
	return {.subclass = subclass,
		.trylock = trylock != 0,
		.read = static_cast<lock_read>(read),
		.check = check != 0,
		.nest = nest ? &of(nest) : nullptr};
}

} // namespace

} // namespace resv::lockdep

using namespace resv;
using namespace resv::lockdep;

extern "C" {

void resv_lockdep_init_map(resv_lockdep_map *map, const char *name, const resv_lock_class_key *key, int subclass)
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

void resv_lockdep_acquire(resv_lockdep_map *map, unsigned subclass, int trylock, int read, int check,
			  resv_lockdep_map *nest_lock, unsigned long ip)
{
	acquire(of(map), how_of(subclass, trylock, read, check, nest_lock), ip);
}

void resv_lockdep_release(resv_lockdep_map *map, unsigned long ip)
{
	release(of(map), ip);
}

void resv_lockdep_sync(resv_lockdep_map *map, unsigned subclass, int read, int check,
		       resv_lockdep_map *nest_lock, unsigned long ip)
{
	sync(of(map), how_of(subclass, 0, read, check, nest_lock), ip);
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
		refuse(*current_stack(), of(map), here(), findings::assertion);
}

resv_pin_cookie resv_lockdep_pin(resv_lockdep_map *map)
{
	held_stack *stack = current_stack();
	if (!stack)
		return {0};
	held *h = find_held(*stack, of(map));
	if (!h) {
		refuse(*stack, of(map), here(), refuse_pin);
		return {0};
	}
	// Never 0, and different each time: the cookie of another pin shows.
	unsigned cookie = (++stack->cookies * 0x9e3779b1u >> 12) | 1;
	h->pins += cookie;
	return {cookie};
}

void resv_lockdep_repin(resv_lockdep_map *map, resv_pin_cookie cookie)
{
	held_stack *stack = current_stack();
	if (!stack || cookie.val == 0)
		return;
	if (held *h = find_held(*stack, of(map)))
		h->pins += cookie.val;
	else
		refuse(*stack, of(map), here(), refuse_pin);
}

void resv_lockdep_unpin(resv_lockdep_map *map, resv_pin_cookie cookie)
{
	held_stack *stack = current_stack();
	if (!stack || cookie.val == 0)
		return;
	held *h = find_held(*stack, of(map));
	if (!h)
		return refuse(*stack, of(map), here(), refuse_pin);
	if (h->pins >= cookie.val) {
		h->pins -= cookie.val;
		return;
	}
	attempt a{*stack, h->map, here(), h->cls};
	working now(*stack);
	findings::pinned(a, h->pins == 0 ? "unpins a lock that is not pinned"
					 : "unpins a lock with the cookie of another pin");
	h->pins = 0;
}

// The others that an entry counts keep their class.
void resv_lockdep_set_class(resv_lockdep_map *map, const char *name, const resv_lock_class_key *key,
			    unsigned subclass, unsigned long ip)
{
	unsigned irq_state;
	held_stack *stack = current_stack(irq_state);
	held *h = stack ? find_held(*stack, of(map)) : nullptr;
	map_access::rename(of(map), name, key, subclass);
	if (!h || h->counts_instances())
		return;
	class_id cls = class_of(*stack, of(map), 0, ip);
	if (cls == 0)
		return;
	h->cls = cls;
	h->own_inner = classes[cls].inner;
	h->where = ip;
	reacquire(*stack, h, irq_state);
}

void resv_lockdep_downgrade(resv_lockdep_map *map, unsigned long ip)
{
	unsigned irq_state;
	held_stack *stack = current_stack(irq_state);
	if (!stack)
		return;
	held *h = find_held(*stack, of(map));
	if (!h || h->counts_instances())
		return refuse(*stack, of(map), ip, findings::not_held);
	h->read = lock_read::shared;
	h->where = ip;
	reacquire(*stack, h, irq_state);
}

void resv_lockdep_set_cmp_fn(resv_lockdep_map *map, resv_lockdep_cmp_fn fn)
{
	held_stack *stack = current_stack();
	if (!stack)
		return;
	if (class_id cls = class_of(*stack, of(map), 0, here()))
		classes[cls].compare.store(fn, order::relaxed);
}

void resv_lockdep_free(const void *memory, size_t size)
{
	held_stack *stack = current_stack();
	if (!stack)
		return;
	for (const held &h : *stack)
		if (lies_in(h.map, memory, size)) {
			working now(*stack);
			findings::freed({*stack, h.map, here(), h.cls}, h, memory, size);
		}
}

void resv_lockdep_unregister(const void *memory, size_t size)
{
	held_stack *stack = current_stack();
	if (!stack)
		return;
	working now(*stack);
	for (class_id cls = first_class; cls < classes.end(); cls++) {
		const char *key = classes[cls].key.load(order::relaxed);
		if (!key || !lies_in(key, memory, size))
			continue;
		orders.remove(static_cast<node>(2 * cls));
		orders.remove(static_cast<node>(2 * cls + 1));
		classes.remove(cls);
	}
}

int resv_lockdep_declare_order(resv_lockdep_map *first, resv_lockdep_map *then)
{
	held_stack *stack = current_stack();
	if (!stack)
		return 0;
	uintptr_t where = here();
	order_pair o{lockdep::class_of(*stack, of(first), 0, where),
		     lockdep::class_of(*stack, of(then), 0, where), true, false};
	if (o.prev == 0 || o.next == 0 || o.prev == o.next)
		return 0;
	working now(*stack);
	add_order({*stack, &of(then), where, o.next}, o);
	return orders.would_cycle(o.tail(), o.head()) ? -EDEADLK : 0;
}

void resv_lockdep_no_blocking_begin()
{
	if (held_stack *stack = current_stack())
		stack->no_blocking++;
}

void resv_lockdep_no_blocking_end()
{
	if (held_stack *stack = current_stack())
		stack->no_blocking--;
}

// How long somebody waits is the time from contended() to acquired(); how long he holds, from there to the release.
void resv_lockdep_contended(resv_lockdep_map *map, unsigned long)
{
	if constexpr (config::lock_stat) {
		held_stack *stack = current_stack();
		if (held *h = stack ? find_held(*stack, of(map)) : nullptr) {
			h->since = resv_port_clock();
			classes[h->cls].times.contended();
		}
	}
}

void resv_lockdep_acquired(resv_lockdep_map *map, unsigned long)
{
	if constexpr (config::lock_stat) {
		held_stack *stack = current_stack();
		if (held *h = stack ? find_held(*stack, of(map)) : nullptr) {
			int64_t now = resv_port_clock();
			classes[h->cls].times.waited(now - h->since);
			h->since = now;
		}
	}
}

} // extern "C"

#endif
