// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// A trylock that fails, by one thread and by two at once, on a lock that somebody holds: what the hint is for.
#include "plan.hpp"

#include <resv/reservation.hpp>

#include <pthread.h>

#include <atomic>

namespace bench {

namespace {

struct alignas(64) held_object {
	resv::reservation_object object;
	held_object() RESV_NO_ANALYSIS
	{
		if (!object.try_reserve(nullptr))
			__builtin_trap();
	}
	~held_object() RESV_NO_ANALYSIS { object.unreserve(); }
};

struct alignas(64) held_word {
	std::atomic<uintptr_t> owner{1};
};

struct alignas(64) held_mutex {
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	held_mutex() { pthread_mutex_lock(&mutex); }
};

void try_resv(benchmark::State &state) RESV_NO_ANALYSIS
{
	static held_object held;
	pin(state.thread_index());
	resv::ww_acquire_ctx context(resv::reservation_class);
	for (auto _ : state)
		if (held.object.try_reserve(&context))
			state.SkipWithError("the lock was not held");
}

// The same without the hint: the compare-and-exchange comes first.
void try_blind(benchmark::State &state)
{
	static held_word held;
	pin(state.thread_index());
	for (auto _ : state) {
		uintptr_t expected = 0;
		if (held.owner.compare_exchange_strong(expected, 2, std::memory_order_acquire))
			state.SkipWithError("the lock was not held");
	}
}

void try_pthread(benchmark::State &state)
{
	static held_mutex held;
	pin(state.thread_index());
	for (auto _ : state)
		if (pthread_mutex_trylock(&held.mutex) == 0)
			state.SkipWithError("the lock was not held");
}

} // namespace

void plan_trylock(plan &p)
{
	for (int threads : {1, 2}) {
		std::string at = "trylock_fails/t" + std::to_string(threads);
		p.groups.push_back({at, {}, 15, threads > 1});
		p.row(at + "/resv", try_resv)->Threads(threads)->UseRealTime();
		p.row(at + "/blind", try_blind)->Threads(threads)->UseRealTime();
		p.row(at + "/pthread", try_pthread)->Threads(threads)->UseRealTime();
	}
	p.ratios.push_back(
		{"trylock_hint_vs_blind_t1", {"trylock_fails/t1/resv"}, {"trylock_fails/t1/blind"}, 0});
	p.ratios.push_back(
		{"trylock_hint_vs_blind", {"trylock_fails/t2/resv"}, {"trylock_fails/t2/blind"}, 0.15});
}

} // namespace bench
