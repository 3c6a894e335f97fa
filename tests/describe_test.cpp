// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// In words: who holds a lock and who waits for it, a reservation object's fences, and all that is on an LRU.
#include <lockdep/line_writer.hpp>
#include <tests/fence_rig.hpp>
#include <tests/lru_helpers.hpp>

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

// ---- What they are written with ---------------------------------------------------------------------------------------------

TEST(describe_lines, times_in_milliseconds)
{
	lines found;
	line_writer out(keep, &found);

	for (int64_t us : {0, 9, 10, 99, 100, 999, 1000, 12010})
		out << milliseconds{us * 1000 + 999} << '\n';
	EXPECT_EQ(found, (lines{"0.000 ms", "0.009 ms", "0.010 ms", "0.099 ms", "0.100 ms", "0.999 ms",
				"1.000 ms", "12.010 ms"}));
}

TEST(describe_lines, what_is_too_long_is_cut)
{
	const std::string text(1000, 'x');
	lines found;
	line_writer out(keep, &found);

	out << text.c_str() << "\nthe next one has room again\n";
	EXPECT_EQ(found, (lines{text.substr(0, 255), "the next one has room again"}));
}

using ww_describe = with_each;

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

TEST_P(ww_describe, does_not_tell_since_when_before_the_holder_has_said_so)
{
	calm_ctx ctx(cls);

	for (bool all_at_once : {false, true}) { // nor what the holder before it has said
		ASSERT_TRUE(m[0].trylock(&ctx));
		all_at_once ? ctx.unlock_all() : m[0].unlock();
		ASSERT_TRUE(ww_test_access::take_silently(m[0]));
		EXPECT_EQ(describe(m[0]).size(), 1u);
		ww_test_access::release_silently(m[0]);
	}
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
	if (cls.algorithm() == ww_algorithm::wait_die)
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

INSTANTIATE_TEST_SUITE_P(each, ww_describe, testing::ValuesIn(all_algorithms), algorithm_name);

// ---- Reservation objects ---------------------------------------------------------------------------------------------

// To an object that is reserved.
void put_in(reservation_object &object, const fence_ref &f, usage how)
{
	ASSERT_EQ(object.reserve_fences(1), 0);
	ASSERT_EQ(object.add_fence(*f, how), 0);
}

class describe_fences : public fence_fixture {
protected:
	~describe_fences() override { object.destroy(); }

	/// The lines about fences: all that come after what describes the lock.
	lines fences()
	{
		lines all, of_lock = describe(reinterpret_cast<ww_mutex &>(object));
		object.describe(keep, &all);
		EXPECT_GE(all.size(), of_lock.size());
		EXPECT_EQ(all[0], of_lock[0]);
		return {all.begin() + static_cast<ptrdiff_t>(of_lock.size()), all.end()};
	}
	static std::string id(const fence_ref &f)
	{
		return std::to_string(f->context) + ":" + std::to_string(f->seqno);
	}
	static std::string line(const char *how, const fence_ref &f, const char *names)
	{
		return std::string("  ") + how + " fence at " + hex(f.get()) + ": " + names + " " + id(f) +
		       ", not signaled";
	}

	reservation_object object;
};

TEST_F(describe_fences, none)
{
	EXPECT_EQ(fences(), lines{});
}

TEST_F(describe_fences, of_all_usages_and_makers)
{
	driver_log log;
	std::vector<fence_ref> all;
	{
		reserved held(object);
		for (usage how : all_usages) {
			all.push_back(make_driver_fence(log));
			put_in(object, all.back(), how);
		}
		all.push_back(make_fence()); // beyond the four that need no table
		put_in(object, all.back(), usage::read);
		EXPECT_EQ(fences(),
			  (lines{line("kernel", all[0], "test ring"), line("write", all[1], "test ring"),
				 line("read", all[2], "test ring"), line("bookkeep", all[3], "test ring"),
				 line("read", all[4], "unnamed unnamed")}));
	}
	EXPECT_EQ(fences().size(), 5u); // nobody need hold it
	EXPECT_EQ(log.asked, 0);        // no driver is asked, nothing is signaled by this
	for (fence_ref &f : all)
		f->signal();
}

TEST_F(describe_fences, what_came_of_them)
{
	const int64_t made = resv_port_clock();
	fence_ref good = make_fence(), bad = make_fence();
	{
		reserved held(object);
		put_in(object, good, usage::write);
		put_in(object, bad, usage::read);
	}
	bad->set_error(-EIO);
	good->signal();
	bad->signal();
	const int64_t signaled = resv_port_clock();
	while (resv_port_clock() < signaled + 3 * ms)
		std::this_thread::yield();
	lines found = fences();
	const double since_made = static_cast<double>(resv_port_clock() - made) / ms;
	ASSERT_EQ(found.size(), 2u);
	double ago = 0;
	char tail[32] = "";
	std::string start = "  write fence at " + hex(good.get()) + ": " + id(good) + ", signaled ";
	ASSERT_EQ(found[0].compare(0, start.size(), start), 0) << found[0];
	ASSERT_EQ(sscanf(found[0].c_str() + start.size(), "%lf ms %31[^\n]", &ago, tail), 2) << found[0];
	EXPECT_GE(ago, 3.0);
	EXPECT_LE(ago, since_made);
	EXPECT_STREQ(tail, "ago");
	start = "  read fence at " + hex(bad.get()) + ": " + id(bad) + ", signaled ";
	ASSERT_EQ(found[1].compare(0, start.size(), start), 0) << found[1];
	ASSERT_EQ(sscanf(found[1].c_str() + start.size(), "%lf ms %31[^\n]", &ago, tail), 2) << found[1];
	EXPECT_EQ(tail, "ago, error -" + std::to_string(EIO));
}

TEST_F(describe_fences, from_c)
{
	fence_ref f = make_fence();
	{
		reserved held(object);
		put_in(object, f, usage::kernel);
	}
	lines found;
	resv_describe(reinterpret_cast<resv_object *>(&object), keep, &found);
	EXPECT_EQ(found, (lines{"lock at " + hex(&object) + ": free", line("kernel", f, "unnamed unnamed")}));
}

// Fences come, are signaled, and go; the table grows.
TEST_F(describe_fences, while_everything_moves)
{
	std::atomic<bool> stop = false;
	driver_log log;
	std::thread writer([&] {
		for_a_while([&] {
			reserved held(object);
			fence_ref f[6];
			for (fence_ref &each : f) {
				each = make_driver_fence(log);
				put_in(object, each, usage::bookkeep);
			}
			for (fence_ref &each : f)
				each->signal();
		});
		stop = true;
	});
	while (!stop) {
		lines found;
		object.describe(keep, &found);
		ASSERT_FALSE(found.empty());
		for (const std::string &line : found)
			if (line.find(" fence at ") != std::string::npos) {
				ASSERT_EQ(line.find("  bookkeep fence at 0x"), 0u) << line;
			}
	}
	writer.join();
}

// ---- LRUs ------------------------------------------------------------------------------------------------------------

class describe_lru : public with_lru {
protected:
	describe_lru() : with_lru(3) {}

	lines all()
	{
		lines result;
		device.describe(keep, &result);
		return result;
	}
	std::string heading() { return "LRU at " + hex(&device) + ", the oldest first:"; }
	std::string of_free(size_t n) { return "lock at " + hex(&buffers[n].own) + ": free"; }
};

TEST_F(describe_lru, in_its_order)
{
	EXPECT_EQ(all(), (lines{heading(), of_free(0), of_free(1), of_free(2),
				"3 on the LRU, 0 reserved, 0 with fences to come"}));
	lru::move_tail(buffers[0].entry);
	EXPECT_EQ(all(), (lines{heading(), of_free(1), of_free(2), of_free(0),
				"3 on the LRU, 0 reserved, 0 with fences to come"}));
	for (lru_buffer &b : buffers)
		lru::del(b.entry);
	EXPECT_EQ(all(), (lines{heading(), "0 on the LRU, 0 reserved, 0 with fences to come"}));
}

TEST_F(describe_lru, holders_and_fences)
{
	fence_ref pending = make_fence(), past = make_fence();
	past->signal();
	for (size_t n : {size_t{0}, size_t{2}}) {
		reserved held(buffers[n].own);
		put_in(buffers[n].own, past, usage::read);
	}
	reserved held(buffers[1].own);
	put_in(buffers[1].own, pending, usage::read);
	lines found = all();
	ASSERT_EQ(found.size(), 8u + config::prove_locking);
	EXPECT_EQ(found[1], of_free(0));
	EXPECT_EQ(found[2].find("  read fence at " + hex(past.get())), 0u);
	EXPECT_EQ(found[3], "lock at " + hex(&buffers[1].own) + ": held by " +
				    name_of_task(resv_port_current()) + ", without a context");
	EXPECT_EQ(found[found.size() - 4].find("  read fence at " + hex(pending.get())), 0u);
	EXPECT_EQ(found[found.size() - 3], of_free(2));
	EXPECT_EQ(found[found.size() - 2].find("  read fence at " + hex(past.get())), 0u);
	EXPECT_EQ(found.back(), "3 on the LRU, 1 reserved, 1 with fences to come");
	pending->signal();
}

// Each that has been described moves to the end. It is described once more, and no third time.
TEST_F(describe_lru, entries_that_come_round_again)
{
	static int moves;
	static constexpr resv_lru_ops ops = {
		[](resv_lru_entry *) { return true; },
		[](resv_lru_entry *entry) {
			if (moves-- > 0)
				lru::move_tail(reinterpret_cast<lru_entry &>(*entry));
		},
	};
	moves = 100;
	lru other(&ops);
	for (lru_buffer &b : buffers)
		other.add(b.elsewhere, b.own);
	lines found;
	other.describe(keep, &found);
	EXPECT_EQ(found, (lines{"LRU at " + hex(&other) + ", the oldest first:", of_free(0), of_free(1),
				of_free(2), of_free(0), of_free(1), of_free(2),
				"6 on the LRU, 0 reserved, 0 with fences to come"}));
	for (lru_buffer &b : buffers)
		lru::del(b.elsewhere);
	other.destroy();
}

TEST_F(describe_lru, an_object_on_two_devices)
{
	lru other(&lru_buffer_ops);
	lru_buffer shared;
	other.add(shared.entry, buffers[0].own);
	lines found;
	resv_lru_describe(reinterpret_cast<resv_lru *>(&other), keep, &found);
	EXPECT_EQ(found, (lines{"LRU at " + hex(&other) + ", the oldest first:", of_free(0),
				"1 on the LRU, 0 reserved, 0 with fences to come"}));
	EXPECT_EQ(all()[1], of_free(0));
	lru::del(shared.entry);
	other.destroy();
}

TEST_F(describe_lru, while_entries_come_and_go)
{
	std::atomic<bool> stop = false;
	std::thread mover([&] {
		for_a_while([&] {
			lru::del(buffers[1].entry);
			lru::move_tail(buffers[0].entry);
			device.add(buffers[1].entry, buffers[1].own);
			if (buffers[2].own.try_reserve(nullptr))
				buffers[2].own.unreserve();
		});
		stop = true;
	});
	while (!stop) {
		lines found = all();
		ASSERT_GE(found.size(), 4u);
		ASSERT_EQ(found.front(), heading());
		ASSERT_NE(found.back().find(" on the LRU, "), std::string::npos);
	}
	mover.join();
	EXPECT_EQ(all().size(), 5u);
}

// Fences come and go in an object that is on both, entries leave one of them, and both are described.
TEST_F(describe_lru, two_devices_while_everything_moves)
{
	lru other(&lru_buffer_ops);
	lru_buffer shared;
	other.add(shared.entry, buffers[0].own);
	std::atomic<unsigned> at_work = 2;
	std::thread writer([&] {
		for_a_while([&] {
			fence_ref f[6];
			reserved held(buffers[0].own);
			for (fence_ref &each : f) {
				each = make_fence();
				put_in(buffers[0].own, each, usage::read);
			}
			for (fence_ref &each : f)
				each->signal();
		});
		at_work--;
	});
	std::thread mover([&] {
		for_a_while([&] {
			lru::del(shared.entry);
			lru::move_tail(buffers[0].entry);
			other.add(shared.entry, buffers[0].own);
		});
		at_work--;
	});
	std::thread elsewhere([&] {
		while (at_work != 0) {
			lines found;
			other.describe(keep, &found);
			ASSERT_NE(found.back().find(" on the LRU, "), std::string::npos);
		}
	});
	while (at_work != 0) {
		lines found = all();
		ASSERT_EQ(found.front(), heading());
		ASSERT_NE(found.back().find(" on the LRU, "), std::string::npos);
	}
	for (std::thread *t : {&writer, &mover, &elsewhere})
		t->join();
	EXPECT_EQ(shared.references.load(), 1);
	lru::del(shared.entry);
	other.destroy();
}

} // namespace
