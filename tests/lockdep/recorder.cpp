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

void real_acquire(lockdep_map &, acquisition, uintptr_t) __asm__("__real_resv_lockdep_on_acquire");
void real_release(lockdep_map &, uintptr_t) __asm__("__real_resv_lockdep_on_release");
void real_sync(lockdep_map &, acquisition, uintptr_t) __asm__("__real_resv_lockdep_on_sync");
void wrapped_acquire(lockdep_map &, acquisition, uintptr_t) __asm__("__wrap_resv_lockdep_on_acquire");
void wrapped_release(lockdep_map &, uintptr_t) __asm__("__wrap_resv_lockdep_on_release");
void wrapped_sync(lockdep_map &, acquisition, uintptr_t) __asm__("__wrap_resv_lockdep_on_sync");

void wrapped_acquire(lockdep_map &map, acquisition how, uintptr_t ip)
{
	record({event::kind::acquire, &map, how.nest, how.trylock, how.read, resv_port_current(), ip});
	real_acquire(map, how, ip);
}

void wrapped_release(lockdep_map &map, uintptr_t ip)
{
	record({event::kind::release, &map, nullptr, false, lock_read::exclusive, resv_port_current(), ip});
	real_release(map, ip);
}

void wrapped_sync(lockdep_map &map, acquisition how, uintptr_t ip)
{
	record({event::kind::sync, &map, how.nest, false, how.read, resv_port_current(), ip});
	real_sync(map, how, ip);
}

} // namespace resv::lockdep

// What a driver tells in C.
extern "C" {

using namespace resv;
using namespace resv::lockdep;

void __real_resv_lockdep_acquire(resv_lockdep_map *, unsigned, int, int, int, resv_lockdep_map *,
				 unsigned long);
void __real_resv_lockdep_release(resv_lockdep_map *, unsigned long);
void __real_resv_lockdep_sync(resv_lockdep_map *, unsigned, int, int, resv_lockdep_map *, unsigned long);

static const lockdep_map *of(const resv_lockdep_map *map)
{
	return reinterpret_cast<const lockdep_map *>(map);
}

void __wrap_resv_lockdep_acquire(resv_lockdep_map *map, unsigned subclass, int trylock, int read, int check,
				 resv_lockdep_map *nest, unsigned long ip)
{
	record({event::kind::acquire, of(map), of(nest), trylock != 0, static_cast<lock_read>(read),
		resv_port_current(), ip});
	__real_resv_lockdep_acquire(map, subclass, trylock, read, check, nest, ip);
}

void __wrap_resv_lockdep_release(resv_lockdep_map *map, unsigned long ip)
{
	record({event::kind::release, of(map), nullptr, false, lock_read::exclusive, resv_port_current(),
		ip});
	__real_resv_lockdep_release(map, ip);
}

void __wrap_resv_lockdep_sync(resv_lockdep_map *map, unsigned subclass, int read, int check,
			      resv_lockdep_map *nest, unsigned long ip)
{
	record({event::kind::sync, of(map), of(nest), false, static_cast<lock_read>(read),
		resv_port_current(), ip});
	__real_resv_lockdep_sync(map, subclass, read, check, nest, ip);
}

} // extern "C"

namespace resv::lockdep {

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
