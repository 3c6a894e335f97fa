// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// resv-calibrate: measures on this machine what tests/simulate/costs.hpp has names for, with small loops of its own, and
// then the throughput of the same workloads that are played on virtual CPUs, with one thread and with two; prints both as a
// file of costs. Needs two CPUs. Only rounds count in which nobody else had a CPU and a line took as long as it does at best.
#include "costs.hpp"
#include "workload.hpp"

#include <resv_port/atomic.hpp>
#include <tests/bench/machine.hpp>

#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>

#include <linux/futex.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace simulate;
using bench::pin;

namespace {

constinit resv::ww_class wound_wait{resv::ww_algorithm::wound_wait, "calibrate_acquire", "calibrate_mutex"};
constinit resv::ww_class wait_die{resv::ww_algorithm::wait_die, "calibrate_acquire", "calibrate_mutex"};

double now()
{
	auto since = std::chrono::steady_clock::now().time_since_epoch();
	return std::chrono::duration<double, std::nano>(since).count();
}

template <typename T>
void keep(T &value)
{
	asm volatile("" : "+m"(value)::"memory");
}

/// How often the calling thread had to let others have its CPU.
long preemptions()
{
	rusage used;
	getrusage(RUSAGE_THREAD, &used);
	return used.ru_nivcsw;
}

/// The value that `part` of them are below.
double quantile(std::vector<double> values, double part)
{
	std::sort(values.begin(), values.end());
	return values[static_cast<size_t>(part * static_cast<double>(values.size()))];
}

/// Of one turn, in ns: the least of many short runs, which nobody disturbed.
template <typename F>
double least(unsigned turns, F turn)
{
	double best = 1e9;
	for (int run = 0; run < 300; run++) {
		double begin = now();
		for (unsigned i = 0; i < turns; i++)
			turn();
		best = std::min(best, (now() - begin) / turns);
	}
	return best;
}

// ---- One CPU --------------------------------------------------------------------------------------------------------

double modify_cost()
{
	alignas(64) static resv::atomic<unsigned long> word;
	return least(1000, [] { word.compare_exchange(0, 0, resv::order::acq_rel); });
}

double fence_cost()
{
	return least(1000, [] { resv::full_fence(); });
}

/// What remains of a transaction for each of its loads and stores. An object takes four loads, a compare-and-exchange and a
/// store to reserve, release and touch; the transaction a few more.
double hit_cost(double modify, double fence)
{
	constexpr unsigned count = 32, own = 8, each = 6;
	pool objects(count, wait_die);
	set all;
	for (size_t i = 0; i < count; i++)
		all.push_back(&objects.at(i));
	double whole = least(100, [&] {
		resv::transaction t(wait_die);
		if (t.reserve(all, &object::reservation) != 0)
			abort();
		for (object *o : all)
			keep(++o->contents);
	});
	return std::max(0.1, (whole - fence - count * modify) / (own + count * each));
}

double draw_cost()
{
	constexpr size_t k = 8;
	pool objects(1024, wait_die);
	picker draws(objects, k, 0, 1);
	set drawn;
	for (size_t i = 0; i < objects.size(); i++)
		objects.at(i);
	return least(500,
		     [&] {
			     draws.pick(drawn);
			     keep(drawn);
		     }) /
	       k;
}

double relax_cost()
{
	return least(1000, [] { resv_port_relax(0); });
}

double yield_cost()
{
	return least(100, [] { sched_yield(); });
}

/// Two threads on one CPU, each of which lets the other go on.
double change_cost()
{
	std::atomic<bool> stop{false};
	std::thread other([&] {
		pin(0);
		while (!stop.load(std::memory_order_relaxed))
			sched_yield();
	});
	std::vector<double> costs;
	for (int run = 0; run < 500; run++) {
		double begin = now();
		for (int i = 0; i < 20; i++)
			sched_yield();
		costs.push_back((now() - begin) / 40);
	}
	stop = true;
	other.join();
	return quantile(costs, 0.1);
}

// ---- Two CPUs -------------------------------------------------------------------------------------------------------

double round_trip()
{
	constexpr unsigned trips = 2000;
	alignas(64) std::atomic<unsigned> line{0};
	auto play = [&](unsigned me) {
		pin(static_cast<int>(me));
		for (unsigned i = 0; i < trips; i++) {
			for (unsigned turn = 1; line.load(std::memory_order_acquire) != 2 * i + me; turn++)
				if (turn % 4096 == 0)
					sched_yield();
			line.store(2 * i + me + 1, std::memory_order_release);
		}
	};
	double begin = now();
	std::thread other(play, 1);
	play(0);
	other.join();
	return (now() - begin) / trips;
}

/// What a transaction of so many objects takes longer if the other CPU had their lines before.
double stall(size_t count)
{
	constexpr unsigned passes = 2000;
	pool objects(64, wait_die);
	std::atomic<unsigned> turn{0};
	std::vector<double> own, moved;
	auto reserve = [](set &all) {
		double begin = now();
		{
			resv::transaction t(wait_die);
			if (t.reserve(all, &object::reservation) != 0)
				abort();
			for (object *o : all)
				keep(++o->contents);
		}
		return now() - begin;
	};
	set all;
	picker(objects, objects.size(), 0, 1).pick(all);
	auto play = [&](unsigned me) {
		pin(static_cast<int>(me));
		set some(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count));
		for (unsigned i = 0; i < passes; i++) {
			for (unsigned tries = 1; turn.load() != 2 * i + me; tries++)
				if (tries % 4096 == 0)
					sched_yield();
			double first = reserve(me == 0 ? some : all);
			if (me == 0) {
				moved.push_back(first);
				reserve(some);
				own.push_back(reserve(some));
			}
			turn = 2 * i + me + 1;
		}
	};
	std::thread other(play, 1);
	play(0);
	other.join();
	return quantile(moved, 0.25) - quantile(own, 0.25);
}

/// Of each line but the first, so much is left of the time that it needs. An object takes two lines.
double stall_of_a_line()
{
	constexpr size_t few = 2, many = 32;
	return std::max(0.0, (stall(many) - stall(few)) / (2 * (many - few)));
}

double least_round_trip()
{
	double best = 1e9;
	for (int run = 0; run < 100; run++)
		best = std::min(best, round_trip());
	return best;
}

long futex(std::atomic<unsigned> &word, int what, unsigned value)
{
	return syscall(SYS_futex, &word, what | FUTEX_PRIVATE_FLAG, value, nullptr, nullptr, 0);
}

double wait_in_vain_cost()
{
	std::atomic<unsigned> word{1};
	return least(100, [&] { futex(word, FUTEX_WAIT, 0); });
}

struct wake_costs {
	double wake;
	double wake_up;
};

/// One thread sleeps on its CPU, and another wakes it from the other CPU.
wake_costs measure_wakes()
{
	constexpr int times = 1000;
	std::atomic<unsigned> word{0};
	std::atomic<double> woken{0};
	std::vector<double> wakes, wake_ups;
	std::thread sleeper([&] {
		pin(1);
		for (unsigned i = 0; i < times; i++) {
			while (word.load() == i)
				futex(word, FUTEX_WAIT, i);
			woken = now();
		}
	});
	for (int i = 0; i < times; i++) {
		std::this_thread::sleep_for(std::chrono::microseconds(200)); // asleep by now, most likely
		woken = 0;
		double begin = now();
		word++;
		futex(word, FUTEX_WAKE, 1);
		double end = now();
		while (woken == 0)
			;
		wakes.push_back(end - begin);
		wake_ups.push_back(woken - begin);
	}
	sleeper.join();
	return {quantile(wakes, 0.1), quantile(wake_ups, 0.1)};
}

// ---- What the model is compared with ---------------------------------------------------------------------------------

struct round {
	double per_second;
	bool undisturbed;
};

round play(const workload &w, pool &objects, resv::ww_class &cls, unsigned count)
{
	constexpr double length = 2e6;
	std::atomic<long> preempted{0};
	std::atomic<double> sum{0};
	std::barrier start(count);
	auto run = [&](unsigned number) {
		pin(static_cast<int>(number));
		picker draws(objects, w.k, w.zipf, number + 1);
		set drawn;
		long done = 0;
		start.arrive_and_wait();
		long before = preemptions();
		double begin = now(), end = begin;
		do {
			for (int i = 0; i < 32; i++, done++) {
				draws.pick(drawn);
				resv::transaction t(cls);
				if (t.reserve(drawn, &object::reservation) != 0)
					abort();
				for (object *o : drawn)
					keep(++o->contents);
			}
			end = now();
		} while (end < begin + length);
		preempted += preemptions() - before;
		sum += static_cast<double>(done) / (end - begin) * 1e9;
	};
	std::vector<std::thread> threads;
	for (unsigned i = 1; i < count; i++)
		threads.emplace_back(run, i);
	run(0);
	for (std::thread &t : threads)
		t.join();
	return {sum, preempted == 0};
}

void measure(const workload &w, const algorithm &a, unsigned count, double best_trip)
{
	resv::ww_class &cls = a.which == resv::ww_algorithm::wait_die ? wait_die : wound_wait;
	pool objects(w.n, cls);
	for (size_t i = 0; i < w.n; i++)
		objects.at(i);
	std::vector<double> good;
	for (int tries = 0; tries < 2000 && good.size() < 25; tries++) {
		if (count > 1 && round_trip() > 1.3 * best_trip)
			continue;
		round r = play(w, objects, cls, count);
		if (r.undisturbed && (count == 1 || round_trip() <= 1.3 * best_trip))
			good.push_back(r.per_second);
	}
	if (good.size() < 3) {
		printf("# measured %s %s %u: the machine was never quiet enough\n", w.name, a.name, count);
		return;
	}
	printf("measured %s %s %u %.0f # %zu rounds, %.0f to %.0f\n", w.name, a.name, count,
	       quantile(good, 0.5), good.size(), quantile(good, 0), quantile(good, 0.99));
	fflush(stdout);
}

} // namespace

int main()
{
	if (std::thread::hardware_concurrency() < 2) {
		fprintf(stderr, "resv-calibrate: needs two CPUs\n");
		return 2;
	}
	pin(0);
	calibration c;
	auto set_to = [](resv::vcpu::duration &cost, double ns) {
		cost = static_cast<resv::vcpu::duration>(ns * static_cast<double>(resv::vcpu::nanosecond));
	};
	double modify = modify_cost(), fence = fence_cost(), trip = least_round_trip(),
	       change = change_cost();
	double hit = hit_cost(modify, fence);
	wake_costs wakes = measure_wakes();
	set_to(c.machine.modify, modify);
	set_to(c.machine.fence, fence);
	set_to(c.machine.hit, hit);
	// There and back it moves twice: who has just got it to read can write it as well.
	set_to(c.machine.transfer, trip / 2 - 2 * hit);
	set_to(c.machine.ahead, std::max(0.0, trip / 2 - 2 * hit - stall_of_a_line()));
	set_to(c.machine.relax, relax_cost());
	set_to(c.machine.yield, yield_cost());
	set_to(c.machine.change, change);
	set_to(c.machine.fall, wait_in_vain_cost() + change);
	set_to(c.machine.wake, wakes.wake);
	set_to(c.machine.wake_up, wakes.wake_up);
	set_to(c.machine.timeslice, 3e6);
	set_to(c.draw, draw_cost());
	printf("# Nanoseconds. A line from CPU to CPU and back took %.1f.\n", trip);
	for (const named_cost &cost : costs_of(c))
		printf("%-10s %10.2f # %s\n", cost.name,
		       static_cast<double>(*cost.value) / static_cast<double>(resv::vcpu::nanosecond),
		       cost.what);
	printf("# Transactions a second: the median of undisturbed rounds of 2 ms.\n");
	fflush(stdout);
	for (const char *name : {"2of64", "8of64", "32of64", "8of1024"})
		for (const algorithm &a : {algorithms[0], algorithms[1]})
			for (unsigned threads : {1u, 2u})
				measure(*find(workloads, name), a, threads, trip);
}
