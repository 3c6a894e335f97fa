// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The walk that waits for the oldest buffer if all that suit are busy, as part of a transaction.
#include "lru_helpers.hpp"

namespace resv::test {
namespace {

class lru_wait : public with_lru {
protected:
	lru_wait() : with_lru(3)
	{
		waiter.run([&] { t.emplace(); });
	}
	~lru_wait() override
	{
		waiter.run([&] { t.reset(); });
	}

	void hold(size_t n) { ASSERT_TRUE(holder.trylock(lock_of(buffers[n].own))); }
	void hold_all()
	{
		for (size_t i = 0; i < buffers.size(); i++)
			hold(i);
	}
	void unhold(size_t n) { holder.unlock(lock_of(buffers[n].own)); }

	void start(unsigned retries)
	{
		waiter.start([this, retries] {
			object = nullptr;
			return t->reserve_wait_on(device, retries, object);
		});
	}
	/// Starts a walk, which comes to wait for the oldest that suits: for this one.
	void start_waiting_for(size_t n, unsigned retries = 1)
	{
		start(retries);
		ASSERT_TRUE(waits(lock_of(buffers[n].own)));
		EXPECT_EQ(buffers[n].references.load(), 2);
		EXPECT_EQ(device.count(), buffers.size()); // the LRU's lock is free
	}
	/// The waiter becomes older than those who get their stamps later, and need not give way to them.
	void age_waiter()
	{
		reservation_object scratch;
		ASSERT_EQ(scratch.reserve(nullptr), 0);
		EXPECT_EQ(waiter.run([&] { return scratch.reserve(&t->context(), for_at_most(0)); }), -ETIME);
		scratch.unreserve();
		scratch.destroy();
	}
	void release()
	{
		waiter.run([&] { t->release_all(); });
	}

	struct waiting_transaction : calm_lru_transaction {
		using calm_lru_transaction::calm_lru_transaction;
		int reserve_wait_on(lru &device, unsigned retries, reservation_object *&victim)
		{
			return device.reserve_wait(*this, suitable{}, retries, victim);
		}
	};

	party holder{reservation_class};
	actor waiter;
	std::optional<waiting_transaction> t;
	reservation_object *object = nullptr;
};

TEST_F(lru_wait, takes_a_free_one_without_waiting)
{
	hold(0);
	start(5);
	EXPECT_EQ(waiter.finish(), 0);
	EXPECT_EQ(object, &buffers[1].own);
	EXPECT_EQ(t->size(), 1u);
	release();
	holder.unlock_all();
}

TEST_F(lru_wait, waits_for_the_oldest)
{
	hold_all();
	start_waiting_for(0);
	unhold(0);
	EXPECT_EQ(waiter.finish(), 0);
	EXPECT_EQ(object, &buffers[0].own);
	EXPECT_EQ(buffers[0].own.locking_ctx(), &t->context());
	EXPECT_EQ(buffers[0].references.load(), 1);
	release();
	holder.unlock_all();
}

TEST_F(lru_wait, without_retries_it_only_tries)
{
	hold_all();
	start(0);
	EXPECT_EQ(waiter.finish(), -EBUSY);
	EXPECT_EQ(object, nullptr);
	for (lru_buffer &b : buffers)
		b.suits = false;
	start(3);
	EXPECT_EQ(waiter.finish(), -ENOENT);
	holder.unlock_all();
}

// What was busy does not suit any more when the walk comes back to wait for it.
TEST_F(lru_wait, nothing_suits_the_second_time)
{
	hold_all();
	int asked = 0;
	auto once = [&](lru_entry &, reservation_object &, bool) { return asked++ == 0; };
	EXPECT_EQ(waiter.run([&] { return device.reserve_wait(*t, once, 1, object); }), -ENOENT);
	EXPECT_EQ(object, nullptr);
	holder.unlock_all();
}

// It takes the one that it has waited for, though an older one is free by then.
TEST_F(lru_wait, has_what_it_has_waited_for)
{
	hold_all();
	buffers[0].suits = false;
	start_waiting_for(1);
	buffers[0].suits = true;
	unhold(0);
	unhold(1);
	EXPECT_EQ(waiter.finish(), 0);
	EXPECT_EQ(object, &buffers[1].own);
	release();
	holder.unlock_all();
}

TEST_F(lru_wait, does_not_wait_for_what_nobody_keeps)
{
	hold_all();
	buffers[0].references = 0;
	start_waiting_for(1);
	unhold(1);
	EXPECT_EQ(waiter.finish(), 0);
	EXPECT_EQ(object, &buffers[1].own);
	release();
	hold(1);
	for (lru_buffer &b : buffers)
		b.references = 0;
	start(3);
	EXPECT_EQ(waiter.finish(), -EBUSY);
	for (lru_buffer &b : buffers)
		b.references = 1;
	holder.unlock_all();
}

TEST_F(lru_wait, entry_left_meanwhile)
{
	hold_all();
	start_waiting_for(0);
	lru::del(buffers[0].entry);
	unhold(0);
	EXPECT_EQ(waiter.finish(), -EBUSY);
	EXPECT_FALSE(buffers[0].own.is_reserved());
	EXPECT_EQ(t->size(), 0u);
	holder.unlock_all();
}

TEST_F(lru_wait, entry_went_to_another_lru_meanwhile)
{
	lru second(&lru_buffer_ops);
	hold_all();
	start_waiting_for(0);
	lru::del(buffers[0].entry);
	second.add(buffers[0].entry, buffers[0].own);
	unhold(0);
	EXPECT_EQ(waiter.finish(), -EBUSY);
	lru::del(buffers[0].entry);
	second.destroy();
	holder.unlock_all();
}

TEST_F(lru_wait, object_replaced_meanwhile)
{
	reservation_object replacement;
	hold_all();
	ASSERT_TRUE(holder.trylock(lock_of(replacement)));
	start_waiting_for(0, 2);
	lru::set_object(buffers[0].entry, replacement);
	unhold(0);
	ASSERT_TRUE(waits(lock_of(replacement))); // it looks again, at the new one
	EXPECT_FALSE(buffers[0].own.is_reserved());
	holder.unlock(lock_of(replacement));
	EXPECT_EQ(waiter.finish(), 0);
	EXPECT_EQ(object, &replacement);
	release();
	holder.unlock_all();
	lru::del(buffers[0].entry);
	replacement.destroy();
}

TEST_F(lru_wait, no_longer_suits)
{
	hold_all();
	start_waiting_for(0, 2);
	buffers[0].suits = false;
	unhold(0);
	ASSERT_TRUE(waits(lock_of(buffers[1].own)));
	unhold(1);
	EXPECT_EQ(waiter.finish(), 0);
	EXPECT_EQ(object, &buffers[1].own);
	EXPECT_FALSE(buffers[0].own.is_reserved());
	release();
	holder.unlock_all();
}

TEST_F(lru_wait, retries_are_bounded)
{
	hold_all();
	start_waiting_for(0, 2);
	buffers[0].suits = false;
	unhold(0);
	ASSERT_TRUE(waits(lock_of(buffers[1].own)));
	buffers[1].suits = false;
	unhold(1);
	EXPECT_EQ(waiter.finish(), -EBUSY); // it does not wait for the third
	EXPECT_EQ(buffers[2].references.load(), 1);
	holder.unlock_all();
}

TEST_F(lru_wait, interrupted)
{
	waiter.run([&] { t.emplace(interruptible); });
	age_waiter();
	reservation_object mine;
	hold_all();
	EXPECT_EQ(waiter.run([&] { return t->reserve_one(mine); }), 0);
	start_waiting_for(0);
	waiter.interrupt();
	EXPECT_EQ(waiter.finish(), -EINTR);
	EXPECT_EQ(object, nullptr);
	EXPECT_EQ(buffers[0].references.load(), 1);
	EXPECT_EQ(t->size(), 1u); // as with reserve_one(), nothing was dropped
	EXPECT_FALSE(t->is_contended());
	release();
	holder.unlock_all();
	mine.destroy();
}

TEST_F(lru_wait, passes_over_ones_own)
{
	age_waiter();
	EXPECT_EQ(waiter.run([&] { return t->reserve_one(buffers[0].own); }), 0);
	hold(1);
	hold(2);
	start_waiting_for(1);
	unhold(1);
	EXPECT_EQ(waiter.finish(), 0);
	EXPECT_EQ(object, &buffers[1].own);
	lru_buffer *only = &buffers[0];
	auto own_too = [only](lru_entry &entry, reservation_object &, bool) {
		return &buffer_of(entry) == only ? RESV_LRU_OWN_TOO : 0;
	};
	EXPECT_EQ(waiter.run([&] { return device.reserve_wait(*t, own_too, 3, object); }), -EALREADY);
	EXPECT_EQ(object, &buffers[0].own);
	EXPECT_EQ(t->size(), 2u);
	release();
	holder.unlock_all();
}

// ---- Contention: the waiter is younger, and holds something ------------------------------------------------------------

class lru_wait_deadlk : public lru_wait {
protected:
	lru_wait_deadlk() { age(holder); }

	/// One pass: its own buffer first, then a victim.
	int pass()
	{
		int err = t->reserve_one(mine);
		return err != 0 ? err : t->reserve_wait_on(device, 3, object);
	}
	~lru_wait_deadlk() override { mine.destroy(); }

	reservation_object mine;
};

TEST_F(lru_wait_deadlk, drops_all_and_waits_for_the_victim)
{
	hold_all();
	waiter.start([&] { return pass(); });
	ASSERT_TRUE(waits(lock_of(buffers[0].own)));
	// It has dropped what it held, and waits without it.
	ASSERT_TRUE(eventually([&] { return !mine.is_reserved(); }));
	EXPECT_EQ(buffers[0].references.load(), 2);
	unhold(0);
	EXPECT_EQ(waiter.finish(), -EDEADLK);
	EXPECT_EQ(buffers[0].references.load(), 1);
	EXPECT_FALSE(buffers[0].own.is_reserved());
	EXPECT_TRUE(t->is_contended());
	EXPECT_EQ(t->retries(), 1u);
	EXPECT_EQ(t->size(), 0u);
	EXPECT_EQ(waiter.run([&] { return pass(); }), 0); // the next pass
	EXPECT_EQ(object, &buffers[0].own);
	EXPECT_FALSE(t->is_contended());
	release();
	holder.unlock_all();
}

// Nothing in the transaction names the victim once its reference is given back.
TEST_F(lru_wait_deadlk, victim_freed_before_the_next_pass)
{
	auto victim = std::make_unique<lru_buffer>();
	for (lru_buffer &b : buffers)
		b.suits = false;
	device.add(victim->entry, victim->own);
	ASSERT_TRUE(holder.trylock(lock_of(victim->own)));
	waiter.start([&] { return pass(); });
	ASSERT_TRUE(waits(lock_of(victim->own)));
	holder.unlock(lock_of(victim->own));
	EXPECT_EQ(waiter.finish(), -EDEADLK);
	lru::del(victim->entry);
	victim->own.destroy();
	victim.reset();
	EXPECT_EQ(waiter.run([&] { return t->reserve_one(mine); }), 0);
	EXPECT_EQ(t->size(), 1u);
	release();
}

TEST_F(lru_wait_deadlk, the_loop_that_starts_over)
{
	hold_all();
	int passes = 0;
	waiter.start([&] {
		return t->run([&](transaction &) {
			passes++;
			return pass();
		});
	});
	ASSERT_TRUE(waits(lock_of(buffers[0].own)));
	holder.unlock_all();
	EXPECT_EQ(waiter.finish(), 0);
	EXPECT_EQ(passes, 2);
	EXPECT_EQ(t->size(), 2u);
	release();
}

TEST_F(lru_wait_deadlk, a_pass_that_reserves_nothing_ends_the_loop)
{
	hold_all();
	int passes = 0;
	waiter.start([&] { return t->run([&](transaction &) { return passes++ == 0 ? pass() : 0; }); });
	ASSERT_TRUE(waits(lock_of(buffers[0].own)));
	holder.unlock_all();
	EXPECT_EQ(waiter.finish(), 0);
	EXPECT_EQ(passes, 2);
	EXPECT_EQ(t->size(), 0u);
}

TEST_F(lru_wait_deadlk, tries_first_in_the_next_pass)
{
	hold_all();
	waiter.start([&] { return pass(); });
	ASSERT_TRUE(waits(lock_of(buffers[0].own)));
	holder.unlock_all();
	EXPECT_EQ(waiter.finish(), -EDEADLK);
	EXPECT_EQ(waiter.run([&] { return t->try_reserve(buffers[2].own); }), 1);
	EXPECT_FALSE(t->is_contended());
	release();
}

TEST_F(lru_wait_deadlk, interrupted_after_it_dropped_all)
{
	waiter.run([&] { t.emplace(interruptible); });
	hold_all();
	waiter.start([&] { return pass(); });
	ASSERT_TRUE(waits(lock_of(buffers[0].own)));
	ASSERT_TRUE(eventually([&] { return !mine.is_reserved(); }));
	waiter.interrupt();
	EXPECT_EQ(waiter.finish(), -EINTR);
	EXPECT_FALSE(t->is_contended());
	EXPECT_EQ(buffers[0].references.load(), 1);
	EXPECT_EQ(t->size(), 0u);
	holder.unlock_all();
	EXPECT_EQ(waiter.run([&] { return pass(); }), 0);
	release();
}

// What an earlier -EDEADLK was about is waited for first, and is no victim of its own transaction's if it is wanted.
TEST_F(lru_wait_deadlk, contended_object_on_the_lru)
{
	hold_all();
	EXPECT_EQ(waiter.run([&] { return t->reserve_one(mine); }), 0);
	EXPECT_EQ(waiter.run([&] { return t->reserve_one(buffers[1].own); }), -EDEADLK);
	start(3);
	ASSERT_TRUE(waits(lock_of(buffers[1].own)));
	holder.unlock_all();
	EXPECT_EQ(waiter.finish(), 0);
	EXPECT_NE(object, nullptr);
	release();
}

} // namespace
} // namespace resv::test
