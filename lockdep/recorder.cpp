// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "recorder.hpp"

#if RESV_PROVE_LOCKING

namespace resv::lockdep {

namespace {

constinit resv_port_spinlock lock{};

// Guarded by `lock`.
constinit event events[recorder::capacity]{};
constinit unsigned long made = 0;

void record(const event &e)
{
	unsigned long flags = resv_port_spin_lock(&lock);
	if (made < recorder::capacity)
		events[made] = e;
	made++;
	resv_port_spin_unlock(&lock, flags);
}

} // namespace

void acquire(const lockdep_map &map, const acquisition &how, uintptr_t ip)
{
	record({event::kind::acquire, &map, how.nest, how.trylock, how.read, resv_port_current(), ip});
}

void release(const lockdep_map &map, uintptr_t ip)
{
	record({event::kind::release, &map, nullptr, false, lock_read::exclusive, resv_port_current(), ip});
}

void sync(const lockdep_map &map, const acquisition &how, uintptr_t ip)
{
	record({event::kind::sync, &map, how.nest, false, how.read, resv_port_current(), ip});
}

void recorder::reset()
{
	unsigned long flags = resv_port_spin_lock(&lock);
	made = 0;
	resv_port_spin_unlock(&lock, flags);
}

unsigned long recorder::count()
{
	unsigned long flags = resv_port_spin_lock(&lock);
	unsigned long n = made;
	resv_port_spin_unlock(&lock, flags);
	return n;
}

event recorder::at(unsigned index)
{
	unsigned long flags = resv_port_spin_lock(&lock);
	event e = events[index];
	resv_port_spin_unlock(&lock, flags);
	return e;
}

} // namespace resv::lockdep

#endif
