// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Atomic operations on virtual CPUs: each waits for its turn in virtual time and is charged what it would have cost.
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

namespace vcpu {

/// A word in memory, of 1 to 8 bytes.
struct word {
	void *address;
	unsigned size;
};

uint64_t load(word w);
void store(word w, uint64_t value);
/// The calling task's CPU has the word, until its next access, and all that it stored before is everybody's.
void modify(word w);
void fence();
/// The word's life ends: a store that is under way is done with it.
void end_life(word w);

} // namespace vcpu

/// Waits until what the CPU has stored is everybody's.
inline void full_fence()
{
	vcpu::fence();
}

/// One machine word (or less) that tasks share. There is one real thread: what it reads and writes needs no more.
template <typename T>
class atomic {
public:
	constexpr atomic() = default;
	constexpr explicit atomic(T value) : value_(value) {}
	constexpr ~atomic()
	{
		if (!__builtin_is_constant_evaluated())
			vcpu::end_life(self());
	}
	atomic(const atomic &) = delete;
	atomic &operator=(const atomic &) = delete;

	T load(order) const { return (T)vcpu::load(self()); }
	void store(T value, order) { vcpu::store(self(), (uint64_t)value); }
	T exchange(T value, order)
	{
		vcpu::modify(self());
		T old = value_;
		value_ = value;
		return old;
	}
	T fetch_add(T value, order)
	{
		vcpu::modify(self());
		T old = value_;
		value_ = static_cast<T>(old + value);
		return old;
	}
	bool compare_exchange(T expected, T value, order)
	{
		vcpu::modify(self());
		if (value_ != expected)
			return false;
		value_ = value;
		return true;
	}

	// Every read-modify-write is a full fence, as on x86.
	bool compare_exchange_fenced(T expected, T value)
	{
		return compare_exchange(expected, value, order::acq_rel);
	}
	T exchange_fenced(T value) { return exchange(value, order::acq_rel); }

private:
	vcpu::word self() const { return {const_cast<T *>(&value_), sizeof(T)}; }

	T value_{};
};

} // namespace resv

#endif // RESV_PORT_ATOMIC_HPP
