// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The test module: loading it runs the suites and prints how they went, as KTAP, to the kernel's log. Each test runs
 * in a task of its own. When it has been unloaded again, nothing of it is left.
 */
#include <linux/module.h>
#include <linux/string.h>

#include <resv_port/linux.h>

#include "os.h"

static char *suites = "";
module_param(suites, charp, 0444);
MODULE_PARM_DESC(suites, "names of the suites to run, with commas between them; all if empty");

static const struct suite *const all_suites[] = {
#if RESV_LOCKDEP_FORWARD
	&c_suite, &port_suite, &ww_suite, &reservation_suite, &beside_suite, &forward_suite,
#else /* lockdep would report what those do that are asked to break rules, and be off then */
#if RESV_PROVE_LOCKING
	&lockdep_suite, &deadlock_suite,
#endif
	&misuse_suite,  &c_suite,        &port_suite, &ww_suite, &reservation_suite, &beside_suite,
#endif
};

unsigned int suite_get(const struct named_test *tests, unsigned int count, unsigned int index,
		       struct test *test)
{
	if (test) {
		strscpy(test->name, tests[index].name, sizeof(test->name));
		test->run = tests[index].run;
		test->n = tests[index].n;
	}
	return count;
}

static bool is_wanted(const struct suite *suite)
{
	const char *at = strstr(suites, suite->name);

	return !*suites || (at && (at == suites || at[-1] == ',') && strchr(",", at[strlen(suite->name)]));
}

static void *run_test(void *data)
{
	const struct test *test = data;

	return (void *)test->run(test->n);
}

static const char *run_in_task(struct test *test)
{
	struct thread thread;
	const char *failure;
	long in_use;

	in_use = memory_in_use();
	if (thread_start(&thread, run_test, test))
		return "no thread";
	failure = thread_join(&thread);
	if (memory_in_use() != in_use)
		resv_port_drain(); /* what was deferred may free some */
	if (!failure && memory_in_use() != in_use)
		failure = "memory is left that nobody frees";
	return failure;
}

static unsigned int run_suite(const struct suite *suite)
{
	static struct test test;
	unsigned int i, count = suite->get(0, NULL), failed = 0;

	pr_info("    KTAP version 1\n    # Subtest: %s\n    1..%u\n", suite->name, count);
	for (i = 0; i < count; i++) {
		const char *failure;

		suite->get(i, &test);
		failure = run_in_task(&test);
		if (failure)
			pr_info("    # %s\n", failure);
		pr_info("    %sok %u %s\n", failure ? "not " : "", i + 1, test.name);
		failed += failure != NULL;
	}
	return failed;
}

static int __init resv_test_init(void)
{
	unsigned int i, n = 0;
	int err = resv_linux_init();

	if (err)
		return err;
	for (i = 0; i < ARRAY_SIZE(all_suites); i++)
		n += is_wanted(all_suites[i]);
	pr_info("KTAP version 1\n1..%u\n", n);
	n = 0;
	for (i = 0; i < ARRAY_SIZE(all_suites); i++)
		if (is_wanted(all_suites[i]))
			pr_info("%sok %u %s\n", run_suite(all_suites[i]) ? "not " : "", ++n,
				all_suites[i]->name);
	return 0;
}

static void __exit resv_test_exit(void)
{
	resv_linux_exit();
}

module_init(resv_test_init);
module_exit(resv_test_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Tests of resv");
