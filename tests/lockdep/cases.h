/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Selftests of the annotator: sequences of locking, each with what must be reported, or that nothing may be. They are
 * C, so that a kernel module can run the very same ones; cases_test.cpp runs them on the host.
 *
 * Most are rows of tables, in a small language (see cases_internal.h): one case for each kind of lock, level
 * of interrupt and order of events that the row applies to. The rest are functions. Nothing has to happen at the same
 * time: an order that another task keeps is just another sequence.
 *
 *   family                            cases are about                                     file
 *   chains, read                      orders; recursive and other readers                 cases_order.c
 *   rules, false_negatives            single rules; what Linux misses, beside what it     cases_order.c
 *                                     finds
 *   irq, irq_rules, wait_context      interrupts; what may wait where                     cases_irq.c
 *   reserve                           each way to reserve, and to wait                    cases_reserve.c
 *   many                              very many reservations at once                      cases_many.c
 *   sections, reclaim                 where less is allowed: fences, eviction, reclaim    cases_sections.c
 *   api                               what a task may ask and tell of what it holds       cases_api.c
 *   tasks                             from task to task; declared orders                  cases_tasks.c
 *   memory                            locks and keys that go and come                     cases_memory.c
 *   limits                            some room is used up                                cases_limits.c
 *
 * The families chains, read, irq, wait_context and reclaim are what Linux tests itself with, case by case; those about
 * ww_mutexes are in tests/misuse.
 */
#ifndef LOCKDEP_CASES_H
#define LOCKDEP_CASES_H

#include <resv/resv.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lockdep_case {
	const char *family;
	char name[64];
	bool reported;     /**< must a report come, or may none? */
	unsigned messages; /**< lines that the annotator must print besides reports */

	/* private */
	const struct lockdep_row *row;
	const struct lockdep_function *function;
	const char *reports;
	char kind;
	char level;
	char events[4]; /* their order: "213" */
};

/** 0 without CONFIG_PROVE_LOCKING. */
unsigned lockdep_case_count(void);

void lockdep_case_get(unsigned index, struct lockdep_case *out);

/**
 * Runs a case. Returns NULL, or what did not hold; then locks may still be held: each case wants a task of its own.
 * Nobody else may use the annotator meanwhile, and it forgets all that it knew.
 */
const char *lockdep_case_run(const struct lockdep_case *c);

#ifdef __cplusplus
}
#endif

#endif /* LOCKDEP_CASES_H */
