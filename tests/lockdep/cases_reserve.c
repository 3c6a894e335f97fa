/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Reservations, and waits for their end. `mX` is a lock around them, a mutex. Nobody ever waits here: a wait that
 * might have been is what counts.
 */
#include "../calm.h"
#include "cases_internal.h"
#include "cases_os.h"

/* ---- Each way to reserve, and to wait -------------------------------------------------------------------------- */

struct scene {
	struct resv_object w, w2, w3;
	struct resv_ww_acquire_ctx ctx;
	struct resv_ww_acquire_ctx other; /* the other task's */
	bool other_failed;
};

static void set_up(struct scene *s)
{
	resv_init(&s->w);
	resv_init(&s->w2);
	resv_init(&s->w3);
	s->other_failed = false;
}

static void begin(struct scene *s)
{
	resv_ww_acquire_init(&s->ctx, &resv_reservation_ww_class);
}

static bool begin_calm(struct scene *s)
{
	begin(s);
	return outlast_injection(&s->ctx, &resv_reservation_ww_class);
}

static void end(struct scene *s)
{
	resv_ww_acquire_unlock_all(&s->ctx);
	resv_ww_acquire_fini(&s->ctx);
}

/* Somebody takes X while he holds the reservation. */
static bool x_comes_after(struct resv_object *w)
{
	if (resv_lock(w, NULL) != 0 || !play("LmX UmX"))
		return false;
	resv_unlock(w);
	return NO_REPORT();
}

enum way {
	LOCK,
	LOCK_INTERRUPTIBLE,
	LOCK_WITH_CONTEXT,
	LOCK_INTERRUPTIBLE_WITH_CONTEXT,
	EXEC_LOCK_OBJ,
	EXEC_RESERVE,
	WAIT,
	WAIT_INTERRUPTIBLE,
	WAIT_WITH_CONTEXT,
	TRY,
	TRY_WITH_CONTEXT,
};

static bool has_context(enum way way)
{
	return way == LOCK_WITH_CONTEXT || way == LOCK_INTERRUPTIBLE_WITH_CONTEXT ||
	       way == WAIT_WITH_CONTEXT || way == TRY_WITH_CONTEXT;
}

/* Reserves the object or waits for it, and ends that. */
static bool use(struct scene *s, enum way way)
{
	struct resv_object *objs[] = {&s->w, &s->w2};
	struct resv_exec exec;
	int err = -EINVAL;

	if (has_context(way))
		begin(s);
	switch (way) {
	case LOCK:
		err = resv_lock(&s->w, NULL);
		break;
	case LOCK_INTERRUPTIBLE:
		err = resv_lock_interruptible(&s->w, NULL);
		break;
	case LOCK_WITH_CONTEXT:
		err = resv_lock(&s->w, &s->ctx);
		break;
	case LOCK_INTERRUPTIBLE_WITH_CONTEXT:
		err = resv_lock_interruptible(&s->w, &s->ctx);
		break;
	case EXEC_LOCK_OBJ:
		resv_exec_init(&exec, 0);
		resv_exec_until_all_locked (&exec) {
			err = resv_exec_lock_obj(&exec, &s->w);
			resv_exec_retry_on_contention(&exec);
		}
		resv_exec_fini(&exec);
		return err == 0;
	case EXEC_RESERVE:
		resv_exec_init(&exec, 0);
		err = resv_exec_reserve(&exec, objs, COUNT(objs), 0);
		resv_exec_fini(&exec);
		return err == 0;
	case WAIT:
		return resv_wait_for_unreserve(&s->w, NULL, false) == 0;
	case WAIT_INTERRUPTIBLE:
		return resv_wait_for_unreserve(&s->w, NULL, true) == 0;
	case WAIT_WITH_CONTEXT:
		err = resv_wait_for_unreserve(&s->w, &s->ctx, false);
		end(s);
		return err == 0;
	case TRY:
		err = resv_trylock(&s->w, NULL) ? 0 : -EBUSY;
		break;
	case TRY_WITH_CONTEXT:
		err = resv_trylock(&s->w, &s->ctx) ? 0 : -EBUSY;
		break;
	}
	if (err == 0)
		resv_unlock(&s->w);
	if (has_context(way))
		end(s);
	return err == 0;
}

/* X is held, which elsewhere is taken under the reservation. */
static const char *under_x(enum way way)
{
	struct scene s;
	bool waits = way != TRY && way != TRY_WITH_CONTEXT;

	set_up(&s);
	CHECK(x_comes_after(&s.w));
	CHECK(play("LmX"));
	CHECK(use(&s, way));
	CHECK(waits ? REPORTED(RESV_REPORT_CIRCULAR) : NO_REPORT());
	CHECK(use(&s, way));
	CHECK(NO_REPORT());
	CHECK(play("UmX"));
	return NULL;
}

/* The same, but X under the reservation comes later. */
static const char *before_x(enum way way)
{
	struct scene s;
	bool waits = way != TRY && way != TRY_WITH_CONTEXT;

	set_up(&s);
	CHECK(play("LmX"));
	CHECK(use(&s, way));
	CHECK(play("UmX"));
	CHECK(NO_REPORT());
	CHECK(resv_lock(&s.w, NULL) == 0);
	CHECK(play("LmX UmX"));
	CHECK(waits ? REPORTED(RESV_REPORT_CIRCULAR) : NO_REPORT());
	resv_unlock(&s.w);
	return NULL;
}

/* Where only trying is allowed. */
static const char *where_blocking_is_forbidden(enum way way)
{
	struct scene s;
	bool waits = way != TRY && way != TRY_WITH_CONTEXT;

	set_up(&s);
	resv_lockdep_no_blocking_begin();
	CHECK(use(&s, way));
	CHECK(waits ? REPORTED(RESV_REPORT_BLOCKING) : NO_REPORT());
	resv_lockdep_no_blocking_end();
	CHECK(use(&s, way));
	CHECK(NO_REPORT());
	return NULL;
}

#define EACH_WAY(X)                                                         \
	X(lock, LOCK)                                                       \
	X(lock_interruptible, LOCK_INTERRUPTIBLE)                           \
	X(lock_with_context, LOCK_WITH_CONTEXT)                             \
	X(lock_interruptible_with_context, LOCK_INTERRUPTIBLE_WITH_CONTEXT) \
	X(exec_lock_obj, EXEC_LOCK_OBJ)                                     \
	X(exec_reserve, EXEC_RESERVE)                                       \
	X(wait_for_unreserve, WAIT)                                         \
	X(wait_for_unreserve_interruptible, WAIT_INTERRUPTIBLE)             \
	X(wait_for_unreserve_with_context, WAIT_WITH_CONTEXT)               \
	X(trylock, TRY)                                                     \
	X(trylock_with_context, TRY_WITH_CONTEXT)

#define DEFINE_WAY(name, way)                            \
	static const char *name##_under_x(void)          \
	{                                                \
		return under_x(way);                     \
	}                                                \
	static const char *name##_before_x(void)         \
	{                                                \
		return before_x(way);                    \
	}                                                \
	static const char *name##_is_blocking(void)      \
	{                                                \
		return where_blocking_is_forbidden(way); \
	}
EACH_WAY(DEFINE_WAY)

#define LIST_WAY(name, way)                                           \
	{#name "_under_x", name##_under_x, (way) < TRY, 0},           \
		{#name "_before_x", name##_before_x, (way) < TRY, 0}, \
		{#name "_is_blocking", name##_is_blocking, (way) < TRY, 0},

/* ---- Others of the class are held ------------------------------------------------------------------------------ */

static const char *lock_beside_another(void)
{
	struct scene s;

	set_up(&s);
	CHECK(resv_lock(&s.w, NULL) == 0);
	CHECK(resv_lock(&s.w2, NULL) == 0);
	CHECK(REPORTED(RESV_REPORT_RECURSION));
	resv_unlock(&s.w);
	resv_unlock(&s.w2);
	return NULL;
}

static const char *lock_beside_one_of_a_context(void)
{
	struct scene s;

	set_up(&s);
	begin(&s);
	CHECK(resv_lock(&s.w, &s.ctx) == 0);
	CHECK(resv_lock(&s.w2, NULL) == 0);
	CHECK(REPORTED(RESV_REPORT_RECURSION));
	resv_unlock(&s.w2);
	end(&s);
	return NULL;
}

static const char *trylock_beside_another(void)
{
	struct scene s;

	set_up(&s);
	CHECK(resv_lock(&s.w, NULL) == 0);
	CHECK(resv_trylock(&s.w2, NULL));
	CHECK(resv_trylock(&s.w3, NULL));
	resv_unlock(&s.w);
	resv_unlock(&s.w2);
	resv_unlock(&s.w3);
	return NULL;
}

static const char *wait_beside_another(void)
{
	struct scene s;

	set_up(&s);
	CHECK(resv_lock(&s.w, NULL) == 0);
	CHECK(resv_wait_for_unreserve(&s.w2, NULL, false) == 0);
	CHECK(REPORTED(RESV_REPORT_RECURSION));
	resv_unlock(&s.w);
	return NULL;
}

/* That is a rule of contexts, and reported as such. */
static const char *wait_beside_one_of_the_context(void)
{
	struct scene s;

	set_up(&s);
	begin(&s);
	CHECK(resv_lock(&s.w, &s.ctx) == 0);
	CHECK(resv_wait_for_unreserve(&s.w2, &s.ctx, false) == 0);
	CHECK(REPORTED(RESV_REPORT_WAIT_WHILE_HOLDING));
	end(&s);
	return NULL;
}

/* The context does not know of the other one, but the task holds it. */
static const char *wait_beside_one_without_the_context(void)
{
	struct scene s;

	set_up(&s);
	begin(&s);
	CHECK(resv_trylock(&s.w, NULL));
	CHECK(NO_REPORT());
	CHECK(resv_wait_for_unreserve(&s.w2, &s.ctx, false) == 0);
	CHECK(REPORTED(RESV_REPORT_RECURSION));
	resv_unlock(&s.w);
	end(&s);
	return NULL;
}

static const char *wait_holds_nothing(void)
{
	struct scene s;

	set_up(&s);
	CHECK(resv_wait_for_unreserve(&s.w, NULL, false) == 0);
	CHECK(play("LmX UmX | LmX"));
	CHECK(resv_lock(&s.w, NULL) == 0);
	CHECK(resv_trylock(&s.w2, NULL));
	resv_unlock(&s.w);
	resv_unlock(&s.w2);
	CHECK(play("UmX"));
	return NULL;
}

static const char *trylock_and_what_follows(void)
{
	struct scene s;

	set_up(&s);
	CHECK(resv_trylock(&s.w, NULL));
	CHECK(play("LmX UmX"));
	resv_unlock(&s.w);
	CHECK(play("LmX"));
	CHECK(NO_REPORT());
	CHECK(resv_lock(&s.w, NULL) == 0);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	resv_unlock(&s.w);
	CHECK(play("UmX"));
	return NULL;
}

/* A lock that the context has is no wait, even where one would be a bug. */
static const char *duplicate_waits_for_nobody(void)
{
	struct scene s;

	set_up(&s);
	begin(&s);
	CHECK(resv_lock(&s.w, &s.ctx) == 0);
	CHECK(play("LmX"));
	CHECK(resv_lock(&s.w, &s.ctx) == -EALREADY);
	CHECK(play("UmX"));
	end(&s);
	return NULL;
}

/* A context is a lock: X before it, and it before X. */
static const char *context_keeps_its_order(void)
{
	struct scene s;

	set_up(&s);
	begin(&s);
	CHECK(play("LmX UmX"));
	end(&s);
	CHECK(play("LmX"));
	CHECK(NO_REPORT());
	begin(&s);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	end(&s);
	CHECK(play("UmX"));
	return NULL;
}

/* N1 of LOCKDEP's false negatives with real locks: X between two of one context. */
static const char *N1_real_locks_linux_misses(void)
{
	struct scene s;

	set_up(&s);
	CHECK(begin_calm(&s));
	CHECK(resv_lock(&s.w, &s.ctx) == 0);
	CHECK(play("LmX"));
	CHECK(NO_REPORT());
	CHECK(resv_lock(&s.w2, &s.ctx) == 0);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	CHECK(play("UmX"));
	end(&s);
	return NULL;
}

static const char *N1_real_locks_linux_finds(void)
{
	struct scene s;

	set_up(&s);
	begin(&s);
	CHECK(resv_lock(&s.w, &s.ctx) == 0);
	CHECK(play("LmX"));
	resv_unlock(&s.w);
	CHECK(NO_REPORT());
	CHECK(resv_lock(&s.w2, &s.ctx) == 0);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	CHECK(play("UmX"));
	end(&s);
	return NULL;
}

/* N4 with real locks. */
static const char *N4_real_locks_linux_misses(void)
{
	struct scene s;

	set_up(&s);
	CHECK(begin_calm(&s));
	CHECK(resv_trylock(&s.w, NULL));
	CHECK(resv_lock(&s.w2, &s.ctx) == 0);
	resv_unlock(&s.w2);
	CHECK(NO_REPORT());
	CHECK(resv_lock(&s.w2, NULL) == 0);
	CHECK(REPORTED(RESV_REPORT_RECURSION));
	resv_unlock(&s.w2);
	resv_unlock(&s.w);
	end(&s);
	return NULL;
}

/* ---- After -EDEADLK -------------------------------------------------------------------------------------------- */

static void other_reserves_w2(void *data)
{
	struct scene *s = data;

	resv_ww_acquire_init(&s->other, &resv_reservation_ww_class);
	s->other_failed = !resv_trylock(&s->w2, &s->other);
}

static void other_ends(void *data)
{
	struct scene *s = data;

	resv_ww_acquire_unlock_all(&s->other);
	resv_ww_acquire_fini(&s->other);
}

/* We hold w, and get -EDEADLK for w2. */
static bool back_off(struct scene *s)
{
	set_up(s);
	lockdep_os_on_other_task(other_reserves_w2, s);
	return !s->other_failed && begin_calm(s) && resv_lock(&s->w, &s->ctx) == 0 &&
	       resv_lock(&s->w2, &s->ctx) == -EDEADLK && NO_REPORT();
}

static const char *back_off_and_wait(void)
{
	struct scene s;

	CHECK(back_off(&s));
	resv_unlock(&s.w);
	lockdep_os_on_other_task(other_ends, &s);
	CHECK(resv_wait_for_unreserve(&s.w2, &s.ctx, false) == 0);
	resv_lock_slow(&s.w2, &s.ctx);
	CHECK(resv_lock(&s.w, &s.ctx) == 0);
	end(&s);
	return NULL;
}

static const char *back_off_with_one_held(void)
{
	struct scene s;

	CHECK(back_off(&s));
	CHECK(resv_wait_for_unreserve(&s.w2, &s.ctx, false) == -EDEADLK);
	CHECK(REPORTED(RESV_REPORT_WAIT_WHILE_HOLDING));
	lockdep_os_on_other_task(other_ends, &s);
	end(&s);
	return NULL;
}

static const char *back_off_and_wait_for_another(void)
{
	struct scene s;

	CHECK(back_off(&s));
	resv_unlock(&s.w);
	CHECK(resv_wait_for_unreserve(&s.w3, &s.ctx, false) == 0);
	CHECK(REPORTED(RESV_REPORT_WRONG_LOCK));
	lockdep_os_on_other_task(other_ends, &s);
	end(&s);
	return NULL;
}

static const char *back_off_and_wait_with_x_held(void)
{
	struct scene s;

	CHECK(back_off(&s));
	resv_unlock(&s.w);
	lockdep_os_on_other_task(other_ends, &s);
	CHECK(resv_lock(&s.w3, NULL) == 0);
	CHECK(play("LmX UmX"));
	resv_unlock(&s.w3);
	CHECK(play("LmX"));
	CHECK(NO_REPORT());
	CHECK(resv_wait_for_unreserve(&s.w2, &s.ctx, false) == 0);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	CHECK(play("UmX"));
	end(&s);
	return NULL;
}

/* ---- The list -------------------------------------------------------------------------------------------------- */

static const struct lockdep_function reserve_functions[] = {
	EACH_WAY(LIST_WAY)

		REPORTS(lock_beside_another),
	REPORTS(lock_beside_one_of_a_context),
	SILENT(trylock_beside_another),
	REPORTS(wait_beside_another),
	REPORTS(wait_beside_one_of_the_context),
	REPORTS(wait_beside_one_without_the_context),
	SILENT(wait_holds_nothing),
	REPORTS(trylock_and_what_follows),
	SILENT(duplicate_waits_for_nobody),
	REPORTS(context_keeps_its_order),
	REPORTS(N1_real_locks_linux_misses),
	REPORTS(N1_real_locks_linux_finds),
	REPORTS(N4_real_locks_linux_misses),

	SILENT(back_off_and_wait),
	REPORTS(back_off_with_one_held),
	REPORTS(back_off_and_wait_for_another),
	REPORTS(back_off_and_wait_with_x_held),
};

const struct lockdep_family lockdep_reserve = {"reserve", NULL, 0, reserve_functions,
					       COUNT(reserve_functions)};
