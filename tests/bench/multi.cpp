// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Several threads take k of n objects in random order, touch them, and release them, for a fixed time. The peers: what
// std::lock does for a set (block on one, try the others, on failure drop all and block on the one that was missed), the
// same without ever blocking, and locking in address order, which needs all of the set beforehand.
#include "plan.hpp"

#include <resv/transaction.hpp>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <random>
#include <thread>

namespace bench {

namespace {

constinit resv::ww_class wound_wait{resv::ww_algorithm::wound_wait, "wound_wait_acquire", "wound_wait"};
constinit resv::ww_class wait_die{resv::ww_algorithm::wait_die, "wait_die_acquire", "wait_die"};

struct alignas(64) object {
	explicit object(resv::ww_class &cls) : reservation(cls) {}
	resv::reservation_object reservation;
	std::mutex mutex;
	long contents = 0;
};

struct workload {
	unsigned threads;
	size_t k;
	size_t n;
	double zipf = 0;
};

using set = std::vector<object *>;

void touch(const set &objects)
{
	for (object *o : objects)
		benchmark::DoNotOptimize(++o->contents);
}

// Each scheme runs one transaction and returns how often it had to start over.

template <resv::ww_class &cls>
unsigned transaction(set &objects)
{
	resv::transaction t(cls);
	if (t.reserve(objects, &object::reservation))
		std::abort();
	touch(objects);
	return t.retries();
}

unsigned std_lock(set &objects)
{
	size_t first = 0;
	for (unsigned retries = 0;; retries++) {
		size_t taken = 1;
		objects[first]->mutex.lock();
		while (taken < objects.size() && objects[(first + taken) % objects.size()]->mutex.try_lock())
			taken++;
		if (taken == objects.size()) {
			touch(objects);
			for (object *o : objects)
				o->mutex.unlock();
			return retries;
		}
		for (size_t i = 0; i < taken; i++)
			objects[(first + i) % objects.size()]->mutex.unlock();
		first = (first + taken) % objects.size();
		std::this_thread::yield();
	}
}

unsigned no_wait(set &objects)
{
	for (unsigned retries = 0;; retries++) {
		size_t taken = 0;
		while (taken < objects.size() && objects[taken]->mutex.try_lock())
			taken++;
		if (taken == objects.size())
			touch(objects);
		for (size_t i = 0; i < taken; i++)
			objects[i]->mutex.unlock();
		if (taken == objects.size())
			return retries;
		std::this_thread::yield();
	}
}

unsigned sorted(set &objects)
{
	std::sort(objects.begin(), objects.end());
	for (object *o : objects)
		o->mutex.lock();
	touch(objects);
	for (object *o : objects)
		o->mutex.unlock();
	return 0;
}

using scheme = unsigned (*)(set &);

// Draws k different objects of n.
class picker {
public:
	picker(const workload &w, std::deque<object> &all, unsigned seed)
		: w_(w), all_(all), random_(seed), taken_(w.n, 0)
	{}

	void pick(set &objects)
	{
		generation_++;
		objects.clear();
		while (objects.size() < w_.k) {
			size_t i = index();
			if (taken_[i] == generation_)
				continue;
			taken_[i] = generation_;
			objects.push_back(&all_[i]);
		}
	}

private:
	// Zipf by the continuous approximation of its distribution function.
	size_t index()
	{
		if (w_.zipf == 0)
			return random_() % w_.n;
		double u = std::uniform_real_distribution<double>()(random_);
		double e = 1 - w_.zipf;
		double x = std::pow(u * (std::pow(static_cast<double>(w_.n), e) - 1) + 1, 1 / e);
		return std::min(static_cast<size_t>(x) - 1, w_.n - 1);
	}

	const workload &w_;
	std::deque<object> &all_;
	std::minstd_rand random_;
	std::vector<unsigned> taken_;
	unsigned generation_ = 0;
};

// Objects are made once for each workload and kept: 100000 of them take longer to make than a round lasts.
std::deque<object> &objects_of(const workload &w, resv::ww_class &cls)
{
	static std::deque<object> all;
	static const workload *made_for = nullptr;
	static resv::ww_class *made_of = nullptr;
	if (made_for != &w || made_of != &cls) {
		all.clear();
		for (size_t i = 0; i < w.n; i++)
			all.emplace_back(cls);
		made_for = &w;
		made_of = &cls;
	}
	return all;
}

struct alignas(64) client {
	long transactions = 0;
	long retries = 0;
};

constexpr auto round_time = std::chrono::milliseconds(200);

void play(benchmark::State &state, const workload *w, resv::ww_class *cls, scheme run)
{
	auto &all = objects_of(*w, *cls);
	for (auto _ : state) {
		std::vector<client> clients(w->threads);
		std::vector<std::thread> threads;
		std::atomic<bool> stop{false};
		std::barrier start(static_cast<std::ptrdiff_t>(w->threads) + 1);
		for (unsigned t = 0; t < w->threads; t++)
			threads.emplace_back([&, t] {
				pin(static_cast<int>(t));
				picker picker(*w, all, t + 1);
				set objects;
				start.arrive_and_wait();
				while (!stop.load(std::memory_order_relaxed)) {
					picker.pick(objects);
					clients[t].retries += run(objects);
					clients[t].transactions++;
				}
			});
		start.arrive_and_wait();
		auto begin = std::chrono::steady_clock::now();
		std::this_thread::sleep_for(round_time);
		stop.store(true, std::memory_order_relaxed);
		for (auto &thread : threads)
			thread.join();
		double seconds =
			std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
		state.SetIterationTime(seconds);

		long sum = 0, retries = 0;
		for (unsigned t = 0; t < w->threads; t++) {
			sum += clients[t].transactions;
			retries += clients[t].retries;
			state.counters["client" + std::to_string(t)] =
				static_cast<double>(clients[t].transactions);
		}
		state.counters["tput"] = static_cast<double>(sum) / seconds;
		state.counters["retries_per_txn"] =
			static_cast<double>(retries) / static_cast<double>(std::max(sum, 1l));
	}
}

} // namespace

void plan_multi(plan &p)
{
	static const struct {
		const char *name;
		workload w;
		int rounds;
		double bar;
	} all[] = {
		{"2of64_t2", {2, 2, 64}, 5, 0},
		{"8of64_t2", {2, 8, 64}, 15, 1.0},
		{"32of64_t2", {2, 32, 64}, 5, 0},
		{"8of1024_t2", {2, 8, 1024}, 5, 0},
		{"8of64_t8", {8, 8, 64}, 15, 1.0},
		{"16of1m_zipf_t2", {2, 16, 1000000, 0.9}, 5, 0},
		{"800of100k_t4", {4, 800, 100000}, 15, 1.0},
		{"800of100k_t16", {16, 800, 100000}, 5, 0},
	};
	for (const auto &it : all) {
		std::string at = std::string("multi/") + it.name;
		auto add = [&](const char *name, resv::ww_class &cls, scheme run) {
			p.row(at + "/" + name, play, &it.w, &cls, run)->Iterations(1)->UseManualTime();
		};
		p.groups.push_back({at, {}, it.rounds, true});
		add("wound_wait", wound_wait, transaction<wound_wait>);
		add("wait_die", wait_die, transaction<wait_die>);
		add("std_lock", wait_die, std_lock);
		add("no_wait", wait_die, no_wait);
		add("sorted", wait_die, sorted);
		p.ratios.push_back({std::string("multi_") + it.name + "_tput",
				    {at + "/wound_wait", at + "/wait_die"},
				    at + "/std_lock",
				    it.bar});
	}
}

} // namespace bench
