// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What the annotator passes on to a lock-order checker that the port knows of, with CONFIG_RESV_LOCKDEP_FORWARD: each entry
// that comes and goes, by its class. Without the option nothing of this is there.
#ifndef RESV_LOCKDEP_FORWARD_HPP
#define RESV_LOCKDEP_FORWARD_HPP

#include "annotator.hpp"

namespace resv::lockdep::forward {

/// The class is new, or its number is used once more. Under the annotator's lock.
inline void new_class(class_id cls)
{
	if constexpr (config::lockdep_forward) {
		const lock_class &c = classes[cls];
		resv_port_lockdep_class(
			cls, c.name, reinterpret_cast<const char *>(c.key.load(order::relaxed)) - c.subclass,
			c.subclass, c.kind.inner, c.outer, c.kind.overrides);
	}
}

// Its locks are told apart by their driver alone, which the other checker cannot ask.
inline bool has_order_of_its_own(class_id cls)
{
	return classes[cls].compare.load(order::relaxed) != nullptr;
}

/// One more lock of the class is held. `nest`: the entry in which it nests, or nullptr.
inline void acquire(class_id cls, const acquisition &how, const held *nest, uintptr_t where)
{
	if constexpr (config::lockdep_forward)
		resv_port_lockdep_acquire(cls, how.trylock, static_cast<int>(how.read),
					  how.check && !has_order_of_its_own(cls), nest ? nest->kind.cls : 0,
					  where);
}

inline void release(class_id cls, uintptr_t where)
{
	if constexpr (config::lockdep_forward)
		resv_port_lockdep_release(cls, where);
}

inline void sync(class_id cls, const acquisition &how, const held *nest, uintptr_t where)
{
	if constexpr (config::lockdep_forward)
		if (!has_order_of_its_own(cls))
			resv_port_lockdep_sync(cls, static_cast<int>(how.read), nest ? nest->kind.cls : 0,
					       where);
}

/// An entry has become another one.
inline void change(class_id from, const held &h)
{
	release(from, h.where);
	acquire(h.kind.cls, {.trylock = true, .read = h.kind.read, .check = h.kind.check}, nullptr, h.where);
}

/// Nothing is held any more.
inline void clear(held_stack &stack)
{
	if constexpr (config::lockdep_forward)
		for (const held *h = stack.top(); h != stack.end(); h = h->below)
			for (uint32_t i = 0; i < h->count; i++)
				release(h->kind.cls, h->where);
}

} // namespace resv::lockdep::forward

#endif // RESV_LOCKDEP_FORWARD_HPP
