// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* The tests that the host runs as well, from the same source: cases of misuse, the annotator's, and those in C. */
#include <linux/atomic.h>
#include <linux/string.h>

#include "c_api_test.h"
#include "cases.h"
#include "cases_os.h"
#include "lru_c_test.h"
#include "misuse.h"
#include "os.h"

/* ---- What cases need -------------------------------------------------------------------------------------------- */

/* Lines that were printed, but for reports: those are told of right after they have been printed. */
static atomic_t lines;
static struct actor *other;

static void count_line(const char *line, void *data)
{
	atomic_inc(&lines);
}

void lockdep_os_saw(enum resv_report_kind kind, const char *text)
{
	for (; *text; text++)
		if (*text == '\n')
			atomic_dec(&lines);
}

void lockdep_os_on_other_task(void (*function)(void *data), void *data)
{
	if (!other)
		other = actor_start();
	actor_run(other, function, data);
}

/* Runs one, in which `messages` lines are to be printed besides reports. */
static const char *run_in_surroundings(const char *(*run)(const void *of_case), const void *of_case,
				       unsigned int messages)
{
	const char *failure;

	atomic_set(&lines, 0);
	resv_host_set_report_sink(count_line, NULL);
	if (RESV_PROVE_LOCKING)
		emulate_irqs_for(current);
	failure = run(of_case);
	if (RESV_PROVE_LOCKING)
		emulate_irqs_for(NULL);
	resv_host_set_report_sink(NULL, NULL);
	if (other)
		actor_end(other);
	other = NULL;
	if (!failure && atomic_read(&lines) != messages)
		failure = "other lines were printed than the case tells";
	return failure;
}

/* ---- The catalogue of misuse: see tests/misuse/misuse_test.cpp --------------------------------------------------- */

static const char *run_misuse(const void *of_case)
{
	return misuse_case_run(of_case);
}

static const char *run_misuse_case(unsigned int n)
{
	return run_in_surroundings(run_misuse, misuse_case_get(n), 0);
}

static const char *misuse_is_complete(unsigned int n)
{
	return misuse_missing();
}

static unsigned int get_misuse_case(unsigned int index, struct test *test)
{
	const unsigned int count = misuse_case_count();

	if (test) {
		strscpy(test->name, index < count ? misuse_case_get(index)->name : "misuse_is_complete",
			sizeof(test->name));
		test->run = index < count ? run_misuse_case : misuse_is_complete;
		test->n = index;
	}
	return count + 1;
}

const struct suite misuse_suite = {"misuse", get_misuse_case};

#if RESV_PROVE_LOCKING

/* ---- The annotator's cases: see tests/lockdep/cases_test.cpp ---------------------------------------------------- */

static const char *run_lockdep(const void *of_case)
{
	return lockdep_case_run(of_case);
}

static const char *run_case(unsigned int n)
{
	static struct lockdep_case c;

	lockdep_case_get(n, &c);
	return run_in_surroundings(run_lockdep, &c, c.messages);
}

static unsigned int get_case(unsigned int index, struct test *test)
{
	static struct lockdep_case c;

	if (test) {
		lockdep_case_get(index, &c);
		snprintf(test->name, sizeof(test->name), "%s_%s", c.family, c.name);
		test->run = run_case;
		test->n = index;
	}
	return lockdep_case_count();
}

const struct suite lockdep_suite = {"lockdep", get_case};

#endif

/* ---- The others in C -------------------------------------------------------------------------------------------- */

#define RUN(name)                                     \
	static const char *run_##name(unsigned int n) \
	{                                             \
		return c_api_##name();                \
	}
C_API_SCENARIOS(RUN)

/* These return the line that failed. */
#define RUN_LRU(name)                                                        \
	static const char *run_##name(unsigned int n)                        \
	{                                                                    \
		static char failure[32];                                     \
		int line = name();                                           \
                                                                             \
		snprintf(failure, sizeof(failure), "lru_c_test.c:%d", line); \
		return line ? failure : NULL;                                \
	}
RUN_LRU(lru_c_order)
RUN_LRU(lru_c_try)
RUN_LRU(lru_c_wait)
RUN_LRU(lru_c_describe)

#define ENTRY(name) {"c_api_" #name, run_##name},

static const struct named_test c_tests[] = {
	C_API_SCENARIOS(ENTRY){"lru_c_order", run_lru_c_order},
	{"lru_c_try", run_lru_c_try},
	{"lru_c_wait", run_lru_c_wait},
	{"lru_c_describe", run_lru_c_describe},
};

static unsigned int get_c_test(unsigned int index, struct test *test)
{
	return suite_get(c_tests, ARRAY_SIZE(c_tests), index, test);
}

const struct suite c_suite = {"c", get_c_test};
