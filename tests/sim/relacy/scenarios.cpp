// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Runs the sources of the lock under the C++11 memory model. Each execution of a scenario is checked for this:
//
//   - what a lock guards is accessed by one task at a time, and in order: else Relacy reports a data race
//   - nobody touches a context or a waiter before its beginning or after its end, by the same orderings
//   - each waiter gets on: else Relacy reports a deadlock, or a livelock
//   - -EDEADLK goes to contexts that hold something, and never to the oldest
//   - in the end each lock is free, and its waiters word 0
#include "port.hpp"

#include <src/wake_set.hpp>
#include <tests/ww_test_access.hpp>

#include <resv/ww_mutex.hpp>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <utility>

namespace resv::test {

namespace {

/// Writes a line into the history, if one is kept.
template <typename... T>
void note(const char *format, T... values)
{
	char line[160];
	if (!rl::ctx().collecting_history())
		return;
	std::snprintf(line, sizeof line, format, values...);
	rl::ctx().exec_log_msg(RL_INFO, line);
}

// ---- What the tasks of an execution share ----------------------------------------------------------------------------

class world {
public:
	explicit world(ww_algorithm algorithm) : cls_(algorithm, "relacy_acquire", "relacy_mutex")
	{
		for (rl::var<resv_port_task> &holder : holder_)
			holder(RL_INFO).store(0);
		shown_.store(0, rl::mo_relaxed, RL_INFO);
		letter_(RL_INFO).store(0);
		for (const ww_mutex &lock : locks_)
			note("lock: owner %p, waiters %p", ww_test_access::owner_word(lock),
			     ww_test_access::waiters_word(lock));
	}

	ww_class &cls() { return cls_; }

	int lock(unsigned n, ww_acquire_ctx *ctx, const wait_request &request = {})
	{
		bool held_any = ctx && ctx->holds_any();
		int rc = locks_[n].lock(ctx, request);
		if (rc == 0)
			enter(n);
		if (rc == -EDEADLK) {
			check(held_any, "-EDEADLK for a context that holds nothing");
			check(ctx->stamp() != 1, "-EDEADLK for the oldest context");
		}
		return rc;
	}
	void lock_slow(unsigned n, ww_acquire_ctx &ctx)
	{
		locks_[n].lock_slow(&ctx);
		enter(n);
	}
	bool trylock(unsigned n, ww_acquire_ctx *ctx)
	{
		bool taken = locks_[n].trylock(ctx);
		if (taken)
			enter(n);
		return taken;
	}
	void unlock(unsigned n)
	{
		leave(n);
		locks_[n].unlock();
	}
	void unlock_all(ww_acquire_ctx &ctx)
	{
		for (const ww_mutex &lock : locks_)
			if (lock.locking_ctx() == &ctx)
				leave(static_cast<unsigned>(&lock - locks_));
		ctx.unlock_all();
	}

	/// A lock that no other task wants.
	void lock_own(int task, ww_acquire_ctx &ctx)
	{
		check(own_[task].lock(&ctx) == 0, "a task's own lock failed");
	}

	/// The holder says that it is one. What it writes after that is its unlock's to publish.
	void show() { shown_.store(1, rl::mo_release, RL_INFO); }

	/// Waits for a holder, if one was shown, and then looks at what it left.
	void observe(unsigned n, ww_acquire_ctx *ctx)
	{
		bool shown = shown_.load(rl::mo_acquire, RL_INFO) != 0;
		check(locks_[n].wait_for_unlock(ctx, {}) == 0, "wait_for_unlock() failed");
		if (shown)
			check(holder_[n](RL_INFO).load() == 0, "wait_for_unlock() did not wait");
	}

	/// Writes a letter and tells task 0; reads it when told.
	void write()
	{
		wake_set wakes;
		letter_(RL_INFO).store(1);
		mailbox_.tell(wakes);
	}
	void read()
	{
		if (rl::rand(2) != 0)
			check(mailbox_.wait(RESV_PARK_UNINTERRUPTIBLE, RESV_WAIT_FOREVER) == 0,
			      "a wait failed");
		else
			for (unsigned turn = 0; !mailbox_.take_token(); turn++)
				resv_port_relax(turn);
		check(letter_(RL_INFO).load() == 1, "nothing was written");
	}

	void check_idle()
	{
		for (const ww_mutex &lock : locks_) {
			check(ww_test_access::owner(lock) == 0, "a lock is held in the end");
			check(ww_test_access::waiters(lock) == 0,
			      "a lock's waiters word is not 0 in the end");
		}
		check(port_.idle(), "a wait or a critical section has not ended");
	}

private:
	void enter(unsigned n)
	{
		check(holder_[n](RL_INFO).load() == 0, "two tasks hold a lock");
		holder_[n](RL_INFO).store(port::current());
	}
	void leave(unsigned n)
	{
		check(holder_[n](RL_INFO).load() == port::current(), "a lock's holder lost it");
		holder_[n](RL_INFO).store(0);
	}

	port port_;
	ww_class cls_;
	ww_mutex locks_[2] = {ww_mutex(cls_), ww_mutex(cls_)};
	ww_mutex own_[2] = {ww_mutex(cls_), ww_mutex(cls_)};
	rl::var<resv_port_task> holder_[2]; // what the locks guard
	rl::atomic<unsigned> shown_;
	parker mailbox_{port::id(0)};
	rl::var<unsigned> letter_;
};

/// A context, which may have its stamp from the beginning.
class context : public ww_acquire_ctx {
public:
	explicit context(world &w) : ww_acquire_ctx(w.cls())
	{
		if (rl::rand(2) != 0)
			ww_test_access::give_stamp(*this);
		note("context %#lx (%lu): stamp %p, wounded %p, mailbox %p",
		     reinterpret_cast<unsigned long>(this), reinterpret_cast<unsigned long>(this),
		     ww_test_access::stamp_word(*this), ww_test_access::wounded_word(*this),
		     ww_test_access::mailbox(*this));
	}
};

// ---- What the tasks do -----------------------------------------------------------------------------------------------

enum class release { each, all };

/// Takes both locks, `held` first, backs off on -EDEADLK, and releases them. If all at once, then perhaps with a third
/// lock, which task `owner` has for itself: three are not released as two are.
void transact(world &w, unsigned held, release how, int owner = -1)
{
	context ctx(w);
	unsigned wanted = 1 - held;
	int rc = w.lock(held, &ctx);
	check(rc == 0, "a first lock failed");
	if (owner >= 0)
		w.lock_own(owner, ctx);
	while ((rc = w.lock(wanted, &ctx)) == -EDEADLK) {
		if (how == release::all)
			w.unlock_all(ctx);
		else
			w.unlock(held);
		w.lock_slow(wanted, ctx);
		if (owner >= 0)
			w.lock_own(owner, ctx);
		std::swap(held, wanted);
	}
	check(rc == 0, "a lock failed");
	if (how == release::all)
		return w.unlock_all(ctx);
	w.unlock(held);
	w.unlock(wanted);
}

/// Takes one lock, and gives up as `request` admits.
void take_one(world &w, ww_acquire_ctx *ctx, const wait_request &request = {})
{
	int rc = w.lock(0, ctx, request);
	if (rc == 0)
		return w.unlock(0);
	check(rc == -EINTR && request.mode != RESV_PARK_UNINTERRUPTIBLE, "a lock failed");
}

struct scenario {
	const char *name;
	const char *summary;
	unsigned tasks;
	unsigned executions; // by the random scheduler
	unsigned
		switches; // by the exhaustive one: how many a task may suffer in one execution; 0: none of these
	void (*run)(world &, unsigned task);
};

constexpr scenario scenarios[] = {
	{"mailbox", "a task tells another one, with a parker and nothing else", 2, 100000, 2,
	 [](world &w, unsigned task) { task == 0 ? w.read() : w.write(); }},
	{"same", "2 contexts take 2 locks in the same order and release them one by one", 2, 100000, 1,
	 [](world &w, unsigned) { transact(w, 0, release::each); }},
	{"opposite", "2 contexts take 2 locks in opposite orders and release them one by one", 2, 100000, 1,
	 [](world &w, unsigned task) { transact(w, task, release::each); }},
	{"same-all", "as `same`, and release them at once", 2, 100000, 1,
	 [](world &w, unsigned) { transact(w, 0, release::all); }},
	{"opposite-all", "as `opposite`, and release them at once", 2, 100000, 1,
	 [](world &w, unsigned task) { transact(w, task, release::all); }},
	{"same-more", "as `same-all`, with a lock of its own for each", 2, 100000, 1,
	 [](world &w, unsigned task) { transact(w, 0, release::all, static_cast<int>(task)); }},
	{"opposite-more", "as `opposite-all`, with a lock of its own for each", 2, 100000, 1,
	 [](world &w, unsigned task) { transact(w, task, release::all, static_cast<int>(task)); }},
	{"three", "3 contexts take 2 locks, one of them in the opposite order", 3, 100000, 0,
	 [](world &w, unsigned task) { transact(w, task & 1, task == 2 ? release::each : release::all); }},
	{"plain", "2 contexts in opposite orders, and a task without one that takes the first lock", 3,
	 100000, 0,
	 [](world &w, unsigned task) {
		 if (task == 2)
			 take_one(w, nullptr);
		 else
			 transact(w, task, release::all);
	 }},
	{"trylock", "2 tasks contend for a lock, and one tries to take it", 3, 100000, 0,
	 [](world &w, unsigned task) {
		 if (task == 0)
			 return take_one(w, nullptr);
		 context ctx(w);
		 if (task == 1)
			 take_one(w, &ctx);
		 else if (w.trylock(0, &ctx))
			 w.unlock(0);
	 }},
	{"give-up", "3 tasks contend for a lock; one of them can be interrupted", 3, 100000, 0,
	 [](world &w, unsigned task) {
		 if (task == 0)
			 return take_one(w, nullptr);
		 context ctx(w);
		 take_one(w, &ctx, task == 1 ? interruptible : wait_request{});
	 }},
	{"observers", "2 tasks wait for a holder's unlock, one of them with a context", 3, 100000, 0,
	 [](world &w, unsigned task) {
		 if (task == 0)
			 return w.observe(0, nullptr);
		 context ctx(w);
		 if (task == 1)
			 return w.observe(0, &ctx);
		 check(w.lock(0, &ctx) == 0, "a lock failed");
		 w.show();
		 w.unlock(0);
	 }},
};

// ---- Running them ----------------------------------------------------------------------------------------------------

const char *program;
const scenario *the_scenario;
ww_algorithm the_algorithm;

template <unsigned tasks>
struct suite : rl::test_suite<suite<tasks>, tasks> {
	world shared{the_algorithm};

	void thread(unsigned task) { the_scenario->run(shared, task); }
	void after() { shared.check_idle(); }
};

/// Runs the scenario from params.initial_state on. After a failure, and if `show`, or if that is all that was asked for,
/// it runs the failing execution again and prints its history.
template <typename suite, template <rl::thread_id_t> typename scheduler>
rl::test_result_e explore(rl::test_params &params, bool show)
{
	using chosen = scheduler<suite::params::thread_count>;
	std::ostream nowhere(nullptr);
	rl::ostringstream state;
	rl::test_params again = params;
	rl::test_result_e result = rl::test_result_success;

	params.output_stream = params.progress_stream = &nowhere;
	if (params.initial_state.empty()) {
		result = rl::run_test<suite, chosen>(params, state, false);
		again.initial_state = state.str();
	}
	if (!params.initial_state.empty() || (result != rl::test_result_success && show)) {
		rl::ostringstream unused;
		again.output_stream = &std::cout;
		again.collect_history = true;
		result = rl::run_test<suite, chosen>(again, unused, true);
	}
	return result;
}

template <typename suite>
rl::test_result_e explore(rl::test_params &params, bool show)
{
	return params.search_type == rl::sched_random
		       ? explore<suite, rl::random_scheduler>(params, show)
		       : explore<suite, rl::context_bound_scheduler>(params, show);
}

const char *name_of(ww_algorithm algorithm)
{
	return algorithm == ww_algorithm::wound_wait ? "wound-wait" : "wait-die";
}

rl::test_result_e run(const scenario &s, ww_algorithm algorithm, rl::test_params &params, bool show)
{
	params.context_bound = s.switches;
	params.execution_depth_limit = 10000;
	the_scenario = &s;
	the_algorithm = algorithm;
	return s.tasks == 2 ? explore<suite<2>>(params, show) : explore<suite<3>>(params, show);
}

/// Prints a line, and after a failure by chance how to play it again. True if the scenario failed.
bool fails(const scenario &s, ww_algorithm algorithm, rl::scheduler_type_e scheduler, bool show)
{
	rl::test_params params;
	params.search_type = scheduler;
	params.iteration_count = s.executions;

	const auto begin = std::chrono::steady_clock::now();
	rl::test_result_e result = run(s, algorithm, params, show);
	const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
	bool by_chance = scheduler == rl::sched_random;
	auto executions = static_cast<unsigned long long>(params.stop_iteration);
	std::printf("%-13s %-10s %-8s %8llu executions %6.1f s  %s\n", s.name, name_of(algorithm),
		    by_chance ? "random" : "bounded", executions, elapsed.count(),
		    result == rl::test_result_success ? "ok" : rl::test_result_str(result));
	if (result != rl::test_result_success && by_chance)
		std::printf("  %s --replay=%s:%llu %s\n", program, name_of(algorithm), executions, s.name);
	std::fflush(stdout);
	return result != rl::test_result_success;
}

/// Plays one execution by chance again, given as ALGORITHM:NUMBER, and prints its history. True if it failed.
bool replay(const scenario &s, const char *given)
{
	rl::test_params params;
	params.search_type = rl::sched_random;
	params.iteration_count = s.executions;
	params.initial_state = std::string(std::strchr(given, ':') + 1) + " ";
	bool wounds = std::strncmp(given, "wound-wait:", 11) == 0;
	return run(s, wounds ? ww_algorithm::wound_wait : ww_algorithm::wait_die, params, true) !=
	       rl::test_result_success;
}

/// True if the scenario went as expected: it never fails, or it does.
bool passes(const scenario &s, bool expect_failure)
{
	bool failed = false;
	for (rl::scheduler_type_e scheduler : {rl::sched_random, rl::sched_bound})
		for (ww_algorithm algorithm : {ww_algorithm::wound_wait, ww_algorithm::wait_die})
			if (!(failed && expect_failure) && (scheduler == rl::sched_random || s.switches != 0))
				failed |= fails(s, algorithm, scheduler, !expect_failure);
	return failed == expect_failure;
}

int usage()
{
	std::fprintf(stderr, "usage: resv-relacy [[--expect-failure] NAME...]\n"
			     "       resv-relacy --replay=ALGORITHM:NUMBER NAME\n\n");
	for (const scenario &s : scenarios)
		std::fprintf(stderr, "  %-13s %s\n", s.name, s.summary);
	return 2;
}

int main(int argc, char **argv)
{
	program = argv[0];
	const char *schedule =
		argc > 1 && std::strncmp(argv[1], "--replay=w", 10) == 0 && std::strchr(argv[1], ':')
			? argv[1] + 9
			: nullptr;
	bool expect_failure = argc > 1 && std::strcmp(argv[1], "--expect-failure") == 0;
	int first = expect_failure || schedule ? 2 : 1;
	unsigned passed = 0, failed = 0, found = 0;

	for (const scenario &s : scenarios) {
		bool chosen = argc == 1;
		for (int i = first; i < argc; i++)
			chosen |= std::strcmp(argv[i], s.name) == 0;
		if (chosen) {
			found++;
			if (schedule)
				return replay(s, schedule);
			(passes(s, expect_failure) ? passed : failed)++;
		}
	}
	if (found == 0 || (argc > 1 && found != static_cast<unsigned>(argc - first)))
		return usage();
	std::printf("%u passed, %u failed\n", passed, failed);
	return failed != 0;
}

} // namespace

} // namespace resv::test

int main(int argc, char **argv)
{
	return resv::test::main(argc, argv);
}
