// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What the suites of the core share: threads that do as they are told, a look into a lock's wait list, and a fixture
// that fails a test on every report that the test did not ask for, and ends the program when a test hangs.
//
// No test sleeps to let another thread get somewhere. It polls until the thread is there: see waits().
#ifndef RESV_TESTS_HELPERS_HPP
#define RESV_TESTS_HELPERS_HPP

#include <src/wait_list.hpp>
#include <tests/ww_test_access.hpp>

#include <resv/lockdep.h>
#include <resv/report.h>
#include <resv/transaction.hpp>
#include <resv_port/host.h>

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace resv::test {

inline constinit ww_class wound_wait{ww_algorithm::wound_wait, "wound_wait_acquire", "wound_wait_mutex"};
inline constinit ww_class wait_die{ww_algorithm::wait_die, "wait_die_acquire", "wait_die_mutex"};
inline constinit ww_class adaptive{ww_algorithm::adaptive, "adaptive_acquire", "adaptive_mutex"};

inline constexpr ww_algorithm all_algorithms[] = {ww_algorithm::wound_wait, ww_algorithm::wait_die,
						  ww_algorithm::adaptive};

/// As it was in the beginning: what another test left has no say in who gives way.
inline ww_class &class_of(ww_algorithm algorithm)
{
	static ww_class *const classes[] = {&wound_wait, &wait_die, &adaptive};
	ww_class &cls = *classes[static_cast<size_t>(algorithm)];
	ww_test_access::calm_down(cls);
	return cls;
}

inline std::string name_of(ww_algorithm algorithm)
{
	static constexpr const char *names[] = {"wound_wait", "wait_die", "adaptive"};
	return names[static_cast<size_t>(algorithm)];
}

/// Waits until `done()`; false if that takes half a minute.
template <typename F>
bool eventually(F done)
{
	const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);

	while (!done()) {
		if (std::chrono::steady_clock::now() > end)
			return false;
		std::this_thread::yield();
	}
	return true;
}

// ---- A lock's state ------------------------------------------------------------------------------------------------

inline constexpr uintptr_t spin_bit = 1; // in waiters_: see ww_mutex
inline constexpr uintptr_t no_barging_bit = 2;
inline constexpr uintptr_t first_spins_bit = 4;

/// The lock inside a reservation object, its first member.
inline ww_mutex &lock_of(reservation_object &object)
{
	return reinterpret_cast<ww_mutex &>(object);
}

/// Who waits for the lock, in line; nullptr stands for a waiter without a context.
inline std::vector<const ww_acquire_ctx *> queue(ww_mutex &lock)
{
	std::vector<const ww_acquire_ctx *> result;
	wait_list list(lock); // while it has the spin bit, nobody writes the word or a waiter
	auto *head = reinterpret_cast<waiter *>(ww_test_access::waiters(lock) & ~uintptr_t{7});

	for (waiter *w = head; w; w = w->next == head ? nullptr : w->next)
		result.push_back(w->ctx);
	return result;
}

/// Do `n` tasks wait for the lock, if not now, then soon?
inline bool waits(ww_mutex &lock, size_t n = 1)
{
	return eventually([&] { return queue(lock).size() == n; });
}

/// Has the first in line stopped spinning, so that an unlock has to tell it?
inline bool first_sleeps(const ww_mutex &lock)
{
	return eventually([&] {
		uintptr_t word = ww_test_access::waiters(lock);
		return word != 0 && (word & (spin_bit | first_spins_bit)) == 0;
	});
}

/// Locks of one class, which must be idle in the end.
class lock_set {
public:
	explicit lock_set(ww_class &cls, size_t n = 6)
	{
		while (n-- != 0)
			locks_.emplace_back(cls);
	}
	~lock_set()
	{
		for (ww_mutex &lock : locks_) {
			EXPECT_EQ(ww_test_access::owner(lock), 0u);
			EXPECT_EQ(ww_test_access::waiters(lock), 0u);
			lock.destroy();
		}
	}

	ww_mutex &operator[](size_t n) { return locks_[n]; }
	size_t size() const { return locks_.size(); }
	auto begin() { return locks_.begin(); }
	auto end() { return locks_.end(); }

private:
	std::deque<ww_mutex> locks_;
};

// ---- Contexts --------------------------------------------------------------------------------------------------------

/// Where locks fail with -EDEADLK now and then: makes them do so until that has become too rare to disturb a test of
/// some hundred locks (see ww_rules::inject(): 652 from one to the next by then). The context holds nothing.
inline void outlast_injection(ww_acquire_ctx &ctx)
{
	if (!config::debug_ww_slowpath)
		return;
	ww_mutex outer(ctx.cls()), inner(ctx.cls());
	for (int injected = 0; injected < 5;) {
		EXPECT_EQ(outer.lock(&ctx), 0);
		if (inner.lock(&ctx) == -EDEADLK) {
			injected++;
			outer.unlock();
			inner.lock_slow(&ctx);
		}
		ctx.unlock_all();
	}
}

/// A context without injected errors.
struct calm_ctx : ww_acquire_ctx {
	explicit calm_ctx(ww_class &c) : ww_acquire_ctx(c) { outlast_injection(*this); }
};

// ---- Threads ---------------------------------------------------------------------------------------------------------

/// A thread that runs the functions it is given, one after another.
class actor {
public:
	actor() : thread_([this] { serve(); })
	{
		run([this] { task_ = resv_port_current(); });
	}
	~actor()
	{
		finish();
		{
			std::scoped_lock guard(mutex_);
			quit_ = true;
		}
		changed_.notify_all();
		thread_.join();
	}
	actor(const actor &) = delete;
	actor &operator=(const actor &) = delete;

	/// Has `f` run. It may return a number, or nothing.
	template <typename F>
	void start(F f)
	{
		finish();
		{
			std::scoped_lock guard(mutex_);
			job_ = [f]() mutable -> int {
				if constexpr (!std::is_void_v<decltype(f())>)
					return static_cast<int>(f());
				f();
				return 0;
			};
		}
		changed_.notify_all();
	}

	/// Waits until what was started last has ended; its result.
	int finish()
	{
		std::unique_lock guard(mutex_);
		changed_.wait(guard, [this] { return !job_; });
		return result_;
	}

	template <typename F>
	int run(F f)
	{
		start(std::move(f));
		return finish();
	}

	bool busy()
	{
		std::scoped_lock guard(mutex_);
		return static_cast<bool>(job_);
	}

	resv_port_task task() const { return task_; }
	void interrupt() { resv_host_interrupt(task_); }
	void kill() { resv_host_kill(task_); }
	void clear_signals()
	{
		run([] { resv_host_clear_signals(); });
	}

private:
	void serve()
	{
		std::unique_lock guard(mutex_);
		for (;;) {
			changed_.wait(guard, [this] { return job_ || quit_; });
			if (!job_)
				return;
			guard.unlock();
			int result = job_();
			guard.lock();
			result_ = result;
			job_ = nullptr;
			changed_.notify_all();
		}
	}

	std::mutex mutex_;
	std::condition_variable changed_;
	std::function<int()> job_; // guarded by mutex_, like the two below
	int result_ = 0;
	bool quit_ = false;
	resv_port_task task_ = 0;
	std::thread thread_;
};

/// An actor with a context, without injected errors.
class party : public actor {
public:
	explicit party(ww_class &cls)
	{
		run([&] { ctx_.emplace(cls); });
	}
	~party()
	{
		run([this] {
			ctx_->unlock_all();
			ctx_.reset();
		});
	}

	ww_acquire_ctx &ctx() { return *ctx_; }
	bool holds(const ww_mutex &lock) { return lock.locking_ctx() == &ctx(); }

	void start_lock(ww_mutex &lock, const wait_request &request = {})
	{
		start([this, &lock, request] { return lock.lock(&ctx(), request); });
	}
	int lock(ww_mutex &lock, const wait_request &request = {})
	{
		start_lock(lock, request);
		return finish();
	}
	/// After -EDEADLK.
	void start_over_with(ww_mutex &lock)
	{
		start([this, &lock] {
			ctx().unlock_all();
			lock.lock_slow(&ctx());
		});
	}
	bool trylock(ww_mutex &lock)
	{
		return run([this, &lock] { return lock.trylock(&ctx()); });
	}
	void unlock(ww_mutex &lock)
	{
		run([&lock] { lock.unlock(); });
	}
	void unlock_all()
	{
		run([this] { ctx().unlock_all(); });
	}

private:
	std::optional<calm_ctx> ctx_;
};

/// Has a context meet contention, so that it gets its stamp: it is older than those that get theirs later.
inline void age(party &p)
{
	ww_mutex scratch(p.ctx().cls());

	EXPECT_EQ(scratch.lock(nullptr), 0);
	EXPECT_EQ(p.lock(scratch, for_at_most(0)), -ETIME);
	scratch.unlock();
	EXPECT_NE(p.ctx().stamp(), 0u);
}

/// Has `passing` hold the lock, without its context, until `sleeper` sleeps in line; then unlock it, and at once try to take it
/// with its context. Could it?
inline bool pass(party &passing, party &sleeper, ww_mutex &lock)
{
	bool passed = false;

	EXPECT_EQ(passing.run([&] { return lock.lock(nullptr); }), 0);
	sleeper.start_lock(lock);
	EXPECT_TRUE(first_sleeps(lock));
	passing.run([&] {
		lock.unlock();
		passed = lock.trylock(&passing.ctx());
	});
	return passed;
}

/// `old_one` holds `wanted`, `young_one` holds `other`, and both want both: young_one gets -EDEADLK for `wanted`, with
/// either algorithm, and drops `other`, which old_one takes.
inline void provoke_deadlk(party &old_one, party &young_one, ww_mutex &wanted, ww_mutex &other)
{
	if (old_one.ctx().stamp() == 0)
		age(old_one);
	if (young_one.ctx().stamp() == 0)
		age(young_one);
	ASSERT_TRUE(young_one.trylock(other));
	ASSERT_TRUE(old_one.trylock(wanted));
	old_one.start_lock(other);
	ASSERT_TRUE(waits(other));
	ASSERT_EQ(young_one.lock(wanted), -EDEADLK);
	young_one.unlock(other);
	ASSERT_EQ(old_one.finish(), 0);
}

// ---- The fixture -----------------------------------------------------------------------------------------------------

/// Ends the program if it lives for too long.
class watchdog {
public:
	explicit watchdog(std::chrono::seconds limit)
		: thread_([this, limit] {
			  std::unique_lock guard(mutex_);
			  if (changed_.wait_for(guard, limit, [this] { return done_; }))
				  return;
			  const auto *test = testing::UnitTest::GetInstance()->current_test_info();
			  fprintf(stderr, "%s.%s hangs\n", test ? test->test_suite_name() : "?",
				  test ? test->name() : "?");
			  abort();
		  })
	{}
	~watchdog()
	{
		{
			std::scoped_lock guard(mutex_);
			done_ = true;
		}
		changed_.notify_all();
		thread_.join();
	}

private:
	std::mutex mutex_;
	std::condition_variable changed_;
	bool done_ = false;
	std::thread thread_;
};

struct noted_report {
	resv_report_kind kind;
	std::string text;
};

class fixture : public testing::Test {
protected:
	fixture()
	{
		resv_lockdep_reset(); // what other tests did is nothing to this one
		resv_lockdep_set_report_handler(
			[](resv_report_kind kind, const char *text, void *data) {
				static_cast<fixture *>(data)->reports_.push_back({kind, text});
			},
			this);
		resv_host_set_report_sink([](const char *, void *) {}, nullptr);
	}
	~fixture() override
	{
		resv_lockdep_set_report_handler(nullptr, nullptr);
		resv_host_set_report_sink(nullptr, nullptr);
		for (const noted_report &report : reports_)
			ADD_FAILURE() << "a report that was not expected:" << report.text;
	}

	/// The reports since the last call.
	std::vector<noted_report> take_reports() { return std::exchange(reports_, {}); }

	/// The test took locks as nobody should, which the annotator reports, where there is one.
	void expect_order_reports(const std::vector<resv_report_kind> &kinds)
	{
		EXPECT_EQ(take_report_kinds(),
			  config::prove_locking ? kinds : std::vector<resv_report_kind>{});
	}

	std::vector<resv_report_kind> take_report_kinds()
	{
		std::vector<resv_report_kind> kinds;
		for (const noted_report &report : take_reports())
			kinds.push_back(report.kind);
		return kinds;
	}

private:
	std::vector<noted_report> reports_; // written under the report's lock
	watchdog watchdog_{std::chrono::seconds(60)};
};

/// Runs a test with each algorithm.
class with_each : public fixture, public testing::WithParamInterface<ww_algorithm> {
protected:
	ww_class &cls = class_of(GetParam());
	lock_set m{cls};
};

inline std::string algorithm_name(const testing::TestParamInfo<ww_algorithm> &info)
{
	return name_of(info.param);
}

} // namespace resv::test

#endif // RESV_TESTS_HELPERS_HPP
