// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Atomic operations of the core for Relacy, which runs it under the C++11 memory model: a load may return an old value
// unless an ordering forbids it.
//
// Relacy also watches a word's lifetime: its beginning and its end count as writes, and each operation as a read, of one
// plain variable. So it is a data race to use a word without an ordering after its beginning and before its end, even if
// all went well in this execution.
#ifndef RESV_PORT_ATOMIC_HPP
#define RESV_PORT_ATOMIC_HPP

#include <memory>
#include <type_traits>

#include <relacy/relacy.hpp>

// What Relacy renames for programs under test.
#undef new
#undef delete
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef assert
#undef errno
#undef memory_order_relaxed
#undef memory_order_consume
#undef memory_order_acquire
#undef memory_order_release
#undef memory_order_acq_rel
#undef memory_order_seq_cst

namespace resv {

enum class order : int {
	relaxed = rl::mo_relaxed,
	acquire = rl::mo_acquire,
	release = rl::mo_release,
	acq_rel = rl::mo_acq_rel,
};

/// The place in the source, for Relacy's history of an execution. As a default argument: where the caller is.
struct place : rl::debug_info {
	place(const char *function = __builtin_FUNCTION(), const char *file = __builtin_FILE(),
	      unsigned line = __builtin_LINE())
		: rl::debug_info(function, file, line)
	{}
};

inline void full_fence(const place &at = {})
{
	rl::atomic_thread_fence(rl::mo_seq_cst, at);
}

template <typename T>
class atomic {
public:
	constexpr atomic() : atomic(T{}) {}
	constexpr explicit atomic(T value) : none_{}
	{
		// A word that is initialized at compile time belongs to no execution: Relacy reports its use.
		if (!std::is_constant_evaluated())
			begin(value);
	}
	~atomic()
	{
		if (!model_.lifetime->store(self()))
			race("a word ends that is in use");
		rl::ctx().var_dtor(model_.lifetime);
		std::destroy_at(&model_.word);
	}
	atomic(const atomic &) = delete;
	atomic &operator=(const atomic &) = delete;

	T load(order o, const place &at = {}) const { return word(at).load(relacy(o), at); }
	void store(T value, order o, const place &at = {}) { word(at).store(value, relacy(o), at); }
	T exchange(T value, order o, const place &at = {}) { return word(at).exchange(value, relacy(o), at); }
	T fetch_add(T value, order o, const place &at = {})
	{
		return word(at).fetch_add(value, relacy(o), at);
	}
	bool compare_exchange(T expected, T value, order o, const place &at = {})
	{
		return word(at).compare_exchange(rl::bool_t<false>(), expected, value, relacy(o),
						 rl::mo_relaxed, at);
	}

	// As on a CPU whose read-modify-writes are no full fences: the operation, and a fence after it.
	bool compare_exchange_fenced(T expected, T value, const place &at = {})
	{
		bool done = compare_exchange(expected, value, order::acq_rel, at);
		if (done)
			full_fence(at);
		return done;
	}
	T exchange_fenced(T value, const place &at = {})
	{
		T old = exchange(value, order::acq_rel, at);
		full_fence(at);
		return old;
	}

private:
	struct model {
		rl::atomic<T> word;
		rl::var_data *lifetime;
	};

	static rl::memory_order relacy(order o) { return static_cast<rl::memory_order>(o); }
	static rl::thread_info_base &self() { return *rl::ctx().threadx_; }
	static void race(const char *what, const place &at = {})
	{
		rl::ctx().fail_test(what, rl::test_result_data_race, at);
	}

	void begin(T value)
	{
		std::construct_at(&model_.word);
		model_.lifetime = rl::ctx().var_ctor();
		model_.lifetime->init(self());
		model_.word.store(value, rl::mo_relaxed, RL_INFO);
	}

	rl::atomic<T> &word(const place &at) const
	{
		(void)model_.word.debug_value(); // fails if the word has ended
		if (!model_.lifetime->load(self()))
			race("a word is used without an order after its beginning", at);
		return model_.word;
	}

	union {
		char none_;
		mutable model model_;
	};
};

} // namespace resv

#endif // RESV_PORT_ATOMIC_HPP
