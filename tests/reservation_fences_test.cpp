// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The fences of a reservation object, in one task. Against others: reservation_readers_test.cpp.

#include "fence_rig.hpp"

#include <algorithm>
#include <functional>

namespace resv::test {
namespace {

bool has(const fence_list &list, const fence &f)
{
	return std::find(list.begin(), list.end(), &f) != list.end();
}

// ---- What Linux's st-dma-resv checks, for each usage -----------------------------------------------------------------

class reservation_fence : public with_fences, public testing::WithParamInterface<usage> {
protected:
	usage how = GetParam();
};
std::string usage_name(const testing::TestParamInfo<usage> &info)
{
	constexpr const char *names[] = {"kernel", "write", "read", "bookkeep"};
	return names[static_cast<unsigned>(info.param)];
}
INSTANTIATE_TEST_SUITE_P(each, reservation_fence, testing::ValuesIn(all_usages), usage_name);

TEST_P(reservation_fence, room_for_one)
{
	reserved held(object);
	EXPECT_EQ(object.reserve_fences(1), 0);
	EXPECT_TRUE(object.test_signaled(how));
}

TEST_P(reservation_fence, signaling)
{
	fence &f = make();
	reserved held(object);
	room(1);
	EXPECT_EQ(object.add_fence(f, how), 0);
	EXPECT_FALSE(object.test_signaled(how));
	EXPECT_EQ(f.signal(), 0);
	EXPECT_TRUE(object.test_signaled(how));
}

TEST_P(reservation_fence, walk_with_the_reservation_held)
{
	fence &f = make();
	reserved held(object);
	room(1);
	EXPECT_EQ(object.add_fence(f, how), 0);
	fence_cursor c(object, how);
	EXPECT_EQ(c.first(), &f);
	EXPECT_TRUE(c.is_restarted());
	EXPECT_EQ(c.current_usage(), how);
	EXPECT_EQ(c.next(), nullptr);
	EXPECT_FALSE(c.is_restarted());
	f.signal();
	EXPECT_EQ(c.first(), &f); // signaled ones are there
}

TEST_P(reservation_fence, unlocked_walk_begins_again_when_fences_change)
{
	fence &f = make(), &later = make();
	reserved held(object);
	room(2);
	EXPECT_EQ(object.add_fence(f, how), 0);
	fence_cursor c(object, how);
	EXPECT_EQ(c.first_unlocked(), &f);
	EXPECT_TRUE(c.is_restarted());
	EXPECT_EQ(c.current_usage(), how);
	EXPECT_EQ(object.add_fence(later, how), 0);
	EXPECT_EQ(c.next_unlocked(), &f);
	EXPECT_TRUE(c.is_restarted());
	EXPECT_EQ(c.next_unlocked(), &later);
	EXPECT_FALSE(c.is_restarted());
	EXPECT_EQ(c.next_unlocked(), nullptr);
	EXPECT_FALSE(c.is_restarted());
	f.signal();
	EXPECT_EQ(c.first_unlocked(), &later); // signaled ones are not
}

TEST_P(reservation_fence, get_fences)
{
	fence &f = make();
	unsigned num = 7;
	resv_fence **fences = nullptr;
	EXPECT_EQ(object.get_fences(how, &num, &fences), 0);
	EXPECT_EQ(num, 0u);
	EXPECT_EQ(fences, nullptr);
	{
		reserved held(object);
		room(1);
		EXPECT_EQ(object.add_fence(f, how), 0);
	}
	EXPECT_EQ(object.get_fences(how, &num, &fences), 0);
	ASSERT_EQ(num, 1u);
	EXPECT_EQ(fences[0], f.c());
	resv_fence_put(fences[0]);
	resv_port_free(fences);
}

// ---- Usages -----------------------------------------------------------------------------------------------------------

class reservation_fences : public with_fences {
protected:
	/// A fence of which only the driver knows that it has happened.
	fence &happened()
	{
		fence &f = make();
		driver_fence::of(f.c()).happened = true;
		return f;
	}
};

TEST_F(reservation_fences, usage_asked_for_and_those_before_it)
{
	for (usage added : all_usages) {
		fence &f = make();
		reserved held(object);
		add(f, added);
		for (usage asked : all_usages) {
			bool seen = added <= asked;
			EXPECT_EQ(object.test_signaled(asked), !seen);
			EXPECT_EQ(has(fences_of(object, asked), f), seen);
			EXPECT_EQ(object.wait(asked, false, 0), seen ? 0 : 1);
		}
		f.signal();
	}
}

TEST_F(reservation_fences, writers_wait_for_readers_and_readers_for_writers)
{
	EXPECT_EQ(usage_rw(true), usage::read);
	EXPECT_EQ(usage_rw(false), usage::write);
}

// ---- Room -------------------------------------------------------------------------------------------------------------

// Trap 14: two parts of a driver that ask for room independently each get theirs.
TEST_F(reservation_fences, room_is_counted_together)
{
	reserved held(object);
	room(1);
	room(2);
	room(9);
	for (int i = 0; i < 12; i++)
		EXPECT_EQ(object.add_fence(make(), usage::write), 0);
	EXPECT_EQ(fences_of(object).size(), 12u);
	EXPECT_EQ(object.add_fence(make(), usage::write), -ENOSPC);
	EXPECT_EQ(take_report_kinds(), std::vector{RESV_REPORT_NO_FENCE_SLOT});
	EXPECT_EQ(fences_of(object).size(), 12u);
}

TEST_F(reservation_fences, room_ends_with_the_reservation)
{
	for (int how_reserved = 0; how_reserved < 2; how_reserved++) {
		{
			reserved held(object);
			room(3);
		}
		ASSERT_TRUE(how_reserved == 0 ? object.reserve(nullptr) == 0 : object.try_reserve(nullptr));
		EXPECT_EQ(object.add_fence(make(), usage::read), -ENOSPC);
		EXPECT_EQ(take_report_kinds(), std::vector{RESV_REPORT_NO_FENCE_SLOT});
		object.unreserve();
	}
	EXPECT_TRUE(object.test_signaled(usage::bookkeep));
}

TEST_F(reservation_fences, room_for_more_than_can_be)
{
	reserved held(object);
	EXPECT_EQ(object.reserve_fences(~0u), -ENOMEM);
	EXPECT_EQ(object.reserve_fences(1u << 31), -ENOMEM);
	add(make(), usage::write);
	EXPECT_EQ(object.reserve_fences(1u << 20), -ENOMEM); // one too many, together with that
}

TEST_F(reservation_fences, room_for_as_many_as_can_be)
{
	reserved held(object);
	EXPECT_EQ(object.reserve_fences(1u << 20), 0);
	EXPECT_EQ(object.reserve_fences(1), -ENOMEM);
}

TEST_F(reservation_fences, four_need_no_memory)
{
	auto before = resv_host_alloc_stats().allocated;
	fence *fences[] = {&make(), &make(), &make(), &make()};
	EXPECT_EQ(resv_host_alloc_stats().allocated, before + 4);
	reserved held(object);
	room(4);
	for (fence *f : fences)
		EXPECT_EQ(object.add_fence(*f, usage::write), 0);
	EXPECT_EQ(resv_host_alloc_stats().allocated, before + 4);
	EXPECT_EQ(fences_of(object), fence_list(std::begin(fences), std::end(fences)));
}

TEST_F(reservation_fences, signaled_ones_make_room)
{
	reserved held(object);
	auto before = resv_host_alloc_stats().allocated;
	for (int i = 0; i < 20; i++) {
		fence &f = make();
		add(f, usage::write);
		if (i >= 2)
			f.signal(); // two stay
	}
	EXPECT_EQ(resv_host_alloc_stats().allocated, before + 20); // the fences alone
	EXPECT_LE(fences_of(object).size(), 4u);
	room(1);
	EXPECT_EQ(fences_of(object).size(), 3u); // there was a free one
	room(1);
	EXPECT_EQ(fences_of(object).size(), 2u);
	EXPECT_EQ(resv_host_alloc_stats().allocated, before + 20); // what was pruned made the room
}

TEST_F(reservation_fences, signaled_one_makes_room_wherever_it_is)
{
	for (size_t n = 0; n < 4; n++) {
		reserved held(object);
		fence *fences[] = {&make(), &make(), &make(), &make()};
		for (fence *f : fences)
			add(*f, usage::write);
		fences[n]->signal();
		resv_host_fail_alloc(0);
		EXPECT_EQ(object.reserve_fences(1), 0) << n;
		EXPECT_FALSE(resv_host_end_fail_alloc());
		const fence_list left = fences_of(object);
		EXPECT_EQ(left.size(), 3u);
		EXPECT_FALSE(has(left, *fences[n]));
		for (fence *f : fences)
			f->signal();
	}
}

TEST_F(reservation_fences, growth_keeps_all_in_their_order)
{
	fence_list all;
	reserved held(object);
	auto before = resv_host_alloc_stats().allocated;
	for (int i = 0; i < 100; i++) {
		fence &f = make();
		add(f, usage::write);
		all.push_back(&f);
		EXPECT_EQ(fences_of(object), all);
	}
	EXPECT_EQ(resv_host_alloc_stats().allocated, before + 100 + 5); // to 8, 16, 32, 64, 128
	EXPECT_FALSE(object.test_signaled(usage::write));
	for (const fence *f : all) {
		EXPECT_FALSE(object.test_signaled(usage::write));
		const_cast<fence *>(f)->signal();
	}
	EXPECT_TRUE(object.test_signaled(usage::write));
	EXPECT_EQ(object.wait(usage::write, false), RESV_WAIT_FOREVER);
}

TEST_F(reservation_fences, writers_must_hold_the_reservation)
{
	if (!config::debug_ww_mutexes) {
		EXPECT_TRUE(object.test_signaled(usage::bookkeep)); // nobody looks
		return;
	}
	reservation_object other;
	fence &there = make(), &f = make();
	{
		reserved held(object);
		add(there, usage::write);
	}
	EXPECT_EQ(object.reserve_fences(1), -EINVAL);
	EXPECT_EQ(object.add_fence(f, usage::write), -EINVAL);
	object.replace_fences(there.context, f, usage::write);
	EXPECT_EQ(object.copy_fences(other), -EINVAL);
	EXPECT_EQ(take_report_kinds(), std::vector(4, RESV_REPORT_NOT_HELD));
	EXPECT_EQ(fences_of(object), fence_list{&there});
	EXPECT_EQ(take_report_kinds(), std::vector(2, RESV_REPORT_NOT_HELD));
	other.destroy();
}

TEST_F(reservation_fences, end_of_the_object_drops_them)
{
	reservation_object gone;
	{
		reserved held(gone);
		ASSERT_EQ(gone.reserve_fences(7), 0);
		for (int i = 0; i < 7; i++)
			EXPECT_EQ(gone.add_fence(make(), usage::read), 0);
	}
	gone.destroy();
	EXPECT_TRUE(gone.test_signaled(usage::bookkeep));
}

// ---- Who takes whose place ----------------------------------------------------------------------------------------------

TEST_F(reservation_fences, later_on_the_timeline_takes_the_place)
{
	uint64_t timeline = resv_fence_context_alloc(1);
	fence &first = make(timeline, 1), &same = make(timeline, 1), &other = make(),
	      &second = make(timeline, 2);
	reserved held(object);
	add(first, usage::read);
	add(other, usage::read);
	add(same, usage::read);
	EXPECT_EQ(fences_of(object), (fence_list{&same, &other}));
	add(second, usage::write); // stronger than the one that it stands for
	EXPECT_EQ(fences_of(object), (fence_list{&second, &other}));
}

TEST_F(reservation_fences, seqnos_have_64_bits)
{
	uint64_t timeline = resv_fence_context_alloc(1);
	fence &before = make(timeline, 0xffffffff), &after = make(timeline, uint64_t{1} << 32),
	      &far = make(timeline, (uint64_t{1} << 63) + 1);
	reserved held(object);
	for (fence *f : {&before, &after, &far})
		add(*f, usage::read);
	EXPECT_EQ(fences_of(object), fence_list{&far});
	add(before, usage::read);
	EXPECT_EQ(fences_of(object), (fence_list{&far, &before}));
}

// Trap 16: an earlier fence, or a weaker one, stands for nothing.
TEST_F(reservation_fences, trap_16_earlier_or_weaker_takes_no_place)
{
	uint64_t timeline = resv_fence_context_alloc(1);
	fence &first = make(timeline, 1), &second = make(timeline, 2), &third = make(timeline, 3);
	reserved held(object);
	add(second, usage::write);
	add(first, usage::write);
	EXPECT_EQ(fences_of(object), (fence_list{&second, &first}));
	add(third, usage::read);
	EXPECT_EQ(fences_of(object), (fence_list{&second, &first, &third}));
	EXPECT_EQ(fences_of(object, usage::write), (fence_list{&second, &first}));
}

TEST_F(reservation_fences, takes_the_place_on_its_timeline_rather_than_a_free_one)
{
	uint64_t timeline = resv_fence_context_alloc(1);
	fence &done = make(), &first = make(timeline, 1), &second = make(timeline, 2);
	reserved held(object);
	add(done, usage::read);
	add(first, usage::read);
	done.signal();
	add(second, usage::read);
	EXPECT_EQ(fences_of(object), (fence_list{&done, &second}));
}

// Trap 16: each place has a reference of its own.
TEST_F(reservation_fences, trap_16_replaced_everywhere_with_a_reference_each)
{
	uint64_t timeline = resv_fence_context_alloc(1);
	fence &a = make(timeline, 2), &b = make(timeline, 1), &other = make(), &instead = make();
	reserved held(object);
	add(a, usage::kernel);
	add(b, usage::read);
	add(other, usage::read);
	object.replace_fences(timeline, instead, usage::bookkeep);
	EXPECT_EQ(fences_of(object), (fence_list{&instead, &instead, &other}));
	EXPECT_EQ(fences_of(object, usage::read), fence_list{&other});
	object.replace_fences(timeline, a, usage::kernel); // there is none any more
	EXPECT_EQ(fences_of(object).size(), 3u);
}

TEST_F(reservation_fences, replaced_in_the_table_as_well)
{
	uint64_t timeline = resv_fence_context_alloc(1);
	fence &old = make(timeline, 1), &instead = make();
	reserved held(object);
	for (int i = 0; i < 6; i++)
		add(make(), usage::read);
	add(old, usage::read);
	object.replace_fences(timeline, instead, usage::read);
	EXPECT_EQ(fences_of(object)[6], &instead);
	EXPECT_EQ(fences_of(object).size(), 7u);
}

// Trap 18: under a reservation nobody is asked whether it has happened, since that might run anybody's callbacks.
TEST_F(reservation_fences, trap_18_no_driver_is_asked_under_the_reservation)
{
	reservation_object other;
	fence &instead = happened();
	{
		reserved held(object), other_held(other);
		for (int i = 0; i < 10; i++)
			add(happened(), usage::write);
		object.replace_fences(instead.context, instead, usage::write);
		EXPECT_EQ(other.copy_fences(object), 0);
		EXPECT_EQ(fences_of(other).size(), 10u);
		EXPECT_EQ(log.asked, 0);
	}
	EXPECT_TRUE(object.test_signaled(usage::write)); // this does ask
	EXPECT_EQ(log.asked, 10);
	other.destroy();
}

TEST_F(reservation_fences, driver_says_that_it_has_not_happened)
{
	reserved held(object);
	add(make(), usage::write);
	EXPECT_FALSE(object.test_signaled(usage::write));
	EXPECT_EQ(log.asked, 1);
	EXPECT_TRUE(object.test_signaled(usage::kernel));
	EXPECT_EQ(log.asked, 1);
}

// While a driver is asked another fence comes, in front of his: all are looked at again.
TEST_F(reservation_fences, fence_that_comes_while_a_driver_is_asked)
{
	static std::function<bool()> answer;
	static constexpr resv_fence_ops ops{.get_driver_name = driver_fence::driver_name,
					    .get_timeline_name = driver_fence::timeline_name,
					    .enable_signaling = nullptr,
					    .signaled = [](resv_fence *) { return answer(); },
					    .release = nullptr,
					    .set_deadline = nullptr};
	fence &over = make(), &comes = make();
	fence_ref asked = make_fence(resv_fence_context_alloc(1), 1, &ops);
	reserved held(object);
	add(over, usage::write);
	add(*asked, usage::write);
	over.signal();
	room(1);
	answer = [&] { return object.add_fence(comes, usage::write) == 0; };
	EXPECT_FALSE(object.test_signaled(usage::write));
	EXPECT_TRUE(asked->test_signaled());
	answer = nullptr;
}

// ---- Copies -------------------------------------------------------------------------------------------------------------

// Trap 16: a copy has every usage.
TEST_F(reservation_fences, trap_16_copy_has_every_usage)
{
	reservation_object copy;
	fence &done = make();
	fence_list all;
	{
		reserved held(object), copy_held(copy);
		add(done, usage::write);
		for (usage how : all_usages) {
			fence &f = make();
			add(f, how);
			all.push_back(&f);
		}
		done.signal();
		ASSERT_EQ(copy.copy_fences(object), 0);
		EXPECT_EQ(fences_of(copy), all); // without signaled ones
		for (usage how : all_usages)
			EXPECT_EQ(fences_of(copy, how).size(), static_cast<unsigned>(how) + 1);
		EXPECT_EQ(object.copy_fences(object), 0);
		EXPECT_EQ(fences_of(object), all);
	}
	copy.destroy();
}

TEST_F(reservation_fences, copy_takes_the_place_of_all_and_keeps_promises)
{
	reservation_object copy;
	fence &theirs = make(), &both = make(), &ours = make(), &more = make();
	{
		reserved held(object), copy_held(copy);
		add(theirs, usage::read);
		add(both, usage::read);
		ASSERT_EQ(copy.reserve_fences(3), 0);
		EXPECT_EQ(copy.add_fence(ours, usage::read), 0);
		EXPECT_EQ(copy.add_fence(both, usage::read), 0);
		ASSERT_EQ(copy.copy_fences(object), 0);
		EXPECT_EQ(fences_of(copy), (fence_list{&both, &theirs})); // who is there already stays
		EXPECT_EQ(copy.add_fence(more, usage::read), 0);
		EXPECT_EQ(fences_of(copy).size(), 3u);
		ASSERT_EQ(copy.copy_fences(copy), 0);
		EXPECT_EQ(fences_of(copy), (fence_list{&more, &both, &theirs}));
	}
	copy.destroy();
}

TEST_F(reservation_fences, copy_of_none_leaves_all_the_room)
{
	reservation_object none;
	reserved held(object);
	for (int i = 0; i < 4; i++)
		add(make(), usage::read);
	ASSERT_EQ(object.copy_fences(none), 0);
	EXPECT_EQ(fences_of(object), fence_list{});
	resv_host_fail_alloc(0);
	EXPECT_EQ(object.reserve_fences(4), 0);
	EXPECT_FALSE(resv_host_end_fail_alloc());
	none.destroy();
}

// ---- Waits --------------------------------------------------------------------------------------------------------------

TEST_F(reservation_fences, wait_without_waiting)
{
	EXPECT_EQ(object.wait(usage::bookkeep, true, 0), 1);
	EXPECT_EQ(object.wait(usage::bookkeep, true, 5), 5);
	EXPECT_EQ(object.wait(usage::bookkeep, true), RESV_WAIT_FOREVER);
	EXPECT_EQ(object.wait(usage::bookkeep, true, -1), -EINVAL);
}

TEST_F(reservation_fences, wait_ends_with_the_last_fence)
{
	fence_list all;
	{
		reserved held(object);
		for (int i = 0; i < 7; i++) {
			fence &f = make();
			add(f, usage::read);
			all.push_back(&f);
		}
	}
	EXPECT_EQ(object.wait(usage::read, false, 0), 0);
	EXPECT_EQ(object.wait(usage::read, false, ms), 0);
	actor waiter;
	waiter.start([&] { return object.wait(usage::read, false) == RESV_WAIT_FOREVER; });
	for (const fence *f : all) {
		EXPECT_TRUE(waiter.busy());
		const_cast<fence *>(f)->signal();
	}
	EXPECT_TRUE(waiter.finish());
}

// The wait is recorded, whether there is something to wait for or not.
TEST_F(reservation_fences, wait_while_signalling_is_reported)
{
	const bool cookie = resv_fence_begin_signalling();
	EXPECT_EQ(object.wait(usage::read, false, 0), 1);
	EXPECT_TRUE(take_reports().empty());
	EXPECT_EQ(object.wait(usage::read, false, 5), 5);
	expect_order_reports({RESV_REPORT_RECURSION});
	resv_fence_end_signalling(cookie);
}

TEST_F(reservation_fences, wait_returns_what_is_left)
{
	constexpr int64_t minute = 60000 * ms;
	fence &f = make(), &other = make();
	{
		reserved held(object);
		add(f, usage::read);
		add(other, usage::read);
	}
	actor waiter;
	int64_t left = 0;
	waiter.start([&] { left = object.wait(usage::read, false, minute); });
	ASSERT_TRUE(eventually([&] { return log.enabled != 0; }));
	f.signal();
	other.signal();
	waiter.finish();
	EXPECT_GT(left, 0);
	EXPECT_LT(left, minute);
}

TEST_F(reservation_fences, wait_that_has_run_out_asks_no_other)
{
	reserved held(object);
	add(make(), usage::read);
	add(happened(), usage::read);
	EXPECT_EQ(object.wait(usage::read, false, 1), 0);
	EXPECT_EQ(log.asked, 0);
}

// The first fence is over when the time is; that says nothing of the second.
TEST_F(reservation_fences, wait_whose_time_runs_out_between_two)
{
	{
		reserved held(object);
		fence &first = make();
		driver_fence::of(first.c()).refuses = true;
		add(first, usage::write);
		add(make(), usage::write);
	}
	EXPECT_EQ(object.wait(usage::write, false, 1), 0);
}

TEST_F(reservation_fences, signal_ends_the_wait_for_any_of_them)
{
	constexpr int count = 6;
	fence *all[count];
	{
		reserved held(object);
		for (fence *&f : all)
			add(*(f = &make()), usage::read);
	}
	actor waiter;
	for (fence *f : all) {
		waiter.start([&] { return object.wait(usage::read, true); });
		waiter.interrupt();
		EXPECT_EQ(waiter.finish(), -EINTR);
		f->signal();
	}
	waiter.start([&] { return object.wait(usage::read, true, 8); });
	waiter.interrupt();
	EXPECT_EQ(waiter.finish(), 8); // nothing to wait for
	waiter.clear_signals();
}

TEST_F(reservation_fences, deadline_goes_to_those_that_have_not_been_signaled)
{
	fence &f = make();
	{
		reserved held(object);
		for (int i = 0; i < 5; i++)
			add(make(), usage::read);
		add(f, usage::read);
	}
	object.set_deadline(usage::write, 1234);
	EXPECT_EQ(log.hurried, 0);
	object.set_deadline(usage::read, 1234);
	EXPECT_EQ(log.hurried, 6);
	EXPECT_EQ(log.deadline, 1234);
	f.signal();
	object.set_deadline(usage::read, 5678);
	EXPECT_EQ(log.hurried, 6 + 5);
}

// ---- No memory -----------------------------------------------------------------------------------------------------------

/// Runs `f` with each allocation failing in its turn, until none does; returns how many failed. Each time it must say
/// -ENOMEM.
template <typename F>
int fail_each(F f)
{
	for (int failed = 0;; failed++) {
		resv_host_fail_alloc(static_cast<unsigned long>(failed));
		int rc = f();
		if (!resv_host_end_fail_alloc()) {
			EXPECT_EQ(rc, 0);
			return failed;
		}
		EXPECT_EQ(rc, -ENOMEM);
	}
}

TEST_F(reservation_fences, no_memory_for_room)
{
	reserved held(object);
	EXPECT_EQ(fail_each([&] { return object.reserve_fences(4); }), 0);
	EXPECT_EQ(fail_each([&] { return object.reserve_fences(1); }), 1);
	EXPECT_EQ(fail_each([&] { return object.reserve_fences(100); }), 1);
	for (int i = 0; i < 105; i++)
		EXPECT_EQ(object.add_fence(make(), usage::write), 0);
	EXPECT_EQ(fences_of(object).size(), 105u);
}

TEST_F(reservation_fences, no_memory_for_a_copy_changes_nothing)
{
	reservation_object copy;
	fence &old = make();
	{
		reserved held(object), copy_held(copy);
		for (int i = 0; i < 9; i++)
			add(make(), usage::write);
		ASSERT_EQ(copy.reserve_fences(1), 0);
		EXPECT_EQ(copy.add_fence(old, usage::write), 0);
		EXPECT_GE(fail_each([&] {
				  int rc = copy.copy_fences(object);
				  EXPECT_TRUE(rc == 0 || fences_of(copy) == fence_list{&old});
				  return rc;
			  }),
			  4);
		EXPECT_EQ(fences_of(copy), fences_of(object));
	}
	copy.destroy();
}

TEST_F(reservation_fences, no_memory_for_the_fences_that_are_asked_for)
{
	{
		reserved held(object);
		for (int i = 0; i < 9; i++)
			add(make(), usage::write);
	}
	unsigned num;
	resv_fence *none = nullptr, **fences;
	EXPECT_EQ(fail_each([&] {
			  num = 1;
			  fences = &none;
			  int err = object.get_fences(usage::write, &num, &fences);
			  EXPECT_TRUE(err == 0 || (num == 0 && !fences)); // nothing to be put or freed
			  return err;
		  }),
		  3);
	EXPECT_EQ(num, 9u);
	for (unsigned i = 0; i < num; i++)
		resv_fence_put(fences[i]);
	resv_port_free(fences);
}

// ---- One for all ---------------------------------------------------------------------------------------------------------

TEST_F(reservation_fences, singleton_of_none_and_of_one)
{
	fence &f = make();
	resv_fence *single = f.c();
	EXPECT_EQ(object.get_singleton(usage::bookkeep, &single), 0);
	EXPECT_EQ(single, nullptr);
	reserved held(object);
	add(f, usage::read);
	EXPECT_EQ(object.get_singleton(usage::write, &single), 0);
	EXPECT_EQ(single, nullptr);
	EXPECT_EQ(object.get_singleton(usage::read, &single), 0);
	EXPECT_EQ(single, f.c());
	resv_fence_put(single);
}

TEST_F(reservation_fences, singleton_of_several_is_signaled_with_all)
{
	fence &one = make(), &other = make();
	resv_fence *single = nullptr;
	{
		reserved held(object);
		add(one, usage::read);
		add(other, usage::write);
	}
	EXPECT_GE(fail_each([&] { return object.get_singleton(usage::read, &single); }), 2);
	ASSERT_NE(single, nullptr);
	EXPECT_TRUE(resv_fence_is_array(single));
	EXPECT_NE(single->context, resv_fence_context_alloc(1)); // it is the first of a timeline of its own
	EXPECT_EQ(single->seqno, 1u);
	one.signal();
	EXPECT_FALSE(resv_fence_is_signaled(single));
	other.signal();
	EXPECT_TRUE(resv_fence_is_signaled(single));
	resv_fence_put(single);
}

} // namespace
} // namespace resv::test
