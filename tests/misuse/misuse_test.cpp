// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Runs the catalogue of misuse on the host, each case as a test of its own, and sees to it that it is complete.

#include "misuse.h"

#include <tests/lockdep/surroundings.hpp>

#include <algorithm>

void PrintTo(const misuse_case *c, std::ostream *out)
{
	*out << c->name;
}

namespace resv::test {
namespace {

std::vector<const misuse_case *> all_cases()
{
	std::vector<const misuse_case *> cases;
	for (unsigned i = 0; i < misuse_case_count(); i++)
		cases.push_back(misuse_case_get(i));
	return cases;
}

/// Words of the headline of a report.
const char *headline(resv_report_kind kind)
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
	case RESV_REPORT_LRU_NOT_EMPTY:
		return "destroyed with entries on it";
	case RESV_REPORT_LRU_PLACE:
		return "put where it cannot be";
	case RESV_REPORT_RELEASE_BUSY:
		return "released buffer is reserved";
	case RESV_REPORT_CIRCULAR:
		return "circular locking dependency";
	case RESV_REPORT_RECURSION:
		return "recursive locking";
	case RESV_REPORT_IRQ_ORDER:
		return "HARDIRQ-safe -> HARDIRQ-unsafe";
	case RESV_REPORT_IRQ_INVERSION:
		return "irq lock inversion";
	case RESV_REPORT_IRQ_STATE:
		return "inconsistent lock state";
	case RESV_REPORT_UNLOCK_BALANCE:
		return "bad unlock balance";
	case RESV_REPORT_HELD_FREED:
		return "held lock freed";
	case RESV_REPORT_NEST_NOT_HELD:
		return "Nested lock was not taken";
	case RESV_REPORT_WAIT_CONTEXT:
		return "Invalid wait context";
	case RESV_REPORT_BLOCKING:
		return "only trying is allowed";
	case RESV_REPORT_PIN:
		return "pins of a lock do not match";
	case RESV_REPORT_BAD_KEY:
		return "key or subclass cannot be one";
	case RESV_REPORT_FENCE_ABANDONED:
		return "released before its signal";
	case RESV_REPORT_FENCE_REFERENCES:
		return "referenced too often";
	case RESV_REPORT_FENCE_ERROR:
		return "error set after its signal, or no error";
	case RESV_REPORT_FENCE_TIMELINES:
		return "different timelines";
	case RESV_REPORT_FENCE_NESTED:
		return "made of fences where that cannot be";
	case RESV_REPORT_NO_FENCE_SLOT:
		return "without a place";
	case RESV_REPORT_NO_FENCES:
		return "for no fence";
	case RESV_REPORT_FENCE_CONTAINER:
		return "made of fences added to a reservation object";
	}
	return "no such rule";
}

class misuse : public lockdep_surroundings, public testing::WithParamInterface<const misuse_case *> {};

TEST_P(misuse, is_reported_and_all_goes_on)
{
	const char *failure = nullptr;
	const resv_host_allocs before = resv_host_alloc_stats();
	actor task; // of its own: a case that fails may leave locks held

	task.run([&] { failure = misuse_case_run(GetParam()); });
	EXPECT_TRUE(failure == nullptr) << failure << reports;
	for (unsigned i = 0; i < GetParam()->count; i++) {
		if (!misuse_is_made(GetParam()->reports[i]))
			continue;
		EXPECT_NE(reports.find(headline(GetParam()->reports[i])), std::string::npos) << reports;
		EXPECT_NE(reports.find("stack backtrace:"), std::string::npos) << reports;
	}
	EXPECT_TRUE(lines.empty()) << "lines that are no report: " << testing::PrintToString(lines);
	resv_port_drain();
	const resv_host_allocs after = resv_host_alloc_stats();
	EXPECT_EQ(after.allocated - before.allocated, after.freed - before.freed);
}

INSTANTIATE_TEST_SUITE_P(all, misuse, testing::ValuesIn(all_cases()),
			 [](const auto &each) { return std::string(each.param->name); });

TEST(misuse_list, has_a_case_for_each_kind_of_report)
{
	const char *missing = misuse_missing();
	EXPECT_TRUE(missing == nullptr) << missing;
	EXPECT_EQ(misuse_kind_name(RESV_REPORT_FENCE_CONTAINER + 1), nullptr);
}

// The others of Linux's are in tests/lockdep.
TEST(misuse_list, has_the_36_of_linux)
{
	const std::vector<const misuse_case *> cases = all_cases();
	auto at = [&](const char *name) {
		return std::find_if(cases.begin(), cases.end(),
				    [&](const misuse_case *c) { return c->name == std::string(name); });
	};
	EXPECT_EQ(at("spin_nest_lock") + 1 - at("fail_acquire"), config::debug_ww_mutexes ? 36 : 34);
}

} // namespace
} // namespace resv::test
