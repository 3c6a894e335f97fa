// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Scenarios of contexts that take several locks.
#include "scenario.hpp"

#include <algorithm>

namespace resv::sim {

namespace {

std::string label(unsigned task)
{
	return std::string(1, static_cast<char>('a' + task));
}

release how_of(unsigned choice)
{
	return choice == 0 ? release::all : release::each;
}

// All pairs of lists that differ by more than the names of locks and tasks.
const define two_by_two({
	.name = "2x2",
	.summary = "2 contexts, 2 locks: each pair of lists of them",
	.variants = 2 * 2 * 2 * 6,
	.begin =
		[](unsigned variant) {
			the_world.emplace(both_algorithms[digit(variant, 2)], 2);
			the_world->eager = digit(variant, 2) != 0;
			release how = how_of(digit(variant, 2));
			static constexpr lock_list lists[][2] = {
				{{1, {0}}, {1, {0}}},       {{1, {0}}, {1, {1}}},
				{{1, {0}}, {2, {0, 1}}},    {{1, {0}}, {2, {1, 0}}},
				{{2, {0, 1}}, {2, {0, 1}}}, {{2, {0, 1}}, {2, {1, 0}}},
			};
			unsigned pair = digit(variant, 6);
			for (unsigned task = 0; task < 2; task++)
				the_machine().spawn(label(task), [locks = lists[pair][task], how] {
					transact(locks, how);
				});
		},
	.end = end_world,
	.options = {},
});

// Of the 216 combinations of three orders, all that differ by more than the names of locks and tasks: the first context
// takes A, B, C.
const define three_by_three({
	.name = "3x3",
	.summary = "3 contexts take 3 locks, in each combination of orders",
	.variants = 2 * 10,
	.begin =
		[](unsigned variant) {
			the_world.emplace(both_algorithms[digit(variant, 2)], 3);
			static constexpr unsigned others[10][2] = {{0, 0}, {0, 1}, {0, 2}, {0, 3}, {0, 4},
								   {0, 5}, {1, 2}, {1, 3}, {2, 4}, {3, 4}};
			unsigned orders[] = {0, others[variant][0], others[variant][1]};
			for (unsigned task = 0; task < 3; task++)
				the_machine().spawn(label(task), [locks = order_of(3, orders[task])] {
					transact(locks, release::all);
				});
		},
	.end = end_world,
	.options = {},
});

// Three contexts that take two of three locks each: the smallest ring.
const define ring({
	.name = "ring",
	.summary = "3 contexts take 2 of 3 locks each, in a ring",
	.variants = 8,
	.begin =
		[](unsigned variant) {
			the_world.emplace(both_algorithms[digit(variant, 2)], 3);
			the_world->eager = digit(variant, 2) != 0;
			release how = how_of(digit(variant, 2));
			for (uint8_t task = 0; task < 3; task++) {
				lock_list locks{2, {task, static_cast<uint8_t>((task + 1) % 3)}};
				the_machine().spawn(label(task), [locks, how] { transact(locks, how); });
			}
		},
	.end = end_world,
	.options = {},
});

// Crosswise; crosswise beside a third that takes one of the locks; in a ring.
const define adapting({
	.name = "adapt",
	.summary = "2 or 3 contexts of a class that changes its mind take 2 locks each",
	.variants = 6,
	.begin =
		[](unsigned variant) {
			static constexpr lock_list locks[3][3] = {
				{{2, {0, 1}}, {2, {1, 0}}},
				{{2, {0, 1}}, {2, {1, 0}}, {1, {1}}},
				{{2, {0, 1}}, {2, {1, 2}}, {2, {2, 0}}},
			};
			unsigned shape = digit(variant, 3);
			the_world.emplace(ww_algorithm::adaptive, shape == 2 ? 3 : 2);
			the_world->fickle = true;
			the_world->eager = digit(variant, 2) != 0;
			for (unsigned task = 0; task < (shape == 0 ? 2 : 3); task++)
				the_machine().spawn(label(task), [task, shape] {
					transact(locks[shape][task], release::all);
				});
		},
	.end = end_world,
	.options = {},
});

// A previous holder, a waiter that holds something, and a late locker.
const define three({
	.name = "three",
	.summary = "3 contexts: one takes A alone, two take A and B in opposite orders",
	.variants = 8,
	.begin =
		[](unsigned variant) {
			the_world.emplace(both_algorithms[digit(variant, 2)], 2);
			the_world->eager = digit(variant, 2) != 0;
			release how = how_of(digit(variant, 2));
			static constexpr lock_list orders[] = {{1, {0}}, {2, {1, 0}}, {2, {0, 1}}};
			for (unsigned task = 0; task < 3; task++)
				the_machine().spawn(label(task),
						    [task, how] { transact(orders[task], how); });
		},
	.end = end_world,
	.options = {},
});

// A previous holder, a head that holds nothing, a second waiter that holds something, and a late locker.
const define four({
	.name = "four",
	.summary = "4 contexts: two take A alone, two take A and B in opposite orders",
	.variants = 2,
	.begin =
		[](unsigned variant) {
			the_world.emplace(both_algorithms[digit(variant, 2)], 2);
			static constexpr lock_list orders[] = {{1, {0}}, {1, {0}}, {2, {1, 0}}, {2, {0, 1}}};
			for (unsigned task = 0; task < 4; task++)
				the_machine().spawn(label(task),
						    [task] { transact(orders[task], release::all); });
		},
	.end = end_world,
	.options = {},
});

/// A task without a context takes lock A.
void take_plainly(const wait_request &request)
{
	if (take(0, nullptr, {request}) == 0)
		drop(0, nullptr);
}

const define plain({
	.name = "plain",
	.summary = "3 tasks take a lock, with and without a context",
	.variants = 8,
	.begin =
		[](unsigned variant) {
			the_world.emplace(both_algorithms[digit(variant, 2)], 1);
			unsigned without = digit(variant, 4);
			for (unsigned task = 0; task < 3; task++)
				the_machine().spawn(label(task), [plainly = task < without] {
					if (plainly)
						take_plainly({});
					else
						transact({1, {0}}, release::each);
				});
		},
	.end = end_world,
	.options = {},
});

// The waits of the first two end early, or not.
const define leaving({
	.name = "leave",
	.summary = "3 contexts take a lock; waits end by time or by signal",
	.variants = 8,
	.begin =
		[](unsigned variant) {
			the_world.emplace(both_algorithms[digit(variant, 2)], 2);
			bool by_signal = digit(variant, 2) != 0;
			bool holding = digit(variant, 2) != 0;
			for (unsigned task = 0; task < 3; task++)
				the_machine().spawn(label(task), [task, by_signal, holding] {
					the_machine().admit_signals(by_signal && task == 1);
					lock_list locks = holding && task != 2 ? lock_list{2, {1, 0}}
									       : lock_list{1, {0}};
					wait_request request;
					if (task == 1)
						request = by_signal ? interruptible : for_at_most(1000);
					transact(locks, release::all, request);
				});
		},
	.end = end_world,
	.options = {},
});

// The first in line spins, or sleeps, and may leave: the unlocker spares itself the wait list only while it spins.
const define spinning({
	.name = "spin",
	.summary = "3 tasks take a lock, the first in line may spin or give up",
	.variants = 8,
	.begin =
		[](unsigned variant) {
			the_world.emplace(both_algorithms[digit(variant, 2)], 1);
			bool early = digit(variant, 2) != 0;
			bool plainly = digit(variant, 2) != 0;
			for (unsigned task = 0; task < 3; task++)
				the_machine().spawn(label(task), [task, early, plainly] {
					wait_request request;
					if (task == 1 && early)
						request = for_at_most(1000);
					if (plainly)
						take_plainly(request);
					else
						transact({1, {0}}, release::all, request);
				});
		},
	.end = end_world,
	.options = {.running = running_hint::either},
});

const define observing({
	.name = "observe",
	.summary = "2 tasks wait for an unlock, one may give up; the lock has one or two holders",
	.variants = 8,
	.begin =
		[](unsigned variant) {
			the_world.emplace(both_algorithms[digit(variant, 2)], 1);
			bool early = digit(variant, 2) != 0;
			bool two_holders = digit(variant, 2) != 0;
			the_machine().spawn("a", [] { transact({1, {0}}, release::all); });
			the_machine().spawn("b", [early] {
				wait_request request;
				if (early)
					request = for_at_most(1000);
				int rc = await(0, nullptr, request);
				check(rc == 0 || rc == -ETIME, "wait_for_unlock failed");
			});
			the_machine().spawn("c", [two_holders] {
				if (two_holders)
					return (void)transact({1, {0}}, release::each);
				context ctx;
				check(await(0, &ctx) == 0, "wait_for_unlock failed");
			});
		},
	.end = end_world,
	.options = {},
});

const define trying({
	.name = "try",
	.summary = "a trylock beside contexts that wait for locks",
	.variants = 4,
	.begin =
		[](unsigned variant) {
			the_world.emplace(both_algorithms[digit(variant, 2)], 2);
			bool plainly = digit(variant, 2) != 0;
			the_machine().spawn("a", [] { transact({2, {0, 1}}, release::all); });
			the_machine().spawn("b", [] { transact({1, {1}}, release::each); });
			the_machine().spawn("c", [plainly] {
				if (plainly) {
					if (try_take(1, nullptr))
						drop(1, nullptr);
					return;
				}
				context ctx;
				for (unsigned n : {1u, 0u})
					(void)try_take(n, &ctx);
				drop_all(*ctx);
			});
		},
	.end = end_world,
	.options = {},
});

// The context does not come back for the lock that it was denied.
const define abandoning({
	.name = "abandon",
	.summary = "2 contexts take 2 locks in opposite orders; the first that is sent back gives up",
	.variants = 2,
	.begin =
		[](unsigned variant) {
			the_world.emplace(both_algorithms[digit(variant, 2)], 2);
			for (unsigned task = 0; task < 2; task++)
				the_machine().spawn(label(task), [locks = order_of(2, task)] {
					context ctx;
					for (unsigned n : locks)
						if (take(n, &ctx) == -EDEADLK) {
							drop_all(*ctx);
							ctx->abandon();
							break;
						}
					drop_all(*ctx);
				});
		},
	.end = end_world,
	.options = {},
});

// The waiter may lose the lock to somebody who comes later until it has been awake and in its turn once. After that, only
// to whoever had read, before it was announced, that nobody waits.
const define bypass({
	.name = "bypass",
	.summary = "a task waits for a lock that 2 others take again and again",
	.variants = 4,
	.begin =
		[](unsigned variant) {
			the_world.emplace(both_algorithms[digit(variant, 2)], 1);
			bool plainly = digit(variant, 2) != 0;
			for (unsigned task = 0; task < 3; task++)
				the_machine().spawn(label(task), [task, plainly] {
					for (unsigned n = task == 0 ? 1 : 3; n != 0; n--) {
						if (plainly)
							take_plainly({});
						else
							transact({1, {0}}, release::each);
					}
				});
			the_machine().watch = [](const step &s) {
				auto &[parks, passed] = the_world->counts;
				bool taken =
					s.where &&
					s.where->address == ww_test_access::owner_word(the_world->lock(0)) &&
					s.write && s.after != 0;
				if (s.thread == 0)
					parks = taken ? 0 : parks + (s.what == action::open);
				else if (taken && parks >= 2)
					check(passed++ == 0, "the first in line was passed again and again");
			};
		},
	.end = end_world,
	.options = {},
});

} // namespace

} // namespace resv::sim
