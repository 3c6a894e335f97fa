/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What the cases are made of. */
#ifndef MISUSE_INTERNAL_H
#define MISUSE_INTERNAL_H

#include "../calm.h"
#include "../lockdep/cases_os.h"
#include "misuse.h"

#define COUNT(array) ((unsigned)(sizeof(array) / sizeof((array)[0])))

/** What a check of an operation returns for it, and what the operation does without the check. */
#define CHECKED(with, without) (RESV_DEBUG_WW_MUTEXES ? (with) : (without))

/* ---- Tables ---------------------------------------------------------------------------------------------------- */

struct misuse_file {
	const struct misuse_case *cases;
	unsigned count;
};

extern const struct misuse_file misuse_selftest, misuse_objects, misuse_transactions, misuse_fences,
	misuse_annotator;

#define CASE_(name_, run_, harmless_, ...)                                                               \
	{                                                                                                \
		.name = name_, .reports = {__VA_ARGS__},                                                 \
		.count = COUNT(((const enum resv_report_kind[]){__VA_ARGS__})), .harmless = (harmless_), \
		.run = run_                                                                              \
	}

/** It does what it does without the report, too: in a build that does not check. */
#define MISUSE(run, ...) CASE_(#run, run, true, __VA_ARGS__)

/** It would do harm there. */
#define HARM(run, ...) CASE_(#run, run, false, __VA_ARGS__)

/** It is right. */
#define RIGHT(run_)                                            \
	{                                                      \
		.name = #run_, .harmless = true, .run = (run_) \
	}

/* ---- Checks: misuse.c ------------------------------------------------------------------------------------------ */

/** Has no report come so far? */
bool misuse_silent(void);

#define TEXT2(x) #x
#define TEXT(x)  TEXT2(x)
#define CHECK(condition)                                                    \
	do {                                                                \
		if (!(condition))                                           \
			return __FILE__ ":" TEXT(__LINE__) ": " #condition; \
	} while (0)

#endif /* MISUSE_INTERNAL_H */
