// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Atomic operations of the core, over the compiler's builtins: no library, no kernel header.
//
// A port that must see every access (a scheduler that explores interleavings, a weak-memory checker) puts a header of
// this name earlier on the include path; it then satisfies the concept resv::atomic_word of
// resv/atomic_word.hpp, which every user of atomics includes.
#ifndef RESV_PORT_ATOMIC_HPP
#define RESV_PORT_ATOMIC_HPP

namespace resv {

enum class order : int {
	relaxed = __ATOMIC_RELAXED,
	acquire = __ATOMIC_ACQUIRE,
	release = __ATOMIC_RELEASE,
	acq_rel = __ATOMIC_ACQ_REL,
};

#if defined(__SANITIZE_THREAD__)
inline constexpr bool built_with_tsan = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
inline constexpr bool built_with_tsan = true;
#else
inline constexpr bool built_with_tsan = false;
#endif
#else
inline constexpr bool built_with_tsan = false;
#endif

#if defined(__x86_64__) || defined(__i386__)
inline constexpr bool rmw_is_full_fence = true; // every locked instruction orders everything around it
#else
inline constexpr bool rmw_is_full_fence = false;
#endif

namespace detail {
inline unsigned tsan_fence_word; // what a full fence modifies under TSan, which does not model fences
}

/// Orders every access before it against every access after it, stores before loads included. On x86 a locked instruction
/// costs less than mfence; and below the top of the stack it is in nobody's way: who loads there next what was stored there
/// last would have to wait for it.
[[gnu::always_inline]] inline void full_fence()
{
	if constexpr (built_with_tsan)
		__atomic_fetch_add(&detail::tsan_fence_word, 1, __ATOMIC_SEQ_CST);
	else if constexpr (rmw_is_full_fence && sizeof(void *) == 8)
		asm volatile("lock; orq $0, -8(%%rsp)" ::: "memory", "cc");
	else if constexpr (rmw_is_full_fence)
		asm volatile("lock; orl $0, -4(%%esp)" ::: "memory", "cc");
	else
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/// One machine word (or less) that tasks share. Each operation is an instruction, even where code is to be small.
template <typename T>
class atomic {
public:
	constexpr atomic() = default;
	constexpr explicit atomic(T value) : value_(value) {}
	atomic(const atomic &) = delete;
	atomic &operator=(const atomic &) = delete;

	[[gnu::always_inline]] T load(order o) const { return __atomic_load_n(&value_, static_cast<int>(o)); }
	[[gnu::always_inline]] void store(T value, order o)
	{
		__atomic_store_n(&value_, value, static_cast<int>(o));
	}
	[[gnu::always_inline]] T exchange(T value, order o)
	{
		return __atomic_exchange_n(&value_, value, static_cast<int>(o));
	}
	[[gnu::always_inline]] T fetch_add(T value, order o)
	{
		return __atomic_fetch_add(&value_, value, static_cast<int>(o));
	}

	/// Writes `value` if the word is `expected`; relaxed on failure. Never fails spuriously.
	[[gnu::always_inline]] bool compare_exchange(T expected, T value, order o)
	{
		return __atomic_compare_exchange_n(&value_, &expected, value, false, static_cast<int>(o),
						   __ATOMIC_RELAXED);
	}

	/// The fenced forms are followed by a full fence, which costs nothing where the operation is one already.
	[[gnu::always_inline]] bool compare_exchange_fenced(T expected, T value)
	{
		bool done = __atomic_compare_exchange_n(&value_, &expected, value, false, __ATOMIC_SEQ_CST,
							__ATOMIC_RELAXED);
		if (!rmw_is_full_fence && done)
			full_fence();
		return done;
	}
	[[gnu::always_inline]] T exchange_fenced(T value)
	{
		T old = __atomic_exchange_n(&value_, value, __ATOMIC_SEQ_CST);
		if (!rmw_is_full_fence)
			full_fence();
		return old;
	}

private:
	T value_{};
};

} // namespace resv

#endif // RESV_PORT_ATOMIC_HPP
