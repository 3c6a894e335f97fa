// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Runs the annotator's selftests on the host, each as a test of its own, and counts them.

#include "cases.h"
#include "surroundings.hpp"

#include <map>

void PrintTo(const lockdep_case &c, std::ostream *out)
{
	*out << c.name << (c.reported ? " must" : " must not") << " report";
}

namespace resv::test {
namespace {

#if RESV_PROVE_LOCKING

// ---- Each case is a test ------------------------------------------------------------------------------------------

std::vector<lockdep_case> all_cases()
{
	std::vector<lockdep_case> cases(lockdep_case_count());
	for (unsigned i = 0; i < cases.size(); i++)
		lockdep_case_get(i, &cases[i]);
	return cases;
}

class lockdep_cases : public lockdep_surroundings, public testing::WithParamInterface<lockdep_case> {};

TEST_P(lockdep_cases, reports_what_it_must)
{
	const char *failure = nullptr;
	actor task; // of its own: a case that fails may leave locks held

	task.run([&] { failure = lockdep_case_run(&GetParam()); });
	EXPECT_TRUE(failure == nullptr) << failure << reports;
	EXPECT_EQ(lines.size(), GetParam().messages) << testing::PrintToString(lines);
}

std::string name_of_case(const testing::TestParamInfo<lockdep_case> &info)
{
	return std::string(info.param.family) + "_" + info.param.name;
}

INSTANTIATE_TEST_SUITE_P(all, lockdep_cases, testing::ValuesIn(all_cases()), name_of_case);

// ---- And they are all there ---------------------------------------------------------------------------------------

struct tally {
	unsigned reported = 0, silent = 0;

	bool operator==(const tally &) const = default;
};

void PrintTo(const tally &t, std::ostream *out)
{
	*out << t.reported << " with reports, " << t.silent << " without";
}

TEST(lockdep_cases_list, is_complete)
{
	std::map<std::string, tally> seen;

	for (const lockdep_case &c : all_cases()) {
		tally &t = seen[c.family];
		(c.reported ? t.reported : t.silent)++;
	}

	// What Linux tests: 322 cases, and 36 of what may wait where.
	EXPECT_EQ(seen["chains"], (tally{56, 7}));
	EXPECT_EQ(seen["read"], (tally{24, 15}));
	EXPECT_EQ(seen["irq"], (tally{132, 85}));
	EXPECT_EQ(seen["reclaim"], (tally{1, 2}));
	EXPECT_EQ(seen["wait_context"], (tally{11, 25}));

	// Ours.
	EXPECT_EQ(seen["rules"], (tally{110, 29}));
	EXPECT_EQ(seen["irq_rules"], (tally{114, 71}));
	EXPECT_EQ(seen["false_negatives"], (tally{19, 5}));
	EXPECT_EQ(seen["reserve"], (tally{40, 10}));
	EXPECT_EQ(seen["many"], (tally{7, 0}));
	EXPECT_EQ(seen["sections"], (tally{12, 6}));
	EXPECT_EQ(seen["api"], (tally{32, 11}));
	EXPECT_EQ(seen["tasks"], (tally{8, 8}));
	EXPECT_EQ(seen["memory"], (tally{15, 5}));
	EXPECT_EQ(seen["limits"], (tally{8, 3}));
	EXPECT_EQ(seen.size(), 15u);
}

TEST(lockdep_cases_list, names_each_case_once)
{
	std::map<std::string, unsigned> names;

	for (const lockdep_case &c : all_cases())
		names[std::string(c.family) + "." + c.name]++;
	for (const auto &[name, count] : names)
		EXPECT_EQ(count, 1u) << name;
}

#else

// ---- Nothing to test ----------------------------------------------------------------------------------------------

TEST(lockdep_cases_list, is_empty_without_the_annotator)
{
	EXPECT_EQ(lockdep_case_count(), 0u);
}

// What the cases call is there, says that it does not know, and takes no room.
TEST(lockdep_cases_list, calls_cost_nothing_without_the_annotator)
{
	resv_lockdep_map map;

	static_assert(sizeof(resv_lockdep_map) == 0 && sizeof(resv_lock_class_key) == 0);
	resv_lockdep_acquire(&map, 0, 0, 0, 1, nullptr, 0);
	EXPECT_EQ(resv_lockdep_is_held(&map), RESV_LOCK_STATE_UNKNOWN);
	resv_lockdep_release(&map, 0);
	EXPECT_EQ(resv_lockdep_declare_order(&map, &map), 0);
	EXPECT_EQ(resv_lockdep_declare_driver_order(), 0);
}

#endif

} // namespace
} // namespace resv::test
