// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What the locks tell the annotator, and in which order. With PROVE_LOCKING the recorder keeps it; without, there is
// nobody to tell.

#include "helpers.hpp"
#include "lockdep/recorder.hpp"

#include <resv/resv.h>

#include <set>
#include <string_view>

namespace resv::test {
namespace {

#if RESV_PROVE_LOCKING

// Code that annotations must name as their place is kept in a section of its own, whose bounds the linker gives.
#define LOCKDEP_PLACE [[gnu::noinline, gnu::section("resv_lockdep_test")]]
extern "C" const char __start_resv_lockdep_test[], __stop_resv_lockdep_test[];

using lockdep::event;
namespace recorder = lockdep::recorder;

constexpr auto acquire = event::kind::acquire;
constexpr auto release = event::kind::release;
constexpr auto sync = event::kind::sync;

constexpr const char *lock_name = "wait_die_mutex";
constexpr const char *ctx_name = "wait_die_acquire";

/// An annotation, without its place and task.
struct note {
	event::kind what;
	const char *name; // the class's, which is a static string
	bool trylock = false;
	const char *nest = nullptr;

	bool operator==(const note &other) const
	{
		auto same = [](const char *a, const char *b) {
			return std::string_view(a ? a : "") == (b ? b : "");
		};
		return what == other.what && same(name, other.name) && trylock == other.trylock &&
		       same(nest, other.nest);
	}
};

void PrintTo(const note &n, std::ostream *out)
{
	*out << (n.what == acquire   ? "acquire "
		 : n.what == release ? "release "
				     : "sync ")
	     << n.name << (n.trylock ? " try" : "") << (n.nest ? " nest " : "") << (n.nest ? n.nest : "");
}

// What a blocking lock with a context records, and the other operations.
constexpr note may_wait{sync, lock_name, false, ctx_name};
constexpr note may_wait_alone{sync, lock_name};
constexpr note taken{acquire, lock_name, true, ctx_name};
constexpr note taken_alone{acquire, lock_name, true};
constexpr note dropped{release, lock_name};

using notes = std::vector<note>;

class lockdep_recorded : public fixture {
protected:
	lockdep_recorded() { recorder::reset(); }

	/// What was recorded since the last call, of all tasks.
	std::vector<event> take_events()
	{
		std::vector<event> events;
		EXPECT_LE(recorder::count(), recorder::capacity);
		for (unsigned i = 0; i < recorder::count(); i++)
			events.push_back(recorder::at(i));
		recorder::reset();
		return events;
	}

	/// The same, as notes, of one task.
	notes take_notes(resv_port_task task = resv_port_current())
	{
		notes result;
		for (const event &e : take_events())
			if (e.task == task)
				result.push_back({e.what, e.map->name(), e.trylock,
						  e.nest ? e.nest->name() : nullptr});
		return result;
	}

	void forget() { recorder::reset(); }

	ww_class &cls = wait_die;
	ww_mutex lock{cls}, other{cls};
};

// ---- Contexts ------------------------------------------------------------------------------------------------------

// The recorder refers to maps, so that the storage of a context has to outlive the context here.

TEST_F(lockdep_recorded, context_is_held_from_begin_to_end)
{
	std::optional<ww_acquire_ctx> ctx;

	ctx.emplace(cls);
	EXPECT_EQ(take_notes(), (notes{{acquire, ctx_name}}));
	ctx->done();
	ctx->abandon();
	EXPECT_EQ(take_notes(), notes{});
	ctx.reset();
	EXPECT_EQ(take_notes(), (notes{{release, ctx_name}}));
}

TEST_F(lockdep_recorded, locks_nest_in_their_own_context)
{
	calm_ctx first(cls), second(cls);
	EXPECT_EQ(take_report_kinds(), std::vector{RESV_REPORT_RECURSION}); // two contexts in one task

	forget();
	ASSERT_EQ(lock.lock(&first), 0);
	ASSERT_TRUE(other.trylock(&second));
	auto events = take_events();
	lock.unlock();
	other.unlock();
	ASSERT_EQ(events.size(), 3u);
	EXPECT_NE(events[0].nest, nullptr);
	EXPECT_EQ(events[0].nest, events[1].nest);
	EXPECT_NE(events[2].nest, events[1].nest); // by address: an instance, not a class
	EXPECT_GE(reinterpret_cast<const char *>(events[0].nest), reinterpret_cast<const char *>(&first));
	EXPECT_LT(reinterpret_cast<const char *>(events[0].nest), reinterpret_cast<const char *>(&first + 1));
	EXPECT_EQ(events[0].map, events[1].map);
	EXPECT_NE(events[0].map, events[2].map);
	EXPECT_EQ(events[0].map->key(), events[2].map->key());
}

TEST_F(lockdep_recorded, context_ended_while_holding_releases_first)
{
	std::optional<calm_ctx> ctx;

	ctx.emplace(cls);
	ASSERT_EQ(lock.lock(&*ctx), 0);
	ASSERT_TRUE(other.trylock(&*ctx));
	forget();
	ctx.reset();
	EXPECT_EQ(take_notes(), (notes{dropped, dropped, {release, ctx_name}}));
	EXPECT_EQ(take_report_kinds(), std::vector{RESV_REPORT_FINI_HOLDING});
}

TEST_F(lockdep_recorded, classes_are_told_apart)
{
	ww_mutex foreign(wound_wait);
	calm_ctx ctx(wound_wait);

	forget();
	ASSERT_EQ(foreign.lock(&ctx), 0);
	ASSERT_EQ(lock.lock(nullptr), 0);
	auto events = take_events();
	foreign.unlock();
	lock.unlock();
	ASSERT_EQ(events.size(), 4u);
	EXPECT_STREQ(events[0].map->name(), "wound_wait_mutex");
	EXPECT_STREQ(events[0].nest->name(), "wound_wait_acquire");
	EXPECT_NE(events[0].map->key(), events[2].map->key());
	EXPECT_NE(events[0].map->key(), events[0].nest->key());
}

// ---- Locks: the wait that might have been, then the lock ----------------------------------------------------------------

TEST_F(lockdep_recorded, blocking_lock_records_the_wait_although_nobody_contends)
{
	calm_ctx ctx(cls);

	forget();
	ASSERT_EQ(lock.lock(&ctx), 0);
	EXPECT_EQ(take_notes(), (notes{may_wait, taken}));
	lock.unlock();
	EXPECT_EQ(take_notes(), (notes{dropped}));
	ASSERT_EQ(lock.lock(&ctx, interruptible), 0);
	EXPECT_EQ(take_notes(), (notes{may_wait, taken}));
	lock.unlock();
	ASSERT_EQ(lock.lock(nullptr), 0);
	lock.unlock();
	ASSERT_EQ(lock.lock(nullptr, for_at_most(0)), 0);
	lock.unlock();
	EXPECT_EQ(take_notes(), (notes{dropped, may_wait_alone, taken_alone, dropped, may_wait_alone,
				       taken_alone, dropped}));
}

TEST_F(lockdep_recorded, blocking_lock_records_the_wait_before_it_waits)
{
	party holder(cls), waiter(cls);

	ASSERT_EQ(holder.lock(lock), 0);
	forget();
	waiter.start_lock(lock);
	ASSERT_TRUE(waits(lock));
	EXPECT_EQ(take_notes(waiter.task()), (notes{may_wait}));
	holder.unlock_all();
	ASSERT_EQ(waiter.finish(), 0);
	EXPECT_EQ(take_notes(waiter.task()), (notes{taken}));
	waiter.unlock_all();
}

TEST_F(lockdep_recorded, each_nested_lock_records_its_wait)
{
	calm_ctx ctx(cls);

	forget();
	ASSERT_EQ(lock.lock(&ctx), 0);
	ASSERT_EQ(other.lock(&ctx), 0);
	auto events = take_events();
	ASSERT_EQ(events.size(), 4u);
	EXPECT_EQ(events[2].what, sync);
	EXPECT_EQ(events[2].map, events[3].map);
	EXPECT_NE(events[2].map, events[0].map);
	ctx.unlock_all();
}

TEST_F(lockdep_recorded, lock_that_fails_records_the_wait_only)
{
	party elder(cls);
	calm_ctx ctx(cls);

	age(elder);
	ASSERT_EQ(elder.lock(lock), 0);
	ASSERT_EQ(other.lock(&ctx), 0);
	forget();
	EXPECT_EQ(lock.lock(&ctx), -EDEADLK);
	EXPECT_EQ(take_notes(), (notes{may_wait}));
	ctx.unlock_all();
	forget();

	resv_host_interrupt(resv_port_current());
	EXPECT_EQ(lock.lock_slow(&ctx, interruptible), -EINTR);
	EXPECT_EQ(take_notes(), (notes{may_wait}));
	EXPECT_EQ(lock.lock_slow(&ctx, for_at_most(0)), -ETIME);
	EXPECT_EQ(take_notes(), (notes{may_wait}));
	resv_host_interrupt(resv_port_current());
	EXPECT_EQ(lock.lock(nullptr, interruptible), -EINTR);
	EXPECT_EQ(take_notes(), (notes{may_wait_alone}));

	elder.unlock_all();
	forget();
	lock.lock_slow(&ctx);
	EXPECT_EQ(take_notes(), (notes{may_wait, taken}));
	lock.unlock();
}

// Such a task waits for nobody.
TEST_F(lockdep_recorded, duplicate_and_refused_locks_record_nothing)
{
	calm_ctx ctx(cls);
	ww_mutex foreign(wound_wait);

	ASSERT_EQ(lock.lock(&ctx), 0);
	forget();
	EXPECT_EQ(lock.lock(&ctx), -EALREADY);
	EXPECT_EQ(foreign.lock(&ctx), -EINVAL);
	EXPECT_EQ(foreign.wait_for_unlock(&ctx, {}), -EINVAL);
	EXPECT_FALSE(foreign.trylock(&ctx));
	EXPECT_EQ(take_notes(), notes{});
	EXPECT_EQ(take_reports().size(), 3u);
	lock.unlock();
}

TEST_F(lockdep_recorded, trylock_records_no_wait)
{
	party holder(cls);
	calm_ctx ctx(cls);

	forget();
	ASSERT_TRUE(lock.trylock(&ctx));
	EXPECT_EQ(take_notes(), (notes{taken}));
	EXPECT_FALSE(lock.trylock(&ctx));
	EXPECT_FALSE(lock.trylock(nullptr));
	EXPECT_EQ(take_notes(), notes{});
	lock.unlock();
	ASSERT_TRUE(lock.trylock(nullptr));
	lock.unlock();
	EXPECT_EQ(take_notes(), (notes{dropped, taken_alone, dropped}));
	ASSERT_TRUE(holder.trylock(lock));
	forget();
	EXPECT_FALSE(lock.trylock(&ctx));
	EXPECT_EQ(take_notes(), notes{});
}

TEST_F(lockdep_recorded, unlock_all_releases_each)
{
	calm_ctx ctx(cls);
	std::deque<ww_mutex> many;

	for (unsigned i = 0; i < ww_acquire_ctx::release_batch + 5; i++)
		ASSERT_TRUE(many.emplace_back(cls).trylock(&ctx));
	forget();
	ctx.unlock_all();
	auto events = take_events();
	std::set<const lockdep_map *> maps;
	EXPECT_EQ(events.size(), many.size());
	for (const event &e : events) {
		EXPECT_EQ(e.what, release);
		EXPECT_EQ(e.task, resv_port_current());
		maps.insert(e.map);
	}
	EXPECT_EQ(maps.size(), many.size());
	ctx.unlock_all();
	EXPECT_EQ(take_notes(), notes{});
}

TEST_F(lockdep_recorded, refused_unlock_releases_nothing)
{
	party holder(cls);

	ASSERT_EQ(holder.lock(other), 0);
	forget();
	lock.unlock();
	other.unlock();
	EXPECT_EQ(take_notes(), notes{});
	EXPECT_EQ(take_reports().size(), 2u);
}

// An injected -EDEADLK looks as one that contention caused: the lock was not had at all.
TEST_F(lockdep_recorded, injected_error_records_the_wait_only)
{
	if constexpr (config::debug_ww_slowpath) {
		ww_acquire_ctx ctx(cls);
		ASSERT_EQ(lock.lock(&ctx), 0);
		for (int rc = 0; rc == 0;) {
			forget();
			rc = other.lock(&ctx);
			EXPECT_EQ(take_notes(), rc == 0 ? (notes{may_wait, taken}) : (notes{may_wait}));
			if (rc == 0)
				other.unlock();
		}
		ctx.unlock_all();
	}
}

// ---- Waiting for an unreserve ---------------------------------------------------------------------------------------

// Not nested in the context: whatever that holds, the wait is for somebody who may want it.
TEST_F(lockdep_recorded, wait_for_unlock_records_one_wait_although_nobody_contends)
{
	party holder(cls), waiter(cls);
	calm_ctx ctx(cls);

	forget();
	EXPECT_EQ(lock.wait_for_unlock(&ctx, {}), 0);
	EXPECT_EQ(take_notes(), (notes{may_wait_alone}));
	EXPECT_EQ(lock.wait_for_unlock(nullptr, interruptible), 0);
	EXPECT_EQ(take_notes(), (notes{may_wait_alone}));

	ASSERT_EQ(holder.lock(lock), 0);
	forget();
	EXPECT_EQ(lock.wait_for_unlock(&ctx, for_at_most(0)), -ETIME);
	EXPECT_EQ(take_notes(), (notes{may_wait_alone}));
	waiter.start([&] { return lock.wait_for_unlock(&waiter.ctx(), {}); });
	ASSERT_TRUE(waits(lock));
	EXPECT_EQ(take_notes(waiter.task()), (notes{may_wait_alone})); // before it waits
	holder.unlock_all();
	EXPECT_EQ(waiter.finish(), 0);
	EXPECT_EQ(take_notes(waiter.task()), notes{});
}

// ---- The same through reservations, transactions, and C -----------------------------------------------------------------

constexpr note reservation_may_wait{sync, "reservation_ww_class_mutex", false,
				    "reservation_ww_class_acquire"};
constexpr note reserved{acquire, "reservation_ww_class_mutex", true, "reservation_ww_class_acquire"};
constexpr note unreserved{release, "reservation_ww_class_mutex"};
constexpr note context_opened{acquire, "reservation_ww_class_acquire"};
constexpr note context_ended{release, "reservation_ww_class_acquire"};

TEST_F(lockdep_recorded, reservation)
{
	reservation_object object;
	calm_ctx ctx(reservation_class);

	forget();
	ASSERT_EQ(object.reserve(&ctx), 0);
	object.unreserve();
	EXPECT_EQ(take_notes(), (notes{reservation_may_wait, reserved, unreserved}));
	ASSERT_TRUE(object.try_reserve(&ctx));
	object.unreserve();
	EXPECT_EQ(take_notes(), (notes{reserved, unreserved}));
	EXPECT_EQ(object.wait_for_unreserve(&ctx), 0);
	EXPECT_EQ(take_notes(), (notes{{sync, "reservation_ww_class_mutex"}}));
}

TEST_F(lockdep_recorded, transaction)
{
	reservation_object objects[2], tried;
	std::optional<class transaction> t;

	t.emplace();
	outlast_injection(t->context());
	forget();
	ASSERT_EQ(t->reserve(objects), 0);
	ASSERT_TRUE(t->try_reserve(tried));
	EXPECT_EQ(take_notes(),
		  (notes{reservation_may_wait, reserved, reservation_may_wait, reserved, reserved}));
	t.reset();
	EXPECT_EQ(take_notes(), (notes{unreserved, unreserved, unreserved, context_ended}));
}

TEST_F(lockdep_recorded, c_reservation)
{
	resv_object object;
	resv_ww_acquire_ctx ctx;

	resv_init(&object);
	resv_ww_acquire_init(&ctx, &resv_reservation_ww_class);
	ASSERT_EQ(resv_lock(&object, &ctx), 0);
	resv_unlock(&object);
	ASSERT_TRUE(resv_trylock(&object, &ctx));
	resv_unlock(&object);
	EXPECT_EQ(resv_wait_for_unreserve(&object, nullptr, true), 0);
	resv_ww_acquire_fini(&ctx);
	resv_fini(&object);
	EXPECT_EQ(take_notes(), (notes{context_opened,
				       reservation_may_wait,
				       reserved,
				       unreserved,
				       reserved,
				       unreserved,
				       {sync, "reservation_ww_class_mutex"},
				       context_ended}));
}

// ---- A driver's own locks, by the C functions ------------------------------------------------------------------------------

resv_lock_class_key driver_key, ring_key;

class lockdep_c : public lockdep_recorded {
protected:
	lockdep_c()
	{
		resv_lockdep_init_map(&driver, "driver", &driver_key, 0);
		resv_lockdep_init_map(&ring, "ring", &ring_key, 3);
	}

	static const void *address(const lockdep_map *map) { return map; }

	resv_lockdep_map driver, ring;
};

TEST_F(lockdep_c, acquire_and_release)
{
	resv_lockdep_acquire(&driver, 0, 0, 0, 1, nullptr, 0x1000);
	resv_lockdep_acquire(&ring, 0, 1, 2, 1, &driver, 0x2000);
	resv_lockdep_release(&ring, 0x3000);
	resv_lockdep_release(&driver, 0x4000);
	auto events = take_events();
	ASSERT_EQ(events.size(), 4u);

	EXPECT_EQ(events[0].what, acquire);
	EXPECT_EQ(address(events[0].map), &driver);
	EXPECT_EQ(address(events[0].nest), nullptr);
	EXPECT_FALSE(events[0].trylock);
	EXPECT_EQ(events[0].read, lock_read::exclusive);
	EXPECT_EQ(events[0].where, 0x1000u);
	EXPECT_EQ(events[0].task, resv_port_current());

	EXPECT_EQ(events[1].what, acquire);
	EXPECT_EQ(address(events[1].map), &ring);
	EXPECT_EQ(address(events[1].nest), &driver);
	EXPECT_TRUE(events[1].trylock);
	EXPECT_EQ(events[1].read, lock_read::recursive);
	EXPECT_EQ(events[1].where, 0x2000u);

	EXPECT_EQ(events[2].what, release);
	EXPECT_EQ(address(events[2].map), &ring);
	EXPECT_EQ(events[2].where, 0x3000u);
	EXPECT_EQ(events[3].what, release);
	EXPECT_EQ(address(events[3].map), &driver);
}

TEST_F(lockdep_c, sync)
{
	resv_lockdep_acquire(&ring, 0, 0, 0, 1, nullptr, 0x100);
	forget();
	resv_lockdep_sync(&driver, 0, 1, 1, &ring, 0x1000);
	auto events = take_events();
	resv_lockdep_release(&ring, 0x200);
	forget();
	resv_lockdep_sync(&ring, 0, 0, 1, nullptr, 0x2000);
	events.push_back(take_events().at(0));
	ASSERT_EQ(events.size(), 2u);
	EXPECT_EQ(events[0].what, event::kind::sync);
	EXPECT_EQ(address(events[0].map), &driver);
	EXPECT_EQ(address(events[0].nest), &ring);
	EXPECT_FALSE(events[0].trylock);
	EXPECT_EQ(events[0].read, lock_read::shared);
	EXPECT_EQ(events[0].where, 0x1000u);
	EXPECT_EQ(address(events[1].nest), nullptr);
	EXPECT_EQ(events[1].read, lock_read::exclusive);
}

TEST_F(lockdep_c, map_is_its_name_and_its_class)
{
	resv_lockdep_acquire(&driver, 0, 0, 0, 1, nullptr, 0);
	resv_lockdep_acquire(&ring, 0, 0, 0, 1, nullptr, 0);
	auto events = take_events();
	ASSERT_EQ(events.size(), 2u);
	EXPECT_STREQ(events[0].map->name(), "driver");
	EXPECT_STREQ(events[1].map->name(), "ring");
	EXPECT_EQ(events[0].map->key(), &driver_key.subclass[0]);
	EXPECT_EQ(events[1].map->key(), &ring_key.subclass[3]);
}

// ---- The place -------------------------------------------------------------------------------------------------------

[[maybe_unused]] bool is_here(const event &e)
{
	return e.where > reinterpret_cast<uintptr_t>(__start_resv_lockdep_test) &&
	       e.where <= reinterpret_cast<uintptr_t>(__stop_resv_lockdep_test);
}

LOCKDEP_PLACE int use_lock(ww_mutex &lock, ww_acquire_ctx *ctx)
{
	int failures = lock.lock(ctx);
	lock.unlock();
	failures += lock.lock(ctx, interruptible);
	lock.unlock();
	failures += lock.trylock(ctx) ? 0 : 1;
	lock.unlock();
	failures += lock.wait_for_unlock(ctx, {});
	return failures;
}

LOCKDEP_PLACE int use_object(reservation_object &object, ww_acquire_ctx *ctx)
{
	int failures = object.reserve(ctx);
	object.unreserve();
	failures += object.try_reserve(ctx) ? 0 : 1;
	object.unreserve();
	failures += object.wait_for_unreserve(ctx);
	return failures;
}

LOCKDEP_PLACE int use_all(ww_mutex &lock, ww_mutex &other)
{
	ww_acquire_ctx ctx(wait_die);
	int failures = lock.lock(&ctx) + (other.trylock(&ctx) ? 0 : 1);
	ctx.unlock_all();
	return failures;
}

TEST_F(lockdep_recorded, place_is_the_callers)
{
	reservation_object object(cls);
	calm_ctx ctx(cls);

	forget();
	EXPECT_EQ(use_lock(lock, &ctx), 0);
	EXPECT_EQ(use_object(object, &ctx), 0);
	EXPECT_EQ(use_all(lock, other), 0);
	expect_order_reports({RESV_REPORT_RECURSION}); // use_all() has a context of its own
	auto events = take_events();
	EXPECT_EQ(events.size(), 9u + 6u + 7u);
	for (size_t i = 0; i < events.size(); i++) {
#ifdef __OPTIMIZE__ // otherwise the functions of the headers are callers themselves
		EXPECT_TRUE(is_here(events[i])) << i;
#endif
		EXPECT_NE(events[i].where, 0u) << i;
	}
}

// What is held is named by the driver's code, however often it was taken before: not by the library's.
LOCKDEP_PLACE std::string held_after_c_lock(resv_object &object, bool slowly)
{
	std::string lines;

	if (slowly)
		resv_lock_slow(&object, nullptr);
	else if (resv_lock(&object, nullptr) != 0)
		return lines;
	resv_lockdep_dump_held([](const char *line, void *to) { *static_cast<std::string *>(to) += line; },
			       &lines);
	resv_unlock(&object);
	return lines;
}

TEST_F(lockdep_recorded, what_is_held_names_the_callers_place)
{
	resv_object object;

	resv_init(&object);
	for (unsigned turn = 0; turn < 3; turn++) {
		std::string lines = held_after_c_lock(object, false);
		EXPECT_NE(lines.find("1 lock held"), lines.npos) << lines;
		EXPECT_EQ(lines.find("resv_lock+"), lines.npos) << lines;
	}
	// Here one function of the library calls another one that is called by drivers, too.
	std::string lines = held_after_c_lock(object, true);
	EXPECT_NE(lines.find("1 lock held"), lines.npos) << lines;
	EXPECT_EQ(lines.find("resv_lock_slow+"), lines.npos) << lines;
	EXPECT_EQ(take_report_kinds(), std::vector{RESV_REPORT_SLOW_WITHOUT_DEADLK});
	resv_fini(&object);
}

// ---- Reports and pictures --------------------------------------------------------------------------------------------

TEST_F(lockdep_c, each_bug_is_reported_once)
{
	resv_lock_class_key spinning_key;
	resv_lockdep_map spinning;
	const auto take = [](resv_lockdep_map &map, unsigned subclass = 0, resv_lockdep_map *nest = nullptr) {
		resv_lockdep_acquire(&map, subclass, 0, 0, 1, nest, 0x1000);
	};
	const auto drop = [](resv_lockdep_map &map) { resv_lockdep_release(&map, 0x2000); };

	resv_lockdep_init_map_type(&driver, "driver", &driver_key, 0, RESV_LD_WAIT_SLEEP, RESV_LD_WAIT_SLEEP,
				   RESV_LD_LOCK_NORMAL);
	resv_lockdep_init_map_type(&spinning, "spinning", &spinning_key, 0, RESV_LD_WAIT_SPIN,
				   RESV_LD_WAIT_SPIN, RESV_LD_LOCK_NORMAL);
	for (unsigned turn = 0; turn < 3; turn++) {
		drop(driver);
		resv_lockdep_assert_map_held_(&driver);
		take(driver, 0, &ring);
		take(driver);
		drop(driver);
		resv_lockdep_free(&driver, sizeof(driver));
		drop(driver);
		take(ring, 8);
		drop(ring);
		take(driver);
		resv_lockdep_pin(&driver);
		drop(driver);
		resv_lockdep_unpin(&driver, {1});
		resv_lockdep_repin(&driver, {1});
		take(spinning);
		take(driver);
		drop(driver);
		drop(spinning);
		resv_lockdep_no_blocking_end();
		take(ring);
		take(driver, 0, &ring);
		drop(ring);
		drop(driver);
		std::vector<resv_report_kind> once;
		if (turn == 0)
			once = {RESV_REPORT_UNLOCK_BALANCE,
				RESV_REPORT_NOT_HELD,
				RESV_REPORT_NEST_NOT_HELD,
				RESV_REPORT_RECURSION,
				RESV_REPORT_HELD_FREED,
				RESV_REPORT_BAD_KEY,
				RESV_REPORT_PIN,
				RESV_REPORT_PIN,
				RESV_REPORT_PIN,
				RESV_REPORT_WAIT_CONTEXT,
				RESV_REPORT_UNLOCK_BALANCE,
				RESV_REPORT_NEST_NOT_HELD};
		expect_order_reports(once);
		forget();
	}
	resv_lockdep_unregister(&spinning_key, sizeof(spinning_key));
}

TEST_F(lockdep_c, report_tells_a_wait_from_a_lock)
{
	resv_lockdep_reset();
	for (resv_lockdep_map *map : {&driver, &ring})
		resv_lockdep_acquire(map, 0, 0, 0, 1, nullptr, 0x1000);
	for (resv_lockdep_map *map : {&ring, &driver})
		resv_lockdep_release(map, 0x2000);
	resv_lockdep_acquire(&ring, 0, 0, 0, 1, nullptr, 0x1000);
	resv_lockdep_sync(&driver, 0, 0, 1, nullptr, 0x3000);
	resv_lockdep_release(&ring, 0x2000);
	const auto reports = take_reports();
	ASSERT_EQ(reports.size(), 1u);
	EXPECT_NE(reports[0].text.find("sync(driver)"), std::string::npos) << reports[0].text;
	resv_lockdep_reset();
	forget();
}

void take_in_order(std::initializer_list<resv_lockdep_map *> maps)
{
	for (resv_lockdep_map *map : maps)
		resv_lockdep_acquire(map, 0, 0, 0, 1, nullptr, 0x1000);
	for (resv_lockdep_map *map : maps)
		resv_lockdep_release(map, 0x2000);
}

unsigned long known_and_lost()
{
	struct resv_lockdep_stats s;

	resv_lockdep_stats(&s);
	return s.classes + s.dependencies + s.refused + s.edges + s.trace_words + s.reports + s.lost_classes +
	       s.lost_edges + s.lost_traces + s.lost_held + s.lost_tasks + s.lost_reports;
}

// In a process of its own, in which nobody has used the annotator yet.
TEST(lockdep_c_at_first, nothing_is_known)
{
	GTEST_FLAG_SET(death_test_style, "threadsafe");
	EXPECT_EXIT(std::exit(known_and_lost() != 0), testing::ExitedWithCode(0), "");
}

[[noreturn]] void use_up_the_classes()
{
	static resv_lock_class_key keys[RESV_LOCKDEP_CLASSES / 8 + 1];
	resv_lockdep_map map;

	for (resv_lock_class_key &key : keys) {
		for (int subclass = 0; subclass < 8; subclass++) {
			resv_lockdep_init_map(&map, "one of many", &key, subclass);
			take_in_order({&map});
		}
	}
	std::exit(0);
}

TEST(lockdep_c_at_first, nothing_has_been_said)
{
	GTEST_FLAG_SET(death_test_style, "threadsafe");
	EXPECT_EXIT(use_up_the_classes(), testing::ExitedWithCode(0), "no room for more lock classes");
}

TEST_F(lockdep_c, bugs_of_one_place_are_told_apart)
{
	for (resv_lockdep_map *map : {&driver, &ring})
		resv_lockdep_release(map, 0x1000);
	resv_lockdep_assert_map_held_(&driver);
	expect_order_reports({RESV_REPORT_UNLOCK_BALANCE, RESV_REPORT_UNLOCK_BALANCE, RESV_REPORT_NOT_HELD});
	forget();
}

// It may be taken whatever is held, and then so may all others.
TEST_F(lockdep_c, override_without_a_type_forbids_nothing)
{
	static resv_lock_class_key spinning_key, any_key;
	resv_lockdep_map spinning, any;

	resv_lockdep_init_map_type(&spinning, "spinning", &spinning_key, 0, RESV_LD_WAIT_SPIN,
				   RESV_LD_WAIT_INV, RESV_LD_LOCK_NORMAL);
	resv_lockdep_init_map_type(&any, "any", &any_key, 0, RESV_LD_WAIT_INV, RESV_LD_WAIT_INV,
				   RESV_LD_LOCK_WAIT_OVERRIDE);
	resv_lockdep_init_map_type(&driver, "driver", &driver_key, 0, RESV_LD_WAIT_SLEEP, RESV_LD_WAIT_INV,
				   RESV_LD_LOCK_NORMAL);
	take_in_order({&spinning, &any, &driver});
	EXPECT_TRUE(take_reports().empty());
	take_in_order({&spinning, &driver});
	expect_order_reports({RESV_REPORT_WAIT_CONTEXT});
	resv_lockdep_reset();
	forget();
}

TEST_F(lockdep_c, locks_of_one_context_are_told_apart_by_class)
{
	static resv_lock_class_key context_key, other_key;
	resv_lockdep_map context, unrelated;

	resv_lockdep_init_map(&context, "context", &context_key, 0);
	resv_lockdep_init_map(&unrelated, "unrelated", &other_key, 0);
	resv_lockdep_acquire(&context, 0, 0, 0, 1, nullptr, 0x1000);
	for (resv_lockdep_map *map : {&driver, &ring})
		resv_lockdep_acquire(map, 0, 0, 0, 1, &context, 0x1000);
	take_in_order({&unrelated});
	for (resv_lockdep_map *map : {&ring, &driver, &context})
		resv_lockdep_release(map, 0x2000);
	take_in_order({&unrelated, &ring});
	expect_order_reports({RESV_REPORT_CIRCULAR});
	resv_lockdep_reset();
	forget();
}

void init_typed(resv_lockdep_map &map, const char *name, const resv_lock_class_key &key,
		resv_lockdep_wait_type type)
{
	resv_lockdep_init_map_type(&map, name, &key, 0, type, RESV_LD_WAIT_INV, RESV_LD_LOCK_NORMAL);
}

TEST_F(lockdep_c, what_a_held_lock_forbids_changes_with_its_class)
{
	static resv_lock_class_key spinning_key, sleeping_key;
	resv_lockdep_map held, known;

	init_typed(driver, "driver", driver_key, RESV_LD_WAIT_SLEEP);
	init_typed(held, "spinning", spinning_key, RESV_LD_WAIT_SPIN);
	init_typed(known, "sleeping", sleeping_key, RESV_LD_WAIT_SLEEP);
	take_in_order({&known});
	resv_lockdep_acquire(&held, 0, 0, 0, 1, nullptr, 0x1000);
	resv_lockdep_set_class(&held, "sleeping", &sleeping_key, 0, 0x1000);
	take_in_order({&driver});
	EXPECT_TRUE(take_reports().empty());
	resv_lockdep_set_class(&held, "spinning", &spinning_key, 0, 0x1000);
	take_in_order({&driver});
	resv_lockdep_release(&held, 0x1000);
	expect_order_reports({RESV_REPORT_WAIT_CONTEXT});
	resv_lockdep_reset();
	forget();
}

TEST_F(lockdep_c, strictest_of_the_held_locks_counts)
{
	static resv_lock_class_key raw_key, spin_key;
	resv_lockdep_map raw, raw_too, spin;

	for (resv_lockdep_map *map : {&raw, &raw_too})
		init_typed(*map, "raw", raw_key, RESV_LD_WAIT_SPIN);
	init_typed(spin, "spin", spin_key, RESV_LD_WAIT_CONFIG);
	init_typed(driver, "driver", driver_key, RESV_LD_WAIT_CONFIG);
	for (bool anew : {false, true}) { // or as it was summed up so far
		for (resv_lockdep_map *map : {&raw, &spin})
			resv_lockdep_acquire(map, 0, 1, 0, 1, nullptr, 0x1000);
		if (anew) {
			resv_lockdep_acquire(&raw_too, 0, 1, 0, 1, nullptr, 0x1000);
			resv_lockdep_release(&raw_too, 0x1000);
		}
		EXPECT_TRUE(take_reports().empty());
		take_in_order({&driver});
		expect_order_reports({RESV_REPORT_WAIT_CONTEXT});
		for (resv_lockdep_map *map : {&spin, &raw})
			resv_lockdep_release(map, 0x1000);
		resv_lockdep_reset();
	}
	forget();
}

// While a report is made the annotator works for the task already: it neither looks at what the handler does with locks,
// nor knows what it asks.
TEST_F(lockdep_c, handler_of_a_report_is_not_annotated)
{
	struct {
		resv_lockdep_map &driver, &ring;
		unsigned calls = 0;
	} seen{driver, ring};
	resv_lockdep_map second;

	resv_lockdep_init_map(&second, "driver", &driver_key, 0);
	resv_lockdep_acquire(&driver, 0, 0, 0, 1, nullptr, 0x1000);
	resv_lockdep_set_report_handler(
		[](resv_report_kind, const char *, void *data) {
			auto &[held, not_held, calls] = *static_cast<decltype(seen) *>(data);
			const auto count_lines = [](const char *, void *lines) {
				++*static_cast<unsigned *>(lines);
			};
			struct resv_lockdep_stats stats;
			struct resv_lockdep_class_stats class_stats;
			unsigned lines = 0;

			calls++;
			EXPECT_EQ(resv_lockdep_is_held(&held), RESV_LOCK_STATE_UNKNOWN);
			resv_lockdep_assert_map_held_(&not_held);
			EXPECT_EQ(resv_lockdep_pin(&held).val, 0u);
			resv_lockdep_repin(&held, {1});
			resv_lockdep_unpin(&held, {1});
			resv_lockdep_acquire(&not_held, 0, 0, 0, 1, nullptr, 0x1000);
			resv_lockdep_release(&not_held, 0x2000);
			resv_lockdep_sync(&not_held, 0, 0, 1, nullptr, 0x3000);
			resv_lockdep_set_class(&not_held, "ring", &ring_key, 3, 0x4000);
			resv_lockdep_downgrade(&held, 0x4000);
			resv_lockdep_set_cmp_fn(
				&held, [](const resv_lockdep_map *, const resv_lockdep_map *) { return -1; });
			resv_lockdep_contended(&held, 0x5000);
			resv_lockdep_acquired(&held, 0x5000);
			resv_lockdep_free(&held, sizeof(held));
			resv_lockdep_unregister(&driver_key, sizeof(driver_key));
			EXPECT_EQ(resv_lockdep_declare_order(&held, &not_held), 0);
			resv_lockdep_no_blocking_begin();
			resv_lockdep_no_blocking_end();
			resv_lockdep_dump_dot(count_lines, &lines);
			resv_lockdep_dump_held(count_lines, &lines);
			EXPECT_EQ(lines, 0u);
			stats.classes_max = 1;
			resv_lockdep_stats(&stats);
			EXPECT_EQ(stats.classes_max, 0u);
			EXPECT_FALSE(resv_lockdep_class_stats(0, &class_stats));
			resv_lockdep_reset();
		},
		&seen);
	resv_lockdep_assert_map_held_(&ring);
	EXPECT_EQ(seen.calls, 1u);
	EXPECT_EQ(resv_lockdep_is_held_type(&driver, 0), RESV_LOCK_STATE_HELD);
	EXPECT_EQ(resv_lockdep_is_held(&ring), RESV_LOCK_STATE_NOT_HELD);
	resv_lockdep_sync(&second, 0, 0, 1, nullptr, 0x3000); // of a class that has no order of its own
	EXPECT_EQ(seen.calls, 2u);
	resv_lockdep_release(&driver, 0x2000);
	EXPECT_EQ(resv_lockdep_is_held(&driver), RESV_LOCK_STATE_NOT_HELD);
	EXPECT_EQ(seen.calls, 2u);
	forget();
}

// There are that many that some would be 0, if they could.
TEST_F(lockdep_c, no_pin_has_the_cookie_0)
{
	unsigned zeros = 0;

	resv_lockdep_acquire(&driver, 0, 0, 0, 1, nullptr, 0x1000);
	for (unsigned i = 0; i < 3u << 20; i++) {
		const resv_pin_cookie cookie = resv_lockdep_pin(&driver);
		zeros += cookie.val == 0;
		resv_lockdep_unpin(&driver, cookie);
	}
	resv_lockdep_release(&driver, 0x2000);
	EXPECT_EQ(zeros, 0u);
	forget();
}

// Who changes what he holds is named as the one who took it.
TEST_F(lockdep_c, place_of_a_change_is_that_of_the_lock)
{
	const auto held = [] {
		std::string line;
		resv_lockdep_dump_held(
			[](const char *text, void *to) { *static_cast<std::string *>(to) = text; }, &line);
		return line.substr(line.find('('));
	};

	resv_lockdep_acquire(&driver, 0, 0, 0, 1, nullptr, 0x1000);
	EXPECT_EQ(held(), "(driver){+.+.}-{0:0}, at: 0x1000");
	resv_lockdep_set_class(&driver, "ring", &ring_key, 3, 0x2000);
	EXPECT_EQ(held(), "(ring/3){+.+.}-{0:0}, at: 0x2000");
	resv_lockdep_downgrade(&driver, 0x3000);
	EXPECT_EQ(held(), "(ring/3){++++}-{0:0}, at: 0x3000");
	resv_lockdep_release(&driver, 0x4000);
	forget();
}

// Whatever lies above them, and also if they are of two subclasses.
TEST_F(lockdep_c, release_of_what_is_held_twice_is_that_of_the_last)
{
	static resv_lock_class_key above_key;
	resv_lockdep_map above;

	resv_lockdep_init_map(&above, "above", &above_key, 0);
	for (unsigned subclass : {0u, 1u}) {
		std::string first;

		resv_lockdep_reset();
		take_in_order({&driver, &above}); // all is known
		resv_lockdep_acquire(&driver, 0, 0, 0, 1, nullptr, 0x1000);
		resv_lockdep_acquire(&driver, subclass, 0, 0, 1, nullptr, 0x2000);
		resv_lockdep_acquire(&above, 0, 0, 0, 1, nullptr, 0x3000);
		resv_lockdep_release(&driver, 0x4000);
		resv_lockdep_dump_held(
			[](const char *line, void *to) {
				if (strstr(line, " #0: "))
					*static_cast<std::string *>(to) = line;
			},
			&first);
		EXPECT_TRUE(first.ends_with("at: 0x1000")) << first;
		resv_lockdep_release(&above, 0x4000);
		resv_lockdep_release(&driver, 0x4000);
		EXPECT_EQ(take_reports().size(), subclass == 0 ? 1u : 0u);
	}
	forget();
}

/// The names of all classes, in the order of their numbers.
std::vector<std::string> names_in_picture()
{
	std::vector<std::string> names;

	resv_lockdep_dump_dot(
		[](const char *text, void *to) {
			const std::string line = text;
			const size_t begin = line.find("[label=\"");
			if (begin != line.npos && line.find("->") == line.npos)
				static_cast<std::vector<std::string> *>(to)->push_back(
					line.substr(begin + 8, line.rfind('"') - begin - 8));
		},
		&names);
	return names;
}

TEST_F(lockdep_c, classes_of_one_name_are_numbered)
{
	static resv_lock_class_key keys[5];
	static const char *const names[] = {"ring", "ring", "rin", "rings", "ring"};
	resv_lockdep_map maps[5];

	// What is registered anew begins to count anew.
	for (unsigned turn = 0; turn < 3; turn++) {
		if (turn != 2)
			resv_lockdep_reset();
		else
			resv_lockdep_unregister(keys, sizeof(keys));
		for (unsigned i = 0; i < 5; i++) {
			resv_lockdep_init_map(&maps[i], names[i], &keys[i], 0);
			resv_lockdep_acquire(&maps[i], i == 2, 0, 0, 1, nullptr, 0x1000);
			resv_lockdep_release(&maps[i], 0x2000);
		}
		resv_lockdep_acquire(&maps[0], 1, 0, 0, 1, nullptr, 0x1000);
		resv_lockdep_release(&maps[0], 0x2000);
		EXPECT_EQ(names_in_picture(),
			  (std::vector<std::string>{"ring", "ring#2", "rin/1", "rings", "ring#3", "ring/1"}));
	}
	resv_lockdep_reset();
	forget();
}

TEST_F(lockdep_c, picture_of_the_orders)
{
	resv_lock_class_key quoted_key;
	resv_lockdep_map quoted;
	std::string picture;
	const auto order = [](resv_lockdep_map &first, resv_lockdep_map &then, int read) {
		resv_lockdep_acquire(&first, 0, 0, read, 1, nullptr, 0x1000);
		resv_lockdep_acquire(&then, 0, 0, 0, 1, nullptr, 0x2000);
		resv_lockdep_release(&then, 0x3000);
		resv_lockdep_release(&first, 0x4000);
	};
	const auto add_line = [](const char *line, void *to) {
		static_cast<std::string *>(to)->append(line).append("\n");
	};

	resv_lockdep_reset();
	resv_lockdep_init_map(&quoted, "a \"b\" \\", &quoted_key, 0);
	order(driver, ring, 0);
	order(quoted, driver, 1);
	order(ring, driver, 0);
	expect_order_reports({RESV_REPORT_CIRCULAR});
	resv_lockdep_dump_dot(add_line, &picture);
	EXPECT_EQ(picture, "digraph locks {\n"
			   "\tnode [shape=box, style=rounded, fontname=\"monospace\"];\n"
			   "\tedge [fontname=\"monospace\", fontsize=10];\n"
			   "\tc3 [label=\"driver\"];\n"
			   "\tc4 [label=\"ring/3\"];\n"
			   "\tc5 [label=\"a \\\"b\\\" \\\\\"];\n"
			   "\tc3 -> c4 [color=red];\n"
			   "\tc5 -> c3 [style=dashed];\n"
			   "\tc4 -> c3 [color=red, penwidth=2, label=\"refused\"];\n"
			   "}\n");
	resv_lockdep_reset();
	forget();
}

std::string picture()
{
	std::string text;
	resv_lockdep_dump_dot(
		[](const char *line, void *to) {
			// after what is the same in all: the title and the style
			if (line[0] == '\t' && line[1] == 'c')
				static_cast<std::string *>(to)->append(line + 1).append("\n");
		},
		&text);
	return text;
}

TEST_F(lockdep_c, picture_of_many_classes)
{
	static resv_lock_class_key keys[10];
	std::string expected;

	for (unsigned i = 0; i < std::size(keys); i++) {
		resv_lockdep_map map;
		resv_lockdep_init_map(&map, "many", &keys[i], 0);
		take_in_order({&map});
		expected += "c" + std::to_string(3 + i) + " [label=\"many" +
			    (i == 0 ? "" : "#" + std::to_string(i + 1)) + "\"];\n";
	}
	EXPECT_EQ(picture(), expected);
	resv_lockdep_reset();
	forget();
}

// An interrupt is there if it takes something: then so are those that are held while it may come.
TEST_F(lockdep_c, picture_of_interrupts)
{
	take_in_order({&driver});
	resv_host_irq_enter(RESV_HOST_SOFTIRQ);
	take_in_order({&ring});
	resv_host_irq_exit();
	EXPECT_EQ(picture(), "c2 [label=\"<soft interrupt>\", style=\"rounded,dashed\"];\n"
			     "c3 [label=\"driver\"];\n"
			     "c4 [label=\"ring/3\"];\n"
			     "c3 -> c2;\n"
			     "c2 -> c4;\n");
	resv_lockdep_reset();
	forget();
}

// What was red before is no more, and what was refused last is not there.
TEST_F(lockdep_c, picture_after_reset)
{
	for (bool refused : {true, false}) {
		resv_lockdep_reset();
		take_in_order({&driver, &ring});
		if (refused)
			take_in_order({&ring, &driver});
		EXPECT_EQ(take_reports().size(), refused ? 1u : 0u);
		EXPECT_EQ(picture(), refused ? "c3 [label=\"driver\"];\n"
					       "c4 [label=\"ring/3\"];\n"
					       "c3 -> c4 [color=red];\n"
					       "c4 -> c3 [color=red, penwidth=2, label=\"refused\"];\n"
					     : "c3 [label=\"driver\"];\n"
					       "c4 [label=\"ring/3\"];\n"
					       "c3 -> c4;\n");
	}
	resv_lockdep_reset();
	forget();
}

// What follows from other orders is not told.
TEST_F(lockdep_c, picture_of_a_chain)
{
	static resv_lock_class_key last_key;
	resv_lockdep_map last;

	resv_lockdep_init_map(&last, "last", &last_key, 0);
	take_in_order({&driver, &ring, &last});
	EXPECT_EQ(picture(), "c3 [label=\"driver\"];\nc4 [label=\"ring/3\"];\nc5 [label=\"last\"];\n"
			     "c3 -> c4;\nc4 -> c5;\n");
	resv_lockdep_reset();
	forget();
}

// A refused order is the first that there is room for: where another one was before.
TEST_F(lockdep_c, picture_of_an_order_in_the_place_of_another)
{
	static resv_lock_class_key before_key;
	resv_lockdep_map before;

	resv_lockdep_init_map(&before, "before", &before_key, 0);
	resv_host_hardirqs(false);
	resv_lockdep_acquire(&before, 0, 0, 1, 1, nullptr, 0x1000);
	take_in_order({&driver});
	resv_lockdep_release(&before, 0x2000);
	take_in_order({&driver, &ring});
	resv_lockdep_unregister(&before_key, sizeof(before_key));
	take_in_order({&ring, &driver});
	resv_host_hardirqs(true);
	expect_order_reports({RESV_REPORT_CIRCULAR});
	EXPECT_EQ(picture(), "c4 [label=\"driver\"];\nc5 [label=\"ring/3\"];\n"
			     "c5 -> c4 [color=red, penwidth=2, label=\"refused\"];\n"
			     "c4 -> c5 [color=red];\n");
	resv_lockdep_reset();
	forget();
}

// What a removed class took is not there, nor anything red because the one that has its number now is taken by that.
TEST_F(lockdep_c, picture_after_unregister)
{
	static resv_lock_class_key before_key, after_key;
	resv_lockdep_map before, after;

	resv_lockdep_init_map(&before, "before", &before_key, 0);
	resv_lockdep_init_map(&after, "after", &after_key, 0);
	take_in_order({&before, &driver});
	take_in_order({&before, &ring});
	resv_lockdep_unregister(&before_key, sizeof(before_key));
	take_in_order({&driver, &after});
	EXPECT_EQ(picture(), "c3 [label=\"after\"];\n"
			     "c4 [label=\"driver\"];\n"
			     "c5 [label=\"ring/3\"];\n"
			     "c4 -> c3;\n");
	resv_lockdep_reset();
	forget();
}

// ---- The recorder ----------------------------------------------------------------------------------------------------

TEST_F(lockdep_c, recorder_keeps_the_first_and_counts_the_rest)
{
	for (unsigned i = 0; i < recorder::capacity + 10; i++)
		i % 2 == 0 ? resv_lockdep_acquire(&driver, 0, 0, 0, 1, nullptr, i)
			   : resv_lockdep_release(&driver, i);
	EXPECT_EQ(recorder::count(), recorder::capacity + 10);
	EXPECT_EQ(recorder::at(0).where, 0u);
	EXPECT_EQ(recorder::at(recorder::capacity - 1).where, recorder::capacity - 1);
	recorder::reset();
	EXPECT_EQ(recorder::count(), 0u);
	resv_lockdep_acquire(&ring, 0, 0, 0, 1, nullptr, 0x77);
	EXPECT_EQ(recorder::count(), 1u);
	EXPECT_EQ(recorder::at(0).where, 0x77u);
	resv_lockdep_release(&ring, 0x78);
	forget();
}

#else

TEST(lockdep_absent, costs_nothing)
{
	EXPECT_TRUE(std::is_empty_v<lockdep_map>);
	EXPECT_TRUE(std::is_empty_v<ww_class_keys>);
	EXPECT_EQ(sizeof(resv_lockdep_map), 0u);
	EXPECT_EQ(sizeof(resv_lock_class_key), 0u);
}

// A driver's annotations are there in every build, and do nothing in this one.
TEST(lockdep_absent, c_functions_do_nothing)
{
	resv_lock_class_key key;
	resv_lockdep_map map;

	resv_lockdep_init_map(&map, "driver", &key, 0);
	resv_lockdep_acquire(&map, 0, 0, 0, 1, nullptr, 0x1000);
	resv_lockdep_sync(&map, 0, 0, 1, nullptr, 0x1000);
	resv_lockdep_release(&map, 0x1000);
}

#endif

} // namespace
} // namespace resv::test
