// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Scenarios of the annotator: tasks, and interrupts that come to them, tell it of locks at the same time. The locks are
// not there; each bug must be reported once, in whatever order it hears of the parts.
#include "lockdep/annotator.hpp"
#include "src/port/sim/held.hpp"
#include "tests/sim/scenario.hpp"

#include <resv/lockdep.h>

#include <cstddef>

namespace resv::sim {

namespace {

constexpr unsigned max_maps = 4;

constinit lock_class_key keys[max_maps];

/// What an execution begins with anew, beside the annotator.
struct desk {
	lockdep_map maps[max_maps] = {lockdep_map(keys[0], "a"), lockdep_map(keys[1], "b"),
				      lockdep_map(keys[2], "c"), lockdep_map(keys[3], "d")};
	unsigned circular = 0; // reports
	unsigned irq_state = 0;
	unsigned others = 0;
	bool interrupted = false; // an interrupt has come
	unsigned variant = 0;
};

std::optional<desk> the_desk;

void count_report(resv_report_kind kind, const char *, void *)
{
	if (kind == RESV_REPORT_CIRCULAR)
		the_desk->circular++;
	else if (kind == RESV_REPORT_IRQ_STATE)
		the_desk->irq_state++;
	else
		the_desk->others++;
}

/// It is what it was when the program began: an execution may have ended in the midst of a change.
template <typename Part>
void share_anew(Part &part, const char *name)
{
	auto *bytes = reinterpret_cast<char *>(&part);
	static const std::vector<char> first(bytes, bytes + sizeof part);
	memcpy(bytes, first.data(), sizeof part);
	the_machine().share(bytes, sizeof part);
	the_machine().label(bytes, sizeof part, name);
}

/// All that the annotator has beside what it holds for tasks. Where the graph's memory is, its edges tell.
void share_annotator()
{
	using namespace lockdep;
	auto *edges = const_cast<char *>(reinterpret_cast<const char *>(&orders.at(0)));
	share_anew(*reinterpret_cast<dependency_memory *>(edges - offsetof(dependency_memory, all_edges)),
		   "graph");
	share_anew(orders, "orders");
	share_anew(classes, "classes");
	share_anew(traces, "traces");
	share_anew(the, "annotator");
}

void set_up_desk()
{
	share_held(max_tasks, sizeof(lockdep::held_stack));
	share_annotator();
	the_desk.emplace();
	the_machine().share(&the_desk, sizeof the_desk);
	resv_lockdep_set_report_handler(count_report, nullptr);
}

void acquire(unsigned n)
{
	note("acquire ", lock_name(n));
	lockdep::acquire(the_desk->maps[n], {}, 1);
}

void release(unsigned n)
{
	note("release ", lock_name(n));
	lockdep::release(the_desk->maps[n], 1);
}

/// One inside of the other.
void nest(unsigned outer, unsigned inner)
{
	acquire(outer);
	acquire(inner);
	release(inner);
	release(outer);
}

void check_reports(unsigned circular, unsigned irq_state = 0)
{
	check(the_desk->circular == circular, "a circle is not reported once");
	check(the_desk->irq_state == irq_state, "a lock that interrupts take is not reported once");
	check(the_desk->others == 0, "something is reported that is not wrong");
}

/// What the annotator has learned: no class twice, and each order once.
void check_learned(unsigned all_classes, unsigned all_orders, unsigned refused)
{
	check(lockdep::classes.count() == all_classes, "a class is there twice, or not at all");
	check(lockdep::the.dependencies == all_orders, "an order is there twice, or not at all");
	check(lockdep::the.refused == refused, "an order is not refused once");
}

// The classes are new, too, or have been seen before.
const define halves({
	.name = "halves",
	.summary = "2 tasks take 2 locks in opposite orders; or both in that which closes a circle with what "
		   "was seen",
	.variants = 2 * 2,
	.begin =
		[](unsigned variant) {
			set_up_desk();
			bool known = digit(variant, 2) != 0;
			for (unsigned n = 0; known && n < 2; n++)
				acquire(n), release(n);
			bool both = digit(variant, 2) != 0;
			if (both)
				nest(0, 1);
			the_machine().spawn("a", [both] { both ? nest(1, 0) : nest(0, 1); });
			the_machine().spawn("b", [] { nest(1, 0); });
		},
	.end =
		[] {
			check_reports(1);
			check_learned(2, 5, 1);
		},
	.options = {.reports = true},
});

const define thirds({
	.name = "thirds",
	.summary = "3 tasks take 2 of 3 locks each, in a ring",
	.variants = 1,
	.begin =
		[](unsigned) {
			set_up_desk();
			for (unsigned task = 0; task < 3; task++)
				the_machine().spawn(lock_name(task), [task] { nest(task, (task + 1) % 3); });
		},
	.end =
		[] {
			check_reports(1);
			check_learned(3, 8, 1);
		},
	.options = {.reports = true},
});

// Whatever the task does is its own CPU's, and the interrupt comes in the midst of it: also when a class or an order
// becomes known. Of each lock that is held with interrupts on there are two orders, to hard and to soft ones.
const define apart({
	.name = "irq-apart",
	.summary = "a task takes 2 locks, and an interrupt that comes to it 2 others; another task takes "
		   "those, with interrupts off, in the same order or in the opposite one",
	.variants = 3,
	.begin =
		[](unsigned variant) {
			set_up_desk();
			the_desk->variant = variant;
			the_machine().spawn("a", [] { nest(0, 1); });
			the_machine().spawn_interrupt("irq", 0, [] {
				the_desk->interrupted = true;
				nest(2, 3);
			});
			if (variant != 0)
				the_machine().spawn("b", [variant] {
					the_machine().interrupts_off(1);
					variant == 1 ? nest(2, 3) : nest(3, 2);
					the_machine().interrupts_off(-1);
				});
		},
	.end =
		[] {
			bool came = the_desk->interrupted;
			bool wrong = came && the_desk->variant == 2;
			check_reports(wrong);
			if (the_desk->variant == 0)
				check_learned(came ? 4 : 2, came ? 8 : 5, 0);
			else
				check_learned(4, came ? 8 : 6, wrong);
		},
	.options = {.reports = true},
});

// What is held with interrupts on, and taken by them, is wrong in whatever order that happens.
const define same({
	.name = "irq-same",
	.summary = "a task takes a lock that an interrupt takes, too, which comes to it or to another task",
	.variants = 2,
	.begin =
		[](unsigned variant) {
			set_up_desk();
			the_machine().spawn("a", [] { acquire(0), release(0); });
			if (variant != 0)
				the_machine().spawn("b", [] { acquire(1), release(1); });
			the_machine().spawn_interrupt("irq", variant, [] {
				the_desk->interrupted = true;
				acquire(0), release(0);
			});
		},
	.end =
		[] {
			check_reports(0, the_desk->interrupted);
			check(lockdep::the.refused == the_desk->interrupted, "an order is not refused once");
		},
	.options = {.reports = true},
});

} // namespace

} // namespace resv::sim
