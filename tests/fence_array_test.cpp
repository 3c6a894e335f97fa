// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Arrays: a fence for several.

#include "fence_rig.hpp"

#include <algorithm>
#include <array>

namespace resv::test {
namespace {

std::vector<fence_ref> make_fences(size_t n)
{
	std::vector<fence_ref> fences;
	while (fences.size() < n)
		fences.push_back(make_fence());
	return fences;
}

/// Arrays for all and for any.
class fence_array_of : public fence_fixture, public testing::WithParamInterface<bool> {
protected:
	const bool any = GetParam();
};
INSTANTIATE_TEST_SUITE_P(each, fence_array_of, testing::Bool(),
			 [](const testing::TestParamInfo<bool> &of) { return of.param ? "any" : "all"; });

class fence_array_test : public fence_fixture {};

TEST_F(fence_array_test, knows_what_it_is)
{
	fence_ref plain = make_fence(), array = make_array({plain});
	EXPECT_TRUE(resv_fence_is_array(array.c()));
	EXPECT_TRUE(resv_fence_is_container(array.c()));
	EXPECT_FALSE(resv_fence_is_chain(array.c()));
	EXPECT_FALSE(resv_fence_is_array(plain.c()));
	EXPECT_FALSE(resv_fence_is_container(plain.c()));
	EXPECT_STREQ(resv_fence_timeline_name(array.c()), "array");
	EXPECT_STREQ(resv_fence_driver_name(array.c()), "resv");
	EXPECT_EQ(plain->signal(), 0);
	EXPECT_EQ(array->signal(), 0);
	EXPECT_TRUE(resv_fence_is_array(array.c()));
	EXPECT_FALSE(resv_fence_is_array(plain.c()));
}

TEST_F(fence_array_test, has_the_context_and_seqno_that_it_was_given)
{
	fence_ref f = make_fence();
	fence_ref array(resv_fence_array_create(1, given_array({f}), 12, 34, false));
	EXPECT_EQ(array->context, 12u);
	EXPECT_EQ(array->seqno, 34u);
}

TEST_P(fence_array_of, keeps_its_members)
{
	driver_log log;
	fence_ref array;
	{
		fence_ref f = make_driver_fence(log, driver_ops_with_release);
		array = make_array({f}, any);
		EXPECT_EQ(f->signal(), 0);
	}
	EXPECT_EQ(log.released, 0);
	EXPECT_TRUE(array->is_signaled());
	EXPECT_EQ(log.released, 0);
	array = fence_ref();
	EXPECT_EQ(log.released, 1);
}

TEST_P(fence_array_of, none_is_signaled)
{
	fence_ref array = make_array({}, any);
	EXPECT_TRUE(array->test_signaled());
	fence_ref nothing(resv_fence_array_create(0, nullptr, 1, 1, any));
	EXPECT_TRUE(nothing->test_signaled());
}

// Each order in which three fences may be signaled, asked after each.
TEST_P(fence_array_of, is_signaled_with_the_last_or_the_first)
{
	std::array<unsigned, 3> order{0, 1, 2};
	do {
		std::vector<fence_ref> fences = make_fences(3);
		fence_ref array = make_array(fences, any);
		EXPECT_FALSE(array->is_signaled());
		for (unsigned i = 0; i < 3; i++) {
			EXPECT_EQ(fences[order[i]]->signal(), 0);
			EXPECT_EQ(array->is_signaled(), any || i == 2);
			EXPECT_EQ(array->status(), any || i == 2);
		}
	} while (std::next_permutation(order.begin(), order.end()));
}

TEST_P(fence_array_of, calls_back_with_the_last_or_the_first)
{
	std::array<unsigned, 3> order{0, 1, 2};
	do {
		std::vector<fence_ref> fences = make_fences(3);
		fence_ref array = make_array(fences, any);
		note n;
		EXPECT_EQ(n.add_to(array), 0);
		for (unsigned i = 0; i < 3; i++) {
			EXPECT_EQ(fences[order[i]]->signal(), 0);
			resv_port_drain();
			EXPECT_EQ(n.calls, any || i == 2);
			EXPECT_EQ(array->test_signaled(), any || i == 2);
		}
	} while (std::next_permutation(order.begin(), order.end()));
}

TEST_P(fence_array_of, may_find_members_signaled_when_a_waiter_comes)
{
	for (unsigned signaled = 0; signaled < 8; signaled++) {
		std::vector<fence_ref> fences = make_fences(3);
		fence_ref array = make_array(fences, any);
		for (unsigned i = 0; i < 3; i++)
			if (signaled >> i & 1) {
				EXPECT_EQ(fences[i]->signal(), 0);
			}
		note n;
		const bool over = any ? signaled != 0 : signaled == 7;
		EXPECT_EQ(n.add_to(array), over ? -ENOENT : 0) << signaled;
		EXPECT_EQ(array->test_signaled(), over);
		for (unsigned i = 0; i < 3; i++)
			if (!(signaled >> i & 1)) {
				EXPECT_EQ(fences[i]->signal(), 0);
			}
		EXPECT_EQ(array->wait(false), 0);
		EXPECT_FALSE(array->remove_callback(n));
		EXPECT_EQ(n.calls, !over);
	}
}

TEST_P(fence_array_of, one_fence_may_be_in_it_twice)
{
	fence_ref f = make_fence(), array = make_array({f, f}, any);
	note n;
	EXPECT_EQ(n.add_to(array), 0);
	EXPECT_EQ(f->signal(), 0);
	EXPECT_EQ(array->wait(false), 0);
}

TEST_P(fence_array_of, wakes_waiters)
{
	std::vector<fence_ref> fences = make_fences(4);
	fence_ref array = make_array(fences, any);
	actor waiter;
	waiter.start([&] { return array->wait(true); });
	for (fence_ref &each : fences)
		EXPECT_EQ(each->signal(), 0);
	EXPECT_EQ(waiter.finish(), 0);
}

TEST_P(fence_array_of, is_dropped_while_members_call_back)
{
	std::vector<fence_ref> fences = make_fences(4);
	{
		note n;
		fence_ref array = make_array(fences, any);
		EXPECT_EQ(n.add_to(array), 0);
		EXPECT_TRUE(array->remove_callback(n));
	} // the members' callbacks have references
	for (fence_ref &each : fences)
		EXPECT_EQ(each->signal(), 0);
}

TEST_P(fence_array_of, is_released_by_its_last_member)
{
	std::vector<fence_ref> fences = make_fences(2);
	fence_ref array = make_array(fences, any);
	resv_fence_enable_sw_signaling(array.c());
	array = fence_ref();
	for (fence_ref &each : fences) {
		EXPECT_EQ(each->signal(), 0);
		each = fence_ref();
	}
}

// ---- Errors ----------------------------------------------------------------------------------------------------------

TEST_F(fence_array_test, error_is_the_first_to_come)
{
	std::vector<fence_ref> fences = make_fences(3);
	fence_ref array = make_array(fences);
	resv_fence_enable_sw_signaling(array.c());
	fences[2]->set_error(-EIO);
	fences[0]->set_error(-ETIME);
	for (unsigned i : {1u, 2u, 0u}) {
		EXPECT_EQ(array->status(), 0);
		EXPECT_EQ(fences[i]->signal(), 0);
	}
	EXPECT_EQ(array->wait(false), 0);
	EXPECT_EQ(array->status(), -EIO);
}

TEST_F(fence_array_test, error_is_found_without_a_waiter)
{
	std::vector<fence_ref> fences = make_fences(3);
	fence_ref array = make_array(fences);
	fences[1]->set_error(-EIO);
	for (fence_ref &each : fences)
		EXPECT_EQ(each->signal(), 0);
	EXPECT_EQ(array->status(), -EIO);
}

TEST_F(fence_array_test, error_is_found_by_the_first_waiter)
{
	std::vector<fence_ref> fences = make_fences(3);
	fence_ref array = make_array(fences);
	fences[1]->set_error(-EIO);
	for (fence_ref &each : fences)
		EXPECT_EQ(each->signal(), 0);
	note n;
	EXPECT_EQ(n.add_to(array), -ENOENT);
	EXPECT_EQ(array->status(), -EIO);
}

TEST_F(fence_array_test, error_of_any_is_that_of_the_first)
{
	for (bool waited_for : {false, true}) {
		for (bool first_fails : {false, true}) {
			std::vector<fence_ref> fences = make_fences(2);
			fence_ref array = make_array(fences, true);
			if (waited_for)
				resv_fence_enable_sw_signaling(array.c());
			fences[first_fails ? 0 : 1]->set_error(-EIO);
			EXPECT_EQ(fences[0]->signal(), 0);
			EXPECT_TRUE(array->is_signaled());
			EXPECT_EQ(fences[1]->signal(), 0);
			resv_port_drain();
			EXPECT_EQ(array->status(), first_fails ? -EIO : 1) << waited_for;
		}
	}
}

// Who signals notes it: nobody asks in between.
TEST_F(fence_array_test, error_of_any_reaches_who_only_waits)
{
	std::vector<fence_ref> fences = make_fences(2);
	fence_ref array = make_array(fences, true);
	resv_fence_enable_sw_signaling(array.c());
	fences[0]->set_error(-EIO);
	EXPECT_EQ(fences[0]->signal(), 0);
	resv_port_drain();
	EXPECT_EQ(array->status(), -EIO);
	EXPECT_EQ(fences[1]->signal(), 0);
}

// Nobody had asked or waited before both were over: the array is for any, and so for the first of them.
TEST_F(fence_array_test, error_of_any_is_no_later_one)
{
	std::vector<fence_ref> fences = make_fences(2);
	fence_ref unasked = make_array(fences, true), waited_for = make_array(fences, true);
	resv_fence_enable_sw_signaling(waited_for.c());
	fences[1]->set_error(-EIO);

	resv_port_spinlock lock{};
	const unsigned long flags = resv_port_spin_lock(&lock); // what is deferred comes after it
	for (fence_ref &each : fences)
		EXPECT_EQ(each->signal(), 0);
	resv_port_spin_unlock(&lock, flags);
	EXPECT_EQ(waited_for->wait(false), 0);
	EXPECT_EQ(waited_for->status(), 1);
	EXPECT_EQ(unasked->status(), 1);
}

// The error that a status tells stays what it was.
TEST_P(fence_array_of, error_races_with_looking)
{
	actor signaler, looker;
	for_a_while([&] {
		std::vector<fence_ref> fences = make_fences(3);
		fence_ref array = make_array(fences, any);
		fences[1]->set_error(-EIO);
		fences[2]->set_error(-ETIME);
		resv_fence_enable_sw_signaling(array.c());
		signaler.start([&] {
			for (fence_ref &each : fences)
				EXPECT_EQ(each->signal(), 0);
		});
		looker.start([&] {
			int status;
			while ((status = array->status()) == 0)
				;
			for (int i = 0; i < 100; i++)
				EXPECT_EQ(array->status(), status);
			return status;
		});
		const int status = looker.finish();
		if (!any) {
			EXPECT_LT(status, 0);
		}
		signaler.finish();
		resv_port_drain();
		EXPECT_EQ(array->status(), status);
	});
}

// ---- The rest --------------------------------------------------------------------------------------------------------

TEST_F(fence_array_test, deadline_goes_to_all_members)
{
	driver_log log;
	fence_ref a = make_driver_fence(log), b = make_driver_fence(log), array = make_array({a, b});
	array->set_deadline(77);
	EXPECT_EQ(log.hurried, 2);
	EXPECT_EQ(log.deadline, 77);
}

TEST_F(fence_array_test, driver_of_a_member_may_know)
{
	driver_log log;
	fence_ref f = make_driver_fence(log), array = make_array({f});
	note n;
	EXPECT_EQ(n.add_to(array), 0);
	EXPECT_EQ(log.enabled, 1);
	EXPECT_FALSE(array->is_signaled());
	driver_of(f).happened = true;
	EXPECT_TRUE(array->is_signaled());
	EXPECT_TRUE(f->test_signaled());
	EXPECT_EQ(n.calls, 1);
}

TEST_F(fence_array_test, no_memory_takes_nothing_over)
{
	fence_ref f = make_fence();
	resv_fence **list = given_array({f});
	resv_host_fail_alloc(0);
	EXPECT_EQ(resv_fence_array_create(1, list, 1, 1, false), nullptr);
	EXPECT_TRUE(resv_host_end_fail_alloc());
	EXPECT_EQ(list[0], f.c());
	resv_fence_put(list[0]);
	resv_port_free(list);
}

// Tasks signal the members, wait for arrays of them, and look, all at once; arrays share members.
TEST_P(fence_array_of, all_at_once)
{
	actor signalers[2], waiters[2];
	for_a_while([&] {
		std::vector<fence_ref> fences = make_fences(8);
		std::vector<fence_ref> half(fences.begin(), fences.begin() + 4);
		fence_ref a = make_array(fences, any), b = make_array(half, any);
		for (unsigned id : {0u, 1u})
			signalers[id].start([&, id] {
				for (unsigned i = id; i < 8; i += 2)
					EXPECT_EQ(fences[i]->signal(), 0);
			});
		waiters[0].start([&] { return a->wait(false); });
		waiters[1].start([&] {
			while (!b->is_signaled())
				std::this_thread::yield();
			return b->wait(true);
		});
		EXPECT_EQ(b->wait(false), 0);
		for (actor &each : waiters)
			EXPECT_EQ(each.finish(), 0);
		for (actor &each : signalers)
			each.finish();
		if (!any) {
			for (const fence_ref &each : fences)
				EXPECT_TRUE(each->test_signaled());
		}
	});
}

} // namespace
} // namespace resv::test
