// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Every rule for users of ww_mutex, broken in every way: exactly its report comes, once. Builds without the checks run
// what is harmless without them, and expect the documented results and no report but those of every build. That correct
// use causes no report is seen by all other suites: their fixture fails on any.

#include "helpers.hpp"

#include <cstring>
#include <new>
#include <set>

namespace resv::test {
namespace {

constexpr bool checked = config::debug_ww_mutexes;

/// What a rule can be broken with. The calling task has `ctx`; `other` is an older context of another task.
struct scene {
	scene() { age(other); }
	~scene()
	{
		other.unlock_all();
		if (ctx) {
			ctx->unlock_all();
			ctx->abandon();
		}
	}

	/// ctx holds a and gets -EDEADLK for b, which `other` holds.
	void deadlk()
	{
		EXPECT_TRUE(other.trylock(b));
		EXPECT_EQ(a.lock(&*ctx), 0);
		EXPECT_EQ(b.lock(&*ctx), -EDEADLK);
	}

	/// Ends ctx. What is left is to be used wrongly.
	ww_acquire_ctx &ended_ctx()
	{
		ww_acquire_ctx &ended = *ctx;
		ctx.reset();
		return ended;
	}

	ww_mutex a{wait_die}, b{wait_die}, c{wait_die};
	ww_mutex of_other_class{wound_wait};
	party other{wait_die};
	std::optional<calm_ctx> ctx{wait_die};
};

struct abuse {
	const char *name;
	std::vector<resv_report_kind> reports; // the first is the rule's; SLOW_FAILED comes in every build
	void (*commit)(scene &);
	bool harmless = true; // without the checks
	bool names_lock = true;
};

constexpr bool harmful = false;
constexpr bool no_lock = false;

void take_and_release(ww_mutex &lock, ww_acquire_ctx *ctx)
{
	EXPECT_EQ(lock.lock(ctx), 0);
	lock.unlock();
}

const abuse all_abuses[] = {
	// ---- Lock and context are alive ----
	{"lock_destroyed",
	 {RESV_REPORT_UNINITIALIZED},
	 [](scene &s) {
		 s.a.destroy();
		 EXPECT_EQ(s.a.lock(&*s.ctx), checked ? -EINVAL : 0);
	 },
	 true,
	 no_lock},
	{"lock_destroyed_as_plain_mutex",
	 {RESV_REPORT_UNINITIALIZED},
	 [](scene &s) {
		 s.a.destroy();
		 EXPECT_EQ(s.a.lock(nullptr), checked ? -EINVAL : 0);
	 },
	 true,
	 no_lock},
	{"trylock_destroyed",
	 {RESV_REPORT_UNINITIALIZED},
	 [](scene &s) {
		 s.a.destroy();
		 EXPECT_EQ(s.a.trylock(&*s.ctx), !checked);
	 },
	 true,
	 no_lock},
	{"lock_slow_destroyed",
	 {RESV_REPORT_UNINITIALIZED},
	 [](scene &s) {
		 s.a.destroy();
		 EXPECT_EQ(s.a.lock_slow(&*s.ctx, {}), checked ? -EINVAL : 0);
	 },
	 true,
	 no_lock},
	{"lock_slow_that_cannot_fail_destroyed",
	 {RESV_REPORT_UNINITIALIZED, RESV_REPORT_SLOW_FAILED},
	 [](scene &s) {
		 s.a.destroy();
		 s.a.lock_slow(&*s.ctx);
	 },
	 harmful, // or rather: it succeeds
	 no_lock},
	{"wait_for_destroyed",
	 {RESV_REPORT_UNINITIALIZED},
	 [](scene &s) {
		 s.a.destroy();
		 EXPECT_EQ(s.a.wait_for_unlock(&*s.ctx, {}), checked ? -EINVAL : 0);
	 },
	 true,
	 no_lock},
	{"unlock_destroyed",
	 {RESV_REPORT_UNINITIALIZED},
	 [](scene &s) {
		 s.a.destroy();
		 s.a.unlock();
	 },
	 harmful,
	 no_lock},
	{"assert_destroyed",
	 {RESV_REPORT_UNINITIALIZED},
	 [](scene &s) {
		 s.a.destroy();
		 s.a.assert_held();
	 },
	 true,
	 no_lock},
	{"destroy_twice",
	 {RESV_REPORT_UNINITIALIZED},
	 [](scene &s) {
		 s.a.destroy();
		 s.a.destroy();
	 },
	 true,
	 no_lock},
	{"lock_never_initialised",
	 {RESV_REPORT_UNINITIALIZED},
	 [](scene &s) {
		 alignas(ww_mutex) char zeroes[sizeof(ww_mutex)] = {};
		 auto &lock = *std::launder(reinterpret_cast<ww_mutex *>(zeroes));
		 EXPECT_EQ(lock.lock(&*s.ctx), -EINVAL);
	 },
	 harmful,
	 no_lock},
	{"lock_with_ended_context",
	 {RESV_REPORT_UNINITIALIZED},
	 [](scene &s) { EXPECT_EQ(s.a.lock(&s.ended_ctx()), -EINVAL); },
	 harmful,
	 no_lock},
	{"trylock_with_ended_context",
	 {RESV_REPORT_UNINITIALIZED},
	 [](scene &s) { EXPECT_FALSE(s.a.trylock(&s.ended_ctx())); },
	 harmful,
	 no_lock},
	{"lock_slow_with_ended_context",
	 {RESV_REPORT_UNINITIALIZED},
	 [](scene &s) { EXPECT_EQ(s.a.lock_slow(&s.ended_ctx(), {}), -EINVAL); },
	 harmful,
	 no_lock},
	{"wait_with_ended_context",
	 {RESV_REPORT_UNINITIALIZED},
	 [](scene &s) { EXPECT_EQ(s.a.wait_for_unlock(&s.ended_ctx(), {}), -EINVAL); },
	 harmful,
	 no_lock},
	{"done_with_ended_context",
	 {RESV_REPORT_UNINITIALIZED},
	 [](scene &s) { s.ended_ctx().done(); },
	 harmful,
	 no_lock},
	{"abandon_with_ended_context",
	 {RESV_REPORT_UNINITIALIZED},
	 [](scene &s) { s.ended_ctx().abandon(); },
	 harmful,
	 no_lock},
	{"unlock_all_of_ended_context",
	 {RESV_REPORT_UNINITIALIZED},
	 [](scene &s) { s.ended_ctx().unlock_all(); },
	 harmful,
	 no_lock},
	{"end_context_twice",
	 {RESV_REPORT_UNINITIALIZED},
	 [](scene &) {
		 alignas(ww_acquire_ctx) char place[sizeof(ww_acquire_ctx)];
		 auto *ctx = new (place) ww_acquire_ctx(wait_die);
		 ctx->~ww_acquire_ctx();
		 if constexpr (checked) // the compiler sees what it is, otherwise
			 ctx->~ww_acquire_ctx();
	 },
	 harmful,
	 no_lock},

	// ---- Lock and context are of one class ----
	{"lock_of_other_class",
	 {RESV_REPORT_WRONG_CLASS},
	 [](scene &s) { EXPECT_EQ(s.of_other_class.lock(&*s.ctx), checked ? -EINVAL : 0); }},
	{"trylock_of_other_class",
	 {RESV_REPORT_WRONG_CLASS},
	 [](scene &s) { EXPECT_EQ(s.of_other_class.trylock(&*s.ctx), !checked); }},
	{"lock_slow_of_other_class",
	 {RESV_REPORT_WRONG_CLASS},
	 [](scene &s) { EXPECT_EQ(s.of_other_class.lock_slow(&*s.ctx, {}), checked ? -EINVAL : 0); }},
	{"wait_for_other_class",
	 {RESV_REPORT_WRONG_CLASS},
	 [](scene &s) { EXPECT_EQ(s.of_other_class.wait_for_unlock(&*s.ctx, {}), checked ? -EINVAL : 0); }},

	// ---- The context is the calling task's ----
	{"lock_with_foreign_context",
	 {RESV_REPORT_FOREIGN_CONTEXT},
	 [](scene &s) { EXPECT_EQ(s.a.lock(&s.other.ctx()), -EINVAL); },
	 harmful,
	 no_lock},
	{"trylock_with_foreign_context",
	 {RESV_REPORT_FOREIGN_CONTEXT},
	 [](scene &s) { EXPECT_FALSE(s.a.trylock(&s.other.ctx())); },
	 harmful,
	 no_lock},
	{"lock_slow_with_foreign_context",
	 {RESV_REPORT_FOREIGN_CONTEXT},
	 [](scene &s) { EXPECT_EQ(s.a.lock_slow(&s.other.ctx(), {}), -EINVAL); },
	 harmful,
	 no_lock},
	{"wait_with_foreign_context",
	 {RESV_REPORT_FOREIGN_CONTEXT},
	 [](scene &s) { EXPECT_EQ(s.a.wait_for_unlock(&s.other.ctx(), {}), -EINVAL); },
	 harmful,
	 no_lock},
	{"done_with_foreign_context",
	 {RESV_REPORT_FOREIGN_CONTEXT},
	 [](scene &s) { s.other.ctx().done(); },
	 harmful,
	 no_lock},
	{"abandon_with_foreign_context",
	 {RESV_REPORT_FOREIGN_CONTEXT},
	 [](scene &s) { s.other.ctx().abandon(); },
	 harmful,
	 no_lock},
	{"end_of_foreign_context",
	 {RESV_REPORT_FOREIGN_CONTEXT},
	 [](scene &s) {
		 alignas(ww_acquire_ctx) char place[sizeof(ww_acquire_ctx)];
		 auto *mine = new (place) ww_acquire_ctx(wait_die);
		 s.other.run([&] { mine->~ww_acquire_ctx(); });
		 take_and_release(s.a, mine); // it goes on
		 mine->~ww_acquire_ctx();
	 },
	 harmful,
	 no_lock},
	{"done_with_foreign_context_does_nothing",
	 {RESV_REPORT_FOREIGN_CONTEXT},
	 [](scene &s) {
		 s.other.run([&] { s.ctx->done(); });
		 take_and_release(s.a, &*s.ctx); // or LOCK_AFTER_DONE would follow
	 },
	 harmful,
	 no_lock},
	{"abandon_with_foreign_context_does_nothing",
	 {RESV_REPORT_FOREIGN_CONTEXT},
	 [](scene &s) {
		 s.deadlk();
		 s.other.run([&] { s.ctx->abandon(); });
		 s.ctx->unlock_all();
		 s.other.unlock_all();
		 s.b.lock_slow(&*s.ctx); // or SLOW_WITHOUT_DEADLK would follow
	 },
	 harmful,
	 true},
	{"unlock_all_of_foreign_context",
	 {RESV_REPORT_FOREIGN_CONTEXT},
	 [](scene &s) {
		 EXPECT_TRUE(s.other.trylock(s.a));
		 s.other.ctx().unlock_all();
		 EXPECT_TRUE(s.other.holds(s.a));
	 },
	 harmful},

	// ---- Nothing is locked after done(); done() once ----
	{"lock_after_done",
	 {RESV_REPORT_LOCK_AFTER_DONE},
	 [](scene &s) {
		 s.ctx->done();
		 EXPECT_EQ(s.a.lock(&*s.ctx), 0);
	 }},
	{"trylock_after_done",
	 {RESV_REPORT_LOCK_AFTER_DONE},
	 [](scene &s) {
		 s.ctx->done();
		 EXPECT_TRUE(s.a.trylock(&*s.ctx));
	 }},
	{"lock_slow_after_done",
	 {RESV_REPORT_LOCK_AFTER_DONE},
	 [](scene &s) {
		 s.deadlk();
		 s.ctx->unlock_all();
		 s.other.unlock_all();
		 s.ctx->done();
		 s.b.lock_slow(&*s.ctx);
	 }},
	{"done_twice",
	 {RESV_REPORT_DONE_TWICE},
	 [](scene &s) {
		 s.ctx->done();
		 s.ctx->done();
	 },
	 true,
	 no_lock},
	{"done_twice_while_holding",
	 {RESV_REPORT_DONE_TWICE},
	 [](scene &s) {
		 EXPECT_EQ(s.a.lock(&*s.ctx), 0);
		 s.ctx->done();
		 s.ctx->done();
	 }},

	// ---- After -EDEADLK: all dropped ... ----
	{"deadlk_no_unlock",
	 {RESV_REPORT_STILL_HOLDING},
	 [](scene &s) {
		 s.deadlk();
		 s.other.unlock_all();
		 EXPECT_EQ(s.b.lock(&*s.ctx), 0);
	 }},
	{"deadlk_no_unlock_slow",
	 {RESV_REPORT_STILL_HOLDING},
	 [](scene &s) {
		 s.deadlk();
		 s.other.unlock_all();
		 s.b.lock_slow(&*s.ctx);
	 }},
	{"deadlk_no_unlock_trylock",
	 {RESV_REPORT_STILL_HOLDING},
	 [](scene &s) {
		 s.deadlk();
		 s.other.unlock_all();
		 EXPECT_TRUE(s.b.trylock(&*s.ctx));
	 }},
	{"deadlk_acquire_more",
	 {RESV_REPORT_STILL_HOLDING},
	 [](scene &s) {
		 s.deadlk();
		 EXPECT_EQ(s.c.lock(&*s.ctx), 0);
	 }},
	{"deadlk_acquire_more_slow",
	 {RESV_REPORT_STILL_HOLDING},
	 [](scene &s) {
		 s.deadlk();
		 s.c.lock_slow(&*s.ctx);
	 }},
	{"deadlk_acquire_more_trylock",
	 {RESV_REPORT_STILL_HOLDING},
	 [](scene &s) {
		 s.deadlk();
		 EXPECT_TRUE(s.c.trylock(&*s.ctx));
	 }},

	// ---- ... then that very lock ----
	{"deadlk_acquire_wrong",
	 {RESV_REPORT_WRONG_LOCK},
	 [](scene &s) {
		 s.deadlk();
		 s.ctx->unlock_all();
		 EXPECT_EQ(s.c.lock(&*s.ctx), 0);
		 EXPECT_EQ(s.a.lock(&*s.ctx), 0); // said once
	 }},
	{"deadlk_acquire_wrong_slow",
	 {RESV_REPORT_WRONG_LOCK},
	 [](scene &s) {
		 s.deadlk();
		 s.ctx->unlock_all();
		 s.c.lock_slow(&*s.ctx);
	 }},
	{"deadlk_acquire_wrong_trylock",
	 {RESV_REPORT_WRONG_LOCK},
	 [](scene &s) {
		 s.deadlk();
		 s.ctx->unlock_all();
		 EXPECT_TRUE(s.a.trylock(&*s.ctx));
	 }},

	// ---- An -EDEADLK is resolved before the next ----
	{"deadlk_ignored",
	 {RESV_REPORT_DEADLK_IGNORED},
	 [](scene &s) {
		 s.deadlk();
		 EXPECT_EQ(s.b.lock(&*s.ctx), -EDEADLK);
	 }},
	{"deadlk_ignored_slow",
	 {RESV_REPORT_DEADLK_IGNORED},
	 [](scene &s) {
		 s.deadlk();
		 EXPECT_EQ(s.b.lock_slow(&*s.ctx, {}), -EDEADLK);
	 }},
	{"deadlk_acquire_more_deadlk",
	 {RESV_REPORT_DEADLK_IGNORED},
	 [](scene &s) {
		 s.deadlk();
		 EXPECT_TRUE(s.other.trylock(s.c));
		 EXPECT_EQ(s.c.lock(&*s.ctx), -EDEADLK);
	 }},
	{"deadlk_acquire_more_deadlk_slow",
	 {RESV_REPORT_DEADLK_IGNORED},
	 [](scene &s) {
		 s.deadlk();
		 EXPECT_TRUE(s.other.trylock(s.c));
		 EXPECT_EQ(s.c.lock_slow(&*s.ctx, {}), -EDEADLK);
	 }},

	// ---- lock_slow() only after -EDEADLK; the one that cannot fail holds nothing ----
	{"unneeded_slow", {RESV_REPORT_SLOW_WITHOUT_DEADLK}, [](scene &s) { s.a.lock_slow(&*s.ctx); }},
	{"unneeded_slow_with_request",
	 {RESV_REPORT_SLOW_WITHOUT_DEADLK},
	 [](scene &s) { EXPECT_EQ(s.a.lock_slow(&*s.ctx, interruptible), 0); }},
	{"slow_again",
	 {RESV_REPORT_SLOW_WITHOUT_DEADLK},
	 [](scene &s) {
		 s.deadlk();
		 s.ctx->unlock_all();
		 s.other.unlock_all();
		 s.b.lock_slow(&*s.ctx);
		 s.b.unlock();
		 s.b.lock_slow(&*s.ctx);
	 }},
	{"slow_after_abandon",
	 {RESV_REPORT_SLOW_WITHOUT_DEADLK},
	 [](scene &s) {
		 s.deadlk();
		 s.ctx->unlock_all();
		 s.other.unlock_all();
		 s.ctx->abandon();
		 s.b.lock_slow(&*s.ctx);
	 }},
	{"slow_without_context",
	 {RESV_REPORT_SLOW_WITHOUT_DEADLK},
	 [](scene &s) {
		 s.a.lock_slow(nullptr);
		 s.a.unlock();
	 }},
	{"slow_of_held_lock",
	 {RESV_REPORT_SLOW_WITHOUT_DEADLK, RESV_REPORT_SLOW_FAILED},
	 [](scene &s) {
		 EXPECT_EQ(s.a.lock(&*s.ctx), 0);
		 s.a.lock_slow(&*s.ctx);
	 }},
	{"slow_while_holding",
	 {RESV_REPORT_DEADLK_IGNORED, RESV_REPORT_SLOW_FAILED},
	 [](scene &s) {
		 s.deadlk();
		 s.b.lock_slow(&*s.ctx);
	 }},

	// ---- A lock is released by the task that holds it ----
	{"unlock_free", {RESV_REPORT_UNLOCK_FREE}, [](scene &s) { s.a.unlock(); }},
	{"unlock_twice",
	 {RESV_REPORT_UNLOCK_FREE},
	 [](scene &s) {
		 take_and_release(s.a, &*s.ctx);
		 s.a.unlock();
	 }},
	{"unlock_twice_as_plain_mutex",
	 {RESV_REPORT_UNLOCK_FREE},
	 [](scene &s) {
		 take_and_release(s.a, nullptr);
		 s.a.unlock();
	 }},
	{"unlock_foreign",
	 {RESV_REPORT_UNLOCK_FOREIGN},
	 [](scene &s) {
		 EXPECT_TRUE(s.other.trylock(s.a));
		 s.a.unlock();
		 EXPECT_TRUE(s.other.holds(s.a));
	 },
	 harmful},
	{"unlock_foreign_plain_mutex",
	 {RESV_REPORT_UNLOCK_FOREIGN},
	 [](scene &s) {
		 s.other.run([&] { EXPECT_TRUE(s.a.trylock(nullptr)); });
		 s.a.unlock();
		 EXPECT_TRUE(s.a.is_locked());
		 s.other.run([&] { s.a.unlock(); });
	 },
	 harmful},

	// ---- Nothing is held at the end; nothing is destroyed while it is in use ----
	{"end_while_holding",
	 {RESV_REPORT_FINI_HOLDING},
	 [](scene &s) {
		 EXPECT_TRUE(s.a.trylock(&*s.ctx));
		 EXPECT_TRUE(s.b.trylock(&*s.ctx));
		 s.ctx.reset();
		 EXPECT_FALSE(s.a.is_locked());
		 EXPECT_FALSE(s.b.is_locked());
	 }},
	{"destroy_held",
	 {RESV_REPORT_DESTROY_BUSY},
	 [](scene &s) {
		 EXPECT_TRUE(s.a.trylock(&*s.ctx));
		 s.a.destroy();
		 s.a.unlock(); // it still works
	 }},
	{"destroy_held_plain_mutex",
	 {RESV_REPORT_DESTROY_BUSY},
	 [](scene &s) {
		 EXPECT_TRUE(s.a.trylock(nullptr));
		 s.a.destroy();
		 s.a.unlock();
	 }},
	{"destroy_waited_for",
	 {RESV_REPORT_DESTROY_BUSY},
	 [](scene &s) {
		 EXPECT_TRUE(s.a.trylock(&*s.ctx));
		 s.other.start_lock(s.a);
		 EXPECT_TRUE(waits(s.a));
		 s.a.destroy();
		 s.a.unlock();
		 EXPECT_EQ(s.other.finish(), 0);
	 }},
	{"destroy_while_somebody_looks",
	 {RESV_REPORT_DESTROY_BUSY},
	 [](scene &s) {
		 wait_list list(s.a); // as any waiter has it, even when the lock is free
		 s.a.destroy();
	 }},

	// ---- No waiting for a lock that the task holds ----
	{"plain_mutex_twice",
	 {RESV_REPORT_SELF_DEADLOCK},
	 [](scene &s) {
		 EXPECT_EQ(s.a.lock(nullptr), 0);
		 EXPECT_EQ(s.a.lock(nullptr), -EALREADY);
		 s.a.unlock();
	 }},
	{"plain_mutex_then_context",
	 {RESV_REPORT_SELF_DEADLOCK},
	 [](scene &s) {
		 EXPECT_EQ(s.a.lock(nullptr), 0);
		 EXPECT_EQ(s.a.lock(&*s.ctx), -EALREADY);
		 s.a.unlock();
	 }},
	{"context_then_plain_mutex",
	 {RESV_REPORT_SELF_DEADLOCK},
	 [](scene &s) {
		 EXPECT_EQ(s.a.lock(&*s.ctx), 0);
		 EXPECT_EQ(s.a.lock(nullptr), -EALREADY);
	 }},
	{"two_contexts",
	 {RESV_REPORT_SELF_DEADLOCK},
	 [](scene &s) {
		 calm_ctx second(wait_die);
		 EXPECT_EQ(s.a.lock(&*s.ctx), 0);
		 EXPECT_EQ(s.a.lock(&second), -EALREADY);
	 }},
	{"wait_for_oneself",
	 {RESV_REPORT_SELF_DEADLOCK},
	 [](scene &s) {
		 EXPECT_EQ(s.a.lock(&*s.ctx), 0);
		 EXPECT_EQ(s.a.wait_for_unlock(&*s.ctx, {}), -EALREADY);
	 }},
	{"wait_for_oneself_without_context",
	 {RESV_REPORT_SELF_DEADLOCK},
	 [](scene &s) {
		 EXPECT_EQ(s.a.lock(nullptr), 0);
		 EXPECT_EQ(s.a.wait_for_unlock(nullptr, {}), -EALREADY);
		 s.a.unlock();
	 }},

	// ---- No waiting for an unlock while holding ----
	{"wait_while_holding_another",
	 {RESV_REPORT_WAIT_WHILE_HOLDING},
	 [](scene &s) {
		 EXPECT_TRUE(s.other.trylock(s.b));
		 EXPECT_EQ(s.a.lock(&*s.ctx), 0);
		 EXPECT_EQ(s.b.wait_for_unlock(&*s.ctx, {}), -EDEADLK);
	 }},
	{"wait_while_holding_though_it_is_free",
	 {RESV_REPORT_WAIT_WHILE_HOLDING},
	 [](scene &s) {
		 EXPECT_EQ(s.a.lock(&*s.ctx), 0);
		 EXPECT_EQ(s.b.wait_for_unlock(&*s.ctx, {}), 0);
	 }},

	// ---- assert_held ----
	{"assert_free", {RESV_REPORT_NOT_HELD}, [](scene &s) { s.a.assert_held(); }},
	{"assert_held_by_another",
	 {RESV_REPORT_NOT_HELD},
	 [](scene &s) {
		 EXPECT_TRUE(s.other.trylock(s.a));
		 s.a.assert_held();
	 }},
	{"assert_plain_mutex_held_by_another",
	 {RESV_REPORT_NOT_HELD},
	 [](scene &s) {
		 s.other.run([&] { EXPECT_TRUE(s.a.trylock(nullptr)); });
		 s.a.assert_held();
		 s.other.run([&] { s.a.unlock(); });
	 }},

	// ---- A wait list's links agree with each other ----
	{"corrupt_wait_list",
	 {RESV_REPORT_CORRUPT_WAIT_LIST},
	 [](scene &s) {
		 parker mailbox(resv_port_current());
		 waiter first(nullptr, mailbox), second(nullptr, mailbox);
		 wait_list list(s.a);
		 list.insert(first);
		 list.insert(second);
		 waiter *good = std::exchange(first.next, &first);
		 list.remove(second); // says so, and leaves it
		 first.next = good;
		 list.remove(second);
		 list.remove(first);
		 EXPECT_EQ(list.first_locker(), nullptr);
	 },
	 harmful},
	{"corrupt_wait_list_backwards",
	 {RESV_REPORT_CORRUPT_WAIT_LIST},
	 [](scene &s) {
		 parker mailbox(resv_port_current());
		 waiter first(nullptr, mailbox), second(nullptr, mailbox), third(nullptr, mailbox);
		 wait_list list(s.a);
		 for (waiter *each : {&first, &second, &third})
			 list.insert(*each);
		 third.prev = &first;
		 list.remove(second);
		 EXPECT_EQ(first.next, &second);
		 third.prev = &second;
		 for (waiter *each : {&third, &first, &second})
			 list.remove(*each);
		 EXPECT_EQ(list.first_locker(), nullptr);
	 },
	 harmful},
};

std::vector<abuse> abuses()
{
	std::vector<abuse> result;
	for (const abuse &each : all_abuses)
		if (checked || each.harmless)
			result.push_back(each);
	return result;
}

/// Words of a rule's headline.
const char *rule(resv_report_kind kind)
{
	switch (kind) {
	case RESV_REPORT_UNINITIALIZED:
		return "not initialised, or has ended";
	case RESV_REPORT_WRONG_CLASS:
		return "different classes";
	case RESV_REPORT_FOREIGN_CONTEXT:
		return "a task that did not open it";
	case RESV_REPORT_LOCK_AFTER_DONE:
		return "after the context was done";
	case RESV_REPORT_DONE_TWICE:
		return "done twice";
	case RESV_REPORT_STILL_HOLDING:
		return "while others are still held";
	case RESV_REPORT_WRONG_LOCK:
		return "another lock than the contended one";
	case RESV_REPORT_DEADLK_IGNORED:
		return "second -EDEADLK";
	case RESV_REPORT_SLOW_WITHOUT_DEADLK:
		return "without a preceding -EDEADLK";
	case RESV_REPORT_SLOW_FAILED:
		return "could not take the lock";
	case RESV_REPORT_UNLOCK_FREE:
		return "unlock of a lock that is not held";
	case RESV_REPORT_UNLOCK_FOREIGN:
		return "unlock of a lock that another task holds";
	case RESV_REPORT_FINI_HOLDING:
		return "ended while it holds locks";
	case RESV_REPORT_DESTROY_BUSY:
		return "destroyed while held or waited for";
	case RESV_REPORT_SELF_DEADLOCK:
		return "waits for a lock that it holds itself";
	case RESV_REPORT_NOT_HELD:
		return "should be held";
	case RESV_REPORT_WAIT_WHILE_HOLDING:
		return "while holding reservations";
	case RESV_REPORT_CORRUPT_WAIT_LIST:
		return "wait list is corrupt";
	default:
		return "no such rule";
	}
}

bool contains(const std::string &text, const std::string &words)
{
	return text.find(words) != std::string::npos;
}

class ww_debug_rules : public fixture, public testing::WithParamInterface<abuse> {};
INSTANTIATE_TEST_SUITE_P(each, ww_debug_rules, testing::ValuesIn(abuses()),
			 [](const testing::TestParamInfo<abuse> &each) { return each.param.name; });

TEST_P(ww_debug_rules, broken_is_reported_by_its_name_once)
{
	std::vector<resv_report_kind> expected;
	for (resv_report_kind kind : GetParam().reports)
		if (checked || kind == RESV_REPORT_SLOW_FAILED)
			expected.push_back(kind);
	std::vector<noted_report> reports;
	{
		scene s;
		ASSERT_TRUE(take_reports().empty());
		GetParam().commit(s);
		reports = take_reports();
	}
	// Two contexts in one task, above all, are a matter for the annotator as well: its tests are elsewhere.
	std::erase_if(reports, [](const noted_report &each) { return each.kind >= RESV_REPORT_CIRCULAR; });
	EXPECT_TRUE(take_reports().empty()) << "everything is in order again";

	std::vector<resv_report_kind> kinds;
	for (const noted_report &report : reports) {
		kinds.push_back(report.kind);
		EXPECT_TRUE(contains(report.text, std::string("WARNING: "))) << report.text;
		EXPECT_TRUE(contains(report.text, rule(report.kind))) << report.text;
		EXPECT_TRUE(contains(report.text, "stack backtrace:")) << report.text;
	}
	EXPECT_EQ(kinds, expected);
	if (!reports.empty() && reports[0].kind != RESV_REPORT_SLOW_FAILED) {
		const char *lock =
			reports[0].kind == RESV_REPORT_WRONG_CLASS ? "wound_wait_mutex" : "wait_die_mutex";
		EXPECT_EQ(contains(reports[0].text, lock), GetParam().names_lock) << reports[0].text;
	}
}

class ww_debug : public fixture {};

TEST_F(ww_debug, every_rule_is_broken_above)
{
	std::set<resv_report_kind> broken;
	for (const abuse &each : all_abuses)
		broken.insert(each.reports.begin(), each.reports.end());
	for (int kind = 0; kind <= RESV_REPORT_CORRUPT_WAIT_LIST; kind++)
		EXPECT_EQ(broken.count(static_cast<resv_report_kind>(kind)), 1u) << kind;
}

TEST_F(ww_debug, end_while_holding_says_how_many)
{
	{
		scene s;
		EXPECT_TRUE(s.a.trylock(&*s.ctx));
		EXPECT_TRUE(s.b.trylock(&*s.ctx));
		EXPECT_TRUE(s.c.trylock(&*s.ctx));
		s.ctx.reset();
	}
	for (const noted_report &report : take_reports())
		EXPECT_TRUE(contains(report.text, "holds 3 locks")) << report.text;
}

TEST_F(ww_debug, slow_that_failed_says_why)
{
	scene s;

	EXPECT_EQ(s.a.lock(&*s.ctx), 0);
	s.a.lock_slow(&*s.ctx);
	std::vector<noted_report> reports = take_reports();
	ASSERT_EQ(reports.size(), checked ? 2u : 1u);
	EXPECT_TRUE(contains(reports.back().text, "got error " + std::to_string(EALREADY) + ":"));
}

// The context of a report is told by its address.
TEST_F(ww_debug, report_names_the_context)
{
	scene s;
	char address[32];

	snprintf(address, sizeof(address), "context %p", static_cast<void *>(&*s.ctx));
	s.ctx->done();
	s.ctx->done();
	take_and_release(s.a, &*s.ctx);
	std::vector<noted_report> reports = take_reports();
	EXPECT_EQ(reports.size(), checked ? 2u : 0u);
	for (const noted_report &report : reports)
		EXPECT_TRUE(contains(report.text, address)) << report.text;
}

// Refused or not, what was wrong has not come between the context and its locks.
TEST_F(ww_debug, correct_use_goes_on_after_each_mistake)
{
	for (const abuse &each : abuses()) {
		scene s;
		ww_mutex lock(wait_die), another(wait_die);

		each.commit(s);
		take_reports();
		if (!s.ctx)
			continue;
		s.ctx->unlock_all();
		s.ctx.emplace(wait_die);
		EXPECT_EQ(lock.lock(&*s.ctx), 0) << each.name;
		EXPECT_EQ(another.lock(&*s.ctx), 0) << each.name;
		EXPECT_EQ(s.ctx->acquired(), 2u) << each.name;
		s.ctx->unlock_all();
		EXPECT_TRUE(take_reports().empty()) << each.name;
	}
}

TEST_F(ww_debug, report_of_one_task_does_not_disturb_another)
{
	scene s;
	actor others[3];

	for (actor &each : others)
		each.start([&] {
			for (int i = 0; i < 50; i++) {
				s.a.assert_held();
				take_and_release(s.b, nullptr);
			}
		});
	for (actor &each : others)
		each.finish();
	EXPECT_EQ(take_report_kinds(), std::vector(checked ? 150 : 0, RESV_REPORT_NOT_HELD));
}

TEST_F(ww_debug, nothing_is_reported_without_a_handler)
{
	scene s;

	resv_lockdep_set_report_handler(nullptr, nullptr);
	s.a.assert_held();
	EXPECT_TRUE(take_reports().empty());
}

TEST_F(ww_debug, report_is_printed_line_by_line)
{
	scene s;
	std::string printed;

	resv_host_set_report_sink(
		[](const char *line, void *data) {
			EXPECT_EQ(strchr(line, '\n'), nullptr);
			static_cast<std::string *>(data)->append(line).append("\n");
		},
		&printed);
	s.a.assert_held();
	resv_host_set_report_sink([](const char *, void *) {}, nullptr);
	std::vector<noted_report> reports = take_reports();
	ASSERT_EQ(reports.size(), checked ? 1u : 0u);
	EXPECT_EQ(printed, checked ? reports[0].text : "");
}

// A handler that causes a report itself would wait for its own report to end.
TEST_F(ww_debug, report_during_a_report_is_dropped)
{
	struct {
		ww_mutex lock{wait_die};
		int calls = 0;
	} seen;

	resv_lockdep_set_report_handler(
		[](resv_report_kind, const char *text, void *data) {
			auto *s = static_cast<decltype(seen) *>(data);
			std::string before = text;
			s->calls++;
			s->lock.assert_held();
			EXPECT_EQ(text, before);
		},
		&seen);
	for (int i = 0; i < 2; i++)
		seen.lock.assert_held();
	EXPECT_EQ(seen.calls, checked ? 2 : 0);
}

TEST_F(ww_debug, report_that_is_too_long_is_cut)
{
	static const std::string name(100000, 'x');
	static ww_class verbose(ww_algorithm::wait_die, "verbose", name.c_str());
	ww_mutex lock(verbose);

	lock.assert_held();
	std::vector<noted_report> reports = take_reports();
	ASSERT_EQ(reports.size(), checked ? 1u : 0u);
	for (const noted_report &report : reports) {
		EXPECT_TRUE(contains(report.text, rule(RESV_REPORT_NOT_HELD)));
		EXPECT_TRUE(contains(report.text, "xxx"));
		EXPECT_LT(report.text.size(), name.size());
	}
	lock.assert_held(); // and the next one has room again
	EXPECT_EQ(take_reports().size(), checked ? 1u : 0u);
}

// ---- Injected -EDEADLK ---------------------------------------------------------------------------------------------

class ww_injection : public with_both {
protected:
	/// How many nested locks succeed until one fails; `limit` if none does.
	unsigned successes(ww_acquire_ctx &ctx, unsigned limit)
	{
		for (unsigned n = 0; n < limit; n++) {
			EXPECT_EQ(m[0].lock(&ctx), 0);
			int rc = m[1].lock(&ctx);
			if (rc == -EDEADLK) {
				EXPECT_FALSE(m[1].is_locked());
				EXPECT_TRUE(m[0].is_held_by_caller());
				EXPECT_EQ(ctx.acquired(), 1u);
				m[0].unlock();
				m[1].lock_slow(&ctx);
				ctx.unlock_all();
				return n;
			}
			EXPECT_EQ(rc, 0);
			ctx.unlock_all();
		}
		return limit;
	}
};
INSTANTIATE_TEST_SUITE_P(both, ww_injection, testing::ValuesIn(both_algorithms), algorithm_name);

TEST_P(ww_injection, comes_soon_and_then_ever_more_rarely)
{
	ww_acquire_ctx ctx(cls);

	if (!config::debug_ww_slowpath) {
		EXPECT_EQ(successes(ctx, 3000), 3000u);
		return;
	}
	EXPECT_LT(successes(ctx, 100), 16u);
	unsigned last = successes(ctx, 100);
	EXPECT_LT(last, 8u);
	for (int i = 0; i < 4; i++) {
		unsigned next = successes(ctx, 10000);
		EXPECT_GT(next + 1, 3 * (last + 1)); // 3.5 and a little, since it is rounded up
		EXPECT_LT(next + 1, 4 * (last + 1));
		last = next;
	}
	EXPECT_EQ(ctx.stamp(), 0u); // nobody was met
}

TEST_P(ww_injection, differs_from_context_to_context)
{
	std::set<unsigned> distances;

	for (int i = 0; i < 16; i++) {
		ww_acquire_ctx ctx(cls);
		distances.insert(successes(ctx, 16));
	}
	EXPECT_EQ(distances.size(), config::debug_ww_slowpath ? 16u : 1u);
}

TEST_P(ww_injection, only_nested_locks_that_could_have_waited)
{
	ww_acquire_ctx ctx(cls);

	for (int i = 0; i < 100; i++) {
		EXPECT_EQ(m[0].lock(&ctx), 0); // holds nothing
		EXPECT_TRUE(m[1].trylock(&ctx));
		EXPECT_EQ(m[1].lock(&ctx), -EALREADY);
		EXPECT_EQ(m[2].lock(nullptr), 0);
		m[2].unlock();
		ctx.unlock_all();
	}
	expect_order_reports({RESV_REPORT_RECURSION}); // a lock without a context while others are held
}

TEST_P(ww_injection, must_be_handled_like_any_other)
{
	ww_acquire_ctx ctx(cls);
	int rc = 0;

	for (int i = 0; i < 16 && rc == 0; i++) {
		ctx.unlock_all();
		EXPECT_EQ(m[0].lock(&ctx), 0);
		rc = m[1].lock(&ctx);
	}
	EXPECT_EQ(rc, config::debug_ww_slowpath ? -EDEADLK : 0);
	ctx.unlock_all();
	EXPECT_EQ(m[2].lock(&ctx), 0);
	ctx.unlock_all();
	EXPECT_EQ(take_report_kinds(), std::vector(config::debug_ww_slowpath, RESV_REPORT_WRONG_LOCK));
}

} // namespace
} // namespace resv::test
