// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The parker's token, alone and against other tasks.

#include "helpers.hpp"

#include <src/wake_set.hpp>

#include <atomic>

namespace resv::test {
namespace {

constexpr int64_t millisecond = 1000000;

int64_t in(int64_t ns)
{
	return resv_port_clock() + ns;
}

void tell(parker &p)
{
	wake_set wakes;
	p.tell(wakes);
}

class parker_alone : public fixture {
protected:
	~parker_alone() override { resv_host_clear_signals(); }

	parker self{resv_port_current()};
};

TEST_F(parker_alone, knows_its_task)
{
	EXPECT_EQ(self.task(), resv_port_current());
}

TEST_F(parker_alone, begins_without_a_token)
{
	EXPECT_FALSE(self.take_token());
	EXPECT_EQ(self.wait(RESV_PARK_UNINTERRUPTIBLE, in(0)), -ETIME);
}

TEST_F(parker_alone, token_is_taken_once)
{
	tell(self);
	EXPECT_TRUE(self.take_token());
	EXPECT_FALSE(self.take_token());
}

TEST_F(parker_alone, wait_consumes_the_token)
{
	tell(self);
	EXPECT_EQ(self.wait(RESV_PARK_UNINTERRUPTIBLE, RESV_WAIT_FOREVER), 0);
	EXPECT_FALSE(self.take_token());
	EXPECT_EQ(self.wait(RESV_PARK_UNINTERRUPTIBLE, in(millisecond)), -ETIME);
}

TEST_F(parker_alone, tokens_do_not_add_up)
{
	tell(self);
	tell(self);
	tell(self);
	EXPECT_EQ(self.wait(RESV_PARK_UNINTERRUPTIBLE, RESV_WAIT_FOREVER), 0);
	EXPECT_EQ(self.wait(RESV_PARK_UNINTERRUPTIBLE, in(millisecond)), -ETIME);
}

// A waker that finds nobody asleep need not wake anybody: the set stays empty, and the task is not pinned.
TEST_F(parker_alone, telling_one_that_is_awake_wakes_nobody)
{
	for (unsigned i = 0; i < 3 * wake_set::capacity; i++) {
		wake_set wakes;
		for (unsigned j = 0; j < 2 * wake_set::capacity; j++) // more than a set holds
			self.tell(wakes);
	}
	EXPECT_TRUE(self.take_token());
}

TEST_F(parker_alone, token_comes_before_a_deadline_that_has_passed)
{
	tell(self);
	EXPECT_EQ(self.wait(RESV_PARK_UNINTERRUPTIBLE, in(-millisecond)), 0);
}

TEST_F(parker_alone, token_comes_before_a_signal)
{
	resv_host_interrupt(resv_port_current());
	tell(self);
	EXPECT_EQ(self.wait(RESV_PARK_INTERRUPTIBLE, RESV_WAIT_FOREVER), 0);
	EXPECT_TRUE(resv_host_signal_pending());
	EXPECT_EQ(self.wait(RESV_PARK_INTERRUPTIBLE, RESV_WAIT_FOREVER), -EINTR);
	EXPECT_FALSE(resv_host_signal_pending());
}

TEST_F(parker_alone, signal_ends_a_wait_that_admits_it)
{
	resv_host_interrupt(resv_port_current());
	EXPECT_EQ(self.wait(RESV_PARK_UNINTERRUPTIBLE, in(millisecond)), -ETIME);
	EXPECT_EQ(self.wait(RESV_PARK_KILLABLE, in(millisecond)), -ETIME);
	EXPECT_EQ(self.wait(RESV_PARK_INTERRUPTIBLE, in(millisecond)), -EINTR);
	EXPECT_EQ(self.wait(RESV_PARK_INTERRUPTIBLE, in(millisecond)), -ETIME);
}

TEST_F(parker_alone, fatal_signal_ends_killable_and_interruptible_waits)
{
	resv_host_kill(resv_port_current());
	EXPECT_EQ(self.wait(RESV_PARK_UNINTERRUPTIBLE, in(millisecond)), -ETIME);
	EXPECT_EQ(self.wait(RESV_PARK_KILLABLE, RESV_WAIT_FOREVER), -EINTR);
	EXPECT_EQ(self.wait(RESV_PARK_INTERRUPTIBLE, RESV_WAIT_FOREVER), -EINTR);
}

TEST_F(parker_alone, deadline_is_not_early)
{
	for (int64_t ns : {int64_t{0}, millisecond, 5 * millisecond}) {
		int64_t deadline = in(ns);
		EXPECT_EQ(self.wait(RESV_PARK_UNINTERRUPTIBLE, deadline), -ETIME);
		EXPECT_GE(resv_port_clock(), deadline);
	}
}

// An error leaves the parker as it was at first: nothing of the wait that failed is left for the next.
TEST_F(parker_alone, usable_after_each_error)
{
	EXPECT_EQ(self.wait(RESV_PARK_UNINTERRUPTIBLE, in(0)), -ETIME);
	tell(self);
	EXPECT_EQ(self.wait(RESV_PARK_UNINTERRUPTIBLE, RESV_WAIT_FOREVER), 0);
	resv_host_interrupt(resv_port_current());
	EXPECT_EQ(self.wait(RESV_PARK_INTERRUPTIBLE, RESV_WAIT_FOREVER), -EINTR);
	tell(self);
	EXPECT_EQ(self.wait(RESV_PARK_INTERRUPTIBLE, RESV_WAIT_FOREVER), 0);
}

// ---- With other tasks -----------------------------------------------------------------------------------------------

class parker_among_tasks : public fixture {
protected:
	/// Has `a` wait on its own parker, and begin only once the test may tell it.
	void start_wait(actor &a, parker &p, resv_port_park_mode mode = RESV_PARK_UNINTERRUPTIBLE,
			int64_t deadline = RESV_WAIT_FOREVER)
	{
		a.start([&p, mode, deadline] { return p.wait(mode, deadline); });
	}

	/// Is the task off its CPU? Then it sleeps, for it has nothing else to wait for.
	static bool sleeps(const actor &a)
	{
		return eventually([&] { return !resv_port_task_running(a.task()); });
	}
};

TEST_F(parker_among_tasks, sleeper_is_woken)
{
	actor sleeper;
	parker p(sleeper.task());

	start_wait(sleeper, p);
	ASSERT_TRUE(sleeps(sleeper));
	EXPECT_TRUE(sleeper.busy());
	tell(p);
	EXPECT_EQ(sleeper.finish(), 0);
	EXPECT_FALSE(sleeper.run([&] { return p.take_token(); }));
}

// A wake of the task may be meant for another wait, or come late: without a token it is nothing to this one.
TEST_F(parker_among_tasks, wake_of_the_task_is_not_a_token)
{
	actor sleeper;
	parker p(sleeper.task());

	start_wait(sleeper, p);
	ASSERT_TRUE(sleeps(sleeper));
	for (int i = 0; i < 100; i++) {
		resv_port_task_pin(sleeper.task());
		resv_port_task_wake(sleeper.task());
		std::this_thread::yield();
	}
	EXPECT_TRUE(sleeper.busy());
	tell(p);
	EXPECT_EQ(sleeper.finish(), 0);
}

// The waker collects sleepers while it holds a lock, and wakes them when it has dropped it.
TEST_F(parker_among_tasks, set_wakes_all_of_it_when_it_ends)
{
	std::deque<actor> sleepers(wake_set::capacity);
	std::deque<parker> parkers;

	for (actor &a : sleepers) {
		start_wait(a, parkers.emplace_back(a.task()));
		ASSERT_TRUE(sleeps(a));
	}
	{
		wake_set wakes;
		for (parker &p : parkers)
			p.tell(wakes);
	}
	for (actor &a : sleepers)
		EXPECT_EQ(a.finish(), 0);
}

TEST_F(parker_among_tasks, set_may_be_used_again)
{
	actor sleeper;
	parker p(sleeper.task());
	wake_set wakes;

	for (unsigned i = 0; i < 3 * wake_set::capacity; i++) {
		start_wait(sleeper, p);
		ASSERT_TRUE(sleeps(sleeper));
		p.tell(wakes);
		wakes.fire();
		EXPECT_EQ(sleeper.finish(), 0);
	}
}

TEST_F(parker_among_tasks, sleeper_is_interrupted)
{
	actor sleeper;
	parker p(sleeper.task());

	start_wait(sleeper, p, RESV_PARK_INTERRUPTIBLE);
	ASSERT_TRUE(sleeps(sleeper));
	sleeper.interrupt();
	EXPECT_EQ(sleeper.finish(), -EINTR);

	start_wait(sleeper, p, RESV_PARK_KILLABLE);
	ASSERT_TRUE(sleeps(sleeper));
	sleeper.interrupt();
	EXPECT_TRUE(sleeper.busy());
	sleeper.kill();
	EXPECT_EQ(sleeper.finish(), -EINTR);
	sleeper.clear_signals();
}

// A wait that ends by a signal or for lack of time consumes the token that came with it, but not one that comes later.
TEST_F(parker_among_tasks, token_after_an_error_is_for_the_next_wait)
{
	actor sleeper;
	parker p(sleeper.task());

	start_wait(sleeper, p, RESV_PARK_INTERRUPTIBLE);
	ASSERT_TRUE(sleeps(sleeper));
	sleeper.interrupt();
	EXPECT_EQ(sleeper.finish(), -EINTR);
	tell(p);
	EXPECT_EQ(sleeper.run([&] { return p.wait(RESV_PARK_UNINTERRUPTIBLE, RESV_WAIT_FOREVER); }), 0);
}

// Whichever comes first, each interrupt ends one wait and each token another, and neither is lost.
TEST_F(parker_among_tasks, signal_and_token_at_once)
{
	actor sleeper;
	parker p(sleeper.task());
	int told = 0, interrupted = 0;

	for (int i = 0; i < 200; i++) {
		start_wait(sleeper, p, RESV_PARK_INTERRUPTIBLE);
		sleeper.interrupt();
		tell(p);
		int rc = sleeper.finish();
		ASSERT_TRUE(rc == 0 || rc == -EINTR) << rc;
		(rc == 0 ? told : interrupted)++;
		// No success at the cost of the signal, which came first.
		if (rc == 0) {
			ASSERT_TRUE(sleeper.run([] { return resv_host_signal_pending(); }));
		}
		// The other one is still there, or was consumed together with it.
		sleeper.run([&] {
			resv_host_clear_signals();
			p.take_token();
		});
	}
	EXPECT_EQ(told + interrupted, 200);
}

// Every message is seen: the sender writes, tells, and waits for the answer.
TEST_F(parker_among_tasks, ping_pong)
{
	constexpr int rounds = 2000;
	actor a, b;
	parker pa(a.task()), pb(b.task());
	int ball = 0; // whose turn it is: even a, odd b; handed over by the token
	std::atomic<int> turn = 0;

	auto play = [&](parker &own, parker &other, int parity) {
		for (int i = 0; i < rounds; i++) {
			while (turn.load(std::memory_order_acquire) % 2 != parity)
				if (own.wait(RESV_PARK_UNINTERRUPTIBLE, RESV_WAIT_FOREVER) != 0)
					return -1;
			ball++;
			turn.fetch_add(1, std::memory_order_release);
			tell(other);
		}
		return 0;
	};
	a.start([&] { return play(pa, pb, 0); });
	b.start([&] { return play(pb, pa, 1); });
	EXPECT_EQ(a.finish(), 0);
	EXPECT_EQ(b.finish(), 0);
	EXPECT_EQ(turn.load(), 2 * rounds);
	EXPECT_EQ(ball, 2 * rounds);
}

// What a sender wrote before it told is seen after take_token() as after wait(): TSan looks at `message`.
TEST_F(parker_among_tasks, token_publishes)
{
	actor receiver;
	parker p(receiver.task()), back(resv_port_current());
	int message = 0;

	for (int i = 1; i <= 500; i++) {
		receiver.start([&] {
			if (i % 2 == 0) {
				while (!p.take_token())
					std::this_thread::yield();
			} else if (p.wait(RESV_PARK_UNINTERRUPTIBLE, RESV_WAIT_FOREVER) != 0) {
				return -1;
			}
			return message;
		});
		message = i;
		tell(p);
		ASSERT_EQ(receiver.finish(), i);
	}
}

// Two tell the same sleeper, which looks at what each has left. No message may go unseen until the next.
TEST_F(parker_among_tasks, two_wakers)
{
	constexpr int rounds = 2000;
	actor sleeper, first, second;
	parker p(sleeper.task());
	std::atomic<int> posted[2] = {}, seen[2] = {};

	sleeper.start([&] {
		while (seen[0] < rounds || seen[1] < rounds) {
			if (int rc = p.wait(RESV_PARK_UNINTERRUPTIBLE, RESV_WAIT_FOREVER))
				return rc;
			for (int i : {0, 1})
				seen[i] = posted[i].load();
		}
		return 0;
	});
	auto post = [&](int which) {
		for (int i = 1; i <= rounds; i++) {
			posted[which] = i;
			tell(p);
			while (seen[which] < i)
				std::this_thread::yield();
		}
	};
	first.start([&] { post(0); });
	second.start([&] { post(1); });
	first.finish();
	second.finish();
	EXPECT_EQ(sleeper.finish(), 0);
}

} // namespace
} // namespace resv::test
