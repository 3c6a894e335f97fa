/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Interrupts, and what may wait where; the language of the scripts is in cases_internal.h. */
#include "cases_internal.h"

/*
 * What is reported depends on the event that comes last, since that one closes the circle:
 *
 *   T  one lock is both taken in interrupts and held while they are on
 *   O  an order leads from a lock of interrupts to one that is held while they are on
 *   V  such an order is there, and a lock now becomes one of these
 */
#define EACH_KIND(name_, kinds_, script_, ...)                                                              \
	{                                                                                                   \
		.name = name_, .script = script_, .reports = {__VA_ARGS__}, .kinds = kinds_, .silent = "r", \
		.levels = "hs", .permute = true                                                             \
	}

/* In the orders 123, 132, 213, 231, 312, 321: the first event is an order of locks, the others are states of one. */
#define BY_LAST_EVENT "V", "V", "V", "O", "V", "O"

static const struct lockdep_row irq_rows[] = {
	EACH_KIND("irqsafe1", "swr", "( LA UA ) | LA UA", "T"),
	{.name = "irqsafe2A",
	 .script = "(s LA UA )s | [h LA ]h UA",
	 .reports = {"T"},
	 .kinds = "swr",
	 .silent = "r",
	 .permute = true},
	EACH_KIND("irqsafe2B", "swr", "( LA UA ) | [ LA ] UA", "T"),
	/* A itself is held with interrupts on; and if that is known, what leads to B is a second bug */
	EACH_KIND("irqsafe3", "swr", "LA LB UB UA | LB UB | ( LA UA )", "T", "T", "T", "TO", "TV", "TO"),
	EACH_KIND("irqsafe4", "swr", "[ LA LB UB UA ] | LB UB | ( LA UA )", BY_LAST_EVENT),
	EACH_KIND("irq_inversion", "swr", "[ LwA LB UB UwA ] | LB UB | ( LrA UrA )", BY_LAST_EVENT),
	EACH_KIND("irq_read_recursion", "wr", "[ LwA UwA ] | LrA UrA | ( LA LsB UsB UA )", "T"),
	EACH_KIND("irq_read_recursion2", "wr", "[ LsB LA UA UsB ] | LrA UrA | ( LsB UsB )", BY_LAST_EVENT),
	EACH_KIND("irq_read_recursion3", "wr", "[ LwB LA UA UwB ] | LrA UrA | ( LrB UrB )", BY_LAST_EVENT),

	/* A reader in an interrupt is recursive, another one queues up behind writers. */
	ONCE("queued_RE_Er", "(h LqA LsB UsB UqA )h | [h LsB LqA UqA UsB ]h", "C"),
	ONCE("queued_ER_rE", "(h LsB LqA UqA UsB )h | [h LqA LsB UsB UqA ]h", NONE),
	ONCE("queued_inversion", "(h LsB UsB )h | [h LsB LqA UqA UsB ]h | LqA UqA", "V"),

	ONCE("local_lock_2", "LlA UlA | (h LsA UsA )h | [h LsA LlA UlA UsA ]h", NONE),
	ONCE("local_lock_3A", "LlA LsB UsB UlA | (h LsA UsA )h | [h LsA LlA UlA UsA ]h", NONE),
	ONCE("local_lock_3B",
	     "LlA LsB UsB UlA | (h LsA UsA )h | [h LsA LlA UlA UsA ]h | [h LsA LsB UsB UsA ]h", "O"),

	/* A to D by way of B and C: hard interrupts take A, and D is held while these are on, though soft ones are not */
	ONCE("hardirq_deadlock_softirq_not",
	     "LmA [h LsC UsC ]h UmA | (h LsA UsA )h | [h LsA LsB UsB UsA ]h | [h LsB LsC UsC UsB ]h | "
	     "(s LsD UsD )s | [s LsD UsD ]s | [h LsC LsD UsD UsC ]h",
	     "O"),
};

const struct lockdep_family lockdep_irq = {"irq", irq_rows, COUNT(irq_rows), NULL, 0};

/* ---- What may wait where ------------------------------------------------------------------------------------------
 *
 * Columns: RCU, raw spinlock, spinlock, mutex.
 */

#define IN(name_, may, before, after)                                                               \
	{                                                                                           \
		.name = name_, .script = before " LA UA " after, .reports = {"W"}, .kinds = "cpsm", \
		.silent = may                                                                       \
	}

static const struct lockdep_row wait_context_rows[] = {
	IN("in_hardirq_threaded", "cps", "(h", ")h"), IN("in_hardirq", "cp", "(u", ")u"),
	IN("in_softirq", "cps", "(s", ")s"),          IN("in_rcu", "cps", "LcA", "UcA"),
	IN("in_rcu_bh", "cps", "[s LbA", "UbA ]s"),   IN("in_rcu_sched", "cp", "LkA", "UkA"),
	IN("in_raw_spin", "cp", "LpB", "UpB"),        IN("in_spin", "cps", "LsB", "UsB"),
	IN("in_mutex", "cpsm", "LmB", "UmB"),
};

const struct lockdep_family lockdep_wait_context = {"wait_context", wait_context_rows,
						    COUNT(wait_context_rows), NULL, 0};

/* ---- Single rules ---------------------------------------------------------------------------------------------- */

static const struct lockdep_row irq_rule_rows[] = {
	/* Who tries in an interrupt waits for nobody; but interrupts may come while he holds the lock elsewhere. */
	EACH_LEVEL_AND_ORDER("trylock_in_irq", "( TsA UsA ) | LsA UsA", NONE),
	EACH_LEVEL_AND_ORDER("trylock_with_irqs_on", "( LsA UsA ) | TsA UsA", "T"),
	EACH_LEVEL_AND_ORDER("sync_in_irq", "( SsA ) | LsA UsA", "T"),
	EACH_LEVEL_AND_ORDER("sync_with_irqs_on", "( LsA UsA ) | SsA", NONE),
	EACH_LEVEL_AND_ORDER("unchecked_in_irq", "( KsA UsA ) | LsA UsA", NONE),
	EACH_LEVEL_AND_ORDER("unchecked_with_irqs_on", "( LsA UsA ) | KsA UsA", NONE),
	EACH_LEVEL_AND_ORDER("unchecked_above_another_with_irqs_on", "( LsA UsA ) | [ LsB KsA ] UsA UsB",
			     NONE),
	EACH_LEVEL_AND_ORDER("irqs_off", "( LsA UsA ) | [ LsA UsA ]", NONE),
	EACH_LEVEL_AND_ORDER("reader_in_irq", "( LrA UrA ) | LrA UrA", NONE),
	EACH_LEVEL_AND_ORDER("reader_in_irq_beside_a_writer", "( LrA UrA ) | LwA UwA", "T"),
	EACH_LEVEL_AND_ORDER("writer_in_irq", "( LwA UwA ) | LrA UrA", "T"),

	/* what is known of readers says nothing of a writer, who comes in any order */
	EACH_LEVEL_AND_ORDER("reader_and_writer_with_irqs_on", "LrA UrA | LwA UwA | ( LrA UrA )", "T"),
	EACH_LEVEL_AND_ORDER("reader_and_writer_in_irq", "( LrA UrA ) | ( LwA UwA ) | LrA UrA", "T"),

	/* locks that are well known by the time of the bug, and may be held wherever others may */
	EACH_LEVEL_AND_ORDER("known_untyped_with_irqs_on", "( LuA UuA ) | LuA UuA LuA UuA LuA UuA", "T"),
	EACH_LEVEL_AND_ORDER("known_untyped_after_another_in_irq", "( LuB UuB LuA UuA ) | LuA UuA LuA UuA",
			     "T"),
	EACH_LEVEL_AND_ORDER("known_untyped_on_in_the_middle", "( LuA UuA ) | [ LuA UuA LuA ] UuA LuA UuA",
			     "T"),
	EACH_LEVEL_AND_ORDER("known_untyped_in_irq", "( LuA UuA LuA UuA ) | [ LuA UuA ] | ( LuA UuA )", NONE),
	EACH_LEVEL("known_untyped_below_another",
		   "LuB UuB LuB UuB LuA UuA LuA UuA LuA LuB UuB UuA LuA LuB UuB UuA | ( LuA UuA )", "T"),
	ONCE("known_untyped_below_a_raw_lock", "LpA UpA LpA UpA LuB UuB LuB UuB LpA LuB LmC", "W"),
	EACH_LEVEL("known_untyped_over_both", "LuX1 UuX1 LuX1 UuX1 [ LuX1 ( LuX2 UuX2 ) UuX1 ]", "T"),

	/* and those that may not */
	EACH_LEVEL_AND_ORDER("known_with_irqs_on", "( LsA UsA ) | LsA UsA LsA UsA LsA UsA", "T"),
	EACH_LEVEL_AND_ORDER("known_in_irq", "( LsA UsA LsA UsA LsA UsA ) | LsA UsA", "T"),
	EACH_LEVEL_AND_ORDER("known_with_irqs_off", "( LsA UsA LsA UsA ) | [ LsA UsA LsA UsA ]", NONE),
	EACH_LEVEL_AND_ORDER("known_below_another",
			     "( LsA UsA ) | [ LsA LsB UsB UsA LsA LsB UsB UsA ] | LsB UsB LsB UsB", "V", "O",
			     "V", "V", "O", "V"),

	/* What an interrupt takes has no order with what the interrupted task holds. */
	EACH_LEVEL("irq_has_its_own_locks", "[ LsA ( LsB UsB ) UsA ] | [ LsB LsA UsA UsB ]", NONE),
	EACH_LEVEL("irq_takes_what_the_task_holds", "[ LsX1 ( LsX2 UsX2 ) UsX1 ]", NONE),
	EACH_LEVEL("order_in_irq_and_out", "( LsA LsB UsB UsA ) | [ LsB LsA UsA UsB ]", "C"),
	ONCE("hardirq_within_softirq", "(s [h LsA (h LsB UsB )h UsA ]h )s | (s [h LsB LsA UsA UsB ]h )s",
	     NONE),

	/*
	 * Interrupts that were switched while locks were held are noticed at the next one. A's state is one bug; that A
	 * leads to B, and to C, are others if A is known.
	 */
	EACH_LEVEL_AND_ORDER("irqs_on_at_the_next_lock", "( LsA UsA ) | [ LsA ] LsB [ UsB UsA ]", "TV", "T"),
	EACH_LEVEL_AND_ORDER("irqs_on_for_all_that_are_held", "( LsA UsA ) | [ LsA LsB LsC ] UsC UsB UsA",
			     "TVV", "T"),
	EACH_LEVEL_AND_ORDER("irqs_on_at_one_more_of_a_context",
			     "( LsX1 UsX1 ) | [ LgA LsX1^gA ] LsX2^gA [ UsX2 UsX1 UgA ]", "T"),
	EACH_LEVEL_AND_ORDER("irqs_on_at_a_release_below", "( LsB UsB ) | [ LsA LsB ] UsA [ UsB ]", "T"),

	/* Soft interrupts do not come while hard ones are off. */
	EACH_ORDER("hardirqs_off_keeps_softirqs_away", "(s LsA UsA )s | [h LsA UsA ]h", NONE),
	EACH_ORDER("softirqs_off_keeps_no_hardirqs_away", "(h LsA UsA )h | [s LsA UsA ]s", "T"),
	EACH_ORDER("both_levels", "(h LsA UsA )h | (s [h LsB UsB ]h )s | [h LsA LsB UsB UsA ]h", NONE),
	/* a soft interrupt holds B while hard ones are on, and these take A */
	EACH_ORDER("softirq_is_interrupted", "(h LsA UsA )h | [h LsA LsB UsB UsA ]h | (s LsB UsB )s", "V",
		   "O", "V", "V", "O", "V"),
	EACH_ORDER("softirq_is_not_interrupted",
		   "(h LsA UsA )h | [h LsA LsB UsB UsA ]h | (s [h LsB UsB ]h )s", NONE),

	/* Bugs of interrupts are found once each as well. */
	ONCE("two_irq_bugs", "(h LsA UsA )h | LsA UsA | (h LsB UsB )h | LsB UsB | LsA UsA", "TT"),
	ONCE("both_levels_of_one_lock", "(h LsA UsA )h | (s LsA UsA )s | LsA UsA", "TT"),

	/* What waits where. */
	ONCE("trylock_waits_nowhere", "LpA TmB", NONE),
	ONCE("trylock_in_hardirq_waits_nowhere", "(u TmB UmB )u", NONE),
	ONCE("sync_waits", "LsA SmB", "W"),
	ONCE("least_of_all_that_are_held", "LpA TmB LsC", "W"),
	ONCE("least_of_all_whatever_is_released", "LmA LpB UmA LsC", "W"),
	ONCE("least_counts_no_more_once_released", "LpA LpB UpA UpB LmC", NONE),
	ONCE("released_in_the_middle", "LmA LpB TmC UpB LmD", NONE),
	ONCE("from_sleeping_to_spinning", "LmA LsB LpC LcD", NONE),
	ONCE("override", "LpA LvB LsC", NONE),
	ONCE("override_admits_no_more_than_it_says", "LpA LvB LmC", "W"),
	ONCE("override_released", "LpA LvB UvB LsC", "W"),
	ONCE("override_and_then_a_raw_lock", "LpA LvB LpC LsD", "W"),
	EACH_LEVEL("task_does_not_limit_irqs", "[ LpA ( LsB UsB ) UpA ]", NONE),
	ONCE("known_to_wait_less", "LpA UpA LpA UpA LmB UmB LmB UmB LpA LmB", "W"),
	ONCE("known_to_wait_less_below_another", "LmB LpA UpA LpA UpA UmB LmB LpA LmC", "W"),
	ONCE("wait_bug_and_a_cycle", "LmA LsB UsB UmA | LsB LmA UmA UsB", "WC"),
};

const struct lockdep_family lockdep_irq_rules = {"irq_rules", irq_rule_rows, COUNT(irq_rule_rows), NULL, 0};
