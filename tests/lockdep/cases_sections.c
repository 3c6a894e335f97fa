/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Sections in which less is allowed than elsewhere: where only trying is, where fences are signalled, where memory is
 * freed. And the order that every driver keeps among these.
 */
#include "cases_internal.h"
#include "cases_os.h"

static bool reserve(struct resv_object *w)
{
	if (resv_lock(w, NULL) != 0)
		return false;
	resv_unlock(w);
	return true;
}

static bool try_reserve(struct resv_object *w)
{
	if (!resv_trylock(w, NULL))
		return false;
	resv_unlock(w);
	return true;
}

static bool wait_for(struct resv_object *w)
{
	return resv_wait_for_unreserve(w, NULL, false) == 0;
}

/* Freeing memory counts as holding fs_reclaim; an allocation that may free memory first waits for it. */
static void reclaim_begin(void)
{
	take(&resv_lockdep_fs_reclaim);
}

static void reclaim_end(void)
{
	drop(&resv_lockdep_fs_reclaim);
}

static void allocate(bool may_reclaim)
{
	if (!may_reclaim)
		return;
	reclaim_begin();
	reclaim_end();
}

/* ---- Where only trying is allowed ------------------------------------------------------------------------------ */

static const char *sections_nest(void)
{
	struct resv_object w;

	resv_init(&w);
	resv_lockdep_no_blocking_begin();
	resv_lockdep_no_blocking_begin();
	resv_lockdep_no_blocking_end();
	CHECK(try_reserve(&w));
	CHECK(NO_REPORT());
	CHECK(reserve(&w));
	CHECK(REPORTED(RESV_REPORT_BLOCKING));
	resv_lockdep_no_blocking_end();
	CHECK(wait_for(&w));
	CHECK(NO_REPORT());
	return NULL;
}

/* It is reported, and not taken for a section of very many. */
static const char *section_ends_unopened(void)
{
	struct resv_object w;

	resv_init(&w);
	resv_lockdep_no_blocking_end();
	CHECK(REPORTED(RESV_REPORT_UNLOCK_BALANCE));
	CHECK(reserve(&w));
	CHECK(NO_REPORT());
	resv_lockdep_no_blocking_begin();
	resv_lockdep_no_blocking_end();
	CHECK(NO_REPORT());
	return NULL;
}

struct other {
	struct resv_object w;
	bool failed;
};

static void other_reserves_and_waits(void *data)
{
	struct other *other = data;

	other->failed = !reserve(&other->w) || !wait_for(&other->w);
}

static const char *section_of_another_task(void)
{
	struct other other;

	resv_init(&other.w);
	resv_lockdep_no_blocking_begin();
	lockdep_os_on_other_task(other_reserves_and_waits, &other);
	CHECK(!other.failed);
	resv_lockdep_no_blocking_end();
	return NULL;
}

/* Locks that are no reservations may be waited for. */
static const char *section_and_other_locks(void)
{
	resv_lockdep_no_blocking_begin();
	CHECK(play("LmX LsA UsA UmX SmX"));
	resv_lockdep_no_blocking_end();
	return NULL;
}

/* ---- Fences ---------------------------------------------------------------------------------------------------- */

static const char *signalling_and_lock_either_way(void)
{
	bool cookie;

	CHECK(play("LmX"));
	cookie = resv_fence_begin_signalling();
	resv_fence_end_signalling(cookie);
	CHECK(play("UmX"));

	cookie = resv_fence_begin_signalling();
	CHECK(play("LmX UmX"));
	resv_fence_end_signalling(cookie);
	return NULL;
}

static const char *wait_under_lock_of_signaller(void)
{
	bool cookie;

	CHECK(play("LmX"));
	resv_fence_might_wait();
	CHECK(play("UmX"));
	CHECK(NO_REPORT());

	cookie = resv_fence_begin_signalling();
	CHECK(play("LmX UmX"));
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	resv_fence_end_signalling(cookie);
	return NULL;
}

static const char *lock_of_signaller_and_wait_under_it(void)
{
	bool cookie = resv_fence_begin_signalling();

	CHECK(play("LmX UmX"));
	resv_fence_end_signalling(cookie);
	CHECK(play("LmX"));
	CHECK(NO_REPORT());
	resv_fence_might_wait();
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	CHECK(play("UmX"));
	return NULL;
}

static const char *wait_while_signalling(void)
{
	bool cookie = resv_fence_begin_signalling();

	CHECK(NO_REPORT());
	resv_fence_might_wait();
	CHECK(REPORTED(RESV_REPORT_RECURSION));
	resv_fence_end_signalling(cookie);
	return NULL;
}

static const char *signalling_ends(void)
{
	bool outer = resv_fence_begin_signalling();
	bool inner = resv_fence_begin_signalling();

	/* shared: others are needed for it, too */
	CHECK(resv_lockdep_is_held_type(&resv_lockdep_fence, 1) == RESV_LOCK_STATE_HELD);
	resv_fence_end_signalling(inner);
	resv_fence_end_signalling(outer);
	resv_fence_might_wait();
	CHECK(NO_REPORT());

	outer = resv_fence_begin_signalling();
	inner = resv_fence_begin_signalling();
	resv_fence_end_signalling(inner);
	resv_fence_might_wait();
	CHECK(REPORTED(RESV_REPORT_RECURSION));
	resv_fence_end_signalling(outer);
	return NULL;
}

static const char *wait_with_reservation(void)
{
	struct resv_object w;

	resv_init(&w);
	CHECK(resv_lock(&w, NULL) == 0);
	resv_fence_might_wait();
	resv_unlock(&w);
	CHECK(NO_REPORT());
	return NULL;
}

static const char *reserve_while_signalling(void)
{
	struct resv_object w;
	const char *failure = wait_with_reservation();
	bool cookie;

	if (failure)
		return failure;
	resv_init(&w);
	cookie = resv_fence_begin_signalling();
	CHECK(try_reserve(&w));
	CHECK(NO_REPORT());
	CHECK(reserve(&w));
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	resv_fence_end_signalling(cookie);
	return NULL;
}

static const char *signalling_in_interrupt(void)
{
	bool cookie;

	resv_fence_might_wait();
	lockdep_os_irq_enter(LOCKDEP_OS_HARDIRQ);
	cookie = resv_fence_begin_signalling();
	CHECK(play("LpA UpA"));
	resv_fence_end_signalling(cookie);
	lockdep_os_irq_exit();
	CHECK(play("[h LpA UpA ]h"));
	resv_fence_might_wait();
	return NULL;
}

/* ---- The order that every driver keeps ------------------------------------------------------------------------- */

static void take_and_drop(struct resv_lockdep_map *map)
{
	take(map);
	drop(map);
}

static const char *driver_order_is_kept(void)
{
	struct resv_object w;
	struct resv_ww_acquire_ctx ctx;

	resv_init(&w);
	CHECK(resv_lockdep_declare_driver_order() == 0);
	CHECK(resv_lockdep_declare_driver_order() == 0);
	take(&resv_lockdep_mmap_lock);
	resv_ww_acquire_init(&ctx, &resv_reservation_ww_class);
	CHECK(resv_lock(&w, &ctx) == 0);
	reclaim_begin();
	resv_fence_might_wait();
	reclaim_end();
	resv_fence_might_wait();
	resv_unlock(&w);
	resv_ww_acquire_fini(&ctx);
	drop(&resv_lockdep_mmap_lock);
	return NULL;
}

static const char *driver_order_mmap_lock_too_late(void)
{
	struct resv_object w;

	resv_init(&w);
	CHECK(resv_lockdep_declare_driver_order() == 0);
	CHECK(resv_lock(&w, NULL) == 0);
	CHECK(NO_REPORT());
	take_and_drop(&resv_lockdep_mmap_lock);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	resv_unlock(&w);
	return NULL;
}

static const char *driver_order_mmap_lock_in_context(void)
{
	struct resv_ww_acquire_ctx ctx;

	CHECK(resv_lockdep_declare_driver_order() == 0);
	resv_ww_acquire_init(&ctx, &resv_reservation_ww_class);
	CHECK(NO_REPORT());
	take_and_drop(&resv_lockdep_mmap_lock);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	resv_ww_acquire_fini(&ctx);
	return NULL;
}

static const char *driver_order_reserve_in_reclaim(void)
{
	struct resv_object w;

	resv_init(&w);
	CHECK(resv_lockdep_declare_driver_order() == 0);
	reclaim_begin();
	CHECK(try_reserve(&w));
	CHECK(NO_REPORT());
	CHECK(reserve(&w));
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	reclaim_end();
	return NULL;
}

static const char *driver_order_allocate_while_signalling(void)
{
	bool cookie;

	CHECK(resv_lockdep_declare_driver_order() == 0);
	cookie = resv_fence_begin_signalling();
	allocate(false);
	CHECK(NO_REPORT());
	allocate(true);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	resv_fence_end_signalling(cookie);
	return NULL;
}

static const char *driver_order_was_broken_before(void)
{
	struct resv_object w;

	resv_init(&w);
	CHECK(resv_lock(&w, NULL) == 0);
	take_and_drop(&resv_lockdep_mmap_lock);
	resv_unlock(&w);
	CHECK(NO_REPORT());
	CHECK(resv_lockdep_declare_driver_order() == -EDEADLK);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	return NULL;
}

/* ---- Allocations that may have to free memory first ------------------------------------------------------------ */

/* Memory is freed, and that allocates some, without freeing. */
static const char *fs_reclaim_correct_nesting(void)
{
	reclaim_begin();
	CHECK(resv_lockdep_is_held(&resv_lockdep_fs_reclaim) == RESV_LOCK_STATE_HELD);
	allocate(false);
	reclaim_end();
	return NULL;
}

static const char *fs_reclaim_wrong_nesting(void)
{
	reclaim_begin();
	allocate(true);
	CHECK(REPORTED(RESV_REPORT_RECURSION));
	reclaim_end();
	return NULL;
}

/* The same, where a section that holds for all callees forbids freeing. */
static const char *fs_reclaim_protected_nesting(void)
{
	bool may_reclaim = true;

	allocate(may_reclaim);
	reclaim_begin();
	may_reclaim = false;
	allocate(may_reclaim);
	may_reclaim = true;
	reclaim_end();
	allocate(may_reclaim);
	return NULL;
}

/* ---- The list -------------------------------------------------------------------------------------------------- */

static const struct lockdep_function sections_functions[] = {
	REPORTS(sections_nest),
	REPORTS(section_ends_unopened),
	SILENT(section_of_another_task),
	SILENT(section_and_other_locks),

	SILENT(signalling_and_lock_either_way),
	REPORTS(wait_under_lock_of_signaller),
	REPORTS(lock_of_signaller_and_wait_under_it),
	REPORTS(wait_while_signalling),
	REPORTS(signalling_ends),
	SILENT(wait_with_reservation),
	REPORTS(reserve_while_signalling),
	SILENT(signalling_in_interrupt),

	SILENT(driver_order_is_kept),
	REPORTS(driver_order_mmap_lock_too_late),
	REPORTS(driver_order_mmap_lock_in_context),
	REPORTS(driver_order_reserve_in_reclaim),
	REPORTS(driver_order_allocate_while_signalling),
	REPORTS(driver_order_was_broken_before),
};

const struct lockdep_family lockdep_sections = {"sections", NULL, 0, sections_functions,
						COUNT(sections_functions)};

static const struct lockdep_function reclaim_functions[] = {
	SILENT(fs_reclaim_correct_nesting),
	REPORTS(fs_reclaim_wrong_nesting),
	SILENT(fs_reclaim_protected_nesting),
};

const struct lockdep_family lockdep_reclaim = {"reclaim", NULL, 0, reclaim_functions,
					       COUNT(reclaim_functions)};
