// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The deadlock of the mail thread "dma-buf: remove fallback for !CONFIG_DMA_SHARED_BUFFER", October 2012: one task waits
// for an unreserve while it holds a mutex, which another one takes while it holds the reservation. With PROVE_LOCKING the
// tasks run one after the other: neither ever waits, and it is reported. Without, they run at the same time, and hang.
#include "demo.hpp"

#include "../annotate.hpp"
#include "crew.hpp"

#include <resv/transaction.hpp>
#include <resv_port/host.h>

#include <cstdio>
#include <latch>

#include <unistd.h>

namespace gpu {

namespace {

constexpr int patience = 2; // seconds

// ---- The play -----------------------------------------------------------------------------------------------------

struct task;

struct thing {
	const char *name;
	std::atomic<const task *> holder = nullptr;
};

/// Takes the first, and then waits for the second.
struct task {
	const char *name;
	thing &first, &second;
	std::atomic<bool> waits = false;
	bool found_it_held = false;

	void say(const std::string &what) const
	{
		printf("  %s  %s\n", name, what.c_str());
		fflush(stdout);
	}
	void has_first()
	{
		say(std::string("has taken ") + first.name);
		first.holder = this;
	}
	void wants_second(const std::string &how)
	{
		const task *holder = second.holder;
		found_it_held = holder != nullptr;
		say(how + second.name + ": " + (holder ? holder->name : "nobody") + " holds it");
		waits = true;
	}
	void ends()
	{
		waits = false;
		first.holder = nullptr;
		say("is done");
	}
};

constinit lock_class mutex_class{"A", RESV_LD_WAIT_SLEEP};

struct stage {
	std::mutex mutex; // a driver's
	annotation mutex_annotation{mutex_class};
	resv::reservation_object object; // a buffer's
	std::latch *both_hold = nullptr; // where tasks meet that run at the same time

	thing a{"A"}, reservation{"the reservation"};
	task task_1{"task 1", a, reservation}, task_2{"task 2", reservation, a};

	[[gnu::always_inline]] void lock_mutex()
	{
		mutex_annotation.acquire();
		mutex.lock();
	}
	[[gnu::always_inline]] void unlock_mutex()
	{
		mutex_annotation.release();
		mutex.unlock();
	}
	void meet() const
	{
		if (both_hold)
			both_hold->arrive_and_wait();
	}
};

[[gnu::noinline]] void wait_for_unreserve_with_mutex_held(stage &s)
{
	s.lock_mutex();
	s.task_1.has_first();
	s.meet();
	s.task_1.wants_second("waits for the end of ");
	if (int err = s.object.wait_for_unreserve(nullptr))
		s.task_1.say("got " + std::to_string(err));
	s.task_1.ends();
	s.unlock_mutex();
}

[[gnu::noinline]] void take_mutex_with_reservation_held(stage &s)
{
	resv::transaction t;
	if (int err = t.reserve_one(s.object))
		s.task_2.say("got " + std::to_string(err));
	s.task_2.has_first();
	s.meet();
	s.task_2.wants_second("takes ");
	s.lock_mutex();
	s.task_2.ends();
	s.unlock_mutex();
}

// ---- One after the other --------------------------------------------------------------------------------------------

struct reports {
	unsigned circular = 0, others = 0;
};

void count_report(resv_report_kind kind, const char *, void *found)
{
	auto &r = *static_cast<reports *>(found);
	(kind == RESV_REPORT_CIRCULAR ? r.circular : r.others)++;
}

bool is_reported()
{
	stage s;
	reports found;
	puts("mail-thread with PROVE_LOCKING: two tasks, one after the other\n");
	resv_lockdep_set_report_handler(count_report, &found);
	resv_host_set_report_sink([](const char *line, void *) { puts(line); }, nullptr);

	crew first, second;
	first.start(s.task_2.name, true, [&] { take_mutex_with_reservation_held(s); });
	first.join();
	const reports early = found;
	second.start(s.task_1.name, true, [&] { wait_for_unreserve_with_mutex_held(s); });
	second.join();

	resv_host_set_report_sink(nullptr, nullptr);
	resv_lockdep_set_report_handler(nullptr, nullptr);
	const bool waited = s.task_1.found_it_held || s.task_2.found_it_held;
	const bool good = early.circular == 0 && found.circular == 1 && found.others == 0 && !waited;
	puts(good ? "\nNobody waited for anything, and the deadlock was reported."
		  : "\nWRONG: expected that nobody waits, and one report, by task 1.");
	return good;
}

// ---- At the same time -----------------------------------------------------------------------------------------------

bool describe_wait(const task &t)
{
	const task *holder = t.second.holder;
	if (!t.waits || !holder)
		return false;
	t.say(std::string("holds ") + t.first.name + " and waits for " + t.second.name + ", which " +
	      holder->name + " holds");
	return true;
}

bool hangs()
{
	stage s;
	crew both;
	std::latch both_hold(2);
	s.both_hold = &both_hold;
	puts("mail-thread without PROVE_LOCKING: the same two tasks, at the same time\n");
	both.start(s.task_1.name, true, [&] { wait_for_unreserve_with_mutex_held(s); });
	both.start(s.task_2.name, true, [&] { take_mutex_with_reservation_held(s); });
	if (both.wait_for_counted(std::chrono::seconds(patience))) {
		both.join();
		puts("\nWRONG: expected that it hangs.");
		return false;
	}
	printf("\nafter %d seconds:\n", patience);
	bool good = describe_wait(s.task_1);
	good &= describe_wait(s.task_2);
	puts(good ? "\nIt hangs, and nothing was reported. The watchdog ends it."
		  : "\nWRONG: expected that each waits for the other.");
	fflush(nullptr);
	_exit(good ? 0 : 1);
}

} // namespace

bool find_demo(const std::string &name, std::string &error)
{
	if (name == "mail-thread")
		return true;
	error = "--demo: got '" + name + "', expected one of: mail-thread";
	return false;
}

bool play_demo()
{
	return RESV_PROVE_LOCKING ? is_reported() : hangs();
}

} // namespace gpu
