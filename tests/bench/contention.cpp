// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Several clients take k of n objects in random order, touch them, and release them, for a fixed time: throughput, how
// often they start over, how long a transaction takes at worst, and whether all clients get on alike.
#include "contention.hpp"
#include "plan.hpp"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <bit>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <random>
#include <thread>

namespace bench {

namespace {

struct kind {
	std::string name;
	schemes (*make_schemes)(const long &work);
	std::vector<std::string> rivals; // in throughput
	std::string in_order;            // the rival in waiting: whose clients wait in line
};

const kind multi{"multi", multi_schemes, {"std_lock", "no_wait"}, "sorted"};
const kind single{"single", single_schemes, {"pthread_mutex"}, "pthread_mutex"};

struct workload {
	const kind &what;
	std::string name;
	size_t k;
	size_t n;
	double zipf; // 0: each object is as likely as any other
};

const workload workloads[] = {
	{multi, "2of64", 2, 64, 0},          {multi, "8of64", 8, 64, 0},
	{multi, "32of64", 32, 64, 0},        {multi, "8of1024", 8, 1024, 0},
	{multi, "zipf06", 16, 1000000, 0.6}, {multi, "zipf08", 16, 1000000, 0.8},
	{multi, "zipf09", 16, 1000000, 0.9}, {multi, "800of100k", 800, 100000, 0},
	{single, "contended", 1, 1, 0},
};

// The groups whose throughput has a bar, and the bar.
constexpr struct {
	const char *group;
	double bar;
} bars[] = {
	{"multi/2of64/2", 1.2},      {"multi/8of64/2", 1.2},      {"multi/32of64/2", 1.2},
	{"multi/8of1024/2", 1.2},    {"multi/zipf09/2", 1.2},     {"multi/800of100k/4", 1.2},
	{"multi/8of64/8", 1.0},      {"multi/800of100k/16", 1.2}, {"single/contended/2", 1.3},
	{"single/contended/8", 1.3},
};

// Where clients share a CPU, each has to come to its turn some times.
constexpr auto round_time(size_t clients)
{
	return std::chrono::milliseconds(clients > 4 ? 200 : 100);
}

// ---- What is locked ------------------------------------------------------------------------------------------------------

// The sets that a client wants, one after the other, again and again. They are drawn beforehand, the same for each scheme.
class wishes {
public:
	wishes(const workload &w, unsigned seed) : k_(w.k)
	{
		static constexpr size_t numbers = 1 << 18;
		std::minstd_rand random(seed);
		std::vector<bool> taken(w.n);
		for (size_t sets = numbers / w.k; sets > 0; sets--) {
			for (size_t i = 0; i < w.k;) {
				unsigned drawn = draw(w, random);
				if (taken[drawn])
					continue;
				taken[drawn] = true;
				as_drawn_.push_back(drawn);
				i++;
			}
			for (size_t i = 0; i < w.k; i++)
				taken[as_drawn_.end()[-1 - static_cast<std::ptrdiff_t>(i)]] = false;
		}
		sorted_ = as_drawn_;
		for (auto at = sorted_.begin(); at != sorted_.end(); at += static_cast<std::ptrdiff_t>(k_))
			std::sort(at, at + static_cast<std::ptrdiff_t>(k_));
	}

	/// All sets, one behind the other.
	set all(bool presorted) const { return presorted ? sorted_ : as_drawn_; }

private:
	// Zipf by the continuous approximation of its distribution function.
	static unsigned draw(const workload &w, std::minstd_rand &random)
	{
		if (w.zipf == 0)
			return static_cast<unsigned>(random() % w.n);
		double u = std::uniform_real_distribution<double>()(random);
		double e = 1 - w.zipf;
		double x = std::pow(u * (std::pow(static_cast<double>(w.n), e) - 1) + 1, 1 / e);
		return static_cast<unsigned>(std::min(static_cast<size_t>(x) - 1, w.n - 1));
	}

	size_t k_;
	std::vector<unsigned> as_drawn_;
	std::vector<unsigned> sorted_;
};

const std::vector<wishes> &wishes_of(const workload &w, unsigned clients)
{
	static std::vector<wishes> all;
	static const workload *made_for = nullptr;
	if (made_for != &w)
		all.clear();
	made_for = &w;
	for (unsigned seed = static_cast<unsigned>(all.size()) + 1; all.size() < clients; seed++)
		all.emplace_back(w, seed);
	return all;
}

// ---- How long it takes ---------------------------------------------------------------------------------------------------

// In ticks, the cheapest clock that there is.
uint64_t ticks()
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count());
#endif
}

// The mean since it was made.
class tick_length {
public:
	double us() const
	{
		std::chrono::duration<double, std::micro> passed = std::chrono::steady_clock::now() - begin_;
		return passed.count() / static_cast<double>(ticks() - first_);
	}

private:
	std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
	uint64_t first_ = ticks();
};

// How many transactions took how long: exact to a sixteenth.
class latencies {
public:
	void add(uint64_t took)
	{
		longest_ = std::max(longest_, took);
		int shift = std::max(static_cast<int>(std::bit_width(took)) - 5, 0);
		counts_[static_cast<size_t>(shift) * 16 + (took >> shift)]++;
	}

	/// Some in a row: none of them took longer.
	void add_together(uint64_t took) { longest_ = std::max(longest_, took); }

	void add(const latencies &others)
	{
		longest_ = std::max(longest_, others.longest_);
		for (size_t i = 0; i < std::size(counts_); i++)
			counts_[i] += others.counts_[i];
	}

	uint64_t longest() const { return longest_; }

	/// What all but one in `n` do not exceed.
	uint64_t all_but_one_in(long n) const
	{
		long longer = 0;
		for (long count : counts_)
			longer += count;
		long sum = longer;
		for (size_t i = 0; i < std::size(counts_); i++) {
			longer -= counts_[i];
			if (longer * n <= sum)
				return std::min(longest_, last_in(i));
		}
		return longest_;
	}

private:
	static uint64_t last_in(size_t i) { return i < 32 ? i : ((i % 16 + 17) << (i / 16 - 1)) - 1; }

	uint64_t longest_ = 0;
	long counts_[(64 - 5) * 16 + 32] = {};
};

// ---- Who locks it --------------------------------------------------------------------------------------------------------

// Of so many transactions one is timed alone, and the others together: the clock takes as long as a few locks do.
constexpr size_t timed_together(size_t k)
{
	return std::max<size_t>(16 / k, 1);
}

struct alignas(64) client {
	long transactions = 0;
	long retries = 0;
	latencies took;

	void play(scheme &s, set sets, size_t k, const std::atomic<bool> &stop)
	{
		size_t next = 0;
		auto run_one = [&] {
			retries += s.run(sets.subspan(next, k));
			transactions++;
			next += k;
			if (next == sets.size())
				next = 0;
		};
		uint64_t begin = ticks();
		while (!stop.load(std::memory_order_relaxed)) {
			run_one();
			uint64_t one = ticks(), all = one;
			took.add(one - begin);
			if (timed_together(k) > 1) {
				for (size_t i = 1; i < timed_together(k); i++)
					run_one();
				all = ticks();
				took.add_together(all - one);
			}
			begin = all;
		}
	}
};

// Returns how long they played, in seconds.
double play_all(std::vector<client> &clients, scheme &s, const workload &w)
{
	const auto &wishes = wishes_of(w, static_cast<unsigned>(clients.size()));
	std::vector<std::thread> threads;
	std::atomic<bool> stop{false};
	std::barrier start(static_cast<std::ptrdiff_t>(clients.size()) + 1);
	for (size_t t = 0; t < clients.size(); t++)
		threads.emplace_back([&, t] {
			pin(static_cast<int>(t));
			start.arrive_and_wait();
			clients[t].play(s, wishes[t].all(s.presorted), w.k, stop);
		});
	start.arrive_and_wait();
	auto begin = std::chrono::steady_clock::now();
	std::this_thread::sleep_for(round_time(clients.size()));
	stop.store(true, std::memory_order_relaxed);
	for (auto &thread : threads)
		thread.join();
	return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

void play(benchmark::State &state, const workload *w, unsigned threads, scheme *s)
{
	s->make(w->n);
	for (auto _ : state) {
		std::vector<client> clients(threads);
		long touches = s->touches();
		const tick_length tick;
		double seconds = play_all(clients, *s, *w);
		double us = tick.us();
		state.SetIterationTime(seconds);
		touches = s->touches() - touches;

		client sum;
		for (size_t t = 0; t < threads; t++) {
			sum.transactions += clients[t].transactions;
			sum.retries += clients[t].retries;
			sum.took.add(clients[t].took);
			state.counters["client" + std::to_string(t)] =
				static_cast<double>(clients[t].transactions);
		}
		if (touches != sum.transactions * static_cast<long>(w->k))
			state.SkipWithError("an object was not locked while it was touched");
		auto transactions = static_cast<double>(std::max(sum.transactions, 1l));
		state.counters["tput"] = transactions / seconds;
		state.counters["retries_per_txn"] = static_cast<double>(sum.retries) / transactions;
		state.counters["p999_us"] = us * static_cast<double>(sum.took.all_but_one_in(1000));
		state.counters["longest_us"] = us * static_cast<double>(sum.took.longest());
	}
}

// ---- The matrix ----------------------------------------------------------------------------------------------------------

double bar_of(const std::string &group)
{
	for (const auto &it : bars)
		if (it.group == group)
			return it.bar;
	return 0;
}

void plan_group(plan &p, const workload &w, const schemes &all, unsigned threads)
{
	std::string at = w.what.name + "/" + w.name + "/" + std::to_string(threads);
	std::string name = w.name + "_t" + std::to_string(threads);
	double bar = bar_of(at);
	std::vector<std::string> ours, theirs;
	p.groups.push_back({at, {}, bar > 0 ? 7 : 3, true});
	for (const auto &s : all) {
		p.row(at + "/" + s->name, play, &w, threads, s.get())->Iterations(1)->UseManualTime();
		if (s->ours)
			ours.push_back(at + "/" + s->name);
	}
	for (const std::string &rival : w.what.rivals)
		theirs.push_back(at + "/" + rival);
	p.ratios.push_back({w.what.name + "_" + name + "_tput", ours, theirs, bar});
	if (threads > 1)
		p.ratios.push_back(
			{"longest_wait_" + name, ours, {at + "/" + w.what.in_order}, 2.0, "longest_us"});
}

} // namespace

void plan_all(plan &p)
{
	static long work = 1;
	static std::vector<schemes> made;
	p.options["work"] = &work;
	p.csv_names = "kind,workload,threads,scheme,throughput";
	for (const workload &w : workloads) {
		made.push_back(w.what.make_schemes(work));
		for (unsigned threads : {1, 2, 4, 8, 16})
			plan_group(p, w, made.back(), threads);
	}
}

} // namespace bench
