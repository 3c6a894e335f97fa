// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "machine.hpp"

#include <sched.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace bench {

namespace {

std::vector<int> usable_cpus()
{
	cpu_set_t set;
	std::vector<int> cpus;
	sched_getaffinity(0, sizeof set, &set);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &set))
			cpus.push_back(cpu);
	return cpus;
}

const std::vector<int> cpus = usable_cpus(); // before anybody is pinned

double seconds(const timeval &t)
{
	return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
}

} // namespace

void pin(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET(cpus[static_cast<size_t>(cpu) % cpus.size()], &set);
	sched_setaffinity(0, sizeof set, &set);
}

double round_trip()
{
	constexpr unsigned trips = 5000;
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
	auto begin = std::chrono::steady_clock::now();
	std::thread other(play, 1);
	std::thread self(play, 0);
	self.join();
	other.join();
	return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - begin).count() /
	       trips;
}

double thread_cpu_time()
{
	timespec now;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double two_cpus()
{
	static constexpr auto duration = std::chrono::milliseconds(10);
	double rates[2];
	auto run = [&](int first, int last) {
		std::vector<std::thread> threads;
		std::atomic<bool> stop{false};
		std::barrier start(last - first + 2);
		for (int cpu = first; cpu <= last; cpu++)
			threads.emplace_back([&, cpu] {
				pin(cpu);
				long turns = 0;
				unsigned long a = 0, b = 0, c = 0, d = 0;
				start.arrive_and_wait();
				double begin = thread_cpu_time();
				for (; !stop.load(std::memory_order_relaxed); turns++)
					for (int i = 0; i < 100; i++) { // as many at once as a core can do
						a++, b++, c++, d++;
						asm volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d));
					}
				rates[cpu] = static_cast<double>(turns) / (thread_cpu_time() - begin);
			});
		start.arrive_and_wait();
		std::this_thread::sleep_for(duration);
		stop = true;
		for (auto &thread : threads)
			thread.join();
	};
	run(0, 0);
	run(1, 1);
	auto alone = (rates[0] + rates[1]) / 2;
	run(0, 1);
	return (rates[0] + rates[1]) / alone;
}

double others_cpu_time()
{
	// user nice system idle iowait irq softirq steal, of all CPUs, in ticks
	std::ifstream stat("/proc/stat");
	std::string cpu;
	double busy = 0;
	stat >> cpu;
	for (int field = 0; field < 8; field++) {
		double ticks = 0;
		stat >> ticks;
		if (field != 3 && field != 4)
			busy += ticks;
	}
	rusage own;
	getrusage(RUSAGE_SELF, &own);
	return busy / static_cast<double>(sysconf(_SC_CLK_TCK)) - seconds(own.ru_utime) -
	       seconds(own.ru_stime);
}

} // namespace bench
