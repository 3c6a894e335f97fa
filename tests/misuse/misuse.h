/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The ways in which the library can be held wrong: each is a case, which breaks one rule and must cause exactly the report
 * of that rule, in one run, with nobody in the way. Afterwards all goes on as if nothing had happened. They are C, so that
 * a kernel module can run the very same ones; misuse_test.cpp runs them on the host.
 *
 * Nothing has to happen at the same time. Where a rule is about what another task does, that one does it, and then waits
 * until it is told to do more.
 *
 *   file            cases are about
 *   selftest.c      the 36 of Linux's own selftests that are about ww_mutexes, right use among them
 *   objects.c       reservation objects and acquire contexts
 *   transactions.c  transactions, and walks of LRUs
 *   fences.c        fences, the fences of objects, LRUs, and the release of buffers
 *   annotator.c     locks of a driver's own: one case for each kind of report; all others are in tests/lockdep
 */
#ifndef MISUSE_H
#define MISUSE_H

#include <resv/resv.h>

#ifdef __cplusplus
extern "C" {
#endif

struct misuse_case {
	const char *name;
	enum resv_report_kind reports[2]; /* in this order, where the build makes them; and no others */
	unsigned count;
	bool harmless; /* is it played where nothing is reported, too? */
	const char *(*run)(void);
};

/** Those that can be played in this build. */
unsigned misuse_case_count(void);
const struct misuse_case *misuse_case_get(unsigned index);

/**
 * Plays a case. Returns NULL, or what did not hold; then locks may still be held: each case wants a task of its own. What
 * it needs from its surroundings is in tests/lockdep/cases_os.h.
 */
const char *misuse_case_run(const struct misuse_case *c);

/** Looks whether there is a case for each kind of report, in any build. NULL, or the name of one that has none. */
const char *misuse_missing(void);

/** Does this build look for what such a report is about? */
bool misuse_is_made(enum resv_report_kind kind);

/** The name of a kind; NULL for what is no kind. */
const char *misuse_kind_name(unsigned kind);

#ifdef __cplusplus
}
#endif

#endif /* MISUSE_H */
