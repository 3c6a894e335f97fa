// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* The tests that the host runs as well, from the same source: the annotator's cases, and those in C. */
#include <linux/atomic.h>
#include <linux/string.h>

#include "c_api_test.h"
#include "cases.h"
#include "cases_os.h"
#include "lru_c_test.h"
#include "os.h"

#if RESV_PROVE_LOCKING

/* ---- The annotator's cases: see tests/lockdep/cases_test.cpp ---------------------------------------------------- */

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

static const char *run_case(unsigned int n)
{
	static struct lockdep_case c;
	const char *failure;

	lockdep_case_get(n, &c);
	atomic_set(&lines, 0);
	resv_host_set_report_sink(count_line, NULL);
	emulate_irqs_for(current);
	failure = lockdep_case_run(&c);
	emulate_irqs_for(NULL);
	resv_host_set_report_sink(NULL, NULL);
	if (other)
		actor_end(other);
	other = NULL;
	if (!failure && atomic_read(&lines) != c.messages)
		failure = "other lines were printed than the case tells";
	return failure;
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
