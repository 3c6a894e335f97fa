// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The bug that the annotator was made for: a mutex of the driver's own against a reservation, where the second wait
 * is for an unreserve alone. Nobody else runs, nothing is contended; the report must come all the same, to the
 * kernel's log. The one who boots this looks for it there, between the two lines.
 */
#include <linux/mutex.h>

#include "check.h"

static DEFINE_MUTEX(driver_mutex);
static struct resv_lock_class_key driver_key;
static struct resv_lockdep_map driver_map;
static struct resv_object buffer;
static unsigned int circles, others;

static void count_report(enum resv_report_kind kind, const char *text, void *data)
{
	++*(kind == RESV_REPORT_CIRCULAR ? &circles : &others);
}

static noinline void driver_lock(void)
{
	resv_lockdep_acquire(&driver_map, 0, 0, 0, 1, NULL, _RET_IP_);
	mutex_lock(&driver_mutex);
}

static noinline void driver_unlock(void)
{
	resv_lockdep_release(&driver_map, _RET_IP_);
	mutex_unlock(&driver_mutex);
}

static noinline int seeded_submit(void)
{
	int err = resv_lock(&buffer, NULL);

	if (err)
		return err;
	driver_lock();
	driver_unlock();
	resv_unlock(&buffer);
	return 0;
}

static noinline int seeded_evict(void)
{
	int err;

	driver_lock();
	err = resv_wait_for_unreserve(&buffer, NULL, false);
	driver_unlock();
	return err;
}

static const char *driver_mutex_against_reservation(unsigned int n)
{
	resv_lockdep_reset();
	resv_lockdep_init_map(&driver_map, "driver_mutex", &driver_key, 0);
	resv_init(&buffer);
	resv_lockdep_set_report_handler(count_report, NULL);
	circles = others = 0;

	CHECK(seeded_submit() == 0);
	CHECK(circles == 0);
	pr_info("resv_test: a report is asked for\n");
	CHECK(seeded_evict() == 0);
	pr_info("resv_test: that was the report\n");
	CHECK(circles == 1);
	CHECK(seeded_submit() == 0 && seeded_evict() == 0); /* it is known now */
	CHECK(circles == 1 && others == 0);

	resv_lockdep_set_report_handler(NULL, NULL);
	resv_fini(&buffer);
	return NULL;
}

static const struct named_test tests[] = {
	{"driver_mutex_against_reservation", driver_mutex_against_reservation},
};

SUITE(deadlock, tests);
