// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What the checks of ww_mutex's rules say, and the errors that debug builds inject. That each rule is checked is tested in
// tests/misuse; that correct use causes no report is seen by all other suites: their fixture fails on any.

#include "helpers.hpp"

#include <cstring>
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

	ww_mutex a{wait_die}, b{wait_die}, c{wait_die};
	ww_mutex of_other_class{wound_wait};
	party other{wait_die};
	std::optional<calm_ctx> ctx{wait_die};
};

void take_and_release(ww_mutex &lock, ww_acquire_ctx *ctx)
{
	EXPECT_EQ(lock.lock(ctx), 0);
	lock.unlock();
}

bool contains(const std::string &text, const std::string &words)
{
	return text.find(words) != std::string::npos;
}

class ww_debug : public fixture {
protected:
	/// Has this been reported, by a build that checks, and nothing else?
	bool reported(resv_report_kind kind)
	{
		return take_report_kinds() == std::vector(checked ? 1 : 0, kind);
	}
};

// ---- What cannot be in tests/misuse: it is about what happens at once, or about the inside of a lock -----------------

TEST_F(ww_debug, destroy_of_a_lock_that_is_waited_for)
{
	scene s;
	EXPECT_TRUE(s.a.trylock(&*s.ctx));
	s.other.start_lock(s.a);
	EXPECT_TRUE(waits(s.a));
	s.a.destroy();
	EXPECT_TRUE(reported(RESV_REPORT_DESTROY_BUSY));
	s.a.unlock();
	EXPECT_EQ(s.other.finish(), 0);
}

TEST_F(ww_debug, destroy_of_a_lock_while_somebody_looks)
{
	scene s;
	{
		wait_list list(s.a); // as any waiter has it, even when the lock is free
		s.a.destroy();
	}
	EXPECT_TRUE(reported(RESV_REPORT_DESTROY_BUSY));
}

#if RESV_DEBUG_WW_MUTEXES // or nobody looks

TEST_F(ww_debug, corrupt_wait_list)
{
	scene s;
	parker mailbox(resv_port_current());
	waiter first(nullptr, mailbox), second(nullptr, mailbox);
	{
		wait_list list(s.a);
		list.insert(first);
		list.insert(second);
		waiter *good = std::exchange(first.next, &first);
		list.remove(second); // says so, and leaves it
		first.next = good;
		list.remove(second);
		list.remove(first);
		EXPECT_EQ(list.first_locker(), nullptr);
	}
	EXPECT_TRUE(reported(RESV_REPORT_CORRUPT_WAIT_LIST));
	take_and_release(s.a, &*s.ctx);
}

TEST_F(ww_debug, corrupt_wait_list_backwards)
{
	scene s;
	parker mailbox(resv_port_current());
	waiter first(nullptr, mailbox), second(nullptr, mailbox), third(nullptr, mailbox);
	{
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
	}
	EXPECT_TRUE(reported(RESV_REPORT_CORRUPT_WAIT_LIST));
	take_and_release(s.a, &*s.ctx);
}

#endif

// ---- What a report says ----------------------------------------------------------------------------------------------

TEST_F(ww_debug, report_names_the_class_of_the_lock)
{
	scene s;
	s.a.unlock();
	EXPECT_EQ(s.of_other_class.lock(&*s.ctx), checked ? -EINVAL : 0);
	std::vector<noted_report> reports = take_reports();
	ASSERT_EQ(reports.size(), checked ? 2u : 0u);
	if (checked) {
		EXPECT_TRUE(contains(reports[0].text, "wait_die_mutex")) << reports[0].text;
		EXPECT_TRUE(contains(reports[1].text, "wound_wait_mutex")) << reports[1].text;
	}
}

// Whose class may be anything.
TEST_F(ww_debug, report_does_not_look_into_a_lock_that_has_ended)
{
	scene s;
	s.a.destroy();
	s.a.assert_held();
	std::vector<noted_report> reports = take_reports();
	ASSERT_EQ(reports.size(), checked ? 1u : 0u);
	for (const noted_report &report : reports)
		EXPECT_FALSE(contains(report.text, "wait_die_mutex")) << report.text;
}

TEST_F(ww_debug, memory_that_is_no_lock_is_reported_once)
{
	alignas(ww_mutex) unsigned char memory[sizeof(ww_mutex)];
	memset(memory, 0x55, sizeof(memory)); // as if it were held and waited for
	reinterpret_cast<ww_mutex *>(memory)->destroy();
	EXPECT_TRUE(reported(RESV_REPORT_UNINITIALIZED));
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
		EXPECT_TRUE(contains(report.text, "should be held"));
		EXPECT_TRUE(contains(report.text, "xxx"));
		EXPECT_LT(report.text.size(), name.size());
		EXPECT_EQ(report.text.size() & (report.text.size() + 1), 0u); // the memory for it is full
	}
	lock.assert_held(); // and the next one has room again
	EXPECT_EQ(take_reports().size(), checked ? 1u : 0u);
}

// ---- Injected -EDEADLK ---------------------------------------------------------------------------------------------

class ww_injection : public with_each {
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
INSTANTIATE_TEST_SUITE_P(each, ww_injection, testing::ValuesIn(all_algorithms), algorithm_name);

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
