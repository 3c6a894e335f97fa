// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// A lock in words: who holds it and who waits for it.
#include <tests/helpers.hpp>

#include <resv/resv.h>

#include <cstring>

using namespace resv;
using namespace resv::test;

namespace {

using lines = std::vector<std::string>;

void keep(const char *line, void *data)
{
	static_cast<lines *>(data)->push_back(line);
}

lines describe(ww_mutex &lock)
{
	lines result;
	lock.describe(keep, &result);
	return result;
}

std::string hex(const void *p)
{
	char text[32];
	snprintf(text, sizeof(text), "%#lx", reinterpret_cast<unsigned long>(p));
	return text;
}

std::string name_of_task(resv_port_task task)
{
	char name[64];
	resv_port_task_name(task, name, sizeof(name));
	return name;
}

std::string who(party &p)
{
	return name_of_task(p.task()) + ", context " + hex(&p.ctx()) + ", " +
	       (p.ctx().stamp() ? "stamp " + std::to_string(p.ctx().stamp()) : "no stamp yet") +
	       (p.ctx().wounded() ? ", wounded" : "");
}

// How long ago the lock was taken, by the line that says so, in milliseconds; negative for another line.
double taken_ago(const std::string &line)
{
	char place[128];
	double ms;
	int length = 0;
	bool fits = sscanf(line.c_str(), "  taken at %127[^,], %lf ms ago%n", place, &ms, &length) == 2 &&
		    static_cast<size_t>(length) == line.size();
	return fits && strstr(place, "+0x") ? ms : -1;
}

// What a lock's description is to be; the line about the taking only with PROVE_LOCKING, and then by a pattern.
void expect_lines(ww_mutex &lock, const std::string &state, const lines &waiters = {})
{
	lines found = describe(lock);
	ASSERT_FALSE(found.empty());
	EXPECT_EQ(found[0], "lock at " + hex(&lock) + ": " + state);
	size_t at = 1;
	if (config::prove_locking && state != "free") {
		ASSERT_GT(found.size(), at);
		EXPECT_GE(taken_ago(found[at]), 0) << found[at];
		at++;
	}
	EXPECT_EQ(lines(found.begin() + static_cast<ptrdiff_t>(at), found.end()), waiters);
}

using ww_describe = with_both;

TEST_P(ww_describe, free_lock)
{
	expect_lines(m[0], "free");
}

TEST_P(ww_describe, holder_without_a_context)
{
	ASSERT_EQ(m[0].lock(nullptr), 0);
	expect_lines(m[0], "held by " + name_of_task(resv_port_current()) + ", without a context");
	m[0].unlock();
	expect_lines(m[0], "free");
}

TEST_P(ww_describe, holder_with_a_context)
{
	party p(cls);
	ASSERT_EQ(p.lock(m[0]), 0);
	expect_lines(m[0], "held by " + who(p));
	age(p);
	expect_lines(m[0], "held by " + who(p));
	p.unlock_all();
	expect_lines(m[0], "free");
}

TEST_P(ww_describe, tells_since_when)
{
	if (!config::prove_locking)
		return expect_lines(
			m[0], "free"); // then it tells of no taking at all: see holder_without_a_context
	ASSERT_EQ(m[0].lock(nullptr), 0);
	const int64_t taken = resv_port_clock();
	while (resv_port_clock() < taken + 12000000)
		std::this_thread::yield();
	lines found = describe(m[0]);
	const double longest = static_cast<double>(resv_port_clock() - taken) / 1e6 + 1000;
	m[0].unlock();
	ASSERT_EQ(found.size(), 2u);
	EXPECT_GE(taken_ago(found[1]), 12.0);
	EXPECT_LE(taken_ago(found[1]), longest);
}

TEST_P(ww_describe, line_of_waiters)
{
	party holder(cls), old_one(cls), young_one(cls);
	actor observer, loner;
	age(old_one);
	age(young_one);
	ASSERT_EQ(holder.lock(m[0]), 0);
	young_one.start_lock(m[0]);
	ASSERT_TRUE(waits(m[0], 1));
	old_one.start_lock(m[0]);
	ASSERT_TRUE(waits(m[0], 2));
	loner.start([&] {
		int rc = m[0].lock(nullptr);
		if (rc == 0)
			m[0].unlock();
		return rc;
	});
	ASSERT_TRUE(waits(m[0], 3));
	observer.start([&] { return m[0].wait_for_unlock(nullptr, {}); });
	ASSERT_TRUE(waits(m[0], 4));
	ASSERT_TRUE(first_sleeps(m[0]));
	// Whether somebody still spins is a matter of time.
	auto settled = [&] {
		for (const std::string &line : describe(m[0]))
			if (line.find("  spins: ") == 0)
				return false;
		return true;
	};
	ASSERT_TRUE(eventually(settled));
	expect_lines(m[0], "held by " + who(holder),
		     {"  waits for its unlock: " + name_of_task(observer.task()) + ", without a context",
		      "  waits: " + who(old_one), "  waits: " + who(young_one),
		      "  waits: " + name_of_task(loner.task()) + ", without a context"});
	holder.unlock_all();
	EXPECT_EQ(observer.finish(), 0);
	EXPECT_EQ(old_one.finish(), 0);
	old_one.unlock_all();
	EXPECT_EQ(young_one.finish(), 0);
	young_one.unlock_all();
	EXPECT_EQ(loner.finish(), 0);
}

TEST_P(ww_describe, wounded_holder)
{
	if (cls.algorithm() != ww_algorithm::wound_wait)
		return expect_lines(m[0], "free"); // nobody is wounded
	party old_one(cls), young_one(cls);
	age(old_one);
	ASSERT_EQ(old_one.lock(m[1]), 0);
	ASSERT_EQ(young_one.lock(m[0]), 0);
	old_one.start_lock(m[0]);
	ASSERT_TRUE(waits(m[0]));
	ASSERT_TRUE(eventually([&] { return young_one.ctx().wounded(); }));
	EXPECT_EQ(describe(m[0])[0], "lock at " + hex(&m[0]) + ": held by " + who(young_one));
	EXPECT_NE(describe(m[0])[0].find(", wounded"), std::string::npos);
	young_one.unlock_all();
	EXPECT_EQ(old_one.finish(), 0);
}

TEST_P(ww_describe, from_c)
{
	lines found;
	resv_ww_mutex_describe(reinterpret_cast<resv_ww_mutex *>(&m[0]), keep, &found);
	EXPECT_EQ(found, lines{"lock at " + hex(&m[0]) + ": free"});
}

// Holders come and go, and end, while they are described.
TEST_P(ww_describe, while_everybody_moves)
{
	std::atomic<unsigned> at_work = 3;
	std::vector<std::thread> threads;
	for (int n = 0; n < 3; n++)
		threads.emplace_back([&, n] {
			for (int i = 0; i < 1000; i++) {
				ww_acquire_ctx ctx(cls);
				if (m[0].lock(n == 0 ? nullptr : &ctx) == 0)
					m[0].unlock();
			}
			at_work--;
		});
	while (at_work != 0) {
		lines found = describe(m[0]);
		ASSERT_FALSE(found.empty());
		ASSERT_EQ(found[0].find("lock at "), 0u);
	}
	for (std::thread &t : threads)
		t.join();
	expect_lines(m[0], "free");
}

INSTANTIATE_TEST_SUITE_P(both, ww_describe, testing::ValuesIn(both_algorithms), algorithm_name);

} // namespace
