// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Atomic operations under the sim port: each is a scheduling point, and goes through the simulated memory.
#ifndef RESV_PORT_ATOMIC_HPP
#define RESV_PORT_ATOMIC_HPP

#include <cstdint>

namespace resv {

enum class order : int {
	relaxed = __ATOMIC_RELAXED,
	acquire = __ATOMIC_ACQUIRE,
	release = __ATOMIC_RELEASE,
	acq_rel = __ATOMIC_ACQ_REL,
};

namespace sim {

/// A word in memory, of 1 to 8 bytes.
struct word {
	void *address;
	unsigned size;
};

uint64_t load(word w);
void store(word w, uint64_t value, bool release);
uint64_t exchange(word w, uint64_t value);
uint64_t fetch_add(word w, uint64_t value);
bool compare_exchange(word w, uint64_t expected, uint64_t value);
void fence();

/// The word's life begins, without a scheduling point: nobody else knows it yet.
void begin_life(word w);
/// The word's life ends: whoever accesses it later is at fault.
void end_life(word w);

} // namespace sim

/// Under store buffers it waits until the task's own one is empty.
inline void full_fence()
{
	sim::fence();
}

/// One machine word (or less) that tasks share.
template <typename T>
class atomic {
public:
	constexpr atomic() : atomic(T{}) {}
	constexpr explicit atomic(T v) : value_(v)
	{
		if (!__builtin_is_constant_evaluated())
			sim::begin_life(self());
	}
	constexpr ~atomic()
	{
		if (!__builtin_is_constant_evaluated())
			sim::end_life(self());
	}
	atomic(const atomic &) = delete;
	atomic &operator=(const atomic &) = delete;

	T load(order) const { return value(sim::load(self())); }
	void store(T v, order o) { sim::store(self(), bits(v), o == order::release); }
	T exchange(T v, order) { return value(sim::exchange(self(), bits(v))); }
	T fetch_add(T v, order) { return value(sim::fetch_add(self(), bits(v))); }
	bool compare_exchange(T expected, T v, order)
	{
		return sim::compare_exchange(self(), bits(expected), bits(v));
	}

	// Every read-modify-write is a full fence, as on the CPUs whose memory this port simulates.
	bool compare_exchange_fenced(T expected, T v)
	{
		return sim::compare_exchange(self(), bits(expected), bits(v));
	}
	T exchange_fenced(T v) { return value(sim::exchange(self(), bits(v))); }

private:
	static uint64_t bits(T v) { return (uint64_t)v; }
	static T value(uint64_t v) { return (T)v; }
	sim::word self() const { return {const_cast<T *>(&value_), sizeof(T)}; }

	T value_;
};

} // namespace resv

#endif // RESV_PORT_ATOMIC_HPP
