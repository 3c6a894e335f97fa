// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * In a kernel that has lockdep, and is told of our locks. The last test has the same bug as deadlock.c, but nobody tells
 * our annotator of the driver's mutex, which only lockdep knows. It must report, once, in its own name; after that it
 * is off. The one who boots this looks for the report, between the two lines.
 */
#include <linux/debug_locks.h>
#include <linux/mutex.h>

#include "check.h"

static DEFINE_MUTEX(kernels_mutex);
static struct resv_object buffer;
static unsigned int reports;

static void count_report(enum resv_report_kind kind, const char *text, void *data)
{
	reports++;
}

static noinline int forwarded_submit(void)
{
	int err = resv_lock(&buffer, NULL);

	if (err)
		return err;
	mutex_lock(&kernels_mutex);
	mutex_unlock(&kernels_mutex);
	resv_unlock(&buffer);
	return 0;
}

static noinline int forwarded_evict(void)
{
	int err;

	mutex_lock(&kernels_mutex);
	err = resv_wait_for_unreserve(&buffer, NULL, false);
	mutex_unlock(&kernels_mutex);
	return err;
}

static const char *mutex_of_the_kernels(unsigned int n)
{
	resv_init(&buffer);
	resv_lockdep_set_report_handler(count_report, NULL);
	reports = 0;

	CHECK(debug_locks); /* nothing was found so far */
	CHECK(forwarded_submit() == 0);
	CHECK(debug_locks);
	pr_info("resv_test: a report is asked for\n");
	CHECK(forwarded_evict() == 0);
	pr_info("resv_test: that was the report\n");
	CHECK(!debug_locks);
	CHECK(reports == 0);

	resv_lockdep_set_report_handler(NULL, NULL);
	resv_fini(&buffer);
	return NULL;
}

static int by_address(const struct resv_lockdep_map *a, const struct resv_lockdep_map *b)
{
	return a < b ? -1 : 1;
}

static void take(struct resv_lockdep_map *map)
{
	resv_lockdep_acquire(map, 0, 0, 0, 1, NULL, _RET_IP_);
}

static void drop(struct resv_lockdep_map *map)
{
	resv_lockdep_release(map, _RET_IP_);
}

/* Whatever becomes of what we hold, lockdep holds as much. */
static const char *all_that_comes_goes(unsigned int n)
{
	static struct resv_lock_class_key keys[3];
	struct resv_lockdep_map map, other, ordered[2];
	int depth = current->lockdep_depth;

	resv_lockdep_init_map(&map, "map", &keys[0], 0);
	resv_lockdep_init_map(&other, "other", &keys[1], 1);
	take(&map);
	take(&other);
	CHECK(current->lockdep_depth == depth + 2);
	resv_lockdep_set_class(&map, "of another class", &keys[1], 0, _RET_IP_);
	resv_lockdep_downgrade(&other, _RET_IP_);
	CHECK(current->lockdep_depth == depth + 2);
	resv_lockdep_handoff_out(&map, _RET_IP_);
	CHECK(current->lockdep_depth == depth + 1);
	resv_lockdep_handoff_in(&map, _RET_IP_);
	drop(&other);
	CHECK(current->lockdep_depth == depth + 1);
	resv_lockdep_reset();
	CHECK(current->lockdep_depth == depth);

	/* That two of one class are taken in their order is for our annotator to check. */
	resv_lockdep_init_map(&ordered[0], "ordered", &keys[2], 0);
	resv_lockdep_init_map(&ordered[1], "ordered", &keys[2], 0);
	resv_lockdep_set_cmp_fn(&ordered[0], by_address);
	take(&ordered[0]);
	take(&ordered[1]);
	CHECK(current->lockdep_depth == depth + 2);
	drop(&ordered[0]);
	drop(&ordered[1]);
	CHECK(current->lockdep_depth == depth);
	CHECK(debug_locks);
	return NULL;
}

/* Those that nest in a context are one entry to lockdep, as to us. */
static const char *transaction(unsigned int n)
{
	static struct resv_object objects[100], *list[100];
	struct resv_exec exec;
	int depth = current->lockdep_depth;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(objects); i++) {
		resv_init(&objects[i]);
		list[i] = &objects[i];
	}
	resv_exec_init(&exec, 0);
	CHECK(resv_exec_reserve(&exec, list, ARRAY_SIZE(list), 0) == 0);
	CHECK(current->lockdep_depth == depth + 2); /* and the context */
	resv_exec_fini(&exec);
	CHECK(current->lockdep_depth == depth);
	for (i = 0; i < ARRAY_SIZE(objects); i++)
		resv_fini(&objects[i]);
	CHECK(debug_locks);
	return NULL;
}

static const struct named_test tests[] = {
	{"all_that_comes_goes", all_that_comes_goes},
	{"transaction", transaction},
	{"mutex_of_the_kernels", mutex_of_the_kernels},
};

SUITE(forward, tests);
