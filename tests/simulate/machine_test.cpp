// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The virtual CPUs: what they charge, in what order things happen, and that they keep the promises of <resv/port.h>.
#include "costs.hpp"
#include "play.hpp"

#include "src/port/vcpu/machine.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

using namespace resv::vcpu;

namespace {

constexpr costs round_costs = {.hit = 1,
			       .transfer = 100,
			       .ahead = 0,
			       .modify = 10,
			       .fence = 20,
			       .relax = 5,
			       .yield = 7,
			       .change = 1000,
			       .fall = 300,
			       .wake = 400,
			       .wake_up = 2000,
			       .timeslice = 100000};

struct alignas(line_table::size) shared_word : resv::atomic<unsigned> {
	using atomic::atomic;
};

constexpr auto relaxed = resv::order::relaxed;

duration now()
{
	return the_machine().now();
}

/// What it takes the calling task.
template <typename F>
duration time_of(F f)
{
	duration begin = now();
	f();
	return now() - begin;
}

class vcpu_machine : public testing::Test {
protected:
	void reset(unsigned cpus, const costs &c = round_costs) { the_machine().reset(c, cpus); }
	template <typename F>
	void spawn(F f)
	{
		the_machine().spawn(f);
	}
	void run() { EXPECT_TRUE(the_machine().run()); }
	/// Alone on one CPU.
	template <typename F>
	void run_alone(F f)
	{
		reset(1);
		spawn(f);
		run();
	}
};

// ---- Lines ----------------------------------------------------------------------------------------------------------

TEST(vcpu_line, is_asked_for_once)
{
	line l;
	EXPECT_EQ(l.read({0, 50, 50}, 100).end, 150);
	EXPECT_EQ(l.read({0, 200, 200}, 100).end, 200);
}

TEST(vcpu_line, is_taken_from_its_owner)
{
	line l;
	EXPECT_EQ(l.write({0, 0, 0}, 100).end, 100);
	EXPECT_EQ(l.write({1, 300, 300}, 100).end, 400);
	EXPECT_EQ(l.write({0, 500, 500}, 100).end, 600);
}

TEST(vcpu_line, moves_to_one_at_a_time)
{
	line l;
	for (unsigned cpu = 0; cpu < 10; cpu++)
		EXPECT_EQ(l.write({cpu, 0, 0}, 100).end, 100 * (cpu + 1));
}

TEST(vcpu_line, copies_go_out_side_by_side)
{
	line l;
	l.write({0, 0, 0}, 100);
	EXPECT_EQ(l.read({1, 200, 200}, 100).end, 300); // from the owner
	for (unsigned cpu = 2; cpu < 10; cpu++)
		EXPECT_EQ(l.read({cpu, 300, 300}, 100).end, 400);
	EXPECT_EQ(l.read({0, 500, 500}, 100).end, 500); // the owner has kept a copy
}

TEST(vcpu_line, write_takes_all_copies)
{
	line l;
	l.read({0, 0, 0}, 100);
	l.read({1, 0, 0}, 100);
	EXPECT_EQ(l.write({0, 400, 400}, 100).end, 500);
	EXPECT_EQ(l.read({1, 600, 600}, 100).end, 700);
}

TEST(vcpu_line, read_and_written_at_once_is_asked_for_once)
{
	line l;
	l.write({1, 0, 0}, 100);
	EXPECT_EQ(l.read({0, 200, 150}, 100).end, 250);
	EXPECT_EQ(l.write({0, 260, 210}, 100).end, 260);
	l.read({1, 500, 450}, 100);
	l.read({2, 500, 450}, 100);
	EXPECT_EQ(l.write({1, 560, 510}, 100).end, 650); // another has had it since
}

TEST(vcpu_line, asked_for_early_comes_early)
{
	line l;
	l.write({1, 0, 0}, 100);
	EXPECT_EQ(l.read({0, 300, 240}, 100).end, 340);
	EXPECT_EQ(l.read({2, 500, 350}, 100).end, 500);
	EXPECT_EQ(l.read({3, 500, 350}, 100).begin, 500); // but nothing that is read is older than the access
}

TEST(vcpu_line, of_different_addresses)
{
	line_table table;
	std::vector<char> memory(100000 * line_table::size);
	for (size_t i = 0; i < memory.size(); i += line_table::size)
		table.at(&memory[i]).write({static_cast<unsigned>(i / line_table::size % max_cpus), 0, 0}, 1);
	for (size_t i = 0; i < memory.size(); i += line_table::size)
		ASSERT_EQ(table.at(&memory[i])
				  .write({static_cast<unsigned>(i / line_table::size % max_cpus), 5, 5}, 1)
				  .end,
			  5);
}

// ---- Costs ----------------------------------------------------------------------------------------------------------

TEST_F(vcpu_machine, charges_accesses)
{
	run_alone([] {
		shared_word word;
		EXPECT_EQ(time_of([&] { (void)word.load(relaxed); }), 101);
		EXPECT_EQ(time_of([&] { (void)word.load(relaxed); }), 1);
		EXPECT_EQ(time_of([&] { word.fetch_add(1, relaxed); }), 110); // the copy becomes the only one
		EXPECT_EQ(time_of([&] { word.exchange(1, relaxed); }), 10);
		EXPECT_EQ(time_of([&] { (void)word.compare_exchange(5, 1, relaxed); }), 10);
		EXPECT_EQ(time_of([&] { word.store(2, relaxed); }), 1);
		EXPECT_EQ(time_of([] { resv::full_fence(); }), 20);
		EXPECT_EQ(time_of([] { resv_port_relax(0); }), 5);
		EXPECT_EQ(time_of([] { resv_port_relax(64); }), 7);
		EXPECT_EQ(word.load(relaxed), 2u);
	});
}

TEST_F(vcpu_machine, does_what_atomics_do)
{
	run_alone([] {
		shared_word word(7);
		EXPECT_EQ(word.exchange(8, relaxed), 7u);
		EXPECT_FALSE(word.compare_exchange(7, 9, relaxed));
		EXPECT_TRUE(word.compare_exchange_fenced(8, 9));
		EXPECT_EQ(word.fetch_add(-1u, relaxed), 9u);
		EXPECT_EQ(word.exchange_fenced(1), 8u);
		EXPECT_EQ(word.load(relaxed), 1u);
	});
}

TEST_F(vcpu_machine, fence_waits_for_stores)
{
	run_alone([] {
		shared_word words[3];
		EXPECT_EQ(time_of([&] {
				  for (shared_word &word : words)
					  word.store(1, relaxed);
			  }),
			  3);
		EXPECT_EQ(time_of([] { resv::full_fence(); }), 99 + 20); // the third was asked for 2 later
	});
}

TEST_F(vcpu_machine, modify_waits_for_stores)
{
	run_alone([] {
		shared_word own(0), other;
		own.fetch_add(1, relaxed);
		other.store(1, relaxed);
		EXPECT_EQ(time_of([&] { own.fetch_add(1, relaxed); }), 99 + 10);
	});
}

TEST_F(vcpu_machine, store_is_seen_when_the_line_has_come)
{
	reset(2);
	shared_word word;
	unsigned own = 0;
	spawn([&] {
		word.store(1, relaxed);
		own = word.load(relaxed);
		the_machine().work(5000);
		word.store(2, relaxed); // the other has a copy
		the_machine().work(5000);
		(void)word.load(relaxed);
	});
	spawn([&] {
		the_machine().work(50);
		EXPECT_EQ(word.load(relaxed), 1u); // it waited until the line had come to the first
		while (word.load(relaxed) == 1)
			;
		EXPECT_GE(now(), 1000 + 5000 + 100 + 100);
	});
	run();
	EXPECT_EQ(own, 1u);
}

TEST_F(vcpu_machine, store_is_not_seen_by_who_had_asked_before)
{
	reset(3);
	shared_word word;
	spawn([&] { word.exchange(1, relaxed); });
	spawn([&] {
		the_machine().work(10);
		EXPECT_EQ(word.load(relaxed), 1u); // it waits for the first, and the third for it
	});
	spawn([&] {
		the_machine().work(20);
		word.store(5, relaxed);
	});
	run();
	EXPECT_EQ(word.load(relaxed), 5u);
}

TEST_F(vcpu_machine, word_ends_with_its_store)
{
	run_alone([] {
		alignas(resv::atomic<unsigned>) char memory[sizeof(resv::atomic<unsigned>)];
		auto *word = new (memory) resv::atomic<unsigned>(0);
		word->store(1, relaxed);
		word->~atomic();
		memset(memory, 0x55, sizeof memory);
		the_machine().work(10000);
		resv::full_fence();
		EXPECT_EQ(memory[0], 0x55);
	});
}

TEST_F(vcpu_machine, sees_ahead_until_it_is_surprised)
{
	costs c = round_costs;
	c.ahead = 60;
	reset(1, c);
	spawn([] {
		shared_word words[4];
		the_machine().work(500);
		EXPECT_EQ(time_of([&] { (void)words[0].load(relaxed); }), 41);
		EXPECT_EQ(time_of([&] { (void)words[1].load(relaxed); }), 41);
		the_machine().lose_sight();
		EXPECT_EQ(time_of([&] { (void)words[2].load(relaxed); }), 101);
		resv_port_critical_begin();
		EXPECT_EQ(time_of([&] { (void)words[3].load(relaxed); }), 101);
		resv_port_critical_end();
	});
	run();
}

TEST_F(vcpu_machine, counter_moves_from_cpu_to_cpu)
{
	constexpr unsigned cpus = 1024, times = 3;
	shared_word counter;
	reset(cpus);
	the_machine().watch(&counter);
	for (unsigned i = 0; i < cpus; i++)
		spawn([&] {
			for (unsigned n = 0; n < times; n++)
				counter.fetch_add(1, relaxed);
		});
	run();
	EXPECT_EQ(counter.load(relaxed), cpus * times);
	EXPECT_EQ(the_machine().watched().accesses, cpus * times);
	EXPECT_GE(now(), cpus * times * 110);
	EXPECT_GE(the_machine().watched().lost, cpus * (cpus - 1) / 2 * 110);
}

// ---- Order ----------------------------------------------------------------------------------------------------------

TEST_F(vcpu_machine, accesses_come_in_the_order_of_time)
{
	constexpr unsigned cpus = 16;
	std::vector<duration> times;
	reset(cpus);
	std::vector<shared_word> words(cpus);
	for (unsigned i = 0; i < cpus; i++)
		spawn([&, i] {
			for (unsigned n = 0; n < 100; n++) {
				the_machine().work((i * 7919 + n * 104729) % 997);
				(void)words[i].load(relaxed);
				the_machine().work(1);
				resv::full_fence();
				times.push_back(now() - 20);
			}
		});
	run();
	EXPECT_EQ(times.size(), cpus * 100);
	EXPECT_TRUE(std::is_sorted(times.begin(), times.end()));
}

TEST_F(vcpu_machine, tasks_of_one_cpu_have_time_slices)
{
	constexpr unsigned tasks = 3;
	shared_word words[tasks];
	std::vector<unsigned> order;
	reset(1);
	for (unsigned i = 0; i < tasks; i++)
		spawn([&, i] {
			for (unsigned n = 0; n < 4; n++) {
				order.push_back(i);
				the_machine().work(round_costs.timeslice);
				(void)words[i].load(relaxed);
			}
		});
	run();
	EXPECT_EQ(order, (std::vector<unsigned>{0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2}));
	EXPECT_GE(now(), 12 * (round_costs.timeslice + round_costs.change));
}

TEST_F(vcpu_machine, critical_section_keeps_its_cpu)
{
	shared_word word;
	bool inside = false, met = false;
	reset(1);
	spawn([&] {
		resv_port_critical_begin();
		inside = true;
		the_machine().work(10 * round_costs.timeslice);
		(void)word.load(relaxed);
		inside = false;
		resv_port_critical_end();
		(void)word.load(relaxed);
	});
	spawn([&] { met |= inside; });
	run();
	EXPECT_FALSE(met);
}

TEST_F(vcpu_machine, spinner_offers_its_cpu)
{
	shared_word word;
	reset(1);
	spawn([&] {
		for (unsigned turn = 0; word.load(relaxed) == 0; turn++)
			resv_port_relax(turn);
		EXPECT_LT(now(), round_costs.timeslice);
	});
	spawn([&] { word.store(1, relaxed); });
	run();
}

TEST_F(vcpu_machine, says_that_tasks_sleep_for_ever)
{
	reset(2);
	spawn([] {
		resv_port_park_prepare(RESV_PARK_UNINTERRUPTIBLE);
		EXPECT_EQ(resv_port_park(RESV_PARK_UNINTERRUPTIBLE, RESV_WAIT_FOREVER), 0);
		ADD_FAILURE() << "it was woken";
	});
	spawn([] {});
	EXPECT_FALSE(the_machine().run());
}

// ---- The port --------------------------------------------------------------------------------------------------------

class vcpu_port : public vcpu_machine {
protected:
	static int park(int64_t deadline = RESV_WAIT_FOREVER)
	{
		return resv_port_park(RESV_PARK_INTERRUPTIBLE, deadline);
	}
	static void prepare() { resv_port_park_prepare(RESV_PARK_INTERRUPTIBLE); }
	static void wake(resv_port_task task)
	{
		resv_port_task_pin(task);
		resv_port_task_wake(task);
	}
};

TEST_F(vcpu_port, tasks_have_identities)
{
	std::vector<resv_port_task> ids = {resv_port_current()};
	reset(2);
	for (int i = 0; i < 5; i++)
		spawn([&] {
			ids.push_back(resv_port_current());
			resv::full_fence();
			EXPECT_EQ(std::count(ids.begin(), ids.end(), resv_port_current()), 1);
			EXPECT_EQ(resv_port_current() & 3, 0u);
			EXPECT_NE(resv_port_current(), 0u);
		});
	run();
	EXPECT_EQ(ids.size(), 6u);
}

TEST_F(vcpu_port, wake_after_prepare_ends_the_park)
{
	run_alone([] {
		prepare();
		wake(resv_port_current());
		EXPECT_EQ(park(), 0);
		resv_port_park_finish();
	});
}

TEST_F(vcpu_port, wake_before_prepare_is_harmless)
{
	run_alone([] {
		wake(resv_port_current());
		prepare();
		EXPECT_EQ(park(resv_port_clock() + 5), -ETIME);
		resv_port_park_finish();
	});
}

TEST_F(vcpu_port, deadline_ends_a_park)
{
	run_alone([] {
		for (int64_t deadline :
		     {resv_port_clock() + 100, resv_port_clock() + 5, int64_t{0}, int64_t{-5}}) {
			prepare();
			EXPECT_EQ(park(deadline), -ETIME);
			resv_port_park_finish();
			EXPECT_GE(resv_port_clock(), deadline);
		}
	});
}

TEST_F(vcpu_port, sleeper_is_woken)
{
	resv_port_task sleeper = 0;
	duration woken = 0;
	reset(2);
	spawn([&] {
		sleeper = resv_port_current();
		prepare();
		EXPECT_EQ(park(resv_port_clock() + 1000000), 0);
		woken = now();
		prepare();
		EXPECT_EQ(park(resv_port_clock() + 1), -ETIME); // it was for one wait
	});
	spawn([&] {
		the_machine().work(50000);
		EXPECT_FALSE(resv_port_task_running(sleeper));
		resv_port_task_pin(sleeper);
		duration begin = now();
		resv_port_task_wake(sleeper);
		EXPECT_EQ(now() - begin, round_costs.modify + round_costs.wake);
		the_machine().work(20000);
		resv::full_fence();
		EXPECT_EQ(woken, begin + round_costs.modify + round_costs.wake_up + round_costs.change);
	});
	run();
}

TEST_F(vcpu_port, running_task_runs)
{
	resv_port_task other = 0;
	shared_word end;
	reset(2);
	spawn([&] {
		other = resv_port_current();
		while (end.load(relaxed) == 0)
			resv_port_relax(0);
	});
	spawn([&] {
		the_machine().work(1000);
		resv::full_fence();
		EXPECT_TRUE(resv_port_task_running(other));
		end.store(1, relaxed);
	});
	run();
}

TEST_F(vcpu_port, spin_lock_excludes)
{
	resv_port_spinlock lock = {};
	unsigned inside = 0, sum = 0;
	reset(8);
	for (unsigned i = 0; i < 16; i++)
		spawn([&] {
			for (unsigned n = 0; n < 50; n++) {
				unsigned long flags = resv_port_spin_lock(&lock);
				EXPECT_EQ(inside++, 0u);
				the_machine().work(1000);
				resv::full_fence();
				sum++;
				inside--;
				resv_port_spin_unlock(&lock, flags);
			}
		});
	run();
	EXPECT_EQ(sum, 16u * 50);
}

struct noted : resv_port_work {
	noted(std::vector<int> &to, int what) : resv_port_work{nullptr, note}, list(to), number(what) {}
	static void note(resv_port_work *work)
	{
		auto &self = *static_cast<noted *>(work);
		EXPECT_FALSE(the_machine().in_critical_section());
		self.list.push_back(self.number);
	}
	std::vector<int> &list;
	int number;
};

TEST_F(vcpu_port, deferred_work_waits_for_spin_locks)
{
	std::vector<int> done;
	noted first(done, 1), second(done, 2);
	run_alone([&] {
		resv_port_spinlock lock = {};
		unsigned long flags = resv_port_spin_lock(&lock);
		resv_port_defer(&first);
		resv_port_defer(&second);
		resv_port_read_lock();
		resv_port_read_unlock();
		EXPECT_TRUE(done.empty());
		resv_port_spin_unlock(&lock, flags);
		EXPECT_EQ(done, (std::vector<int>{1, 2}));
	});
}

TEST_F(vcpu_port, deferred_work_is_done_in_the_end)
{
	std::vector<int> done;
	noted work(done, 1);
	run_alone([&] { resv_port_defer(&work); });
	EXPECT_EQ(done.size(), 1u);
}

TEST_F(vcpu_port, after_readers_waits_for_sections_that_are_open)
{
	std::vector<int> done;
	noted work(done, 1);
	shared_word asked, leave;
	reset(3);
	spawn([&] {
		resv_port_read_lock();
		resv_port_read_lock();
		while (asked.load(relaxed) == 0)
			resv_port_relax(0);
		the_machine().work(50000);
		resv_port_read_unlock();
		resv::full_fence();
		EXPECT_TRUE(done.empty());
		resv_port_read_unlock();
	});
	spawn([&] {
		the_machine().work(10000);
		resv::full_fence();
		resv_port_after_readers(&work);
		asked.store(1, relaxed);
		resv_port_drain();
		EXPECT_EQ(done.size(), 1u);
		leave.store(1, relaxed);
	});
	spawn([&] {
		while (asked.load(relaxed) == 0)
			resv_port_relax(0);
		resv_port_read_lock(); // later: nobody waits for it
		while (leave.load(relaxed) == 0)
			resv_port_relax(0);
		resv_port_read_unlock();
	});
	run();
}

TEST_F(vcpu_port, memory_is_zeroed_and_freed_after_readers)
{
	run_alone([] {
		struct block {
			resv_port_work work;
			char rest[100];
		};
		for (int i = 0; i < 20000; i++) {
			auto *b = static_cast<block *>(resv_port_alloc(sizeof(block)));
			EXPECT_EQ(std::count(b->rest, b->rest + sizeof b->rest, 0), 100);
			memset(b->rest, 1, sizeof b->rest);
			resv_port_free_after_readers(&b->work, b);
		}
		resv_port_drain();
		resv_port_free(nullptr);
	});
}

TEST_F(vcpu_port, clock_counts_nanoseconds)
{
	run_alone([] {
		int64_t begin = resv_port_clock();
		the_machine().work(7 * nanosecond);
		EXPECT_EQ(resv_port_clock(), begin + 7);
	});
}

TEST_F(vcpu_port, names_are_cut_to_the_buffer)
{
	run_alone([] {
		char name[7] = "", all[32] = "";
		resv_port_task_name(resv_port_current(), name, 4);
		EXPECT_STREQ(name, "tas");
		resv_port_task_name(resv_port_current(), all, sizeof all);
		EXPECT_STREQ(all, "task/1");
	});
}

TEST_F(vcpu_port, held_locks_stay_with_their_task)
{
	reset(2);
	std::vector<resv_port_held *> all;
	for (unsigned i = 0; i < 4; i++)
		spawn([&, i] {
			resv_port_held *own = resv_port_held_locks();
			EXPECT_EQ(own->opaque[0], 0u);
			EXPECT_EQ(own->irq_state, 0u);
			own->opaque[0] = i + 1;
			all.push_back(own);
			resv::full_fence();
			EXPECT_EQ(resv_port_held_locks(), own);
			EXPECT_EQ(own->opaque[0], i + 1);
		});
	run();
}

// ---- Workloads -------------------------------------------------------------------------------------------------------

simulate::calibration tree_costs()
{
	simulate::calibration c;
	EXPECT_EQ(read_calibration("tests/simulate/costs", c), "");
	return c;
}

TEST(vcpu_play, is_the_same_each_time)
{
	for (const simulate::algorithm &a : simulate::algorithms) {
		simulate::point p;
		p.what = &simulate::workloads[1];
		p.how = &a;
		p.cpus = p.tasks = 16;
		p.transactions = 2000;
		simulate::outcome once = play(p, tree_costs()), again = play(p, tree_costs());
		EXPECT_EQ(once.per_second, again.per_second);
		EXPECT_EQ(once.longest_wait, again.longest_wait);
		EXPECT_EQ(once.rollbacks, again.rollbacks);
		p.seed = 2;
		EXPECT_NE(once.per_second, play(p, tree_costs()).per_second);
	}
}

TEST(vcpu_play, eager_stamps_are_one_for_each_transaction)
{
	simulate::point p;
	p.what = simulate::find(simulate::workloads, "8of1024");
	p.how = simulate::find(simulate::algorithms, "wait-die");
	p.cpus = p.tasks = 1;
	p.transactions = 1000;
	EXPECT_EQ(play(p, tree_costs()).stamps, 0);
	p.eager = true;
	EXPECT_EQ(play(p, tree_costs()).stamps, 1);
}

TEST(vcpu_play, round_trip_is_what_was_measured)
{
	simulate::calibration c = tree_costs();
	duration two = 2 * c.machine.transfer;
	EXPECT_GE(round_trip(c), two);
	EXPECT_LE(round_trip(c), two + two / 10);
}

class vcpu_costs : public testing::Test {
protected:
	~vcpu_costs() override { std::remove(name.c_str()); }
	std::string read(const std::string &text)
	{
		std::ofstream(name) << text;
		calibration = {};
		return read_calibration(name, calibration);
	}
	static std::string all()
	{
		simulate::calibration c;
		std::string text;
		for (const simulate::named_cost &cost : costs_of(c))
			text += std::string(cost.name) + " 1.5 # comment\n";
		return text;
	}
	/// Of what follows all().
	std::string last_line() { return ":" + std::to_string(costs_of(calibration).size() + 1) + ": "; }
	std::string name = testing::TempDir() + "resv-simulate-costs";
	simulate::calibration calibration;
};

TEST_F(vcpu_costs, are_read)
{
	EXPECT_EQ(read(all() + "\n# comment\nmeasured 8of64 wait-die 2 12345\n"), "");
	for (const simulate::named_cost &cost : costs_of(calibration))
		EXPECT_EQ(*cost.value, 1500);
	ASSERT_EQ(calibration.measured.size(), 1u);
	EXPECT_EQ(calibration.measured[0].workload, "8of64");
	EXPECT_EQ(calibration.measured[0].per_second, 12345);
}

TEST_F(vcpu_costs, that_are_wrong_are_named)
{
	EXPECT_NE(read(all() + "hut 3\n").find(": neither a cost nor a measurement: hut 3"),
		  std::string::npos);
	EXPECT_NE(read(all() + "hit -3\n").find(last_line()), std::string::npos);
	EXPECT_NE(read(all() + "hit 3 3\n").find(last_line()), std::string::npos);
	EXPECT_NE(read(all() + "measured 8of64 2 3\n").find(last_line()), std::string::npos);
	EXPECT_NE(read("hit 3\n").find("there is no cost called "), std::string::npos);
	EXPECT_EQ(simulate::read_calibration("/nowhere", calibration), "cannot read /nowhere");
}

} // namespace
