/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Reservation objects and acquire contexts, each rule broken by each operation that can break it. */
#include "internal.h"

#include <string.h>

static RESV_DEFINE_WD_CLASS(other_class);

/* What rules are broken with. The objects and `ctx` are the caller's, `other` is an older context of the other task. */
struct scene {
	struct resv_object a, b;
	struct resv_ww_acquire_ctx ctx, other;
	struct resv_object *taken; /* by the other task, next */
	bool failed;
};

static bool begin(struct scene *s)
{
	resv_init(&s->a);
	resv_init(&s->b);
	resv_ww_acquire_init(&s->ctx, &resv_reservation_ww_class);
	return outlast_injection(&s->ctx, &resv_reservation_ww_class);
}

static bool all_free(const struct scene *s)
{
	return !resv_is_locked(&s->a) && !resv_is_locked(&s->b);
}

static bool end(struct scene *s)
{
	resv_ww_acquire_unlock_all(&s->ctx);
	resv_ww_acquire_abandon(&s->ctx);
	resv_ww_acquire_fini(&s->ctx);
	return all_free(s);
}

/* ---- The other task ---------------------------------------------------------------------------------------------- */

static void other_begins(void *data)
{
	struct scene *s = data;

	resv_ww_acquire_init(&s->other, &resv_reservation_ww_class);
	s->failed = s->taken && !resv_trylock(s->taken, &s->other);
}

static void other_ends(void *data)
{
	struct scene *s = data;

	resv_ww_acquire_unlock_all(&s->other);
	resv_ww_acquire_fini(&s->other);
}

/* For that, without a context. */
static void other_takes(void *data)
{
	struct scene *s = data;

	s->failed = !resv_trylock(s->taken, NULL);
}

static void other_drops(void *data)
{
	resv_unlock(((struct scene *)data)->taken);
}

static void on_other_task(struct scene *s, void (*function)(void *data))
{
	lockdep_os_on_other_task(function, s);
}

/* The other task has it; with or without a context. */
static bool begin_taken(struct scene *s, struct resv_object *taken, bool with_context)
{
	if (!begin(s))
		return false;
	s->taken = taken;
	on_other_task(s, with_context ? other_begins : other_takes);
	return !s->failed;
}

/* `ctx` holds a, and got -EDEADLK for b. */
static bool begin_deadlk(struct scene *s)
{
	return begin_taken(s, &s->b, true) && resv_lock(&s->a, &s->ctx) == 0 &&
	       resv_lock(&s->b, &s->ctx) == -EDEADLK && misuse_silent();
}

/* ---- All that can be done with an object and a context ------------------------------------------------------------ */

enum operation { LOCK, LOCK_INTERRUPTIBLE, TRYLOCK, LOCK_SLOW, WAIT };

/* Returns 0, or an error; -EINVAL for a trylock that was refused. What was taken is dropped. */
static int operate(enum operation operation, struct resv_object *obj, struct resv_ww_acquire_ctx *ctx)
{
	int err = -EINVAL;

	switch (operation) {
	case LOCK:
		err = resv_lock(obj, ctx);
		break;
	case LOCK_INTERRUPTIBLE:
		err = resv_lock_interruptible(obj, ctx);
		break;
	case TRYLOCK:
		err = resv_trylock(obj, ctx) ? 0 : -EINVAL;
		break;
	case LOCK_SLOW:
		err = resv_lock_slow_interruptible(obj, ctx);
		break;
	case WAIT:
		return resv_wait_for_unreserve(obj, ctx, false);
	}
	if (err == 0)
		resv_unlock(obj);
	return err;
}

/* name_lock(), ... for a function that is told which operation. */
#define BY_EACH_OPERATION(name)                       \
	static const char *name##_lock(void)          \
	{                                             \
		return name(LOCK);                    \
	}                                             \
	static const char *name##_interruptible(void) \
	{                                             \
		return name(LOCK_INTERRUPTIBLE);      \
	}                                             \
	static const char *name##_trylock(void)       \
	{                                             \
		return name(TRYLOCK);                 \
	}                                             \
	static const char *name##_slow(void)          \
	{                                             \
		return name(LOCK_SLOW);               \
	}                                             \
	static const char *name##_wait(void)          \
	{                                             \
		return name(WAIT);                    \
	}

#define LIST_EACH_OPERATION(how, name, report)                                                    \
	how(name##_lock, report), how(name##_interruptible, report), how(name##_trylock, report), \
		how(name##_slow, report), how(name##_wait, report)

/* ---- Object and context are alive --------------------------------------------------------------------------------- */

static const char *object_has_ended(enum operation operation)
{
	struct scene s;

	CHECK(begin(&s));
	resv_fini(&s.a);
	CHECK(operate(operation, &s.a, &s.ctx) == CHECKED(-EINVAL, 0));
	CHECK(end(&s));
	return NULL;
}
BY_EACH_OPERATION(object_has_ended)

static const char *object_has_ended_no_context(void)
{
	struct scene s;

	CHECK(begin(&s));
	resv_fini(&s.a);
	CHECK(operate(LOCK, &s.a, NULL) == CHECKED(-EINVAL, 0));
	CHECK(end(&s));
	return NULL;
}

/* Which cannot say so. */
static const char *object_has_ended_slow_without_result(void)
{
	struct scene s;

	CHECK(begin(&s));
	resv_fini(&s.a);
	resv_lock_slow(&s.a, &s.ctx);
	CHECK(end(&s));
	return NULL;
}

static const char *object_has_ended_unlock(void)
{
	struct scene s;

	CHECK(begin(&s));
	resv_fini(&s.a);
	resv_unlock(&s.a);
	CHECK(end(&s));
	return NULL;
}

static const char *object_has_ended_assert(void)
{
	struct scene s;

	CHECK(begin(&s));
	resv_fini(&s.a);
	resv_assert_held(&s.a);
	CHECK(end(&s));
	return NULL;
}

static const char *object_ends_twice(void)
{
	struct scene s;

	CHECK(begin(&s));
	resv_fini(&s.a);
	resv_fini(&s.a);
	CHECK(end(&s));
	return NULL;
}

static const char *object_was_never_made(void)
{
	struct scene s;

	CHECK(begin(&s));
	memset(&s.a, 0, sizeof(s.a));
	CHECK(operate(LOCK, &s.a, &s.ctx) == -EINVAL);
	CHECK(end(&s));
	return NULL;
}

static const char *context_has_ended(enum operation operation)
{
	struct scene s;

	CHECK(begin(&s));
	CHECK(end(&s));
	CHECK(operate(operation, &s.a, &s.ctx) == -EINVAL);
	CHECK(all_free(&s));
	return NULL;
}
BY_EACH_OPERATION(context_has_ended)

static const char *call_of_ended(void (*function)(struct resv_ww_acquire_ctx *ctx))
{
	struct scene s;

	CHECK(begin(&s));
	CHECK(end(&s));
	function(&s.ctx);
	return NULL;
}

static const char *context_has_ended_done(void)
{
	return call_of_ended(resv_ww_acquire_done);
}

static const char *context_has_ended_abandon(void)
{
	return call_of_ended(resv_ww_acquire_abandon);
}

static const char *context_has_ended_unlock_all(void)
{
	return call_of_ended(resv_ww_acquire_unlock_all);
}

/* ---- They are of one class ---------------------------------------------------------------------------------------- */

static const char *another_class(enum operation operation)
{
	struct scene s;

	resv_init(&s.a);
	resv_ww_acquire_init(&s.ctx, &other_class);
	CHECK(operate(operation, &s.a, &s.ctx) == CHECKED(-EINVAL, 0));
	resv_ww_acquire_fini(&s.ctx);
	CHECK(!resv_is_locked(&s.a));
	return NULL;
}
BY_EACH_OPERATION(another_class)

/* ---- The context is the calling task's ---------------------------------------------------------------------------- */

static const char *foreign_context(enum operation operation)
{
	struct scene s;

	CHECK(begin_taken(&s, NULL, true));
	CHECK(operate(operation, &s.a, &s.other) == -EINVAL);
	on_other_task(&s, other_ends);
	CHECK(end(&s));
	return NULL;
}
BY_EACH_OPERATION(foreign_context)

static const char *foreign_context_unlock_all(void)
{
	struct scene s;

	CHECK(begin_taken(&s, &s.a, true));
	resv_ww_acquire_unlock_all(&s.other);
	CHECK(resv_locking_ctx(&s.a) == &s.other);
	on_other_task(&s, other_ends);
	CHECK(end(&s));
	return NULL;
}

static void other_finishes(void *data)
{
	resv_ww_acquire_done(&((struct scene *)data)->ctx);
}

/* Or the lock would come after that. */
static const char *foreign_context_done_does_nothing(void)
{
	struct scene s;

	CHECK(begin(&s));
	on_other_task(&s, other_finishes);
	CHECK(operate(LOCK, &s.a, &s.ctx) == 0);
	CHECK(end(&s));
	return NULL;
}

static void other_abandons(void *data)
{
	resv_ww_acquire_abandon(&((struct scene *)data)->ctx);
}

/* Or lock_slow() would come without -EDEADLK. */
static const char *foreign_context_abandon_does_nothing(void)
{
	struct scene s;

	CHECK(begin_deadlk(&s));
	on_other_task(&s, other_abandons);
	resv_ww_acquire_unlock_all(&s.ctx);
	on_other_task(&s, other_ends);
	resv_lock_slow(&s.b, &s.ctx);
	CHECK(resv_locking_ctx(&s.b) == &s.ctx);
	CHECK(end(&s));
	return NULL;
}

static void other_finis(void *data)
{
	resv_ww_acquire_fini(&((struct scene *)data)->ctx);
}

static const char *foreign_context_fini_does_nothing(void)
{
	struct scene s;

	CHECK(begin(&s));
	on_other_task(&s, other_finis);
	CHECK(operate(LOCK, &s.a, &s.ctx) == 0);
	CHECK(end(&s));
	return NULL;
}

/* ---- Nothing is locked after done(), which comes once -------------------------------------------------------------- */

static const char *trylock_after_done(void)
{
	struct scene s;

	CHECK(begin(&s));
	resv_ww_acquire_done(&s.ctx);
	CHECK(resv_trylock(&s.a, &s.ctx));
	CHECK(end(&s));
	return NULL;
}

static const char *slow_after_done(void)
{
	struct scene s;

	CHECK(begin_deadlk(&s));
	resv_ww_acquire_unlock_all(&s.ctx);
	on_other_task(&s, other_ends);
	resv_ww_acquire_done(&s.ctx);
	resv_lock_slow(&s.b, &s.ctx);
	CHECK(end(&s));
	return NULL;
}

static const char *done_twice_while_holding(void)
{
	struct scene s;

	CHECK(begin(&s));
	CHECK(resv_lock(&s.a, &s.ctx) == 0);
	resv_ww_acquire_done(&s.ctx);
	resv_ww_acquire_done(&s.ctx);
	CHECK(resv_locking_ctx(&s.a) == &s.ctx);
	CHECK(end(&s));
	return NULL;
}

/* ---- After -EDEADLK everything is dropped, and then that very object is next --------------------------------------- */

static const char *deadlk_no_unlock_trylock(void)
{
	struct scene s;

	CHECK(begin_deadlk(&s));
	on_other_task(&s, other_ends);
	CHECK(resv_trylock(&s.b, &s.ctx));
	CHECK(end(&s));
	return NULL;
}

static const char *deadlk_wrong_trylock(void)
{
	struct scene s;

	CHECK(begin_deadlk(&s));
	resv_ww_acquire_unlock_all(&s.ctx);
	on_other_task(&s, other_ends);
	CHECK(resv_trylock(&s.a, &s.ctx));
	CHECK(resv_lock(&s.b, &s.ctx) == 0); /* said once */
	CHECK(end(&s));
	return NULL;
}

static const char *deadlk_wrong_wait(void)
{
	struct scene s;

	CHECK(begin_deadlk(&s));
	resv_ww_acquire_unlock_all(&s.ctx);
	on_other_task(&s, other_ends);
	CHECK(resv_wait_for_unreserve(&s.a, &s.ctx, false) == 0);
	CHECK(end(&s));
	return NULL;
}

static const char *deadlk_ignored(void)
{
	struct scene s;

	CHECK(begin_deadlk(&s));
	CHECK(resv_lock(&s.b, &s.ctx) == -EDEADLK);
	resv_ww_acquire_unlock_all(&s.ctx);
	on_other_task(&s, other_ends);
	CHECK(end(&s));
	return NULL;
}

static const char *deadlk_ignored_slow(void)
{
	struct scene s;

	CHECK(begin_deadlk(&s));
	CHECK(resv_lock_slow_interruptible(&s.b, &s.ctx) == -EDEADLK);
	resv_ww_acquire_unlock_all(&s.ctx);
	on_other_task(&s, other_ends);
	CHECK(end(&s));
	return NULL;
}

/* ---- lock_slow() comes after -EDEADLK alone, and holds nothing ----------------------------------------------------- */

static const char *slow_without_deadlk(void)
{
	struct scene s;

	CHECK(begin(&s));
	CHECK(resv_lock_slow_interruptible(&s.a, &s.ctx) == 0);
	CHECK(end(&s));
	return NULL;
}

static const char *slow_without_context(void)
{
	struct scene s;

	CHECK(begin(&s));
	resv_lock_slow(&s.a, NULL);
	resv_unlock(&s.a);
	CHECK(end(&s));
	return NULL;
}

static const char *slow_again(void)
{
	struct scene s;

	CHECK(begin_deadlk(&s));
	resv_ww_acquire_unlock_all(&s.ctx);
	on_other_task(&s, other_ends);
	resv_lock_slow(&s.b, &s.ctx);
	resv_unlock(&s.b);
	CHECK(misuse_silent());
	resv_lock_slow(&s.b, &s.ctx);
	CHECK(end(&s));
	return NULL;
}

static const char *slow_after_abandon(void)
{
	struct scene s;

	CHECK(begin_deadlk(&s));
	resv_ww_acquire_unlock_all(&s.ctx);
	on_other_task(&s, other_ends);
	resv_ww_acquire_abandon(&s.ctx);
	CHECK(misuse_silent());
	resv_lock_slow(&s.b, &s.ctx);
	CHECK(end(&s));
	return NULL;
}

static const char *slow_of_held_object(void)
{
	struct scene s;

	CHECK(begin(&s));
	CHECK(resv_lock(&s.a, &s.ctx) == 0);
	resv_lock_slow(&s.a, &s.ctx);
	CHECK(end(&s));
	return NULL;
}

static const char *slow_while_holding(void)
{
	struct scene s;

	CHECK(begin_deadlk(&s));
	resv_lock_slow(&s.b, &s.ctx);
	CHECK(resv_locking_ctx(&s.b) == &s.other);
	resv_ww_acquire_unlock_all(&s.ctx);
	on_other_task(&s, other_ends);
	CHECK(end(&s));
	return NULL;
}

/* ---- An object is released by the task that holds it --------------------------------------------------------------- */

static const char *unlock_free(void)
{
	struct scene s;

	CHECK(begin(&s));
	resv_unlock(&s.a);
	CHECK(end(&s));
	return NULL;
}

static const char *unlock_twice(void)
{
	struct scene s;

	CHECK(begin(&s));
	CHECK(operate(LOCK, &s.a, &s.ctx) == 0);
	CHECK(misuse_silent());
	resv_unlock(&s.a);
	CHECK(end(&s));
	return NULL;
}

static const char *unlock_foreign(void)
{
	struct scene s;

	CHECK(begin_taken(&s, &s.a, true));
	resv_unlock(&s.a);
	CHECK(resv_locking_ctx(&s.a) == &s.other);
	on_other_task(&s, other_ends);
	CHECK(end(&s));
	return NULL;
}

static const char *unlock_foreign_without_context(void)
{
	struct scene s;

	CHECK(begin_taken(&s, &s.a, false));
	resv_unlock(&s.a);
	CHECK(resv_is_locked(&s.a));
	on_other_task(&s, other_drops);
	CHECK(end(&s));
	return NULL;
}

/* ---- Nothing is held at the end, or destroyed while it is in use --------------------------------------------------- */

static const char *fini_while_holding_two(void)
{
	struct scene s;

	CHECK(begin(&s));
	CHECK(resv_trylock(&s.a, &s.ctx) && resv_trylock(&s.b, &s.ctx));
	resv_ww_acquire_fini(&s.ctx);
	CHECK(all_free(&s));
	return NULL;
}

static const char *destroy_held(void)
{
	struct scene s;

	CHECK(begin(&s));
	CHECK(resv_trylock(&s.a, &s.ctx));
	resv_fini(&s.a);
	resv_unlock(&s.a); /* it still works */
	CHECK(end(&s));
	return NULL;
}

static const char *destroy_held_without_context(void)
{
	struct scene s;

	CHECK(begin(&s));
	CHECK(resv_trylock(&s.a, NULL));
	resv_fini(&s.a);
	resv_unlock(&s.a);
	CHECK(end(&s));
	return NULL;
}

static const char *destroy_held_mutex(void)
{
	struct resv_ww_mutex mutex;

	resv_ww_mutex_init(&mutex, &resv_reservation_ww_class);
	CHECK(resv_ww_mutex_trylock(&mutex, NULL));
	resv_ww_mutex_destroy(&mutex);
	resv_ww_mutex_unlock(&mutex);
	return NULL;
}

/* ---- No task waits for an object that it holds itself --------------------------------------------------------------- */

static const char *self_deadlock(bool holds_in_ctx, enum operation operation, bool waits_in_ctx)
{
	struct scene s;

	CHECK(begin(&s));
	CHECK(resv_lock(&s.a, holds_in_ctx ? &s.ctx : NULL) == 0);
	CHECK(operate(operation, &s.a, waits_in_ctx ? &s.ctx : NULL) == -EALREADY);
	CHECK((resv_locking_ctx(&s.a) == &s.ctx) == holds_in_ctx);
	resv_unlock(&s.a);
	CHECK(end(&s));
	return NULL;
}

static const char *held_then_lock(void)
{
	return self_deadlock(false, LOCK, false);
}

static const char *held_then_lock_in_context(void)
{
	return self_deadlock(false, LOCK, true);
}

static const char *held_in_context_then_lock(void)
{
	return self_deadlock(true, LOCK, false);
}

static const char *held_then_wait(void)
{
	return self_deadlock(false, WAIT, false);
}

static const char *held_in_context_then_wait(void)
{
	return self_deadlock(true, WAIT, true);
}

/* The second context itself is the annotator's to report. */
static const char *held_in_another_context_then_lock(void)
{
	struct scene s;

	CHECK(begin(&s));
	CHECK(resv_lock(&s.a, &s.ctx) == 0);
	resv_ww_acquire_init(&s.other, &resv_reservation_ww_class);
	CHECK(resv_lock(&s.a, &s.other) == -EALREADY);
	resv_ww_acquire_fini(&s.other);
	CHECK(end(&s));
	return NULL;
}

/* ---- No task waits for an unreserve while it holds others ----------------------------------------------------------- */

static const char *wait_while_holding(void)
{
	struct scene s;

	CHECK(begin_taken(&s, &s.b, true));
	CHECK(resv_lock(&s.a, &s.ctx) == 0);
	CHECK(resv_wait_for_unreserve(&s.b, &s.ctx, false) == -EDEADLK);
	on_other_task(&s, other_ends);
	CHECK(end(&s));
	return NULL;
}

static const char *wait_while_holding_for_free(void)
{
	struct scene s;

	CHECK(begin(&s));
	CHECK(resv_lock(&s.a, &s.ctx) == 0);
	CHECK(resv_wait_for_unreserve(&s.b, &s.ctx, false) == 0);
	CHECK(end(&s));
	return NULL;
}

/* ---- What should be held --------------------------------------------------------------------------------------------- */

static const char *assert_free(void)
{
	struct scene s;

	CHECK(begin(&s));
	resv_lockdep_assert_held(&s.a);
	CHECK(end(&s));
	return NULL;
}

static const char *assert_held_by_another(void)
{
	struct scene s;

	CHECK(begin_taken(&s, &s.a, true));
	resv_lockdep_assert_held(&s.a);
	on_other_task(&s, other_ends);
	CHECK(end(&s));
	return NULL;
}

static const char *assert_held_by_another_without_context(void)
{
	struct scene s;

	CHECK(begin_taken(&s, &s.a, false));
	resv_lockdep_assert_held(&s.a);
	on_other_task(&s, other_drops);
	CHECK(end(&s));
	return NULL;
}

/* ---- The list -------------------------------------------------------------------------------------------------------- */

static const struct misuse_case cases[] = {
	LIST_EACH_OPERATION(MISUSE, object_has_ended, RESV_REPORT_UNINITIALIZED),
	MISUSE(object_has_ended_no_context, RESV_REPORT_UNINITIALIZED),
	HARM(object_has_ended_slow_without_result, RESV_REPORT_UNINITIALIZED, RESV_REPORT_SLOW_FAILED),
	HARM(object_has_ended_unlock, RESV_REPORT_UNINITIALIZED),
	MISUSE(object_has_ended_assert, RESV_REPORT_UNINITIALIZED),
	MISUSE(object_ends_twice, RESV_REPORT_UNINITIALIZED),
	HARM(object_was_never_made, RESV_REPORT_UNINITIALIZED),
	LIST_EACH_OPERATION(HARM, context_has_ended, RESV_REPORT_UNINITIALIZED),
	HARM(context_has_ended_done, RESV_REPORT_UNINITIALIZED),
	HARM(context_has_ended_abandon, RESV_REPORT_UNINITIALIZED),
	HARM(context_has_ended_unlock_all, RESV_REPORT_UNINITIALIZED),

	LIST_EACH_OPERATION(MISUSE, another_class, RESV_REPORT_WRONG_CLASS),

	LIST_EACH_OPERATION(HARM, foreign_context, RESV_REPORT_FOREIGN_CONTEXT),
	HARM(foreign_context_unlock_all, RESV_REPORT_FOREIGN_CONTEXT),
	HARM(foreign_context_done_does_nothing, RESV_REPORT_FOREIGN_CONTEXT),
	HARM(foreign_context_abandon_does_nothing, RESV_REPORT_FOREIGN_CONTEXT),
	HARM(foreign_context_fini_does_nothing, RESV_REPORT_FOREIGN_CONTEXT),

	MISUSE(trylock_after_done, RESV_REPORT_LOCK_AFTER_DONE),
	MISUSE(slow_after_done, RESV_REPORT_LOCK_AFTER_DONE),
	MISUSE(done_twice_while_holding, RESV_REPORT_DONE_TWICE),

	MISUSE(deadlk_no_unlock_trylock, RESV_REPORT_STILL_HOLDING),
	MISUSE(deadlk_wrong_trylock, RESV_REPORT_WRONG_LOCK),
	MISUSE(deadlk_wrong_wait, RESV_REPORT_WRONG_LOCK),
	MISUSE(deadlk_ignored, RESV_REPORT_DEADLK_IGNORED),
	MISUSE(deadlk_ignored_slow, RESV_REPORT_DEADLK_IGNORED),

	MISUSE(slow_without_deadlk, RESV_REPORT_SLOW_WITHOUT_DEADLK),
	MISUSE(slow_without_context, RESV_REPORT_SLOW_WITHOUT_DEADLK),
	MISUSE(slow_again, RESV_REPORT_SLOW_WITHOUT_DEADLK),
	MISUSE(slow_after_abandon, RESV_REPORT_SLOW_WITHOUT_DEADLK),
	MISUSE(slow_of_held_object, RESV_REPORT_SLOW_WITHOUT_DEADLK, RESV_REPORT_SLOW_FAILED),
	MISUSE(slow_while_holding, RESV_REPORT_DEADLK_IGNORED, RESV_REPORT_SLOW_FAILED),

	MISUSE(unlock_free, RESV_REPORT_UNLOCK_FREE),
	MISUSE(unlock_twice, RESV_REPORT_UNLOCK_FREE),
	HARM(unlock_foreign, RESV_REPORT_UNLOCK_FOREIGN),
	HARM(unlock_foreign_without_context, RESV_REPORT_UNLOCK_FOREIGN),

	MISUSE(fini_while_holding_two, RESV_REPORT_FINI_HOLDING),
	MISUSE(destroy_held, RESV_REPORT_DESTROY_BUSY),
	MISUSE(destroy_held_without_context, RESV_REPORT_DESTROY_BUSY),
	MISUSE(destroy_held_mutex, RESV_REPORT_DESTROY_BUSY),

	MISUSE(held_then_lock, RESV_REPORT_SELF_DEADLOCK),
	MISUSE(held_then_lock_in_context, RESV_REPORT_SELF_DEADLOCK),
	MISUSE(held_in_context_then_lock, RESV_REPORT_SELF_DEADLOCK),
	MISUSE(held_then_wait, RESV_REPORT_SELF_DEADLOCK),
	MISUSE(held_in_context_then_wait, RESV_REPORT_SELF_DEADLOCK),
	MISUSE(held_in_another_context_then_lock, RESV_REPORT_RECURSION, RESV_REPORT_SELF_DEADLOCK),

	MISUSE(wait_while_holding, RESV_REPORT_WAIT_WHILE_HOLDING),
	MISUSE(wait_while_holding_for_free, RESV_REPORT_WAIT_WHILE_HOLDING),

	MISUSE(assert_free, RESV_REPORT_NOT_HELD),
	MISUSE(assert_held_by_another, RESV_REPORT_NOT_HELD),
	MISUSE(assert_held_by_another_without_context, RESV_REPORT_NOT_HELD),
};

const struct misuse_file misuse_objects = {cases, COUNT(cases)};
