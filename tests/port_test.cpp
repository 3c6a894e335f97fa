// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The port conformance suite: what <resv/port.h> promises, sentence by sentence. Every port whose tasks are threads of
// a hosted program is linked with it as it stands.
//
// The contract leaves some results open (a park may end for no reason, the running hint may be wrong). No test depends
// on those, and none depends on how fast the machine is.

#include <resv/config.h>
#include <resv/port.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace {

constexpr int64_t millisecond = 1000000;
constexpr resv_port_park_mode modes[] = {RESV_PARK_UNINTERRUPTIBLE, RESV_PARK_INTERRUPTIBLE,
					 RESV_PARK_KILLABLE};

/// Waits until `done()`; false if that takes a minute.
template <typename F>
bool eventually(F done)
{
	const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);

	while (!done()) {
		if (std::chrono::steady_clock::now() > end)
			return false;
		std::this_thread::yield();
	}
	return true;
}

/// The waiter's side of the protocol in port.h.
template <typename F>
void wait_for(F condition, resv_port_park_mode mode = RESV_PARK_UNINTERRUPTIBLE)
{
	for (bool done = false; !done;) {
		resv_port_park_prepare(mode);
		done = condition();
		if (!done) {
			EXPECT_EQ(resv_port_park(mode, RESV_WAIT_FOREVER), 0);
		}
		resv_port_park_finish();
	}
}

void pin_and_wake(resv_port_task task)
{
	resv_port_task_pin(task);
	resv_port_task_wake(task);
}

/// Parks until `deadline`, though the park may end for no reason now and then. Returns what ended it.
int park_until(resv_port_park_mode mode, int64_t deadline)
{
	int ret = 0;

	for (int attempt = 0; ret == 0 && attempt < 1000; ++attempt) {
		resv_port_park_prepare(mode);
		ret = resv_port_park(mode, deadline);
		resv_port_park_finish();
	}
	return ret;
}

/// A thread that tells who it is, and lives until it is told to end.
class live_task {
public:
	live_task()
		: thread_([this] {
			  id_ = resv_port_current();
			  wait_for([this] { return end_.load(); });
		  })
	{
		while (id_ == 0)
			std::this_thread::yield();
	}
	~live_task() { join(); }

	resv_port_task id() const { return id_; }

	void join()
	{
		if (!thread_.joinable())
			return;
		resv_port_task_pin(id_);
		end_ = true;
		resv_port_task_wake(id_);
		thread_.join();
	}

private:
	std::atomic<resv_port_task> id_ = 0;
	std::atomic<bool> end_ = false;
	std::thread thread_;
};

// ---- Tasks -----------------------------------------------------------------------------------------------------

TEST(port_task, identity_is_not_0_and_leaves_two_bits_clear)
{
	live_task others[8];

	EXPECT_NE(resv_port_current(), 0u);
	EXPECT_EQ(resv_port_current() & 3, 0u);
	for (const live_task &other : others)
		EXPECT_EQ(other.id() & 3, 0u);
}

TEST(port_task, identity_is_constant)
{
	const resv_port_task me = resv_port_current();

	EXPECT_EQ(resv_port_current(), me);
	EXPECT_EQ(park_until(RESV_PARK_UNINTERRUPTIBLE, resv_port_clock() + millisecond), -ETIME);
	EXPECT_EQ(resv_port_current(), me);
}

TEST(port_task, live_tasks_have_distinct_identities)
{
	live_task others[16];
	std::vector<resv_port_task> ids = {resv_port_current()};

	for (const live_task &other : others)
		ids.push_back(other.id());
	std::sort(ids.begin(), ids.end());
	EXPECT_EQ(std::adjacent_find(ids.begin(), ids.end()), ids.end());
}

TEST(port_task, parked_task_is_not_running)
{
	live_task other;

	EXPECT_TRUE(eventually([&] { return !resv_port_task_running(other.id()); }));
}

// ---- Parking ---------------------------------------------------------------------------------------------------

TEST(port_park, wake_after_prepare_ends_the_park_that_follows)
{
	for (resv_port_park_mode mode : modes) {
		resv_port_park_prepare(mode);
		pin_and_wake(resv_port_current());
		EXPECT_EQ(resv_port_park(mode, RESV_WAIT_FOREVER), 0);
		resv_port_park_finish();
	}
}

TEST(port_park, another_task_wakes_between_prepare_and_park)
{
	for (resv_port_park_mode mode : modes) {
		const resv_port_task me = resv_port_current();

		resv_port_park_prepare(mode);
		std::thread([me] { pin_and_wake(me); }).join();
		EXPECT_EQ(resv_port_park(mode, RESV_WAIT_FOREVER), 0);
		resv_port_park_finish();
	}
}

TEST(port_park, wake_ends_a_park_that_has_begun)
{
	for (resv_port_park_mode mode : modes) {
		const resv_port_task me = resv_port_current();
		std::atomic<bool> prepared = false, woken = false;
		std::thread waker([&] {
			while (!prepared)
				std::this_thread::yield();
			std::this_thread::sleep_for(
				std::chrono::milliseconds(20)); // asleep by now, most likely
			resv_port_task_pin(me);
			woken = true;
			resv_port_task_wake(me);
		});

		wait_for(
			[&] {
				prepared = true;
				return woken.load();
			},
			mode);
		waker.join();
	}
}

TEST(port_park, wake_before_prepare_is_harmless)
{
	pin_and_wake(resv_port_current());
	pin_and_wake(resv_port_current());
	EXPECT_EQ(park_until(RESV_PARK_UNINTERRUPTIBLE, resv_port_clock() + millisecond), -ETIME);
}

TEST(port_park, wake_counts_for_one_wait)
{
	resv_port_park_prepare(RESV_PARK_UNINTERRUPTIBLE);
	pin_and_wake(resv_port_current());
	EXPECT_EQ(resv_port_park(RESV_PARK_UNINTERRUPTIBLE, RESV_WAIT_FOREVER), 0);
	resv_port_park_finish();
	EXPECT_EQ(park_until(RESV_PARK_UNINTERRUPTIBLE, resv_port_clock() + millisecond), -ETIME);
}

TEST(port_park, wait_without_park)
{
	for (resv_port_park_mode mode : modes) {
		resv_port_park_prepare(mode);
		resv_port_park_finish();
		resv_port_park_prepare(mode);
		pin_and_wake(resv_port_current());
		resv_port_park_finish();
		EXPECT_EQ(park_until(mode, resv_port_clock() + millisecond), -ETIME);
	}
}

TEST(port_park, sleeps_until_the_deadline)
{
	for (resv_port_park_mode mode : modes) {
		for (int64_t duration : {int64_t{1}, int64_t{1000}, millisecond, 30 * millisecond}) {
			const int64_t deadline = resv_port_clock() + duration;

			EXPECT_EQ(park_until(mode, deadline), -ETIME);
			EXPECT_GE(resv_port_clock(), deadline);
		}
	}
}

TEST(port_park, deadline_that_has_passed)
{
	for (resv_port_park_mode mode : modes) {
		EXPECT_EQ(park_until(mode, resv_port_clock()), -ETIME);
		for (int64_t deadline : {int64_t{1}, int64_t{0}, int64_t{-1}, -1000 * millisecond, INT64_MIN})
			EXPECT_EQ(park_until(mode, deadline), -ETIME);
	}
}

TEST(port_park, deadlines_far_away)
{
	const resv_port_task me = resv_port_current();

	for (int64_t deadline :
	     {resv_port_clock() + 3600000 * millisecond, INT64_MAX - 1, RESV_WAIT_FOREVER}) {
		std::atomic<bool> woken = false;
		std::thread waker([&] {
			std::this_thread::sleep_for(std::chrono::milliseconds(10));
			resv_port_task_pin(me);
			woken = true;
			resv_port_task_wake(me);
		});

		while (!woken) {
			resv_port_park_prepare(RESV_PARK_KILLABLE);
			if (!woken) {
				EXPECT_EQ(resv_port_park(RESV_PARK_KILLABLE, deadline), 0);
			}
			resv_port_park_finish();
		}
		waker.join();
	}
}

// Store buffering: each of two tasks writes its own word, prepares, and reads the other's. Both read 0 only if prepare
// lets a later read overtake an earlier write.
TEST(port_park, prepare_is_a_full_barrier)
{
	constexpr int rounds = 20000;
	struct alignas(128) line {
		std::atomic<int> value = 0;
	};
	line word[2], arrived;
	int seen[2] = {};
	int overtaken = 0;
	auto meet = [&](int everybody) {
		arrived.value.fetch_add(1);
		for (unsigned turn = 0; arrived.value.load() < everybody; ++turn)
			resv_port_relax(turn);
	};
	auto side = [&](int me) {
		for (int round = 0; round < rounds; ++round) {
			meet(4 * round + 2);
			word[me].value.store(round + 1, std::memory_order_relaxed);
			resv_port_park_prepare(RESV_PARK_UNINTERRUPTIBLE);
			seen[me] = word[1 - me].value.load(std::memory_order_relaxed);
			resv_port_park_finish();
			meet(4 * round + 4);
			if (me == 0)
				overtaken += seen[0] <= round && seen[1] <= round;
		}
	};
	std::thread other(side, 1);

	side(0);
	other.join();
	EXPECT_EQ(overtaken, 0);
}

// The data is plain. The first park is not skipped, so that nothing but the wake orders the data; the relaxed flag is
// there for a park that ends for no reason.
TEST(port_park, waker_s_writes_are_visible_when_park_returns)
{
	for (int round = 0; round < 300; ++round) {
		const resv_port_task me = resv_port_current();
		std::atomic<bool> written = false;
		int data = 0;

		resv_port_park_prepare(RESV_PARK_UNINTERRUPTIBLE);
		std::thread waker([&, me] {
			resv_port_task_pin(me);
			data = 42;
			written.store(true, std::memory_order_relaxed);
			resv_port_task_wake(me);
		});
		int ret = resv_port_park(RESV_PARK_UNINTERRUPTIBLE, RESV_WAIT_FOREVER);
		resv_port_park_finish();
		while (ret == 0 && !written.load(std::memory_order_relaxed)) {
			resv_port_park_prepare(RESV_PARK_UNINTERRUPTIBLE);
			if (!written.load(std::memory_order_relaxed))
				ret = resv_port_park(RESV_PARK_UNINTERRUPTIBLE, RESV_WAIT_FOREVER);
			resv_port_park_finish();
		}
		const int seen = data;
		waker.join();
		EXPECT_EQ(ret, 0);
		EXPECT_EQ(seen, 42);
	}
}

TEST(port_park, ping_pong_loses_no_wake)
{
	constexpr int rounds = 10000;
	std::atomic<resv_port_task> player[2] = {};
	std::atomic<int> ball = 0;
	auto play = [&](int me) {
		player[me] = resv_port_current();
		while (player[1 - me] == 0)
			std::this_thread::yield();
		for (int round = 0; round < rounds; ++round) {
			wait_for([&] { return ball.load() == 2 * round + me; }, modes[round % 3]);
			resv_port_task_pin(player[1 - me]);
			ball = 2 * round + me + 1;
			resv_port_task_wake(player[1 - me]);
		}
		wait_for([&] { return ball.load() == 2 * rounds; });
	};
	std::thread other(play, 1);

	play(0);
	other.join();
	EXPECT_EQ(ball.load(), 2 * rounds);
}

TEST(port_park, many_wakers_of_one_sleeper)
{
	constexpr int wakers = 4, each = 2000;
	const resv_port_task me = resv_port_current();
	std::atomic<int> items = 0;
	std::vector<std::thread> threads;
	int taken = 0;

	for (int i = 0; i < wakers; ++i) {
		threads.emplace_back([&] {
			for (int n = 0; n < each; ++n) {
				resv_port_task_pin(me);
				items.fetch_add(1);
				resv_port_task_wake(me);
			}
		});
	}
	while (taken < wakers * each) {
		int some = 0;

		wait_for([&] { return (some = items.exchange(0)) != 0; });
		taken += some;
	}
	for (std::thread &thread : threads)
		thread.join();
	EXPECT_EQ(taken, wakers * each);
}

TEST(port_park, waking_a_task_that_does_not_wait)
{
	std::atomic<resv_port_task> task = 0;
	std::atomic<bool> stop = false;
	std::thread busy([&] {
		task = resv_port_current();
		while (!stop)
			EXPECT_EQ(resv_port_current(), task);
		EXPECT_EQ(park_until(RESV_PARK_UNINTERRUPTIBLE, resv_port_clock() + millisecond), -ETIME);
	});

	while (task == 0)
		std::this_thread::yield();
	for (int i = 0; i < 10000; ++i)
		pin_and_wake(task);
	stop = true;
	busy.join();
}

TEST(port_park, pin_keeps_an_ended_task_valid)
{
	live_task task;

	for (int i = 0; i < 3; ++i)
		resv_port_task_pin(task.id());
	task.join();

	live_task later; // may take over what a pin did not keep
	EXPECT_NE(later.id(), task.id());
	for (int i = 0; i < 3; ++i)
		resv_port_task_wake(task.id());
}

TEST(port_park, tasks_end_while_others_wake_them)
{
	for (int round = 0; round < 200; ++round) {
		live_task task;
		std::atomic<int> pinned = 0;
		auto waker = [&, id = task.id()] {
			resv_port_task_pin(id);
			++pinned;
			resv_port_task_wake(id);
		};
		std::thread first(waker), second(waker);

		while (pinned < 2)
			std::this_thread::yield();
		task.join();
		first.join();
		second.join();
	}
}

// ---- Spinning --------------------------------------------------------------------------------------------------

TEST(port_spin, spin_lock_excludes)
{
	constexpr int tasks = 6, each = 5000;
	resv_port_spinlock lock = {};
	int inside = 0, most = 0, total = 0;
	std::vector<std::thread> threads;

	for (int i = 0; i < tasks; ++i) {
		threads.emplace_back([&] {
			for (int n = 0; n < each; ++n) {
				const unsigned long flags = resv_port_spin_lock(&lock);
				most = std::max(most, ++inside);
				++total;
				--inside;
				resv_port_spin_unlock(&lock, flags);
			}
		});
	}
	for (std::thread &thread : threads)
		thread.join();
	EXPECT_EQ(most, 1);
	EXPECT_EQ(total, tasks * each);
}

TEST(port_spin, spin_lock_of_zeros_is_unlocked)
{
	resv_port_spinlock *lock = static_cast<resv_port_spinlock *>(calloc(1, sizeof(*lock)));

	for (int i = 0; i < 3; ++i) {
		const unsigned long flags = resv_port_spin_lock(lock);
		resv_port_spin_unlock(lock, flags);
	}
	free(lock);
}

TEST(port_spin, spin_locks_are_independent)
{
	resv_port_spinlock outer = {}, inner = {};
	bool locked_by_other = false;

	const unsigned long outer_flags = resv_port_spin_lock(&outer);
	std::thread([&] {
		const unsigned long flags = resv_port_spin_lock(&inner);
		locked_by_other = true;
		resv_port_spin_unlock(&inner, flags);
	}).join();
	const unsigned long inner_flags = resv_port_spin_lock(&inner);
	resv_port_spin_unlock(&inner, inner_flags);
	resv_port_spin_unlock(&outer, outer_flags);
	EXPECT_TRUE(locked_by_other);
}

TEST(port_spin, spin_lock_is_held_until_unlock)
{
	resv_port_spinlock lock = {};
	std::atomic<bool> about_to_lock = false, locked = false;

	const unsigned long flags = resv_port_spin_lock(&lock);
	std::thread other([&] {
		about_to_lock = true;
		const unsigned long its_flags = resv_port_spin_lock(&lock);
		locked = true;
		resv_port_spin_unlock(&lock, its_flags);
	});
	while (!about_to_lock)
		std::this_thread::yield();
	for (unsigned turn = 0; turn < 1000; ++turn)
		resv_port_relax(turn);
	EXPECT_FALSE(locked);
	resv_port_spin_unlock(&lock, flags);
	other.join();
	EXPECT_TRUE(locked);
}

TEST(port_spin, relax_takes_any_turn)
{
	for (unsigned turn : {0u, 1u, 63u, 64u, 65u, 1000u, 4096u, UINT_MAX - 1, UINT_MAX})
		resv_port_relax(turn);

	// Whoever is waited for gets to run, even if all spin on one CPU.
	std::atomic<int> turn_of = 0;
	std::vector<std::thread> threads;
	for (int i = 0; i < 8; ++i) {
		threads.emplace_back([&, i] {
			for (unsigned turn = 0; turn_of != i; ++turn)
				resv_port_relax(turn);
			++turn_of;
		});
	}
	for (std::thread &thread : threads)
		thread.join();
	EXPECT_EQ(turn_of, 8);
}

TEST(port_spin, stands_back_until_then)
{
	for (int64_t ns : {-millisecond, int64_t{0}, int64_t{1}, 2 * millisecond}) {
		const int64_t until = resv_port_clock() + ns;
		resv_port_stand_back(until);
		EXPECT_GE(resv_port_clock(), until);
	}
}

TEST(port_spin, critical_sections_nest_around_spin_locks)
{
	resv_port_spinlock lock = {};
	int total = 0;
	auto add = [&] {
		for (int n = 0; n < 1000; ++n) {
			resv_port_critical_begin();
			resv_port_critical_begin();
			const unsigned long flags = resv_port_spin_lock(&lock);
			++total;
			resv_port_spin_unlock(&lock, flags);
			resv_port_critical_end();
			resv_port_critical_end();
		}
	};
	std::thread other(add);

	add();
	other.join();
	EXPECT_EQ(total, 2000);
	// Not in a critical section any more: parking is allowed.
	EXPECT_EQ(park_until(RESV_PARK_UNINTERRUPTIBLE, resv_port_clock() + millisecond), -ETIME);
}

// ---- Memory ----------------------------------------------------------------------------------------------------

/// Work that counts how often it was done, and when.
struct counted_work {
	resv_port_work work = {};
	int place = 0; // in `order`, from 1
	std::atomic<int> *order = nullptr;

	void set(std::atomic<int> &counter)
	{
		order = &counter;
		work.fn = [](resv_port_work *w) {
			auto *self = reinterpret_cast<counted_work *>(w);
			self->place = ++*self->order;
		};
	}
};

TEST(port_memory, alloc_is_zeroed_and_aligned)
{
	for (size_t size : {size_t{1}, size_t{24}, size_t{4096}, size_t{100000}}) {
		auto *bytes = static_cast<unsigned char *>(resv_port_alloc(size));
		ASSERT_NE(bytes, nullptr);
		EXPECT_EQ(reinterpret_cast<uintptr_t>(bytes) % alignof(uint64_t), 0u);
		EXPECT_TRUE(std::all_of(bytes, bytes + size, [](unsigned char b) { return b == 0; }));
		memset(bytes, 0xff, size);
		resv_port_free(bytes);
	}
	resv_port_free(nullptr);
}

TEST(port_memory, after_readers_waits_for_the_outermost_section)
{
	std::atomic<int> order = 0;
	counted_work call;

	call.set(order);
	resv_port_read_lock();
	resv_port_read_lock();
	std::thread([&] { resv_port_after_readers(&call.work); }).join();
	resv_port_read_unlock();
	std::this_thread::sleep_for(std::chrono::milliseconds(20));
	EXPECT_EQ(order, 0);
	resv_port_read_lock(); // again, and later than it was asked for
	std::this_thread::sleep_for(std::chrono::milliseconds(20));
	EXPECT_EQ(order, 0);
	resv_port_read_unlock();
	resv_port_read_unlock();
	EXPECT_TRUE(eventually([&] { return order == 1; }));
	resv_port_drain(); // the call has returned
}

// A section is not waited for if it begins when others are already: otherwise readers could keep writers waiting for ever.
TEST(port_memory, after_readers_waits_for_no_later_section)
{
	bool called = false;
	for (int pause = 20; !called && pause < 10000;
	     pause *= 4) { // long enough for the waiting to have begun
		std::atomic<int> order = 0;
		std::atomic<bool> entered = false, leave = false;
		counted_work call;

		call.set(order);
		resv_port_read_lock();
		resv_port_after_readers(&call.work);
		std::this_thread::sleep_for(std::chrono::milliseconds(pause));
		std::thread later([&] {
			resv_port_read_lock();
			entered = true;
			while (!leave)
				std::this_thread::yield();
			resv_port_read_unlock();
		});
		while (!entered)
			std::this_thread::yield();
		EXPECT_EQ(order, 0);
		resv_port_read_unlock();
		std::this_thread::sleep_for(std::chrono::milliseconds(pause));
		called = order == 1;
		leave = true;
		later.join();
		resv_port_drain();
	}
	EXPECT_TRUE(called);
}

TEST(port_memory, drain_waits_for_all_that_was_asked_for)
{
	for (int round = 0; round < 100; ++round) {
		std::atomic<int> order = 0;
		counted_work calls[4];

		for (counted_work &call : calls)
			call.set(order);
		resv_port_after_readers(&calls[0].work);
		resv_port_defer(&calls[1].work);
		resv_port_after_readers(&calls[2].work);
		resv_port_defer(&calls[3].work);
		resv_port_drain();
		EXPECT_EQ(order, 4);
	}
}

TEST(port_memory, defer_keeps_the_order_and_waits_for_spin_locks)
{
	resv_port_spinlock lock = {};
	std::atomic<int> order = 0;
	counted_work calls[100];

	const unsigned long flags = resv_port_spin_lock(&lock);
	for (counted_work &call : calls) {
		call.set(order);
		resv_port_defer(&call.work);
	}
	std::this_thread::sleep_for(std::chrono::milliseconds(20));
	EXPECT_EQ(order, 0);
	resv_port_spin_unlock(&lock, flags);
	resv_port_drain();
	for (int n = 0; n < 100; ++n)
		EXPECT_EQ(calls[n].place, n + 1);
}

TEST(port_memory, what_a_section_found_stays)
{
	struct leaf {
		resv_port_work work;
		long value, negative;
	};
	auto make = [](long value) {
		auto *made = static_cast<leaf *>(resv_port_alloc(sizeof(leaf)));
		made->value = value;
		made->negative = -value;
		return made;
	};
	std::atomic<leaf *> current = make(1);
	std::atomic<bool> stop = false;
	std::atomic<long> wrong = 0;
	std::vector<std::thread> readers;

	for (int i = 0; i < 3; ++i)
		readers.emplace_back([&] {
			while (!stop) {
				resv_port_read_lock();
				const leaf *found = current.load(std::memory_order_acquire);
				wrong += found->value == 0 || found->value + found->negative != 0;
				resv_port_read_unlock();
			}
		});
	for (long n = 2; n < 20000; ++n) {
		leaf *old = current.exchange(make(n), std::memory_order_acq_rel);
		resv_port_free_after_readers(&old->work, old);
	}
	stop = true;
	for (std::thread &reader : readers)
		reader.join();
	resv_port_free(current.load());
	resv_port_drain();
	EXPECT_EQ(wrong, 0);
}

// ---- Time and reports ------------------------------------------------------------------------------------------

TEST(port_clock, never_goes_back)
{
	int64_t last = resv_port_clock();

	EXPECT_GT(last, 0);
	for (int i = 0; i < 10000; ++i) {
		const int64_t now = resv_port_clock();
		ASSERT_GE(now, last);
		last = now;
	}
}

TEST(port_clock, never_goes_back_from_task_to_task)
{
	std::atomic<int> hand = 0;
	int64_t last = 0;
	int backwards = 0;
	auto side = [&](int me) {
		for (int n = 0; n < 2000; ++n) {
			for (unsigned turn = 0; hand.load(std::memory_order_acquire) != me; ++turn)
				resv_port_relax(turn);
			const int64_t now = resv_port_clock();
			backwards += now < last;
			last = now;
			hand.store(1 - me, std::memory_order_release);
		}
	};
	std::thread other(side, 1);

	side(0);
	other.join();
	EXPECT_EQ(backwards, 0);
}

TEST(port_clock, counts_nanoseconds)
{
	const auto true_start = std::chrono::steady_clock::now();
	const int64_t start = resv_port_clock();

	std::this_thread::sleep_for(std::chrono::milliseconds(20));
	const int64_t elapsed = resv_port_clock() - start;
	const std::chrono::nanoseconds truth = std::chrono::steady_clock::now() - true_start;
	EXPECT_GE(elapsed, 15 * millisecond);
	EXPECT_LE(elapsed, truth.count() + millisecond);
}

std::string task_name()
{
	char name[128];

	resv_port_task_name(resv_port_current(), name, sizeof(name));
	return name;
}

TEST(port_task_name, is_name_and_number)
{
	const std::string name = task_name();
	const size_t slash = name.rfind('/');

	ASSERT_NE(slash, std::string::npos);
	EXPECT_GT(slash, 0u);
	ASSERT_LT(slash + 1, name.size());
	EXPECT_EQ(name.find_first_not_of("0123456789", slash + 1), std::string::npos);
	EXPECT_EQ(task_name(), name);
}

TEST(port_task_name, tells_tasks_apart)
{
	std::string other, seen_from_there;
	const resv_port_task me = resv_port_current();

	std::thread([&] {
		char name[128];
		resv_port_task_name(me, name, sizeof(name));
		seen_from_there = name;
		other = task_name();
	}).join();
	EXPECT_NE(task_name(), other);
	EXPECT_EQ(seen_from_there, task_name());
}

/// Calls `write(buf, size)` with every size up to beyond what is needed: each must be a prefix of the whole and end
/// with a NUL, and nothing may be written behind it.
template <typename F>
void expect_truncation(F write)
{
	char whole[512];
	write(whole, sizeof(whole));
	const size_t length = strnlen(whole, sizeof(whole));
	ASSERT_LT(length, sizeof(whole) - 2);

	for (size_t size = 0; size <= length + 2; ++size) {
		std::array<char, sizeof(whole)> buf;
		buf.fill('#');
		write(buf.data(), size);
		const size_t written = size == 0 ? 0 : std::min(size - 1, length);
		EXPECT_EQ(std::string(buf.data(), written), std::string(whole, written));
		if (size > 0) {
			EXPECT_EQ(buf[written], '\0');
		}
		EXPECT_EQ(std::count(buf.begin() + static_cast<ptrdiff_t>(size), buf.end(), '#'),
			  static_cast<ptrdiff_t>(sizeof(whole) - size));
	}
}

TEST(port_task_name, is_cut_to_the_buffer)
{
	expect_truncation(
		[](char *buf, size_t size) { resv_port_task_name(resv_port_current(), buf, size); });
}

TEST(port_symbol, is_cut_to_the_buffer)
{
	expect_truncation([](char *buf, size_t size) {
		resv_port_symbol(reinterpret_cast<uintptr_t>(&malloc), buf, size);
	});
	expect_truncation([](char *buf, size_t size) { resv_port_symbol(0x10, buf, size); });
}

TEST(port_symbol, address_without_symbol)
{
	char buf[64];
	char *end;

	resv_port_symbol(0x10, buf, sizeof(buf));
	EXPECT_EQ(strtoull(buf, &end, 16), 0x10u);
	EXPECT_EQ(*end, '\0');
}

/// What two nested functions see of their callers, and what the port says.
struct trace {
	uintptr_t inner_returns_to, outer_returns_to;
	uintptr_t pcs[64];
	unsigned count;
};

[[gnu::noinline]] void trace_inner(trace &t, unsigned max, unsigned skip)
{
	std::fill(std::begin(t.pcs), std::end(t.pcs), 0);
	t.inner_returns_to = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
	t.count = resv_port_stack_trace(t.pcs, max, skip);
}

[[gnu::noinline]] void trace_outer(trace &t, unsigned max, unsigned skip)
{
	t.outer_returns_to = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
	trace_inner(t, max, skip);
	asm volatile("" ::: "memory"); // so that the call is not a jump
}

TEST(port_stack_trace, is_innermost_first_without_the_port)
{
	trace t;

	trace_outer(t, 64, 0);
	if (t.count != 0) { // else the port has no unwinder
		ASSERT_GE(t.count, 3u);
		EXPECT_GT(t.pcs[0], reinterpret_cast<uintptr_t>(&trace_inner));
		EXPECT_LT(t.pcs[0], reinterpret_cast<uintptr_t>(&trace_inner) + 4096);
		EXPECT_EQ(t.pcs[1], t.inner_returns_to);
		EXPECT_EQ(t.pcs[2], t.outer_returns_to);
	}
}

TEST(port_stack_trace, skips)
{
	trace all, t;

	trace_outer(all, 64, 0);
	for (unsigned skip = 1; skip < all.count; ++skip) {
		trace_outer(t, 64, skip);
		EXPECT_EQ(t.count, all.count - skip);
		if (skip <= 2) {
			EXPECT_EQ(t.pcs[2 - skip], t.outer_returns_to);
		}
	}
	for (unsigned skip : {all.count, all.count + 1, UINT_MAX}) {
		trace_outer(t, 64, skip);
		EXPECT_EQ(t.count, 0u);
	}
}

TEST(port_stack_trace, writes_no_more_than_max)
{
	trace all, t;

	trace_outer(all, 64, 0);
	for (unsigned max = 0; max < all.count; ++max) {
		trace_outer(t, max, 0);
		EXPECT_EQ(t.count, max);
		EXPECT_TRUE(std::all_of(t.pcs + max, std::end(t.pcs), [](uintptr_t pc) { return pc == 0; }));
	}
}

// ---- For the annotator -----------------------------------------------------------------------------------------

#if RESV_PROVE_LOCKING

TEST(port_held_locks, task_runs_with_interrupts_on)
{
	EXPECT_EQ(resv_port_held_locks()->irq_state, 0u);
}

// Threads may get the storage of those that ended before.
TEST(port_held_locks, are_aligned_and_zero_when_a_task_begins)
{
	for (int i = 0; i < 8; ++i) {
		std::thread([] {
			resv_port_held *held = resv_port_held_locks();

			ASSERT_NE(held, nullptr);
			EXPECT_EQ(reinterpret_cast<uintptr_t>(held) % alignof(void *), 0u);
			EXPECT_TRUE(std::all_of(std::begin(held->opaque), std::end(held->opaque),
						[](unsigned word) { return word == 0; }));
			memset(held->opaque, 0xff, sizeof held->opaque);
		}).join();
	}
}

TEST(port_held_locks, stay_with_their_task)
{
	std::thread([] {
		resv_port_held *held = resv_port_held_locks();

		memset(held->opaque, 0xa5, sizeof held->opaque);
		EXPECT_EQ(park_until(RESV_PARK_UNINTERRUPTIBLE, resv_port_clock() + millisecond), -ETIME);
		EXPECT_EQ(resv_port_held_locks(), held);
		EXPECT_TRUE(std::all_of(std::begin(held->opaque), std::end(held->opaque),
					[](unsigned word) { return word == 0xa5a5a5a5; }));
	}).join();
}

TEST(port_held_locks, of_live_tasks_are_apart)
{
	constexpr unsigned tasks = 8;
	std::atomic<unsigned> here = 0;
	std::array<resv_port_held *, tasks> held;
	std::vector<std::thread> threads;

	for (unsigned i = 0; i < tasks; ++i) {
		threads.emplace_back([&, i] {
			held[i] = resv_port_held_locks();
			++here;
			EXPECT_TRUE(eventually([&] { return here == tasks; }));
		});
	}
	for (std::thread &thread : threads)
		thread.join();
	std::sort(held.begin(), held.end());
	for (unsigned i = 1; i < tasks; ++i)
		EXPECT_GE(held[i], held[i - 1] + 1);
}

#endif

} // namespace
