// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What the annotator costs where it finds nothing new: locks whose orders were all seen. They are annotated only, not
// locked; the peer is what a lock itself costs, an uncontended pthread_mutex.
#include "plan.hpp"

#include <resv/lockdep.h>

#include <pthread.h>

#include <array>
#include <atomic>
#include <barrier>
#include <chrono>
#include <initializer_list>
#include <thread>
#include <vector>

namespace bench {

namespace {

constexpr size_t depth = 16;

// Locks of a class each, of the most common kind.
struct alignas(64) lock_set {
	std::array<resv_lock_class_key, depth> keys{};
	std::array<resv_lockdep_map, depth> maps{};

	lock_set()
	{
		for (size_t i = 0; i < depth; i++)
			resv_lockdep_init_map_type(&maps[i], "lock", &keys[i], 0, RESV_LD_WAIT_SLEEP,
						   RESV_LD_WAIT_SLEEP, RESV_LD_LOCK_NORMAL);
	}
	void acquire(size_t i) { resv_lockdep_acquire(&maps[i], 0, 0, 0, 1, nullptr, 1); }
	void release(size_t i) { resv_lockdep_release(&maps[i], 1); }
};

lock_set nested;

void hit_1(benchmark::State &state)
{
	for (auto _ : state) {
		nested.acquire(0);
		nested.release(0);
	}
}

void hit_16_lifo(benchmark::State &state)
{
	for (auto _ : state) {
		for (size_t i = 0; i < depth; i++)
			nested.acquire(i);
		for (size_t i = depth; i-- != 0;)
			nested.release(i);
	}
}

void hit_16_fifo(benchmark::State &state)
{
	for (auto _ : state) {
		for (size_t i = 0; i < depth; i++)
			nested.acquire(i);
		for (size_t i = 0; i < depth; i++)
			nested.release(i);
	}
}

void pthread_pairs(benchmark::State &state, size_t n)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	for (auto _ : state) {
		for (size_t i = 0; i < n; i++) {
			pthread_mutex_lock(&mutex);
			pthread_mutex_unlock(&mutex);
		}
	}
}

constexpr auto round_time = std::chrono::milliseconds(100);

struct alignas(64) worker {
	int cpu;
	lock_set locks{};
	double pairs_a_second = 0;
};

// Lets each worker annotate its own lock, of its own class, all of them at once. A second is one of the thread's own, so
// that other programs on its CPU do not look like contention.
void work(std::initializer_list<worker *> workers)
{
	std::vector<std::thread> running;
	std::atomic<bool> stop{false};
	std::barrier start(static_cast<std::ptrdiff_t>(workers.size()) + 1);
	for (worker *w : workers)
		running.emplace_back([&, w] {
			pin(w->cpu);
			long pairs = 0;
			start.arrive_and_wait();
			double begin = thread_cpu_time();
			for (; !stop.load(std::memory_order_relaxed); pairs += 1000)
				for (int i = 0; i < 1000; i++) {
					w->locks.acquire(0);
					w->locks.release(0);
				}
			w->pairs_a_second = static_cast<double>(pairs) / (thread_cpu_time() - begin);
		});
	start.arrive_and_wait();
	std::this_thread::sleep_for(round_time);
	stop.store(true, std::memory_order_relaxed);
	for (auto &thread : running)
		thread.join();
}

// Two threads at once, or one: then on either CPU in turn, since one of them may be the slower.
void throughput(benchmark::State &state, unsigned threads)
{
	static worker first{.cpu = 0}, second{.cpu = 1};
	for (auto _ : state) {
		if (threads == 2) {
			work({&first, &second});
		} else {
			work({&first});
			work({&second});
		}
		state.SetIterationTime(std::chrono::duration<double>(round_time).count());
		state.counters["tput"] = (first.pairs_a_second + second.pairs_a_second) / 2 * threads;
	}
}

} // namespace

void plan_all(plan &p)
{
	// Two vCPUs may be one core: a neighbour's work then slows the annotator more than a mutex, which waits for memory.
	p.groups.push_back({"lockdep/hit", {}, 15, true});
	p.row("lockdep/hit/d1", hit_1);
	p.row("lockdep/hit/d16_lifo", hit_16_lifo);
	p.row("lockdep/hit/d16_fifo", hit_16_fifo);
	p.row("lockdep/hit/pthread", pthread_pairs, 1);
	p.row("lockdep/hit/pthread_16", pthread_pairs, depth);
	p.ratios.push_back({"lockdep_hit_d1", {"lockdep/hit/d1"}, {"lockdep/hit/pthread"}, 1.0});
	p.ratios.push_back(
		{"lockdep_hit_d16_lifo", {"lockdep/hit/d16_lifo"}, {"lockdep/hit/pthread_16"}, 1.5});
	p.ratios.push_back(
		{"lockdep_hit_d16_fifo", {"lockdep/hit/d16_fifo"}, {"lockdep/hit/pthread_16"}, 2.5});

	p.groups.push_back({"lockdep/threads", {}, 15, true});
	for (unsigned threads : {1u, 2u})
		p.row("lockdep/threads/" + std::to_string(threads), throughput, threads)
			->Iterations(1)
			->UseManualTime();
	p.ratios.push_back({"lockdep_hit_2threads_tput", {"lockdep/threads/2"}, {"lockdep/threads/1"}, 1.8});

	plan_lockdep_graph(p);
}

} // namespace bench
