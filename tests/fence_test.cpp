// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The fence itself: references, the signal, callbacks, and what is known of it. Waiting is the matter of
// fence_wait_test.cpp.

#include "fence_rig.hpp"

#include <src/fence_core.hpp>

#include <array>
#include <cstring>
#include <memory>

namespace resv::test {
namespace {

class fence_basic : public fence_fixture {};

// ---- References ------------------------------------------------------------------------------------------------------

TEST_F(fence_basic, is_one_cache_line)
{
	EXPECT_EQ(sizeof(resv_fence), 64u);
	EXPECT_LE(sizeof(fence), 64u);
}

TEST_F(fence_basic, is_released_with_the_last_reference)
{
	driver_log log;
	fence_ref f = make_driver_fence(log, driver_ops_with_release);

	EXPECT_EQ(resv_fence_get(f.c()), f.c());
	resv_fence_put(f.c());
	EXPECT_EQ(log.released, 0);
	EXPECT_EQ(f->signal(), 0);
	f = fence_ref();
	EXPECT_EQ(log.released, 1);
}

TEST_F(fence_basic, may_be_released_without_a_signal)
{
	driver_log log;
	make_driver_fence(log, driver_ops_with_release);
	EXPECT_EQ(log.released, 1);
	make_driver_fence(log);
}

TEST_F(fence_basic, null_is_no_reference)
{
	EXPECT_EQ(resv_fence_get(nullptr), nullptr);
	resv_fence_put(nullptr);
}

TEST_F(fence_basic, reference_object)
{
	driver_log log;
	fence_ref a = make_driver_fence(log, driver_ops_with_release);
	fence_ref b = a, c = std::move(a), none;

	EXPECT_FALSE(a); // NOLINT: it was moved from
	EXPECT_FALSE(none);
	EXPECT_EQ(none.c(), nullptr);
	EXPECT_EQ(b.get(), c.get());
	EXPECT_EQ(&*b, &fence::of(c.c()));
	b = none;
	EXPECT_FALSE(b);
	b = fence_ref::to(*c);
	fence *raw = b.release();
	EXPECT_FALSE(b);
	c = fence_ref();
	EXPECT_EQ(log.released, 0);
	resv_fence_put(raw->c());
	EXPECT_EQ(log.released, 1);
}

TEST_F(fence_basic, get_rcu_refuses_a_fence_that_is_gone)
{
	driver_log log;
	fence_ref f = make_driver_fence(log);
	resv_fence *found = f.c();

	EXPECT_EQ(resv_fence_get_rcu(found), found);
	resv_fence_put(found);
	resv_port_read_lock();
	f = fence_ref();
	EXPECT_EQ(resv_fence_get_rcu(found), nullptr);
	resv_port_read_unlock();
}

// Readers follow a pointer that a writer keeps changing, who drops what was there.
TEST_F(fence_basic, readers_race_with_the_last_put)
{
	std::atomic<resv_fence *> slot = make_fence().release_c();
	std::atomic<bool> done = false;
	std::atomic<unsigned> found = 0;
	{
		auto read = [&] {
			while (!done) {
				resv_port_read_lock();
				resv_fence *f = slot.load(std::memory_order_acquire);
				const bool referenced = resv_fence_get_rcu(f);
				EXPECT_EQ(f->seqno, 1u);
				resv_port_read_unlock();
				if (referenced) {
					EXPECT_EQ(f->seqno, 1u);
					resv_fence_put(f);
					found++;
				}
			}
		};
		racer one(read), two(read);
		for_a_while([&] { resv_fence_put(slot.exchange(make_fence().release_c())); });
		EXPECT_TRUE(eventually([&] { return found != 0; }));
		done = true;
	}
	resv_fence_put(slot);
}

const uint64_t first_context = resv_fence_context_alloc(1); // of all, or nearly so

TEST_F(fence_basic, contexts_differ)
{
	fence_ref stub(resv_fence_get_stub());
	EXPECT_NE(first_context, stub->context);
	const uint64_t one = resv_fence_context_alloc(1);
	const uint64_t ten = resv_fence_context_alloc(10);
	EXPECT_NE(one, 0u);
	EXPECT_EQ(ten, one + 1);
	EXPECT_EQ(resv_fence_context_alloc(1), ten + 10);
}

TEST_F(fence_basic, stub_was_signaled)
{
	std::array<fence_ref, 64> stubs;
	for (fence_ref &f : stubs) {
		f = fence_ref(resv_fence_get_stub());
		ASSERT_TRUE(f);
		EXPECT_TRUE(f->test_signaled());
		EXPECT_EQ(f->status(), 1);
		EXPECT_EQ(f->wait(true), 0);
		EXPECT_GT(f->timestamp(), 0);
	}
	note n;
	EXPECT_EQ(n.add_to(stubs[0]), -ENOENT);
}

// ---- The signal ------------------------------------------------------------------------------------------------------

TEST_F(fence_basic, is_signaled_once)
{
	fence_ref f = make_fence();

	EXPECT_FALSE(f->is_signaled());
	EXPECT_FALSE(f->test_signaled());
	EXPECT_FALSE(resv_fence_test_signaled(f.c()));
	EXPECT_EQ(f->signal(), 0);
	EXPECT_TRUE(f->is_signaled());
	EXPECT_TRUE(f->test_signaled());
	EXPECT_TRUE(resv_fence_test_signaled(f.c()));
	EXPECT_EQ(f->signal(), -EINVAL);
	EXPECT_EQ(resv_fence_signal_timestamp(f.c(), 1), -EINVAL);
	EXPECT_NE(f->timestamp(), 1);
}

TEST_F(fence_basic, status)
{
	fence_ref f = make_fence();
	EXPECT_EQ(f->status(), 0);
	EXPECT_EQ(f->signal(), 0);
	EXPECT_EQ(f->status(), 1);
}

TEST_F(fence_basic, error)
{
	fence_ref f = make_fence();
	f->set_error(-EIO);
	EXPECT_EQ(f->status(), 0);
	EXPECT_EQ(f->signal(), 0);
	EXPECT_EQ(f->status(), -EIO);
}

TEST_F(fence_basic, timestamp)
{
	fence_ref now = make_fence(), then = make_fence();
	EXPECT_EQ(now->timestamp(), 0);
	const int64_t before = resv_port_clock();
	EXPECT_EQ(now->signal(), 0);
	EXPECT_GE(now->timestamp(), before);
	EXPECT_LE(now->timestamp(), resv_port_clock());
	EXPECT_EQ(resv_fence_signal_timestamp(then.c(), 12345), 0);
	EXPECT_EQ(then->timestamp(), 12345);
}

TEST_F(fence_basic, is_later)
{
	const uint64_t context = resv_fence_context_alloc(1), over = uint64_t{1} << 32;
	fence_ref a = make_fence(context, 5), b = make_fence(context, 6), far = make_fence(context, over + 1);
	EXPECT_TRUE(b->is_later_than(*a));
	EXPECT_FALSE(a->is_later_than(*b));
	EXPECT_FALSE(a->is_later_than(*a));
	EXPECT_TRUE(far->is_later_than(*b));
	EXPECT_FALSE(b->is_later_than(*far));
}

TEST_F(fence_basic, many_fences_share_a_lock)
{
	resv_port_spinlock lock{};
	const uint64_t context = resv_fence_context_alloc(1);
	std::vector<fence_ref> fences;
	std::vector<note> notes(10);
	for (size_t i = 0; i < 10; i++) {
		fences.push_back(make_fence(context, i + 1, nullptr, &lock));
		EXPECT_EQ(notes[i].add_to(fences[i]), 0);
	}
	const unsigned long flags = resv_port_spin_lock(&lock);
	for (size_t i = 0; i < 5; i++)
		EXPECT_EQ(resv_fence_signal_locked(fences[i].c()), 0);
	EXPECT_EQ(resv_fence_signal_locked(fences[0].c()), -EINVAL);
	resv_port_spin_unlock(&lock, flags);
	for (size_t i = 0; i < 10; i++) {
		EXPECT_EQ(notes[i].calls, i < 5) << i;
		EXPECT_EQ(fences[i]->remove_callback(notes[i]), i >= 5) << i;
	}
}

// ---- Callbacks -------------------------------------------------------------------------------------------------------

TEST_F(fence_basic, callbacks_come_in_order)
{
	fence_ref f = make_fence();
	std::vector<note *> order, expected;
	std::array<note, 8> notes;
	for (note &n : notes) {
		n.order = &order;
		expected.push_back(&n);
		EXPECT_EQ(n.add_to(f), 0);
	}
	EXPECT_TRUE(order.empty());
	f->set_error(-EIO);
	EXPECT_EQ(f->signal(), 0);
	EXPECT_EQ(order, expected);
	for (note &n : notes) {
		EXPECT_EQ(n.calls, 1);
		EXPECT_EQ(n.status, -EIO);
	}
	EXPECT_EQ(f->signal(), -EINVAL);
	EXPECT_EQ(order, expected);
}

TEST_F(fence_basic, late_callback_is_not_called)
{
	fence_ref f = make_fence();
	note n;
	EXPECT_EQ(f->signal(), 0);
	n.next = &n; // whatever was there
	EXPECT_EQ(n.add_to(f), -ENOENT);
	EXPECT_FALSE(f->remove_callback(n));
	EXPECT_EQ(n.calls, 0);
}

TEST_F(fence_basic, callback_needs_a_fence_and_a_function)
{
	fence_ref f = make_fence();
	note n;
	EXPECT_EQ(resv_fence_add_callback(nullptr, &n, note::called), -EINVAL);
	EXPECT_EQ(f->add_callback(n, nullptr), -EINVAL);
	EXPECT_EQ(f->signal(), 0);
	EXPECT_EQ(n.calls, 0);
}

TEST_F(fence_basic, removed_callback_is_not_called)
{
	fence_ref f = make_fence();
	note n;
	EXPECT_EQ(n.add_to(f), 0);
	EXPECT_TRUE(f->remove_callback(n));
	EXPECT_FALSE(f->remove_callback(n));
	EXPECT_EQ(f->signal(), 0);
	EXPECT_FALSE(f->remove_callback(n));
	EXPECT_EQ(n.calls, 0);
}

TEST_F(fence_basic, late_removal_says_so)
{
	fence_ref f = make_fence();
	note n;
	EXPECT_EQ(n.add_to(f), 0);
	EXPECT_EQ(f->signal(), 0);
	EXPECT_FALSE(f->remove_callback(n));
	EXPECT_EQ(n.calls, 1);
}

// Each subset of four callbacks is removed, in each of two orders; the others are called in order.
TEST_F(fence_basic, removal_leaves_the_others)
{
	for (unsigned removed = 0; removed < 16; removed++) {
		for (bool backwards : {false, true}) {
			fence_ref f = make_fence();
			std::vector<note *> order, expected;
			std::array<note, 4> notes;
			for (unsigned i = 0; i < 4; i++) {
				notes[i].order = &order;
				EXPECT_EQ(notes[i].add_to(f), 0);
				if (!(removed >> i & 1))
					expected.push_back(&notes[i]);
			}
			for (unsigned n = 0; n < 4; n++) {
				const unsigned i = backwards ? 3 - n : n;
				if (removed >> i & 1) {
					EXPECT_TRUE(f->remove_callback(notes[i]));
				}
			}
			note last;
			last.order = &order;
			expected.push_back(&last);
			EXPECT_EQ(last.add_to(f), 0);
			EXPECT_EQ(f->signal(), 0);
			EXPECT_EQ(order, expected) << removed << backwards;
		}
	}
}

TEST_F(fence_basic, callback_may_free_itself)
{
	struct owner : resv_fence_cb {
		int *calls;
	};
	fence_ref f = make_fence();
	int calls = 0;
	for (int i = 0; i < 3; i++) {
		auto *cb = new owner{};
		cb->calls = &calls;
		EXPECT_EQ(f->add_callback(*cb,
					  [](resv_fence *, resv_fence_cb *mine) {
						  ++*static_cast<owner *>(mine)->calls;
						  delete static_cast<owner *>(mine);
					  }),
			  0);
	}
	EXPECT_EQ(f->signal(), 0);
	EXPECT_EQ(calls, 3);
}

TEST_F(fence_basic, callback_may_be_added_to_another_fence)
{
	struct traveller : resv_fence_cb {
		fence_ref next;
		int calls;
	} t{};
	fence_ref a = make_fence(), b = make_fence();
	t.next = b;
	note after;
	EXPECT_EQ(a->add_callback(t,
				  [](resv_fence *, resv_fence_cb *cb) {
					  auto &self = *static_cast<traveller *>(cb);
					  fence_ref next = std::move(self.next);
					  if (self.calls++ == 0) {
						  EXPECT_EQ(next->add_callback(self, self.func), 0);
					  }
				  }),
		  0);
	EXPECT_EQ(after.add_to(a), 0);
	EXPECT_EQ(a->signal(), 0);
	EXPECT_EQ(t.calls, 1);
	EXPECT_EQ(after.calls, 1);
	EXPECT_EQ(b->signal(), 0);
	EXPECT_EQ(t.calls, 2);
}

TEST_F(fence_basic, callback_may_drop_references)
{
	struct dropper : resv_fence_cb {
		resv_fence *mine, *other;
	} d{};
	driver_log log;
	fence_ref f = make_driver_fence(log, driver_ops_with_release);
	fence_ref other = make_driver_fence(log, driver_ops_with_release);
	d.mine = given(f);
	d.other = other.release_c();
	EXPECT_EQ(f->add_callback(d,
				  [](resv_fence *, resv_fence_cb *cb) {
					  resv_fence_put(static_cast<dropper *>(cb)->mine);
					  resv_fence_put(static_cast<dropper *>(cb)->other);
				  }),
		  0);
	EXPECT_EQ(f->signal(), 0);
	EXPECT_EQ(log.released, 1);
	f = fence_ref();
	EXPECT_EQ(log.released, 2);
}

// Who takes a callback back may free it: it is neither called any more, nor being called.
TEST_F(fence_basic, removal_waits_for_the_callback)
{
	struct slow : resv_fence_cb {
		std::atomic<bool> entered = false, go_on = false, left = false;
		slow() : resv_fence_cb{} {}
	} cb;
	fence_ref f = make_fence();
	EXPECT_EQ(f->add_callback(cb,
				  [](resv_fence *, resv_fence_cb *mine) {
					  auto &self = *static_cast<slow *>(mine);
					  self.entered = true;
					  EXPECT_TRUE(eventually([&] { return self.go_on.load(); }));
					  self.left = true;
				  }),
		  0);
	actor signaler, remover;
	signaler.start([&] { return f->signal(); });
	ASSERT_TRUE(eventually([&] { return cb.entered.load(); }));
	std::atomic<bool> began = false;
	remover.start([&] {
		began = true;
		EXPECT_FALSE(f->remove_callback(cb));
		EXPECT_TRUE(cb.left);
	});
	ASSERT_TRUE(eventually([&] { return began.load(); }));
	std::this_thread::sleep_for(std::chrono::milliseconds(5)); // it has every chance to do it wrong
	cb.go_on = true;
	remover.finish();
	EXPECT_EQ(signaler.finish(), 0);
}

// Two tasks signal fences of their own, and hang callbacks on each other's.
void race_signal_with_callback(bool signal_before_adding)
{
	std::atomic<resv_fence *> shown[2] = {nullptr, nullptr};
	std::atomic<bool> done = false;
	auto run = [&](int id) {
		int called = 0;
		while (!done) {
			fence_ref mine = make_fence();
			shown[id].store(mine.c(), std::memory_order_release);
			fence_ref theirs = find_in(shown[!id]);
			if (signal_before_adding) {
				EXPECT_EQ(mine->signal(), 0);
			}
			note n;
			const int rc = theirs ? n.add_to(theirs) : -ENOENT;
			if (!signal_before_adding) {
				EXPECT_EQ(mine->signal(), 0);
			}
			if (rc == 0) {
				EXPECT_EQ(theirs->wait(false), 0);
				EXPECT_FALSE(theirs->remove_callback(n));
				called++;
			}
			EXPECT_EQ(n.calls, rc == 0);
			shown[id] = nullptr;
		}
		return called;
	};
	actor one, two;
	int called = 0;
	for (int i = 0; i < 10 && called == 0; i++) { // on a slow machine they may miss each other
		done = false;
		one.start([&] { return run(0); });
		two.start([&] { return run(1); });
		for_a_while([] { std::this_thread::yield(); });
		done = true;
		called = one.finish() + two.finish();
	}
	EXPECT_GT(called, 0);
}

TEST_F(fence_basic, callbacks_race_with_the_signal_after)
{
	race_signal_with_callback(false);
}

TEST_F(fence_basic, callbacks_race_with_the_signal_before)
{
	race_signal_with_callback(true);
}

// ---- The driver ------------------------------------------------------------------------------------------------------

TEST_F(fence_basic, enabling_comes_once_and_with_the_first_waiter)
{
	driver_log log;
	fence_ref f = make_driver_fence(log);
	note one, two;
	EXPECT_FALSE(f->is_signaled());
	EXPECT_EQ(log.enabled, 0);
	EXPECT_EQ(one.add_to(f), 0);
	EXPECT_EQ(log.enabled, 1);
	EXPECT_EQ(two.add_to(f), 0);
	resv_fence_enable_sw_signaling(f.c());
	EXPECT_TRUE(f->remove_callback(one));
	EXPECT_EQ(one.add_to(f), 0);
	EXPECT_EQ(log.enabled, 1);
	EXPECT_EQ(f->signal(), 0);

	fence_ref signaled = make_driver_fence(log);
	EXPECT_EQ(signaled->signal(), 0);
	resv_fence_enable_sw_signaling(signaled.c());
	EXPECT_EQ(log.enabled, 1);
}

TEST_F(fence_basic, enabling_may_say_that_it_has_happened)
{
	driver_log log;
	fence_ref f = make_driver_fence(log), g = make_driver_fence(log);
	note n;
	driver_of(f).refuses = driver_of(g).refuses = true;
	EXPECT_EQ(n.add_to(f), -ENOENT);
	EXPECT_EQ(n.calls, 0);
	EXPECT_TRUE(f->test_signaled());
	EXPECT_EQ(f->status(), 1);
	EXPECT_GT(f->timestamp(), 0);
	resv_fence_enable_sw_signaling(g.c());
	EXPECT_TRUE(g->test_signaled());
	EXPECT_EQ(log.enabled, 2);
}

TEST_F(fence_basic, driver_may_know_before_the_signal)
{
	driver_log log;
	fence_ref f = make_driver_fence(log);
	note n;
	EXPECT_EQ(n.add_to(f), 0);
	EXPECT_FALSE(f->is_signaled());
	EXPECT_EQ(f->status(), 0);
	EXPECT_EQ(log.asked, 2);
	driver_of(f).happened = true;
	EXPECT_FALSE(f->test_signaled());
	EXPECT_EQ(log.asked, 2);
	EXPECT_EQ(n.calls, 0);
	EXPECT_TRUE(f->is_signaled());
	EXPECT_EQ(log.asked, 3);
	EXPECT_EQ(n.calls, 1);
	EXPECT_TRUE(f->test_signaled());
	EXPECT_EQ(f->signal(), -EINVAL);
	EXPECT_TRUE(f->is_signaled());
	EXPECT_EQ(log.asked, 3);
}

TEST_F(fence_basic, deadline_is_handed_on)
{
	driver_log log;
	fence_ref f = make_driver_fence(log), plain = make_fence();
	f->set_deadline(1234);
	EXPECT_EQ(log.hurried, 1);
	EXPECT_EQ(log.deadline, 1234);
	plain->set_deadline(1234);
	EXPECT_EQ(f->signal(), 0);
	f->set_deadline(5678);
	EXPECT_EQ(log.hurried, 1);

	fence_ref kept = make_driver_fence(log, driver_ops_with_release);
	EXPECT_EQ(kept->signal(), 0);
	kept->set_deadline(5678);
	EXPECT_EQ(log.hurried, 1);
}

TEST_F(fence_basic, names)
{
	driver_log log;
	fence_ref f = make_driver_fence(log), plain = make_fence();
	EXPECT_STREQ(resv_fence_driver_name(f.c()), "test");
	EXPECT_STREQ(resv_fence_timeline_name(f.c()), "ring");
	EXPECT_STREQ(resv_fence_driver_name(plain.c()), "unnamed");
	EXPECT_STREQ(resv_fence_timeline_name(plain.c()), "unnamed");
	EXPECT_EQ(f->signal(), 0);
	EXPECT_STREQ(resv_fence_driver_name(f.c()), "signaled");
	EXPECT_STREQ(resv_fence_timeline_name(f.c()), "signaled");

	fence_ref kept = make_driver_fence(log, driver_ops_with_release);
	EXPECT_EQ(kept->signal(), 0);
	EXPECT_STREQ(resv_fence_driver_name(kept.c()), "signaled");
	EXPECT_STREQ(resv_fence_timeline_name(kept.c()), "signaled");
}

// A module: ops that are gone once it is unloaded, which whoever calls them later notices.
struct module {
	resv_fence_ops ops = driver_ops;
	std::unique_ptr<driver_log> log = std::make_unique<driver_log>();
};

TEST_F(fence_basic, ops_are_not_touched_after_the_module_is_gone)
{
	auto unloadable = std::make_unique<module>();
	fence_ref f = make_driver_fence(*unloadable->log, unloadable->ops);
	note n;
	EXPECT_EQ(n.add_to(f), 0);
	EXPECT_EQ(f->signal(), 0);
	EXPECT_EQ(fence_core::ops(*f).load(order::relaxed), nullptr);
	resv_port_drain();
	unloadable->ops = {};
	unloadable.reset();

	EXPECT_TRUE(f->is_signaled());
	EXPECT_EQ(f->status(), 1);
	f->set_deadline(1);
	resv_fence_enable_sw_signaling(f.c());
	EXPECT_STREQ(resv_fence_driver_name(f.c()), "signaled");
	EXPECT_EQ(f->wait(true), 0);
	EXPECT_EQ(f->wait_timeout(true, 0), 1);
	EXPECT_EQ(n.add_to(f), -ENOENT);
	EXPECT_FALSE(f->remove_callback(n));
	f = fence_ref();
}

TEST_F(fence_basic, unloading_races_with_all_that_asks)
{
	std::atomic<resv_fence *> shown = nullptr;
	std::atomic<bool> done = false;
	std::atomic<unsigned> asked = 0;
	auto ask = [&] {
		while (!done) {
			fence_ref f = find_in(shown);
			if (!f)
				continue;
			note n;
			EXPECT_GE(f->status(), 0);
			f->set_deadline(1);
			resv_port_read_lock();
			EXPECT_GT(strlen(resv_fence_driver_name(f.c())), 0u);
			EXPECT_GT(strlen(resv_fence_timeline_name(f.c())), 0u);
			resv_port_read_unlock();
			if (n.add_to(f) == 0)
				f->remove_callback(n);
			asked++;
		}
	};
	{
		racer one(ask), two(ask);
		for_a_while([&] {
			auto unloadable = std::make_unique<module>();
			fence_ref f = make_driver_fence(*unloadable->log, unloadable->ops);
			const unsigned before = asked;
			shown.store(f.c(), std::memory_order_release);
			for (int turn = 0; turn < 100 && asked == before; turn++)
				std::this_thread::yield();
			EXPECT_EQ(f->signal(), 0);
			resv_port_drain();
			unloadable.reset();
			shown.store(nullptr, std::memory_order_release);
		});
		done = true;
	}
	EXPECT_GT(asked, 0u);
}

// ---- Misuse ----------------------------------------------------------------------------------------------------------

using kinds = std::vector<resv_report_kind>;

TEST_F(fence_basic, abandoned_with_a_waiter_is_reported_and_signaled)
{
	driver_log log;
	fence_ref f = make_driver_fence(log, driver_ops_with_release);
	note n;
	EXPECT_EQ(n.add_to(f), 0);
	f = fence_ref();
	EXPECT_EQ(n.calls, 1);
	EXPECT_EQ(n.status, -EDEADLK);
	EXPECT_EQ(log.released, 1);
	const std::vector<noted_report> reports = take_reports();
	ASSERT_EQ(reports.size(), 1u);
	EXPECT_EQ(reports[0].kind, RESV_REPORT_FENCE_ABANDONED);
	EXPECT_NE(reports[0].text.find("test ring"), std::string::npos) << reports[0].text;
	EXPECT_NE(reports[0].text.find("released before its signal"), std::string::npos) << reports[0].text;
}

TEST_F(fence_basic, abandoned_with_a_waiter_keeps_its_error)
{
	fence_ref f = make_fence();
	note n;
	EXPECT_EQ(n.add_to(f), 0);
	f->set_error(-EIO);
	f = fence_ref();
	EXPECT_EQ(n.status, -EIO);
	EXPECT_EQ(take_report_kinds(), std::vector{RESV_REPORT_FENCE_ABANDONED});
}

TEST_F(fence_basic, abandoned_without_a_waiter_is_fine)
{
	fence_ref f = make_fence();
	note n;
	EXPECT_EQ(n.add_to(f), 0);
	EXPECT_TRUE(f->remove_callback(n));
	f = fence_ref();
	EXPECT_EQ(n.calls, 0);
}

TEST_F(fence_basic, error_may_be_any_errno_value)
{
	fence_ref lowest = make_fence();
	lowest->set_error(-4095);
	EXPECT_EQ(lowest->signal(), 0);
	EXPECT_EQ(lowest->status(), -4095);
}

// A fence that is not freed, so that a wrong count can be looked at.
struct kept_fence {
	resv_fence f{};
	static inline int released = 0;
	static void release(resv_fence *) { released++; }
	static constexpr resv_fence_ops ops{.get_driver_name = driver_fence::driver_name,
					    .get_timeline_name = driver_fence::timeline_name,
					    .enable_signaling = nullptr,
					    .signaled = nullptr,
					    .release = release,
					    .set_deadline = nullptr};
	kept_fence()
	{
		resv_fence_init(&f, &ops, nullptr, 1, 1);
		released = 0;
	}
	atomic<unsigned> &references() { return fence_core::references(fence::of(&f)); }
};

TEST_F(fence_basic, too_many_references_are_reported_and_leak)
{
	for (bool rcu : {false, true}) {
		kept_fence k;
		k.references().store(0x7ffffffe, order::relaxed);
		resv_fence_get(&k.f);
		EXPECT_TRUE(take_reports().empty());
		EXPECT_EQ(rcu ? resv_fence_get_rcu(&k.f) : resv_fence_get(&k.f), &k.f);
		EXPECT_EQ(take_report_kinds(), kinds{RESV_REPORT_FENCE_REFERENCES});
		for (int i = 0; i < 10; i++)
			resv_fence_put(&k.f);
		EXPECT_EQ(k.released, 0);
	}
}

TEST_F(fence_basic, wrong_count_is_reported_by_who_drops_a_reference)
{
	for (unsigned count : {0u, 0x7fffffffu, 0x80000000u}) {
		kept_fence k;
		k.references().store(count, order::relaxed);
		resv_fence_put(&k.f);
		const bool possible = count == 0x7fffffff;
		EXPECT_EQ(take_report_kinds(), possible ? kinds{} : kinds{RESV_REPORT_FENCE_REFERENCES})
			<< count;
		EXPECT_EQ(k.released, 0);
	}
}

// ---- The annotator ---------------------------------------------------------------------------------------------------

TEST_F(fence_basic, callbacks_count_as_signalling)
{
	fence_ref f = make_fence();
	resv_fence_cb cb;
	EXPECT_EQ(f->add_callback(cb, [](resv_fence *, resv_fence_cb *) { resv_fence_might_wait(); }), 0);
	EXPECT_EQ(f->signal(), 0);
	expect_order_reports({RESV_REPORT_RECURSION});
}

} // namespace
} // namespace resv::test
