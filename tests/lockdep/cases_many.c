/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Many reservations at once: they take a constant part of what the annotator has for a task, and hide nothing. */
#include "../calm.h"
#include "cases_internal.h"
#include "cases_os.h"

#define MANY 60 /* Linux gives up at 48, if they do not nest */
#if RESV_LOCKDEP_HELD < MANY + 2
#define MANY_ALONE (RESV_LOCKDEP_HELD - 2)
#else
#define MANY_ALONE MANY
#endif
#define MORE (RESV_LOCKDEP_HELD + MANY) /* than there is room for, if they do not nest */

/* Reserves them all, injected -EDEADLK or not. */
static int reserve_all(struct resv_object *objs, unsigned count, struct resv_ww_acquire_ctx *ctx)
{
	for (unsigned i = 0; i < count; i++) {
		int err = resv_lock(&objs[i], ctx);

		if (err == -EDEADLK) {
			resv_ww_acquire_unlock_all(ctx);
			resv_lock_slow(&objs[i], ctx);
			i = (unsigned)-1;
		} else if (err && err != -EALREADY) {
			return err;
		}
	}
	return 0;
}

static unsigned long lost_held(void)
{
	struct resv_lockdep_stats stats = {0};

	resv_lockdep_stats(&stats);
	return stats.lost_held;
}

/* With many held, a bug is found: another of the class, waited for; and X, before and after. */
static const char *many_and_a_bug(struct resv_object *another, unsigned lost)
{
	CHECK(lost_held() == lost);
	CHECK(NO_REPORT());
	CHECK(play("LmX UmX"));
	CHECK(NO_REPORT());
	CHECK(resv_lock(another, NULL) == 0);
	CHECK(REPORTED(RESV_REPORT_RECURSION));
	resv_unlock(another);
	return NULL;
}

static const char *one_after_many(struct resv_object *obj)
{
	CHECK(play("LmX"));
	CHECK(NO_REPORT());
	CHECK(resv_lock(obj, NULL) == 0);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	resv_unlock(obj);
	CHECK(play("UmX"));
	return NULL;
}

static const char *many_in_context(void)
{
	static struct resv_object objs[MANY + 1];
	struct resv_ww_acquire_ctx ctx;
	const char *failure;

	for (unsigned i = 0; i <= MANY; i++)
		resv_init(&objs[i]);
	resv_ww_acquire_init(&ctx, &resv_reservation_ww_class);
	CHECK(reserve_all(objs, MANY, &ctx) == 0);
	failure = many_and_a_bug(&objs[MANY], 0);
	if (failure)
		return failure;
	for (unsigned i = 0; i < MANY; i++)
		resv_unlock(&objs[i]);
	resv_ww_acquire_fini(&ctx);
	return one_after_many(&objs[0]);
}

static const char *many_trylocks(struct resv_ww_acquire_ctx *ctx, unsigned count, unsigned lost)
{
	static struct resv_object objs[MORE + 1];
	const char *failure;

	for (unsigned i = 0; i <= count; i++)
		resv_init(&objs[i]);
	for (unsigned i = 0; i < count; i++)
		CHECK(resv_trylock(&objs[i], ctx));
	failure = many_and_a_bug(&objs[count], lost);
	if (failure)
		return failure;
	for (unsigned i = 0; i < count; i++)
		resv_unlock(&objs[i]);
	return one_after_many(&objs[0]);
}

static const char *many_trylocks_without_context(void)
{
	return many_trylocks(NULL, MANY_ALONE, 0);
}

/* What there is no room for is not checked; what comes after is checked against the others. */
static const char *more_trylocks_than_there_is_room_for(void)
{
	return many_trylocks(NULL, MORE, MORE - RESV_LOCKDEP_HELD);
}

static const char *many_trylocks_in_context(void)
{
	struct resv_ww_acquire_ctx ctx;
	const char *failure;

	resv_ww_acquire_init(&ctx, &resv_reservation_ww_class);
	failure = many_trylocks(&ctx, MANY, 0);
	resv_ww_acquire_fini(&ctx);
	return failure;
}

/* Blocking and trying in turn, in one context: still one entry. */
static const char *many_in_both_ways(void)
{
	static struct resv_object objs[MANY + 1];
	struct resv_ww_acquire_ctx ctx;
	const char *failure;

	for (unsigned i = 0; i <= MANY; i++)
		resv_init(&objs[i]);
	resv_ww_acquire_init(&ctx, &resv_reservation_ww_class);
	CHECK(outlast_injection(&ctx, &resv_reservation_ww_class));
	for (unsigned i = 0; i < MANY; i += 2) {
		CHECK(resv_lock(&objs[i], &ctx) == 0);
		CHECK(resv_trylock(&objs[i + 1], &ctx));
	}
	failure = many_and_a_bug(&objs[MANY], 0);
	resv_ww_acquire_unlock_all(&ctx);
	resv_ww_acquire_fini(&ctx);
	return failure;
}

#define VERY_MANY 100000u

static const char *very_many(struct resv_object *objs)
{
	struct resv_ww_acquire_ctx ctx;
	const char *failure;

	for (unsigned i = 0; i <= VERY_MANY; i++)
		resv_init(&objs[i]);
	resv_ww_acquire_init(&ctx, &resv_reservation_ww_class);
	CHECK(reserve_all(objs, VERY_MANY, &ctx) == 0);
	failure = many_and_a_bug(&objs[VERY_MANY], 0);
	if (failure)
		return failure;
	for (unsigned i = 0; i < VERY_MANY / 2; i++)
		resv_unlock(&objs[i]);
	for (unsigned i = VERY_MANY / 2; i < VERY_MANY; i++)
		CHECK(resv_locking_ctx(&objs[i]) == &ctx);
	resv_ww_acquire_unlock_all(&ctx);
	resv_ww_acquire_fini(&ctx);
	return one_after_many(&objs[0]);
}

static const char *very_many_in_context(void)
{
	struct resv_object *objs = lockdep_os_alloc((VERY_MANY + 1) * sizeof(*objs));
	const char *failure;

	CHECK(objs);
	failure = very_many(objs);
	lockdep_os_free(objs);
	return failure;
}

/* Nobody holds a lock because others of its class are held. */
static const char *one_of_many_that_is_not_held(void)
{
	static struct resv_object objs[MANY + 1];
	struct resv_ww_acquire_ctx ctx;

	for (unsigned i = 0; i <= MANY; i++)
		resv_init(&objs[i]);
	resv_ww_acquire_init(&ctx, &resv_reservation_ww_class);
	CHECK(reserve_all(objs, MANY, &ctx) == 0);
	for (unsigned i = 0; i < MANY; i++)
		resv_assert_held(&objs[i]);
	CHECK(NO_REPORT());
	resv_assert_held(&objs[MANY]);
	CHECK(REPORTED(RESV_REPORT_NOT_HELD));
	resv_unlock(&objs[MANY]);
	CHECK(REPORTED(RESV_REPORT_UNLOCK_FREE));
	resv_unlock(&objs[1]);
	CHECK(NO_REPORT());
	resv_assert_held(&objs[1]);
	CHECK(REPORTED(RESV_REPORT_NOT_HELD));
	resv_ww_acquire_unlock_all(&ctx);
	resv_ww_acquire_fini(&ctx);
	return NULL;
}

/* ---- The list -------------------------------------------------------------------------------------------------- */

static const struct lockdep_function many_functions[] = {
	REPORTS(many_in_context),
	REPORTS(many_trylocks_without_context),
	{"more_trylocks_than_there_is_room_for", more_trylocks_than_there_is_room_for, true, 1},
	REPORTS(many_trylocks_in_context),
	REPORTS(many_in_both_ways),
	REPORTS(very_many_in_context),
	REPORTS(one_of_many_that_is_not_held),
};

const struct lockdep_family lockdep_many = {"many", NULL, 0, many_functions, COUNT(many_functions)};
