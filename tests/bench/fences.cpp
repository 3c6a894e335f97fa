// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The fences of a reservation object, on the way that needs no memory.
#include "plan.hpp"

#include <resv/reservation.hpp>

#include <pthread.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdlib>
#include <initializer_list>
#include <thread>
#include <vector>

namespace bench {

namespace {

constexpr resv_fence_ops ops{};

resv::fence &make(uint64_t context, uint64_t seqno = 1)
{
	void *memory = resv_port_alloc(sizeof(resv_fence));
	if (!memory)
		std::abort();
	auto *f = static_cast<resv_fence *>(memory);
	resv_fence_init(f, &ops, nullptr, context, seqno);
	return resv::fence::of(f);
}

void must(bool ok)
{
	if (!ok)
		std::abort();
}

// An object that is reserved for the calling thread, until the scope ends.
struct alignas(64) reserved : resv::reservation_object {
	reserved() RESV_NO_ANALYSIS { must(reserve(nullptr) == 0); }
	~reserved() RESV_NO_ANALYSIS
	{
		unreserve();
		destroy();
	}

	// Adds a fence, and keeps no reference.
	void give(resv::fence &f)
	{
		must(reserve_fences(1) == 0 && add_fence(f, resv::usage::write) == 0);
		resv_fence_put(f.c());
	}
};

// ---- add_fence: two fences of one timeline take each other's place, so that each time one is got and one is put -------

void add_fence(benchmark::State &state)
{
	reserved object;
	uint64_t timeline = resv_fence_context_alloc(1);
	resv::fence *both[] = {&make(timeline), &make(timeline)};
	unsigned turn = 0;
	for (auto _ : state)
		if (object.reserve_fences(1) || object.add_fence(*both[turn++ & 1], resv::usage::write))
			state.SkipWithError("add_fence");
	for (resv::fence *f : both)
		resv_fence_put(f->c());
}

void pthread_pair(benchmark::State &state)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	for (auto _ : state) {
		pthread_mutex_lock(&mutex);
		pthread_mutex_unlock(&mutex);
	}
}

// ---- test_signaled: four fences that have been signaled ----------------------------------------------------------------

void four_signaled(reserved &object)
{
	for (int i = 0; i < 4; i++) {
		resv::fence &f = make(resv_fence_context_alloc(1));
		must(object.reserve_fences(1) == 0 && object.add_fence(f, resv::usage::write) == 0);
	}
	resv::fence_cursor c(object, resv::usage::write);
	for (resv::fence *f = c.first(); f; f = c.next()) {
		f->signal();
		resv_fence_put(f->c());
	}
}

void test_signaled(benchmark::State &state)
{
	reserved object;
	four_signaled(object);
	for (auto _ : state)
		benchmark::DoNotOptimize(object.test_signaled(resv::usage::write));
}

// Four flags that lie where fences would, found by pointers that lie where slots would: four plain loads of them, and
// the section.
void four_loads(benchmark::State &state)
{
	struct alignas(64) {
		unsigned *flags[4];
	} all;
	for (unsigned *&flag : all.flags) {
		flag = static_cast<unsigned *>(resv_port_alloc(sizeof(resv_fence)));
		must(flag != nullptr);
		*flag = 1;
	}
	for (auto _ : state) {
		benchmark::DoNotOptimize(&all);
		benchmark::ClobberMemory();
		resv_port_read_lock();
		bool signaled = *all.flags[0] & *all.flags[1] & *all.flags[2] & *all.flags[3];
		resv_port_read_unlock();
		benchmark::DoNotOptimize(signaled);
	}
	for (unsigned *flag : all.flags)
		resv_port_free(flag);
}

// ---- Readers beside a writer that replaces fences every 100 us ---------------------------------------------------------
//
// The writer is on the first CPU and leaves a reader there less of it than one on the second has: so what two readers get
// done is compared with what one does, on the first and on the second CPU in turn.

constexpr auto round_time = std::chrono::milliseconds(200);
constexpr int writers_cpu = 0;

// Reads a second, one reader on each of these CPUs.
double read(std::initializer_list<int> cpus)
{
	struct alignas(64) counter {
		long reads = 0;
	} counters[2];
	reserved object;
	four_signaled(object);
	std::atomic<bool> stop{false};
	std::barrier start(static_cast<long>(cpus.size()) + 1);
	std::vector<std::thread> threads;
	for (int cpu : cpus)
		threads.emplace_back([&, cpu] {
			pin(cpu);
			start.arrive_and_wait();
			long reads = 0;
			for (; !stop.load(std::memory_order_relaxed); reads++)
				benchmark::DoNotOptimize(object.test_signaled(resv::usage::write));
			counters[cpu].reads = reads;
		});
	start.arrive_and_wait();
	auto begin = std::chrono::steady_clock::now();
	while (std::chrono::steady_clock::now() - begin < round_time) {
		std::this_thread::sleep_for(std::chrono::microseconds(100));
		resv::fence &f = make(resv_fence_context_alloc(1));
		f.signal();
		object.give(f);
	}
	stop = true;
	for (auto &thread : threads)
		thread.join();
	double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
	return static_cast<double>(counters[0].reads + counters[1].reads) / seconds;
}

void readers(benchmark::State &state, bool both)
{
	for (auto _ : state) {
		double tput = 0;
		std::thread writer([&] {
			pin(writers_cpu);
			tput = both ? read({0, 1}) : (read({0}) + read({1})) / 2;
		});
		writer.join();
		state.counters["tput"] = tput;
		state.SetIterationTime(std::chrono::duration<double>(round_time).count());
	}
}

} // namespace

void plan_fences(plan &p)
{
	p.groups.push_back({"fences/add", {}, 15, false});
	p.row("fences/add/resv", add_fence);
	p.row("fences/add/pthread", pthread_pair);
	p.ratios.push_back({"add_fence_vs_pthread", {"fences/add/resv"}, {"fences/add/pthread"}, 1.5});

	p.groups.push_back({"fences/test4", {}, 15, false});
	p.row("fences/test4/resv", test_signaled);
	p.row("fences/test4/loads", four_loads);
	p.ratios.push_back({"test_signaled4_vs_loads", {"fences/test4/resv"}, {"fences/test4/loads"}, 2.0});

	p.groups.push_back({"fences/readers", {}, 7, true});
	p.row("fences/readers/two", readers, true)->Iterations(1)->UseManualTime();
	p.row("fences/readers/one", readers, false)->Iterations(1)->UseManualTime();
	p.ratios.push_back(
		{"test_signaled_2readers_tput", {"fences/readers/two"}, {"fences/readers/one"}, 1.8});
}

} // namespace bench
