// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Atomic operations on virtual CPUs: each waits for its turn in virtual time and is charged what it would have cost.
#ifndef RESV_PORT_ATOMIC_HPP
#define RESV_PORT_ATOMIC_HPP

namespace resv {

enum class order : int {
	relaxed = __ATOMIC_RELAXED,
	acquire = __ATOMIC_ACQUIRE,
	release = __ATOMIC_RELEASE,
	acq_rel = __ATOMIC_ACQ_REL,
};

namespace vcpu {

// The access is the calling task's, and is done, in virtual time, when these return.
void load(const void *address);
void store(const void *address);
void modify(const void *address);
void fence();

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
	atomic(const atomic &) = delete;
	atomic &operator=(const atomic &) = delete;

	T load(order) const
	{
		vcpu::load(&value_);
		return value_;
	}
	void store(T value, order)
	{
		vcpu::store(&value_);
		value_ = value;
	}
	T exchange(T value, order)
	{
		vcpu::modify(&value_);
		T old = value_;
		value_ = value;
		return old;
	}
	T fetch_add(T value, order)
	{
		vcpu::modify(&value_);
		T old = value_;
		value_ = static_cast<T>(old + value);
		return old;
	}
	bool compare_exchange(T expected, T value, order)
	{
		vcpu::modify(&value_);
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
	T value_{};
};

} // namespace resv

#endif // RESV_PORT_ATOMIC_HPP
