/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Wound/wait mutexes, used rightly and wrongly by one task. What the rules of ww_mutexes themselves forbid is reported
 * by these; what is left is for the annotator. Where Linux writes into a lock to make believe that somebody holds it,
 * the other task does.
 */
#include "cases_internal.h"
#include "cases_os.h"

static RESV_DEFINE_WD_CLASS(ww_lockdep);
static RESV_DEFINE_WW_CLASS(ww_lockdep_other);

struct scene {
	struct resv_ww_mutex o, o2, o3;
	struct resv_ww_acquire_ctx t;
	struct resv_ww_acquire_ctx other; /* the other task's */
	bool other_failed;
};

static void set_up(struct scene *s)
{
	resv_ww_mutex_init(&s->o, &ww_lockdep);
	resv_ww_mutex_init(&s->o2, &ww_lockdep);
	resv_ww_mutex_init(&s->o3, &ww_lockdep);
	s->other_failed = false;
}

static void begin(struct scene *s)
{
	resv_ww_acquire_init(&s->t, &ww_lockdep);
}

/* For those who take more than one lock with it. */
static bool begin_calm(struct scene *s)
{
	begin(s);
	return lockdep_outlast_injection(&s->t, &ww_lockdep);
}

static void end(struct scene *s)
{
	resv_ww_acquire_unlock_all(&s->t);
	resv_ww_acquire_fini(&s->t);
}

static bool all_free(const struct scene *s)
{
	return !resv_ww_mutex_is_locked(&s->o) && !resv_ww_mutex_is_locked(&s->o2) &&
	       !resv_ww_mutex_is_locked(&s->o3);
}

bool lockdep_outlast_injection(struct resv_ww_acquire_ctx *ctx, struct resv_ww_class *ww_class)
{
	struct resv_ww_mutex outer, inner;

	if (!RESV_DEBUG_WW_SLOWPATH)
		return true;
	resv_ww_mutex_init(&outer, ww_class);
	resv_ww_mutex_init(&inner, ww_class);
	for (int injected = 0; injected < 5;) {
		if (resv_ww_mutex_lock(&outer, ctx) != 0)
			return false;
		if (resv_ww_mutex_lock(&inner, ctx) == -EDEADLK) {
			injected++;
			resv_ww_mutex_unlock(&outer);
			resv_ww_mutex_lock_slow(&inner, ctx);
		}
		resv_ww_acquire_unlock_all(ctx);
	}
	return true;
}

/* ---- Rules of use ---------------------------------------------------------------------------------------------- */

static void other_is_refused(void *data)
{
	struct scene *s = data;

	resv_ww_acquire_init(&s->other, &ww_lockdep);
	s->other_failed = resv_ww_mutex_lock(&s->o2, &s->other) != 0 ||
			  resv_ww_mutex_lock(&s->o, &s->other) != -EDEADLK;
	resv_ww_mutex_unlock(&s->o2);
	resv_ww_acquire_abandon(&s->other);
	resv_ww_acquire_fini(&s->other);
}

/* All ways in which a lock may say no, and no bug among them. */
static const char *fail_acquire(void)
{
	struct scene s;

	set_up(&s);
	begin(&s);
	CHECK(resv_ww_mutex_lock(&s.o, &s.t) == 0);
	CHECK(resv_ww_mutex_locking_ctx(&s.o) == &s.t);
	CHECK(resv_ww_mutex_lock(&s.o, &s.t) == -EALREADY);
	CHECK(resv_ww_mutex_trylock(&s.o, NULL) == 0);
	CHECK(resv_ww_mutex_trylock(&s.o, &s.t) == 0);
	lockdep_os_on_other_task(other_is_refused, &s);
	CHECK(!s.other_failed);
	resv_ww_mutex_unlock(&s.o);
	CHECK(resv_ww_mutex_trylock(&s.o, NULL) == 1);
	resv_ww_mutex_unlock(&s.o);
	end(&s);
	return NULL;
}

/* Without a context it is a mutex. */
static const char *normal(void)
{
	struct scene s;

	set_up(&s);
	CHECK(resv_ww_mutex_lock(&s.o, NULL) == 0);
	CHECK(resv_ww_mutex_locking_ctx(&s.o) == NULL);
	CHECK(resv_ww_mutex_trylock(&s.o, NULL) == 0);
	resv_ww_mutex_unlock(&s.o);
	CHECK(resv_ww_mutex_lock_interruptible(&s.o, NULL) == 0);
	resv_ww_mutex_unlock(&s.o);
	CHECK(resv_ww_mutex_lock_killable(&s.o, NULL) == 0);
	resv_ww_mutex_unlock(&s.o);
	CHECK(resv_ww_mutex_lock_timeout(&s.o, NULL, 0) == 0);
	resv_ww_mutex_unlock(&s.o);
	CHECK(resv_ww_mutex_trylock(&s.o, NULL) == 1);
	resv_ww_mutex_unlock(&s.o);
	begin(&s); /* of which the lock does not know */
	CHECK(resv_ww_mutex_lock(&s.o, NULL) == 0);
	CHECK(resv_ww_mutex_locking_ctx(&s.o) == NULL);
	resv_ww_mutex_unlock(&s.o);
	end(&s);
	return NULL;
}

static const char *unneeded_slow(void)
{
	struct scene s;

	set_up(&s);
	begin(&s);
	resv_ww_mutex_lock_slow(&s.o, &s.t);
	CHECK(REPORTED(RESV_REPORT_SLOW_WITHOUT_DEADLK));
	end(&s);
	return NULL;
}

static const char *two_contexts(void)
{
	struct scene s;

	begin(&s);
	resv_ww_acquire_init(&s.other, &ww_lockdep);
	CHECK(REPORTED(RESV_REPORT_RECURSION));
	resv_ww_acquire_fini(&s.other);
	end(&s);
	return NULL;
}

static const char *diff_class(void)
{
	struct scene s;

	set_up(&s);
	resv_ww_acquire_init(&s.t, &ww_lockdep_other);
	CHECK(resv_ww_mutex_lock(&s.o, &s.t) == -EINVAL);
	CHECK(REPORTED(RESV_REPORT_WRONG_CLASS));
	end(&s);
	return NULL;
}

static const char *context_done_twice(void)
{
	struct scene s;

	begin(&s);
	resv_ww_acquire_done(&s.t);
	CHECK(NO_REPORT());
	resv_ww_acquire_done(&s.t);
	CHECK(REPORTED(RESV_REPORT_DONE_TWICE));
	resv_ww_acquire_fini(&s.t);
	return NULL;
}

static const char *context_unlock_twice(void)
{
	struct scene s;

	begin(&s);
	resv_ww_acquire_done(&s.t);
	resv_ww_acquire_fini(&s.t);
	CHECK(NO_REPORT());
	resv_ww_acquire_fini(&s.t);
	CHECK(REPORTED(RESV_REPORT_UNINITIALIZED));
	return NULL;
}

static const char *context_fini_early(void)
{
	struct scene s;

	set_up(&s);
	begin(&s);
	CHECK(resv_ww_mutex_lock(&s.o, &s.t) == 0);
	resv_ww_acquire_done(&s.t);
	CHECK(NO_REPORT());
	resv_ww_acquire_fini(&s.t);
	CHECK(REPORTED(RESV_REPORT_FINI_HOLDING));
	CHECK(all_free(&s));
	return NULL;
}

static const char *context_lock_after_done(void)
{
	struct scene s;

	set_up(&s);
	begin(&s);
	resv_ww_acquire_done(&s.t);
	CHECK(resv_ww_mutex_lock(&s.o, &s.t) == 0);
	CHECK(REPORTED(RESV_REPORT_LOCK_AFTER_DONE));
	end(&s);
	return NULL;
}

static const char *object_unlock_twice(void)
{
	struct scene s;

	set_up(&s);
	CHECK(resv_ww_mutex_lock(&s.o, NULL) == 0);
	resv_ww_mutex_unlock(&s.o);
	CHECK(NO_REPORT());
	resv_ww_mutex_unlock(&s.o);
	CHECK(REPORTED(RESV_REPORT_UNLOCK_FREE));
	return NULL;
}

/* The context has released all that it held, says it. */
static const char *object_lock_unbalanced(void)
{
	struct scene s;

	set_up(&s);
	begin(&s);
	CHECK(resv_ww_mutex_lock(&s.o, &s.t) == 0);
	resv_ww_acquire_unlock_all(&s.t);
	CHECK(NO_REPORT());
	resv_ww_mutex_unlock(&s.o);
	CHECK(REPORTED(RESV_REPORT_UNLOCK_FREE));
	end(&s);
	return NULL;
}

static const char *object_lock_stale_context(void)
{
	struct scene s;

	set_up(&s);
	begin(&s);
	end(&s);
	CHECK(resv_ww_mutex_lock(&s.o, &s.t) == -EINVAL);
	CHECK(REPORTED(RESV_REPORT_UNINITIALIZED));
	return NULL;
}

/* ---- What comes after -EDEADLK --------------------------------------------------------------------------------- */

enum after_deadlk {
	NORMAL,              /* our lock is dropped, and the contended one taken, once it is free */
	NO_UNLOCK,           /* ours is not dropped */
	ACQUIRE_MORE,        /* ours is not dropped, and a third one taken */
	ACQUIRE_MORE_DEADLK, /* the same, but it is the other task's, too */
	ACQUIRE_WRONG,       /* ours is dropped, and a third one taken */
};

static void other_takes_o2(void *data)
{
	struct scene *s = data;

	resv_ww_acquire_init(&s->other, &ww_lockdep);
	s->other_failed = !resv_ww_mutex_trylock(&s->o2, &s->other);
}

static void other_takes_o2_and_o3(void *data)
{
	struct scene *s = data;

	other_takes_o2(s);
	s->other_failed |= !resv_ww_mutex_trylock(&s->o3, &s->other);
}

static void other_lets_go(void *data)
{
	struct scene *s = data;

	resv_ww_acquire_unlock_all(&s->other);
	resv_ww_acquire_fini(&s->other);
}

static const char *edeadlk(enum after_deadlk then, bool slow, const enum resv_report_kind *reports,
			   unsigned count)
{
	struct scene s;
	bool other_gone = then == NORMAL || then == NO_UNLOCK;
	struct resv_ww_mutex *next = other_gone ? &s.o2 : &s.o3;

	set_up(&s);
	lockdep_os_on_other_task(then == ACQUIRE_MORE_DEADLK ? other_takes_o2_and_o3 : other_takes_o2, &s);
	CHECK(!s.other_failed);
	CHECK(begin_calm(&s));
	CHECK(resv_ww_mutex_lock(&s.o, &s.t) == 0);
	CHECK(resv_ww_mutex_lock(&s.o2, &s.t) == -EDEADLK);
	CHECK(NO_REPORT());

	if (other_gone)
		lockdep_os_on_other_task(other_lets_go, &s);
	if (then == NORMAL || then == ACQUIRE_WRONG)
		resv_ww_mutex_unlock(&s.o);
	if (slow)
		resv_ww_mutex_lock_slow(next, &s.t);
	else
		CHECK(resv_ww_mutex_lock(next, &s.t) == (then == ACQUIRE_MORE_DEADLK ? -EDEADLK : 0));
	CHECK(lockdep_reported_(reports, count));
	CHECK((resv_ww_mutex_locking_ctx(next) == &s.t) == (then != ACQUIRE_MORE_DEADLK));

	end(&s);
	if (!other_gone)
		lockdep_os_on_other_task(other_lets_go, &s);
	CHECK(all_free(&s));
	return NULL;
}

#define AFTER_DEADLK(name, then, slow, ...)                                   \
	static const char *name(void)                                         \
	{                                                                     \
		static const enum resv_report_kind reports[] = {__VA_ARGS__}; \
		return edeadlk(then, slow, reports, COUNT(reports));          \
	}

static const char *edeadlk_normal(void)
{
	return edeadlk(NORMAL, false, NULL, 0);
}

static const char *edeadlk_normal_slow(void)
{
	return edeadlk(NORMAL, true, NULL, 0);
}

AFTER_DEADLK(edeadlk_no_unlock, NO_UNLOCK, false, RESV_REPORT_STILL_HOLDING)
AFTER_DEADLK(edeadlk_no_unlock_slow, NO_UNLOCK, true, RESV_REPORT_STILL_HOLDING)
AFTER_DEADLK(edeadlk_acquire_more, ACQUIRE_MORE, false, RESV_REPORT_STILL_HOLDING)
AFTER_DEADLK(edeadlk_acquire_more_slow, ACQUIRE_MORE, true, RESV_REPORT_STILL_HOLDING)
AFTER_DEADLK(edeadlk_acquire_more_edeadlk, ACQUIRE_MORE_DEADLK, false, RESV_REPORT_DEADLK_IGNORED)
AFTER_DEADLK(edeadlk_acquire_more_edeadlk_slow, ACQUIRE_MORE_DEADLK, true, RESV_REPORT_DEADLK_IGNORED,
	     RESV_REPORT_SLOW_FAILED)
AFTER_DEADLK(edeadlk_acquire_wrong, ACQUIRE_WRONG, false, RESV_REPORT_WRONG_LOCK)
AFTER_DEADLK(edeadlk_acquire_wrong_slow, ACQUIRE_WRONG, true, RESV_REPORT_WRONG_LOCK)

/* ---- One is held, and then another one is taken ---------------------------------------------------------------- */

enum way { BLOCK, TRY, WITH_CONTEXT };

static bool take_ww(struct resv_ww_mutex *lock, struct scene *s, enum way way)
{
	if (way == TRY)
		return resv_ww_mutex_trylock(lock, NULL);
	return resv_ww_mutex_lock(lock, way == WITH_CONTEXT ? &s->t : NULL) == 0;
}

static const char *two_locks(enum way first, enum way then, bool recursion)
{
	struct scene s;

	set_up(&s);
	if (first == WITH_CONTEXT)
		CHECK(begin_calm(&s));
	CHECK(take_ww(&s.o, &s, first));
	if (first != WITH_CONTEXT && then == WITH_CONTEXT)
		begin(&s);
	CHECK(NO_REPORT());
	CHECK(take_ww(&s.o2, &s, then));
	CHECK(recursion ? REPORTED(RESV_REPORT_RECURSION) : NO_REPORT());
	resv_ww_mutex_unlock(&s.o2);
	resv_ww_mutex_unlock(&s.o);
	if (first == WITH_CONTEXT || then == WITH_CONTEXT)
		end(&s);
	return NULL;
}

/* A spinlock is taken while the lock is held, and then it is the other way round. */
static const char *spin_and_lock(enum way way)
{
	struct scene s;

	set_up(&s);
	if (way == WITH_CONTEXT)
		begin(&s);
	CHECK(play("LsA UsA"));
	CHECK(take_ww(&s.o, &s, way));
	CHECK(play("LsA UsA"));
	resv_ww_mutex_unlock(&s.o);

	CHECK(play("LsA"));
	CHECK(NO_REPORT());
	CHECK(take_ww(&s.o, &s, way));
	CHECK(way == TRY ? NO_REPORT() : REPORTED(RESV_REPORT_WAIT_CONTEXT, RESV_REPORT_CIRCULAR));
	resv_ww_mutex_unlock(&s.o);
	CHECK(play("UsA"));
	if (way == WITH_CONTEXT)
		end(&s);
	return NULL;
}

#define TWO_LOCKS(name, first, then, recursion)           \
	static const char *name(void)                     \
	{                                                 \
		return two_locks(first, then, recursion); \
	}
#define SPIN_AND_LOCK(name, way)           \
	static const char *name(void)      \
	{                                  \
		return spin_and_lock(way); \
	}

TWO_LOCKS(context_block, WITH_CONTEXT, BLOCK, true)
TWO_LOCKS(context_try, WITH_CONTEXT, TRY, false)
TWO_LOCKS(context_context, WITH_CONTEXT, WITH_CONTEXT, false)
TWO_LOCKS(try_block, TRY, BLOCK, true)
TWO_LOCKS(try_try, TRY, TRY, false)
TWO_LOCKS(try_context, TRY, WITH_CONTEXT, true)
TWO_LOCKS(block_block, BLOCK, BLOCK, true)
TWO_LOCKS(block_try, BLOCK, TRY, false)
TWO_LOCKS(block_context, BLOCK, WITH_CONTEXT, true)
SPIN_AND_LOCK(spin_block, BLOCK)
SPIN_AND_LOCK(spin_try, TRY)
SPIN_AND_LOCK(spin_context, WITH_CONTEXT)

/* ---- The list -------------------------------------------------------------------------------------------------- */

static const struct lockdep_row ww_rows[] = {
	ONCE("spin_nest_unlocked", "LsA^mB UsA", "N"),
	/* X serializes both Y, whatever is taken between them */
	ONCE("spin_nest_lock", "LsX LsY1^sX LsA LsY2^sX UsA UsY2 UsY1 UsX", NONE),
};

static const struct lockdep_function ww_functions[] = {
	SILENT(fail_acquire),
	SILENT(normal),
	REPORTS(unneeded_slow),
	REPORTS(two_contexts),
	REPORTS(diff_class),
	REPORTS(context_done_twice),
	REPORTS(context_unlock_twice),
	REPORTS(context_fini_early),
	REPORTS(context_lock_after_done),
	REPORTS(object_unlock_twice),
	REPORTS(object_lock_unbalanced),
	REPORTS(object_lock_stale_context),

	SILENT(edeadlk_normal),
	SILENT(edeadlk_normal_slow),
	REPORTS(edeadlk_no_unlock),
	REPORTS(edeadlk_no_unlock_slow),
	REPORTS(edeadlk_acquire_more),
	REPORTS(edeadlk_acquire_more_slow),
	REPORTS(edeadlk_acquire_more_edeadlk),
	REPORTS(edeadlk_acquire_more_edeadlk_slow),
	REPORTS(edeadlk_acquire_wrong),
	REPORTS(edeadlk_acquire_wrong_slow),

	REPORTS(context_block),
	SILENT(context_try),
	SILENT(context_context),
	REPORTS(try_block),
	SILENT(try_try),
	REPORTS(try_context),
	REPORTS(block_block),
	SILENT(block_try),
	REPORTS(block_context),
	REPORTS(spin_block),
	SILENT(spin_try),
	REPORTS(spin_context),
};

const struct lockdep_family lockdep_ww = {"ww", ww_rows, COUNT(ww_rows), ww_functions, COUNT(ww_functions)};
