// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The contract of <resv_port/atomic.hpp>, checked wherever the core uses it.
#ifndef RESV_ATOMIC_WORD_HPP
#define RESV_ATOMIC_WORD_HPP

#include <resv_port/atomic.hpp>

namespace resv {

template <typename A, typename T>
concept atomic_word = requires(A a, const A c, T v)
{
	v = c.load(order::acquire);
	a.store(v, order::release);
	v = a.exchange(v, order::acq_rel);
	v = a.exchange_fenced(v);
	static_cast<bool>(a.compare_exchange(v, v, order::acquire));
	static_cast<bool>(a.compare_exchange_fenced(v, v));
	full_fence();
};

static_assert(atomic_word<atomic<unsigned long>, unsigned long>);
static_assert(atomic_word<atomic<unsigned>, unsigned>);

} // namespace resv

#endif // RESV_ATOMIC_WORD_HPP
