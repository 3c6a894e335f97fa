// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Waiting for fences: for one, for one of many, by many at once.

#include "fence_rig.hpp"

#include <array>
#include <limits>

namespace resv::test {
namespace {

constexpr int64_t forever = RESV_WAIT_FOREVER;

int64_t wait_any(const std::vector<fence_ref> &fences, bool intr, int64_t timeout_ns, unsigned *idx = nullptr)
{
	std::vector<resv_fence *> list = in_c(fences);
	return resv_fence_wait_any_timeout(list.data(), static_cast<unsigned>(list.size()), intr, timeout_ns,
					   idx);
}

class fence_wait : public fence_fixture {
protected:
	~fence_wait() override { resv_host_clear_signals(); }

	/// Has the task that waits been seen by the driver?
	bool waits()
	{
		return eventually([this] { return log.enabled != 0; });
	}

	driver_log log;
	fence_ref f = make_driver_fence(log);
};

TEST_F(fence_wait, of_no_time_only_looks)
{
	EXPECT_EQ(f->wait_timeout(false, 0), 0);
	EXPECT_EQ(log.enabled, 1);
	driver_of(f).happened = true;
	EXPECT_EQ(f->wait_timeout(false, 0), 1);
	EXPECT_TRUE(f->test_signaled());
	EXPECT_EQ(f->wait_timeout(false, 0), 1);
	resv_host_interrupt(resv_port_current());
	EXPECT_EQ(f->wait_timeout(true, 0), 1);
}

TEST_F(fence_wait, runs_out)
{
	const int64_t before = resv_port_clock();
	EXPECT_EQ(f->wait_timeout(false, 2 * ms), 0);
	EXPECT_GE(resv_port_clock() - before, 2 * ms);
	EXPECT_EQ(f->wait_timeout(true, 1), 0);
	EXPECT_EQ(f->status(), 0);
}

TEST_F(fence_wait, that_is_over_returns_what_is_left)
{
	EXPECT_EQ(f->signal(), 0);
	EXPECT_EQ(f->wait_timeout(false, 1), 1);
	EXPECT_EQ(f->wait_timeout(false, 77 * ms), 77 * ms);
	EXPECT_EQ(f->wait_timeout(true, forever), forever);
	EXPECT_EQ(f->wait(true), 0);
	EXPECT_EQ(f->wait(false), 0);
	EXPECT_EQ(log.enabled, 0);
}

TEST_F(fence_wait, takes_no_negative_time)
{
	EXPECT_EQ(f->wait_timeout(false, -1), -EINVAL);
	EXPECT_EQ(f->wait_timeout(false, std::numeric_limits<int64_t>::min()), -EINVAL);
	EXPECT_EQ(f->signal(), 0);
	EXPECT_EQ(f->wait_timeout(false, -1), -EINVAL);
}

TEST_F(fence_wait, ends_when_the_driver_says_so_at_once)
{
	driver_of(f).refuses = true;
	EXPECT_EQ(f->wait_timeout(false, 5 * ms), 5 * ms);
}

TEST_F(fence_wait, is_ended_by_the_signal)
{
	actor waiter;
	waiter.start([&] { return f->wait(false); });
	ASSERT_TRUE(waits());
	EXPECT_TRUE(waiter.busy());
	EXPECT_EQ(f->signal(), 0);
	EXPECT_EQ(waiter.finish(), 0);
}

TEST_F(fence_wait, is_ended_in_time_by_the_signal)
{
	constexpr int64_t minute = 60000 * ms;
	actor waiter;
	int64_t left = 0;
	waiter.start([&] { left = f->wait_timeout(true, minute); });
	ASSERT_TRUE(waits());
	EXPECT_EQ(f->signal(), 0);
	waiter.finish();
	EXPECT_GT(left, 0);
	EXPECT_LT(left, minute);
}

TEST_F(fence_wait, may_last_longer_than_the_clock)
{
	for (int64_t timeout : {forever, forever - 1}) {
		fence_ref g = make_driver_fence(log);
		log.enabled = 0;
		actor waiter;
		int64_t left = 0;
		waiter.start([&] { left = g->wait_timeout(true, timeout); });
		ASSERT_TRUE(waits());
		EXPECT_EQ(g->signal(), 0);
		waiter.finish();
		EXPECT_GT(left, forever / 2);
		if (timeout == forever) {
			EXPECT_EQ(left, forever);
		}
	}
}

TEST_F(fence_wait, is_ended_by_whoever_finds_that_it_has_happened)
{
	actor waiter;
	waiter.start([&] { return f->wait(false); });
	ASSERT_TRUE(waits());
	driver_of(f).happened = true;
	EXPECT_TRUE(f->is_signaled());
	EXPECT_EQ(waiter.finish(), 0);
}

TEST_F(fence_wait, shows_what_the_signaler_wrote)
{
	for (int round = 0; round < 200; round++) {
		fence_ref g = make_fence();
		int written = 0;
		actor waiter;
		waiter.start([&] {
			EXPECT_EQ(g->wait(false), 0);
			return written;
		});
		written = round + 1;
		EXPECT_EQ(g->signal(), 0);
		EXPECT_EQ(waiter.finish(), round + 1);
	}
}

TEST_F(fence_wait, leaves_nothing_behind)
{
	EXPECT_EQ(f->wait_timeout(true, 1), 0);
	resv_host_interrupt(resv_port_current());
	EXPECT_EQ(f->wait(true), -EINTR);
	f = fence_ref(); // had a callback stayed, that would be reported
}

// ---- Signals of the other kind ---------------------------------------------------------------------------------------

TEST_F(fence_wait, interrupted_before)
{
	resv_host_interrupt(resv_port_current());
	EXPECT_EQ(f->wait(true), -EINTR);
	EXPECT_EQ(f->wait_timeout(true, 1), 0) << "a signal ends one wait";
	resv_host_interrupt(resv_port_current());
	EXPECT_EQ(f->wait_timeout(true, forever), -EINTR);
	EXPECT_EQ(f->wait_timeout(true, 1), 0);
}

TEST_F(fence_wait, interrupted_meanwhile)
{
	actor waiter;
	for (int64_t timeout : {int64_t{60000} * ms, forever}) {
		waiter.start([&] { return f->wait_timeout(true, timeout); });
		ASSERT_TRUE(waits());
		waiter.interrupt();
		EXPECT_EQ(waiter.finish(), -EINTR);
	}
	waiter.start([&] { return f->wait(true); });
	waiter.kill();
	EXPECT_EQ(waiter.finish(), -EINTR);
	waiter.clear_signals();
}

TEST_F(fence_wait, not_interruptible)
{
	actor waiter;
	waiter.kill();
	waiter.interrupt();
	EXPECT_EQ(waiter.run([&] { return f->wait_timeout(false, ms); }), 0);
	waiter.start([&] { return f->wait(false); });
	EXPECT_EQ(f->signal(), 0);
	EXPECT_EQ(waiter.finish(), 0);
	waiter.clear_signals();
}

TEST_F(fence_wait, what_is_over_is_not_interrupted)
{
	EXPECT_EQ(f->signal(), 0);
	resv_host_interrupt(resv_port_current());
	EXPECT_EQ(f->wait(true), 0);
	EXPECT_EQ(f->wait_timeout(true, 5), 5);
	EXPECT_EQ(wait_any({f}, true, 5), 5);
	EXPECT_TRUE(resv_host_signal_pending());
}

// ---- One of many -----------------------------------------------------------------------------------------------------

TEST_F(fence_wait, any_needs_fences)
{
	resv_fence *list[] = {f.c(), nullptr};
	EXPECT_EQ(resv_fence_wait_any_timeout(nullptr, 1, false, 1, nullptr), -EINVAL);
	EXPECT_EQ(resv_fence_wait_any_timeout(list, 0, false, 1, nullptr), -EINVAL);
	EXPECT_EQ(resv_fence_wait_any_timeout(list, 2, false, 1, nullptr), -EINVAL);
	EXPECT_EQ(resv_fence_wait_any_timeout(list, 1, false, -1, nullptr), -EINVAL);
}

TEST_F(fence_wait, any_of_no_time_only_looks)
{
	std::vector<fence_ref> fences{make_fence(), f, make_fence()};
	unsigned idx = 99;
	EXPECT_EQ(wait_any(fences, true, 0, &idx), 0);
	EXPECT_EQ(idx, 99u);
	driver_of(f).happened = true;
	EXPECT_EQ(wait_any(fences, true, 0, &idx), 1);
	EXPECT_EQ(idx, 1u);
	EXPECT_EQ(fences[0]->signal(), 0);
	EXPECT_EQ(wait_any(fences, true, 0, &idx), 1);
	EXPECT_EQ(idx, 0u);
	EXPECT_EQ(wait_any(fences, true, 0), 1);
}

TEST_F(fence_wait, any_finds_what_is_over)
{
	for (unsigned over = 0; over < 20; over++) {
		std::vector<fence_ref> fences(20);
		for (fence_ref &each : fences)
			each = make_fence();
		EXPECT_EQ(fences[over]->signal(), 0);
		unsigned idx = 99;
		EXPECT_EQ(wait_any(fences, true, 7 * ms, &idx), 7 * ms);
		EXPECT_EQ(idx, over);
		EXPECT_EQ(wait_any(fences, true, forever), forever);
	} // had a callback stayed, that would be reported
}

TEST_F(fence_wait, any_runs_out)
{
	std::vector<fence_ref> fences{make_fence(), f};
	unsigned idx = 99;
	EXPECT_EQ(wait_any(fences, true, ms, &idx), 0);
	EXPECT_EQ(idx, 99u);
}

TEST_F(fence_wait, any_is_ended_by_each)
{
	for (unsigned count : {1u, 2u, 8u, 9u, 30u}) {
		for (unsigned which : {0u, count / 2, count - 1}) {
			std::vector<fence_ref> fences(count);
			for (fence_ref &each : fences)
				each = make_driver_fence(log);
			log.enabled = 0;
			actor waiter;
			unsigned idx = 99;
			waiter.start([&] { return wait_any(fences, true, forever, &idx) == forever; });
			ASSERT_TRUE(eventually([&] { return log.enabled == static_cast<int>(count); }));
			EXPECT_EQ(fences[which]->signal(), 0);
			EXPECT_EQ(waiter.finish(), 1);
			EXPECT_EQ(idx, which);
		}
	}
}

// It has happened when the time has long run out, but nobody had looked: something is left of the time all the same.
TEST_F(fence_wait, any_that_is_over_too_late_is_over)
{
	static resv_fence *first; // is signaled when the waiter comes to the second
	resv_fence_ops ops{};
	ops.enable_signaling = [](resv_fence *) {
		const int64_t late = resv_port_clock() + 10;
		while (resv_port_clock() < late)
			;
		return resv_fence_signal(first) == 0;
	};
	fence_ref second = make_fence(resv_fence_context_alloc(1), 1, &ops);
	first = f.c();
	unsigned idx = 99;
	EXPECT_EQ(wait_any({f, second}, true, 1, &idx), 1);
	EXPECT_EQ(idx, 0u);
	EXPECT_EQ(second->signal(), 0);
}

TEST_F(fence_wait, any_is_interrupted)
{
	std::vector<fence_ref> fences{make_fence(), f};
	resv_host_interrupt(resv_port_current());
	EXPECT_EQ(wait_any(fences, true, forever), -EINTR);
	actor waiter;
	waiter.start([&] { return wait_any(fences, true, forever); });
	waiter.interrupt();
	EXPECT_EQ(waiter.finish(), -EINTR);
	waiter.interrupt();
	EXPECT_EQ(waiter.run([&] { return wait_any(fences, false, ms); }), 0);
	waiter.clear_signals();
}

TEST_F(fence_wait, any_of_more_than_eight_needs_memory)
{
	std::vector<fence_ref> fences(9);
	for (fence_ref &each : fences)
		each = make_fence();
	resv_host_fail_alloc(0);
	EXPECT_EQ(wait_any(fences, true, ms), -ENOMEM);
	EXPECT_TRUE(resv_host_end_fail_alloc());
	fences.pop_back();
	resv_host_fail_alloc(0);
	EXPECT_EQ(wait_any(fences, true, ms), 0);
	EXPECT_FALSE(resv_host_end_fail_alloc());
}

TEST_F(fence_wait, any_may_hold_one_fence_twice)
{
	actor waiter;
	unsigned idx = 99;
	waiter.start([&] { return wait_any({f, f}, true, forever, &idx) == forever; });
	ASSERT_TRUE(waits());
	EXPECT_EQ(f->signal(), 0);
	EXPECT_EQ(waiter.finish(), 1);
	EXPECT_LT(idx, 2u);
}

// ---- Many at once ----------------------------------------------------------------------------------------------------

// Tasks wait for one fence after another, in each way, take callbacks back, and signal, all at once.
TEST_F(fence_wait, by_many_while_callbacks_come_and_go)
{
	constexpr int tasks = 6;
	struct stage {
		std::array<fence_ref, 3> fences;
		std::atomic<int> arrived = 0, written = 0;
	};
	std::deque<stage> stages(2000);
	for (stage &s : stages)
		for (fence_ref &each : s.fences)
			each = make_fence();

	auto run = [&](int id) {
		std::minstd_rand random(static_cast<unsigned>(id) + 1);
		for (stage &s : stages) {
			const std::vector<fence_ref> all(s.fences.begin(), s.fences.end());
			note stays, goes;
			const bool added = stays.add_to(s.fences[0]) == 0;
			const bool queued = goes.add_to(s.fences[1]) == 0;
			// Who comes last signals; so everybody else may sleep meanwhile.
			if (++s.arrived == tasks) {
				s.written = 1;
				for (fence_ref &each : s.fences)
					EXPECT_EQ(each->signal(), 0);
			}
			if (queued && !s.fences[1]->remove_callback(goes)) {
				EXPECT_EQ(goes.calls, 1);
			}
			switch (random() % 4) {
			case 0:
				EXPECT_EQ(s.fences[2]->wait(random() % 2), 0);
				break;
			case 1:
				EXPECT_EQ(wait_any(all, random() % 2, forever), forever);
				break;
			case 2:
				while (s.fences[2]->wait_timeout(random() % 2, 1000) == 0)
					;
				break;
			default:
				while (!s.fences[2]->is_signaled())
					std::this_thread::yield();
			}
			EXPECT_EQ(s.written, 1);
			EXPECT_EQ(s.fences[0]->wait(false), 0);
			if (added) {
				EXPECT_FALSE(s.fences[0]->remove_callback(stays));
				EXPECT_EQ(stays.calls, 1);
			}
		}
	};
	std::deque<racer> racers;
	for (int id = 0; id < tasks; id++)
		racers.emplace_back([&, id] { run(id); });
	racers.clear();
	for (stage &s : stages)
		EXPECT_EQ(s.arrived, tasks);
}

// A stream of fences, each of which is dropped while the last of its waiters leave.
TEST_F(fence_wait, goes_on_while_others_drop_the_fence)
{
	actor waiters[3];
	for_a_while([&] {
		fence_ref g = make_fence();
		for (actor &each : waiters)
			each.start([mine = g] { return fence_ref(mine)->wait(true); });
		EXPECT_EQ(g->signal(), 0);
		g = fence_ref();
		for (actor &each : waiters)
			EXPECT_EQ(each.finish(), 0);
	});
}

// ---- The annotator ---------------------------------------------------------------------------------------------------

// The wait is recorded, contended or not; a mere look is none.
TEST_F(fence_wait, while_signalling_is_reported)
{
	EXPECT_EQ(f->signal(), 0);
	const bool cookie = resv_fence_begin_signalling();
	EXPECT_EQ(f->wait_timeout(true, 0), 1);
	EXPECT_EQ(wait_any({f}, true, 0), 1);
	EXPECT_TRUE(take_reports().empty());
	EXPECT_EQ(f->wait(true), 0);
	expect_order_reports({RESV_REPORT_RECURSION});
	resv_fence_end_signalling(cookie);

	resv_lockdep_reset(); // each is reported once
	const bool again = resv_fence_begin_signalling();
	EXPECT_EQ(wait_any({f}, true, 1), 1);
	expect_order_reports({RESV_REPORT_RECURSION});
	resv_fence_end_signalling(again);
}

} // namespace
} // namespace resv::test
