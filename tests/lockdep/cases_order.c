/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Orders of locks, without interrupts; the language of the scripts is in cases_internal.h. */
#include "cases_internal.h"

#define ALL_KINDS "swrmeht"

/* ---- Chains of orders ---------------------------------------------------------------------------------------------
 *
 * Only recursive readers are fine with all of these.
 */

#define CHAIN(name_, script_, report_)                                                                    \
	{                                                                                                 \
		.name = name_, .script = script_, .reports = {report_}, .kinds = ALL_KINDS, .silent = "r" \
	}

static const struct lockdep_row chain_rows[] = {
	CHAIN("AA", "LX1 LX2", "R"),
	CHAIN("ABBA", "LA LB UB UA | LB LA UA UB", "C"),
	CHAIN("ABBCCA", "LA LB UB UA | LB LC UC UB | LC LA UA UC", "C"),
	CHAIN("ABCABC", "LA LB UB UA | LC LA UA UC | LB LC UC UB", "C"),
	CHAIN("ABBCCDDA", "LA LB UB UA | LB LC UC UB | LC LD UD UC | LD LA UA UD", "C"),
	CHAIN("ABCDBDDA", "LA LB UB UA | LC LD UD UC | LB LD UD UB | LD LA UA UD", "C"),
	CHAIN("ABCDBCDA", "LA LB UB UA | LC LD UD UC | LB LC UC UB | LD LA UA UD", "C"),
	{.name = "double_unlock", .script = "LA UA UA", .reports = {"U"}, .kinds = ALL_KINDS},
	{.name = "init_held", .script = "LA IA", .reports = {"F"}, .kinds = ALL_KINDS},
};

const struct lockdep_family lockdep_chains = {"chains", chain_rows, COUNT(chain_rows), NULL, 0};

/* ---- Readers ------------------------------------------------------------------------------------------------------
 *
 * r is a recursive reader, who waits for nobody but a writer; h is one who also waits for a writer that waits.
 */

static const struct lockdep_row read_rows[] = {
	ONCE("rlock_AA1", "LrX1 LrX1", NONE),
	ONCE("rsem_AA1", "LhX1 LhX1", "R"),
	ONCE("rlock_AA1B", "LrX1 LrX2", NONE),
	ONCE("rsem_AA1B", "LhX1 LhX2", "R"),
	ONCE("rlock_AA2", "LrX1 LwX2", "R"),
	ONCE("rsem_AA2", "LhX1 LeX2", "R"),
	ONCE("rlock_AA3", "LwX1 LrX2", "R"),
	ONCE("rsem_AA3", "LeX1 LhX2", "R"),

	ONCE("rlock_ABBA1", "LrX LsY UsY UrX | LsY LwX UwX UsY", "C"),
	ONCE("rwsem_ABBA1", "LhX LmY UmY UhX | LmY LeX UeX UmY", "C"),
	ONCE("rlock_ABBA2", "LrX LsY UsY UrX | LsY LrX UrX UsY", NONE),
	ONCE("rwsem_ABBA2", "LhX LmY UmY UhX | LmY LhX UhX UmY", "C"),
	ONCE("rlock_ABBA3", "LwX LsY UsY UwX | LsY LwX UwX UsY", "C"),
	ONCE("rwsem_ABBA3", "LeX LmY UmY UeX | LmY LeX UeX UmY", "C"),
	/* what is known of readers says nothing of a writer */
	ONCE("rlock_chaincache_ABBA1", "LrX LsY UsY UrX | LsY LrX UrX UsY | LsY LwX UwX UsY", "C"),

	EACH_ORDER("W1R2_W2R3_W3R1", "LwX LrY UrY UwX | LwY LrZ UrZ UwY | LwZ LrX UrX UwZ", "C"),
	EACH_ORDER("W1W2_R2R3_W3R1", "LwX LwY UwY UwX | LrY LrZ UrZ UrY | LwZ LrX UrX UwZ", "C"),
	EACH_ORDER("W1W2_R2R3_R3W1", "LwX LwY UwY UwX | LrY LrZ UrZ UrY | LrZ LwX UwX UrZ", NONE),
	EACH_ORDER("W1R2_R2R3_W3W1", "LwX LrY UrY UwX | LrY LrZ UrZ UrY | LwZ LwX UwX UwZ", NONE),
};

const struct lockdep_family lockdep_read = {"read", read_rows, COUNT(read_rows), NULL, 0};

/* ---- Single rules ---------------------------------------------------------------------------------------------- */

static const struct lockdep_row rule_rows[] = {
	/* Who tries waits for nobody; but others wait while he holds the lock. */
	ONCE("trylock_gets_no_order", "LmA TmB UmB UmA | LmB LmA UmA UmB", NONE),
	ONCE("trylock_against_trylock", "TmA TmB UmB UmA | TmB TmA UmA UmB", NONE),
	ONCE("trylock_is_a_source", "TmA LmB UmB UmA | LmB LmA UmA UmB", "C"),
	ONCE("trylock_is_passed", "LmA TmB LmC UmC UmB UmA | LmC LmA UmA UmC", "C"),
	ONCE("trylock_is_a_source_when_passed", "LmA TmB LmC UmC UmB UmA | LmC LmB UmB UmC", "C"),
	ONCE("many_trylocks_are_passed", "LmA TmB TmC TmD LmX UmX UmD UmC UmB UmA | LmX LmA", "C"),
	ONCE("trylock_of_held_class", "LmX1 TmX2", NONE),
	ONCE("wait_for_class_that_was_tried", "TmX1 LmX2", "R"),
	ONCE("read_trylock_is_a_source", "ThA LmB UmB UhA | LmB LeA UeA UmB", "C"),

	/* An unchecked lock is held, and that is all. */
	ONCE("unchecked_gets_no_order", "LmA KmB UmB UmA | LmB LmA UmA UmB", NONE),
	ONCE("unchecked_is_no_source", "KmA LmB UmB UmA | LmB LmA UmA UmB", NONE),
	ONCE("unchecked_is_passed", "LmA KmB LmC UmC UmB UmA | LmC LmA UmA UmC", "C"),
	ONCE("unchecked_release_is_checked", "KmA UmA UmA", "U"),

	/* Where a chain of three is known, its ends are. */
	ONCE("ends_of_a_chain", "LmA LmB LmC UmC UmB UmA | LmC LmA UmA UmC", "C"),
	ONCE("ends_of_a_chain_after_its_middle", "LmA LmB UmA LmC UmC UmB | LmC LmA UmA UmC", "C"),
	ONCE("release_in_any_order", "LmA LmB LmC UmA UmC UmB | LmA LmC UmA UmC", NONE),
	ONCE("released_is_no_source", "LmA UmA LmB UmB | LmB LmA UmA UmB", NONE),
	ONCE("released_below_is_no_source", "LmA TmC UmA LmB UmB UmC | LmB LmA UmA UmB", NONE),
	ONCE("recursion_past_another", "LmX1 LmA LmX2", "R"),
	ONCE("recursion_of_one_instance", "LmX1 LmX1", "R"),

	/* A wait that takes nothing: the reason why this project exists. */
	ONCE("sync_gets_an_order", "LmA SmB UmA | LmB LmA UmA UmB", "C"),
	ONCE("sync_is_checked", "LmB LmA UmA UmB | LmA SmB UmA", "C"),
	ONCE("sync_against_sync", "LmA SmB UmA | LmB SmA UmB", "C"),
	ONCE("sync_is_no_source", "SmA LmB UmB | LmB LmA UmA UmB", NONE),
	ONCE("sync_passes_a_trylock", "LmA TmB SmC UmB UmA | LmC LmA UmA UmC", "C"),
	ONCE("sync_with_its_class_held", "LmX1 SmX2", "R"),
	ONCE("sync_with_its_lock_held", "LmX1 SmX1", "R"),
	ONCE("sync_of_a_recursive_reader", "LrX1 SrX2", NONE),
	ONCE("sync_of_a_reader_under_a_writer", "LwX1 SrX2", "R"),

	/* Recursive readers. */
	ONCE("reader_stops_a_path", "LsA LrB UrB UsA | LrB LsC UsC UrB | LsC LsA UsA UsC", NONE),
	ONCE("writer_does_not", "LsA LrB UrB UsA | LwB LsC UsC UwB | LsC LsA UsA UsC", "C"),
	ONCE("reader_of_the_other_kind_does_not", "LmA LhB UhB UmA | LhB LmC UmC UhB | LmC LmA UmA UmC", "C"),
	ONCE("recursion_write_under_two_readers", "LrX1 LrX2 LwX0", "R"),
	ONCE("reader_beside_a_tried_writer", "TwX1 LrX2", "R"),

	/* Subclasses are classes. */
	ONCE("subclass", "LmX1 LmX2.1", NONE),
	ONCE("subclass_the_other_way_too", "LmX1 LmX2.1 UmX2 UmX1 | LmX2.1 LmX1 UmX1 UmX2", "C"),
	ONCE("subclass_twice", "LmX1.1 LmX2.1", "R"),
	ONCE("subclasses_up_to_the_last", "LmX0.5 LmX1.6 LmX2.7", NONE),
	ONCE("subclass_too_high", "LmX1.8", "K"),

	/* A context: what nests in it may be many, but keeps its order against all others. */
	ONCE("context", "LgA LmX1^gA LmX2^gA LmX0^gA", NONE),
	ONCE("context_released_in_any_order", "LgA LmX1^gA LmX2^gA LmX0^gA UmX1 UmX0 LmX1^gA UmX2", NONE),
	ONCE("context_and_sync", "LgA LmX1^gA SmX2^gA", NONE),
	ONCE("context_and_sync_without_it", "LgA LmX1^gA SmX2", "R"),
	ONCE("context_and_lock_without_it", "LgA LmX1^gA LmX2", "R"),
	ONCE("context_above_what_it_nests", "TmX1 LgA LmX2^gA", "R"),
	ONCE("context_below_a_trylock_without_it", "LgA TmX1 LmX2^gA", NONE),
	ONCE("context_not_held", "LmX^gA", "N"),
	ONCE("context_of_another", "LgA LmX^gB", "N"),
	ONCE("context_not_held_any_more", "LgA UgA LmX^gA", "N"),
	ONCE("context_released_too_early", "LgA LmX^gA UgA", "N"),
	ONCE("context_released_too_early_beside_another", "LgA LgB LmX1^gA LmX2^gB UmX1 UgB", "N"),
	ONCE("two_contexts", "LgA1 LgA2", "R"),
	/* both the context and the lock come after B */
	ONCE("context_after_a_lock", "LgA LmX^gA LmB UmB UmX UgA | LmB LgA LmX^gA UmX UgA UmB", "CC"),
	ONCE("double_unlock_in_context", "LgA LmX1^gA LmX2^gA UmX1 UmX1", "U"),
	ONCE("unlock_of_another_in_context", "LgA LmX1^gA LmX2^gA UmX0", "U"),

	/* A real lock: what nests in it is serialized. */
	ONCE("nest", "LsA LsX1^sA LsX2^sA", NONE),
	ONCE("nest_of_another_class", "LsA LsX1^sA LsY^sA UsY UsX1 UsA | LsA LsY^sA LsX1^sA", "C"),
	ONCE("nest_above_what_it_nests", "LsX1 LsA LsX2^sA", "R"),
	ONCE("nest_not_held", "LsX^sA", "N"),
	ONCE("nest_not_held_any_more", "LsA LsX1^sA UsX1 UsA LsX1^sA", "N"),

	/* A lock among others of its class in one context, as what yet others nest in. */
	ONCE("nest_in_one_of_a_context", "LgA LmX1^gA LmX2^gA LsB1^mX2 LsB2^mX2", NONE),
	ONCE("nest_in_the_first_of_a_context", "LgA LmX1^gA LsB1 TmX2^gA LsB2^mX1", NONE),
	ONCE("nest_in_one_that_is_not_held", "LgA LmX1^gA LmX2^gA LsB^mX0", "N"),
	ONCE("nest_in_one_released_too_early", "LgA LmX1^gA LmX2^gA LsB^mX2 UmX2", "N"),
	ONCE("nest_in_one_of_two_groups_released_too_early", "LgA LmX1^gA LsB^mX1 TmX2^gA UmX1", "N"),
	ONCE("nest_beside_one_released", "LgA LmX1^gA LmX2^gA LsB^mX2 UmX1", NONE),
	ONCE("nest_held_twice", "LrA LsX1 LrA LsX2^rA", NONE),
	ONCE("nest_held_twice_and_released_once", "LrA LrA LsX^rA UrA", NONE),

	/* Locks that are well known by the time of the bug. */
	CHAIN("known_AA", "LX1 UX1 LX1 UX1 LX2 UX2 LX2 UX2 | LX1 LX2", "R"),
	CHAIN("known_ABBA", "LA UA LA UA LB UB LB UB | LA LB UB UA LA LB UB UA | LB LA UA UB", "C"),
	CHAIN("known_ABBA_first_in_first_out",
	      "LA UA LA UA LB UB LB UB | LA LB UA UB LA LB UA UB | LB LA UB UA", "C"),
	CHAIN("known_ABBCCA", "LA LB LC UC UB UA LA LB LC UC UB UA LA LB LC UC UB UA | LC LA UA UC", "C"),
	{.name = "known_double_unlock",
	 .script = "LA UA LA UA LA UA UA",
	 .reports = {"U"},
	 .kinds = ALL_KINDS},
	{.name = "known_unlock_below",
	 .script = "LB UB LA LB UB UA LA LB UA UA",
	 .reports = {"U"},
	 .kinds = ALL_KINDS},
	{.name = "known_init_held", .script = "LA UA LA UA LA IA", .reports = {"F"}, .kinds = ALL_KINDS},
	ONCE("known_subclass", "LmX LmX1.1 UmX UmX1 LmX LmX1.1 UmX UmX1 LmX LmX1.1 UmX1 UmX", NONE),
	ONCE("known_subclass_alone", "LmX.1 UmX LmX.1 UmX LmX.1 UmX LmX UmX LmX UmX | LmX1.1 LmX2.1", "R"),
	ONCE("known_in_context", "LmX UmX LmX UmX LgA LmX^gA UmX UgA LgA LmX^gA UmX UgA | LgA LmX1^gA LmX",
	     "R"),
	ONCE("known_to_a_reader",
	     "LoA LuB UuB UoA LoA LuB UuB UoA LoA LuB UuB UoA | LuA LuB UuB UuA | LuB LnA", "C"),
	ONCE("known_to_one_who_tried",
	     "TuB LuC UuC UuB TuB LuC UuC UuB TuB LuC UuC UuB | LuA TuB LuC UuC UuB UuA | LuC LuA", "C"),
	ONCE("known_and_then_tried", "LuA UuA LuB UuB LuA UuA LuB UuB | LuA TuB UuB UuA | LuB LuA", NONE),
	ONCE("known_and_then_read", "LuA UuA LuA UuA | LoA LnA UnA UoA | LoA LoA", "R"),
	ONCE("known_refused_order",
	     "LmA LmB UmB UmA | LmB LmA UmA UmB LmB LmA UmA UmB | LmC LmB LmA UmA UmB UmC | "
	     "LmA LmC",
	     "CC"),

	/* Each bug once, and the next one as well. */
	ONCE("second_bug", "LmA LmB UmB UmA | LmB LmA UmA UmB | LmC LmD UmD UmC | LmD LmC UmC UmD", "CC"),
	ONCE("first_bug_again",
	     "LmA LmB UmB UmA | LmB LmA UmA UmB | LmC LmD UmD UmC | LmB LmA UmA UmB | LmD LmC", "CC"),
	ONCE("second_recursion", "LmX1 LmX2 UmX2 UmX1 | LmY1 LmY2 UmY2 UmY1 | LmX1 LmX2", "RR"),
	ONCE("recursion_of_readers_and_of_writers",
	     "LwX1 LrX2 UrX2 UwX1 | LrX1 LwX2 UwX2 UrX1 | LwX1 LwX2 UwX2 UwX1 | LrX1 LwX2", "RRR"),
	ONCE("recursion_does_not_hide_a_cycle", "LmX1 LmX2 UmX2 UmX1 | LmX1 LmA UmA UmX1 | LmA LmX1", "RC"),
	ONCE("another_bug_at_the_same_place", "LsA^sB UsA UsA", "NU"),
	/* what was refused of writers is not known of readers */
	ONCE("refused_order_of_a_writer", "LsB LrA UrA UsB | LwA LsB UsB UwA | LrA LsB UsB UrA | LsB LwA",
	     "CC"),
	/* A before C is known although B before C was refused */
	ONCE("order_below_a_refused_one", "LmC LmB UmB UmC | LmA LmB LmC UmC UmB UmA | LmC LmA", "CC"),
	ONCE("order_below_a_refused_one_that_says_the_same", "LmC LmA UmA UmC | LmA LmB LmC", "C"),
	ONCE("order_below_one_that_was_refused_elsewhere",
	     "LmC LmB LmX1 LmX2 UmX2 UmX1 UmB UmC | LmB LmX1 LmC", "RC"),
	ONCE("order_below_two_refused_ones", "LmA LgC UgC UmA | LmB LgC1 LgC2 SmA UgC2 UgC1 UmB | LmA LmB",
	     "RCC"),
	ONCE("order_below_a_group", "LmB LgA LmX1^gA UmX1 UgA UmB | LgA TmX1^gA LmX2^gA LmB", "C"),
	ONCE("order_below_a_reader_of_a_class_that_is_held",
	     "LgA LwX1^gA LqX2^gA LsB UsB UqX2 UwX1 UgA | LsB LrX1", "C"),
	/* what was refused takes no part in the next cycle: A before B stays the order */
	ONCE("refused_order_is_no_order",
	     "LmA LmB UmB UmA | LmB LmA UmA UmB | LmA LmC UmC UmA | LmC LmB UmB UmC", "C"),
};

const struct lockdep_family lockdep_rules = {"rules", rule_rows, COUNT(rule_rows), NULL, 0};

/* ---- What Linux misses --------------------------------------------------------------------------------------------
 *
 * Each beside a sequence of the same locks in which Linux finds the bug, and one that has none.
 */

static const struct lockdep_row false_negative_rows[] = {
	/* N1: that locks nest in a context says nothing of others taken between them */
	ONCE("N1_linux_misses", "LgA LmX1^gA LmB LmX2^gA", "C"),
	ONCE("N1_linux_finds", "LgA LmX1^gA LmB UmX1 LmX2^gA", "C"),
	ONCE("N1_no_bug", "LmB LgA LmX1^gA LmX2^gA", NONE),
	EACH_ORDER("N1_first_lock_linux_finds", "LgA LmX^gA LmB UmB UmX UgA | LgA LmB LmX^gA UmX UmB UgA",
		   "C"),
	EACH_ORDER("N1_wait_linux_misses",
		   "LgA LmX^gA LmB UmB UmX UgA | LgA LmX1^gA LmB SmX2^gA UmB UmX1 UgA", "C"),

	/* N2: a path that stops at a reader is found first, and hides one to the same lock that does not */
	ONCE("N2_linux_misses",
	     "LsA LrB UrB UsA | LrB LsD UsD UrB | LsA LsC UsC UsA | LsC LsD UsD UsC | LsD LsA UsA UsD", "C"),
	ONCE("N2_linux_finds",
	     "LsA LsC UsC UsA | LsC LsD UsD UsC | LsA LrB UrB UsA | LrB LsD UsD UrB | LsD LsA UsA UsD", "C"),
	ONCE("N2_no_bug", "LsA LrB UrB UsA | LrB LsD UsD UrB | LsD LsA UsA UsD", NONE),

	/* N3: what is held below a recursive reader comes before what is taken above */
	EACH_ORDER("N3_linux_misses", "LsA LrB LsC UsC UrB UsA | LsC LsA UsA UsC", "C"),
	EACH_ORDER("N3_linux_finds", "LsA LwB LsC UsC UwB UsA | LsC LsA UsA UsC", "C"),
	EACH_ORDER("N3_no_bug", "LsA LrB LsC UsC UrB UsA | LsC LrB UrB UsC", NONE),
	EACH_ORDER("N3_two_readers_linux_misses", "LsA LrB LrD LsC UsC UrD UrB UsA | LsC LsA UsA UsC", "C"),
	EACH_ORDER("N3_sync_linux_misses", "LsA LrB SsC UrB UsA | LsC LsA UsA UsC", "C"),

	/* N4: locks that nested once need not nest the next time */
	ONCE("N4_linux_misses", "LsA LsX1^sA LsX2^sA UsX2 UsX1 UsA | LsA LsX1^sA LsX2", "R"),
	ONCE("N4_linux_finds", "LsA LsX1^sA LsX2", "R"),
	ONCE("N4_no_bug", "LsA LsX1^sA LsX2^sA UsX2 UsX1 UsA | LsA LsX1^sA LsX2^sA", NONE),
	ONCE("N4_in_context_linux_misses",
	     "LgA LmX1^gA UmX1 TmX1 LmX2^gA UmX2 UmX1 UgA | LgA TmX1 LmX2 UmX2 UmX1 UgA", "R"),
};

const struct lockdep_family lockdep_false_negatives = {"false_negatives", false_negative_rows,
						       COUNT(false_negative_rows), NULL, 0};
