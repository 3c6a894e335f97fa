// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// n objects that nobody else wants: locked one after the other, then released. Every object has cache lines of its own,
// ours as well as theirs.
#include "plan.hpp"

#include <resv/transaction.hpp>

#include <absl/synchronization/mutex.h>
#include <pthread.h>

#include <atomic>
#include <memory>
#include <mutex>

namespace bench {

namespace {

template <typename Lock>
struct alignas(64) apart : Lock {
	using Lock::Lock;
};

template <typename Lock>
std::unique_ptr<apart<Lock>[]> objects(size_t n) { return std::make_unique<apart<Lock>[]>(n); }

void per_object(benchmark::State &state, size_t n)
{
	state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(n));
}

// The physical limit: a compare-and-exchange and a store for each, and one fence for all.
struct word {
	std::atomic<const void *> owner{nullptr};
};

void limit(benchmark::State &state, size_t n)
{
	auto locks = objects<word>(n);
	for (auto _ : state) {
		int context;
		for (size_t i = 0; i < n; i++) {
			const void *expected = nullptr;
			benchmark::DoNotOptimize(locks[i].owner.compare_exchange_strong(
				expected, &context, std::memory_order_acquire));
		}
		for (size_t i = 0; i < n; i++)
			locks[i].owner.store(nullptr, std::memory_order_release);
		std::atomic_thread_fence(std::memory_order_seq_cst);
	}
	per_object(state, n);
}

// A whole transaction each time: opened, reserved, released, closed.
void unlock_all(benchmark::State &state, size_t n)
{
	auto locks = objects<resv::reservation_object>(n);
	for (auto _ : state) {
		resv::transaction transaction;
		for (size_t i = 0; i < n; i++)
			if (transaction.reserve_one(locks[i]))
				state.SkipWithError("reserve");
		transaction.release_all();
	}
	per_object(state, n);
}

void unlock_each(benchmark::State &state, size_t n)
{
	auto locks = objects<resv::reservation_object>(n);
	for (auto _ : state) {
		resv::transaction transaction;
		for (size_t i = 0; i < n; i++)
			if (transaction.reserve_one(locks[i]))
				state.SkipWithError("reserve");
		for (size_t i = 0; i < n; i++)
			transaction.unreserve(locks[i]);
	}
	per_object(state, n);
}

template <typename Mutex>
void mutexes(benchmark::State &state, size_t n)
{
	auto locks = objects<Mutex>(n);
	for (auto _ : state) {
		for (size_t i = 0; i < n; i++)
			locks[i].lock();
		for (size_t i = 0; i < n; i++)
			locks[i].unlock();
	}
	per_object(state, n);
}

struct pthread_lock {
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	void lock() { pthread_mutex_lock(&mutex); }
	void unlock() { pthread_mutex_unlock(&mutex); }
};

struct absl_lock {
	absl::Mutex mutex;
	void lock() ABSL_NO_THREAD_SAFETY_ANALYSIS { mutex.Lock(); }
	void unlock() ABSL_NO_THREAD_SAFETY_ANALYSIS { mutex.Unlock(); }
};

template <size_t... index>
void scoped_lock(benchmark::State &state, std::index_sequence<index...>)
{
	auto locks = objects<std::mutex>(sizeof...(index));
	for (auto _ : state)
		std::scoped_lock all(static_cast<std::mutex &>(locks[index])...);
	per_object(state, sizeof...(index));
}

template <size_t n>
void scoped(benchmark::State &state)
{
	scoped_lock(state, std::make_index_sequence<n>());
}

resv::ww_class pair_class{resv::ww_algorithm::wait_die, "pair_acquire", "pair"};

void pair(benchmark::State &state) RESV_NO_ANALYSIS
{
	resv::ww_mutex lock(pair_class);
	resv::ww_acquire_ctx context(pair_class);
	for (auto _ : state) {
		if (lock.lock(&context))
			state.SkipWithError("lock");
		lock.unlock();
	}
}

void pair_pthread(benchmark::State &state)
{
	pthread_lock lock;
	for (auto _ : state) {
		lock.lock();
		lock.unlock();
	}
}

} // namespace

void plan_uncontended(plan &p)
{
	for (size_t n : {1u, 4u, 8u, 32u, 128u}) {
		std::string at = "uncontended/" + std::to_string(n);
		p.groups.push_back({at, {}, 15, false});
		p.row(at + "/limit", limit, n);
		p.row(at + "/resv_unlock_all", unlock_all, n);
		p.row(at + "/resv_unlock_each", unlock_each, n);
		p.row(at + "/pthread", mutexes<pthread_lock>, n);
		p.row(at + "/absl", mutexes<absl_lock>, n);
		if (n == 1)
			p.row(at + "/scoped_lock", scoped<1>);
		if (n == 4)
			p.row(at + "/scoped_lock", scoped<4>);
		if (n == 8)
			p.row(at + "/scoped_lock", scoped<8>);
		if (n == 32)
			p.row(at + "/scoped_lock", scoped<32>);
		std::string txn = "txn" + std::to_string(n);
		p.ratios.push_back(
			{txn + "_vs_limit", {at + "/resv_unlock_all"}, {at + "/limit"}, n == 32 ? 1.25 : 0});
		p.ratios.push_back({txn + "_vs_pthread",
				    {at + "/resv_unlock_all"},
				    {at + "/pthread"},
				    n == 32 ? 0.60 : 0});
	}

	p.groups.push_back({"pair", {}, 15, false});
	p.row("pair/resv", pair);
	p.row("pair/pthread", pair_pthread);
	p.ratios.push_back({"pair_vs_pthread", {"pair/resv"}, {"pair/pthread"}, 1.1});
}

} // namespace bench
