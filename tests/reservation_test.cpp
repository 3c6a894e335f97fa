// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// reservation_object: what a driver does with one. What the lock beneath promises is the matter of ww_mutex_test.cpp.

#include "helpers.hpp"

#include <atomic>

namespace resv::test {
namespace {

constexpr int64_t millisecond = 1000000;

class reservation : public fixture {
protected:
	~reservation() override
	{
		for (reservation_object *each : {&object, &second, &third}) {
			EXPECT_FALSE(each->is_reserved());
			each->destroy();
		}
	}

	reservation_object object, second, third;
};

TEST_F(reservation, reserve_and_unreserve)
{
	calm_ctx ctx(reservation_class);

	EXPECT_FALSE(object.is_reserved());
	EXPECT_EQ(object.locking_ctx(), nullptr);
	ASSERT_EQ(object.reserve(&ctx), 0);
	EXPECT_TRUE(object.is_reserved());
	EXPECT_EQ(object.locking_ctx(), &ctx);
	object.assert_held();
	EXPECT_EQ(object.reserve(&ctx), -EALREADY);
	object.unreserve();
	EXPECT_FALSE(object.is_reserved());
}

TEST_F(reservation, for_the_task_alone)
{
	actor other;

	ASSERT_EQ(object.reserve(nullptr), 0);
	EXPECT_TRUE(object.is_reserved());
	EXPECT_EQ(object.locking_ctx(), nullptr);
	object.assert_held();
	EXPECT_FALSE(other.run([&] { return object.try_reserve(nullptr); }));
	object.unreserve();
	EXPECT_TRUE(other.run([&] { return object.try_reserve(nullptr); }));
	other.run([&] { object.unreserve(); });
}

TEST_F(reservation, default_class_is_wait_die)
{
	party old(reservation_class), young(reservation_class);

	age(old);
	age(young);
	ASSERT_TRUE(old.run([&] { return object.try_reserve(&old.ctx()); }));
	ASSERT_TRUE(young.run([&] { return second.try_reserve(&young.ctx()); }));
	EXPECT_EQ(young.run([&] { return object.reserve(&young.ctx()); }), -EDEADLK);
	young.run([&] { second.unreserve(); });
	young.start([&] { object.reserve_slow(&young.ctx()); });
	ASSERT_TRUE(waits(lock_of(object)));
	old.run([&] { object.unreserve(); });
	young.finish();
	EXPECT_EQ(object.locking_ctx(), &young.ctx());
}

TEST_F(reservation, class_of_its_own)
{
	reservation_object mine(wound_wait);
	ww_mutex other_lock(wound_wait); // a ww_mutex and a reservation may be of one class
	party old(wound_wait), young(wound_wait);

	age(old);
	age(young);
	ASSERT_TRUE(young.run([&] { return mine.try_reserve(&young.ctx()); }));
	ASSERT_EQ(old.lock(other_lock), 0);
	old.start([&] { return mine.reserve(&old.ctx()); });
	ASSERT_TRUE(waits(lock_of(mine)));
	EXPECT_TRUE(young.ctx().wounded());
	young.run([&] { mine.unreserve(); });
	EXPECT_EQ(old.finish(), 0);
}

TEST_F(reservation, reserve_ends_early_as_requested)
{
	actor waiter;

	ASSERT_EQ(object.reserve(nullptr), 0);
	EXPECT_EQ(waiter.run([&] { return object.reserve(nullptr, for_at_most(0)); }), -ETIME);
	EXPECT_EQ(waiter.run([&] { return object.reserve(nullptr, for_at_most(2 * millisecond)); }), -ETIME);
	waiter.start([&] { return object.reserve(nullptr, interruptible); });
	ASSERT_TRUE(waits(lock_of(object)));
	waiter.interrupt();
	EXPECT_EQ(waiter.finish(), -EINTR);
	waiter.start([&] { return object.reserve(nullptr, killable); });
	ASSERT_TRUE(waits(lock_of(object)));
	waiter.interrupt();
	waiter.kill();
	EXPECT_EQ(waiter.finish(), -EINTR);
	waiter.clear_signals();
	EXPECT_EQ(queue(lock_of(object)).size(), 0u);
	object.unreserve();
}

TEST_F(reservation, reserve_slow_ends_early_as_requested)
{
	party old(reservation_class), young(reservation_class);

	provoke_deadlk(old, young, lock_of(object), lock_of(second));
	EXPECT_EQ(young.run([&] { return object.reserve_slow(&young.ctx(), for_at_most(0)); }), -ETIME);
	young.start([&] { return object.reserve_slow(&young.ctx(), interruptible); });
	ASSERT_TRUE(waits(lock_of(object)));
	young.interrupt();
	EXPECT_EQ(young.finish(), -EINTR);
	old.unlock_all();
	EXPECT_EQ(young.run([&] { return object.reserve_slow(&young.ctx(), interruptible); }), 0);
}

TEST_F(reservation, try_reserve_never_waits)
{
	party holder(reservation_class), waiter(reservation_class), other(reservation_class);

	ASSERT_TRUE(holder.run([&] { return object.try_reserve(&holder.ctx()); }));
	EXPECT_FALSE(holder.run([&] { return object.try_reserve(&holder.ctx()); }));
	waiter.start([&] { return object.reserve(&waiter.ctx()); });
	ASSERT_TRUE(waits(lock_of(object)));
	for (int i = 0; i < 10; i++)
		EXPECT_FALSE(other.run([&] { return object.try_reserve(&other.ctx()); }));
	EXPECT_EQ(queue(lock_of(object)).size(), 1u);
	EXPECT_EQ(other.ctx().stamp(), 0u);
	holder.unlock_all();
	EXPECT_EQ(waiter.finish(), 0);
}

// Several buffers that are always reserved together have one object: the second finds it held.
TEST_F(reservation, shared_by_several_buffers)
{
	struct buffer {
		reservation_object *resv;
	} front{&object}, back{&object};
	calm_ctx ctx(reservation_class);

	ASSERT_EQ(front.resv->reserve(&ctx), 0);
	EXPECT_EQ(back.resv->reserve(&ctx), -EALREADY);
	EXPECT_EQ(ctx.acquired(), 1u);
	back.resv->unreserve();
	EXPECT_FALSE(front.resv->is_reserved());
}

// The eviction walk of a driver: the first of several buffers that nobody is using.
TEST_F(reservation, first_that_can_be_had)
{
	party evicting(reservation_class), busy(reservation_class);
	reservation_object *lru[] = {&object, &second, &third};
	auto evict = [&] {
		for (int i = 0; i < 3; i++)
			if (lru[i]->try_reserve(&evicting.ctx()))
				return i;
		return -EBUSY;
	};

	EXPECT_EQ(evicting.run(evict), 0);
	evicting.unlock_all();
	busy.run([&] { EXPECT_TRUE(object.try_reserve(&busy.ctx())); });
	busy.run([&] { EXPECT_TRUE(second.try_reserve(&busy.ctx())); });
	EXPECT_EQ(evicting.run(evict), 2);
	evicting.unlock_all();
	busy.run([&] { EXPECT_TRUE(third.try_reserve(&busy.ctx())); });
	EXPECT_EQ(evicting.run(evict), -EBUSY);
}

// ---- wait_for_unreserve ----------------------------------------------------------------------------------------------

TEST_F(reservation, wait_for_unreserve_of_a_free_object_is_no_wait)
{
	calm_ctx ctx(reservation_class);

	EXPECT_EQ(object.wait_for_unreserve(&ctx), 0);
	EXPECT_EQ(object.wait_for_unreserve(nullptr, for_at_most(0)), 0);
	EXPECT_FALSE(object.is_reserved());
}

TEST_F(reservation, wait_for_unreserve_waits_and_does_not_reserve)
{
	party holder(reservation_class), waiter(reservation_class);

	for (bool with_context : {false, true}) {
		int written = 0; // by the holder, before it unreserves: TSan would say
		holder.run([&] { EXPECT_TRUE(object.try_reserve(&holder.ctx())); });
		waiter.start([&, with_context] {
			int rc = object.wait_for_unreserve(with_context ? &waiter.ctx() : nullptr);
			return rc == 0 ? written : rc;
		});
		ASSERT_TRUE(waits(lock_of(object)));
		holder.run([&] {
			written = 42;
			object.unreserve();
		});
		EXPECT_EQ(waiter.finish(), 42);
		EXPECT_FALSE(object.is_reserved());
		EXPECT_EQ(waiter.ctx().acquired(), 0u);
	}
}

TEST_F(reservation, wait_for_unreserve_by_the_holder)
{
	calm_ctx ctx(reservation_class);

	ASSERT_EQ(object.reserve(&ctx), 0);
	EXPECT_EQ(object.wait_for_unreserve(&ctx), -EALREADY);
	object.unreserve();
	ASSERT_EQ(object.reserve(nullptr), 0);
	EXPECT_EQ(object.wait_for_unreserve(nullptr), -EALREADY);
	object.unreserve();
	EXPECT_EQ(take_report_kinds(),
		  std::vector(config::debug_ww_mutexes ? 2 : 0, RESV_REPORT_SELF_DEADLOCK));
}

TEST_F(reservation, wait_for_unreserve_while_holding_others)
{
	party holder(reservation_class);
	calm_ctx ctx(reservation_class);

	holder.run([&] { EXPECT_TRUE(object.try_reserve(&holder.ctx())); });
	ASSERT_EQ(second.reserve(&ctx), 0);
	EXPECT_EQ(object.wait_for_unreserve(&ctx), -EDEADLK);
	EXPECT_EQ(queue(lock_of(object)).size(), 0u);
	EXPECT_EQ(second.locking_ctx(), &ctx);
	second.unreserve();
	EXPECT_EQ(take_report_kinds(),
		  std::vector(config::debug_ww_mutexes ? 1 : 0, RESV_REPORT_WAIT_WHILE_HOLDING));
	EXPECT_EQ(object.wait_for_unreserve(&ctx, for_at_most(0)), -ETIME); // now it may
}

TEST_F(reservation, wait_for_unreserve_ends_early_as_requested)
{
	party holder(reservation_class), waiter(reservation_class);
	auto wait = [&](const wait_request &request) {
		waiter.start([&, request] { return object.wait_for_unreserve(&waiter.ctx(), request); });
	};

	holder.run([&] { EXPECT_TRUE(object.try_reserve(&holder.ctx())); });
	for (int64_t time : {int64_t{-1}, int64_t{0}, 2 * millisecond}) {
		wait(for_at_most(time));
		EXPECT_EQ(waiter.finish(), -ETIME);
	}
	wait(interruptible);
	ASSERT_TRUE(waits(lock_of(object)));
	waiter.interrupt();
	EXPECT_EQ(waiter.finish(), -EINTR);
	wait(killable);
	ASSERT_TRUE(waits(lock_of(object)));
	waiter.kill();
	EXPECT_EQ(waiter.finish(), -EINTR);
	waiter.clear_signals();
	EXPECT_EQ(queue(lock_of(object)).size(), 0u);
	wait(interruptible);
	ASSERT_TRUE(waits(lock_of(object)));
	holder.run([&] { object.unreserve(); });
	EXPECT_EQ(waiter.finish(), 0);
}

// What drivers did before lock_slow() existed: back off, wait until the contended buffer is free, and try again.
TEST_F(reservation, wait_for_unreserve_after_a_back_off)
{
	party old(reservation_class), young(reservation_class);

	provoke_deadlk(old, young, lock_of(object), lock_of(second));
	young.start([&] {
		int rc = object.wait_for_unreserve(&young.ctx());
		return rc != 0 ? rc : object.reserve(&young.ctx());
	});
	ASSERT_TRUE(waits(lock_of(object)));
	old.unlock_all();
	EXPECT_EQ(young.finish(), 0);
	EXPECT_EQ(object.locking_ctx(), &young.ctx());
}

} // namespace
} // namespace resv::test
