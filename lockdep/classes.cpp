// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include <resv/config.h>

#if RESV_PROVE_LOCKING

#include "classes.hpp"

namespace resv::lockdep {

namespace {

bool same(const char *a, const char *b)
{
	while (*a != '\0' && *a == *b)
		a++, b++;
	return *a == *b;
}

} // namespace

class_id class_table::find(uintptr_t key) const
{
	unsigned slot = home_of(key);
	for (unsigned n = 0; n <= slot_mask; n++, slot = (slot + 1) & slot_mask) {
		class_id cls = slots_[slot].load(order::acquire); // partner: the release in add()
		if (cls == 0)
			return 0;
		if (cls != removed_slot && classes_[cls].key.load(order::relaxed) == key)
			return cls;
	}
	return 0;
}

class_id class_table::add(const lockdep_map &map, unsigned subclass)
{
	class_id cls = 0;
	if (removed_ != 0) {
		for (cls = first_class; classes_[cls].key.load(order::relaxed);)
			cls++;
		removed_--;
	} else if (first_class + used_ < capacity) {
		cls = end();
		used_++;
	} else {
		return 0;
	}

	lock_class &c = classes_[cls];
	uintptr_t key = map_access::key(map, subclass);
	c.kind = {};
	c.kind.cls = cls;
	c.kind.check = true;
	map_access::describe(map, c);
	c.kind.overrides = c.type == RESV_LD_LOCK_WAIT_OVERRIDE;
	c.kind.plain = !c.kind.restricts();
	c.usage.store(c.kind.restricts() ? uint32_t{restricting} : 0, order::relaxed);
	c.name = map.name() ? map.name() : "?";
	c.subclass = static_cast<uint8_t>(map_access::subclass(map, subclass));
	c.version = 0;
	for (class_id other = first_class; other < end(); other++)
		if (classes_[other].key.load(order::relaxed) && classes_[other].subclass == c.subclass &&
		    same(classes_[other].name, c.name))
			c.version++;
	unsigned slot = home_of(key);
	while (slots_[slot].load(order::relaxed) != 0 && slots_[slot].load(order::relaxed) != removed_slot)
		slot = (slot + 1) & slot_mask;
	c.slot = slot;
	// With all that describes the class. Who remembers the number from another time, or got it from somebody's map, reads
	// the key (class_of()); the others come through the slot (find()).
	c.key.store(key, order::release);
	slots_[slot].store(cls, order::release);
	return cls;
}

void class_table::forget(class_id cls)
{
	lock_class &c = classes_[cls];
	c.key.store(0, order::relaxed);
	c.compare.store(nullptr, order::relaxed);
	c.times.reset();
}

void class_table::remove(class_id cls)
{
	unsigned slot = classes_[cls].slot;
	slots_[slot].store(removed_slot, order::relaxed);
	// In front of an empty slot no search has to go on.
	if (slots_[(slot + 1) & slot_mask].load(order::relaxed) == 0)
		for (; slots_[slot].load(order::relaxed) == removed_slot; slot = (slot - 1) & slot_mask)
			slots_[slot].store(0, order::relaxed);
	forget(cls);
	removed_++;
	untidy_ = true;
}

void class_table::reset()
{
	for (class_id cls = first_class; cls < end(); cls++)
		if (classes_[cls].key.load(order::relaxed)) {
			slots_[classes_[cls].slot].store(0, order::relaxed);
			forget(cls);
		}
	if (untidy_)
		for (atomic<class_id> &slot : slots_)
			slot.store(0, order::relaxed);
	used_ = removed_ = 0;
	untidy_ = false;
}

} // namespace resv::lockdep

#endif
