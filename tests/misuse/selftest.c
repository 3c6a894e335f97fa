/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What Linux tests its ww_mutexes with, case by case: used rightly and wrongly by one task. What the rules of ww_mutexes
 * themselves forbid is reported by these; what is left is for the annotator. Where Linux writes into a lock to make believe
 * that somebody holds it, the other task does.
 */
#include "internal.h"

static RESV_DEFINE_WD_CLASS(first_class);
static RESV_DEFINE_WW_CLASS(other_class);

struct scene {
	struct resv_ww_mutex o, o2, o3;
	struct resv_ww_acquire_ctx t;
	struct resv_ww_acquire_ctx other; /* the other task's */
	bool other_failed;
};

static void set_up(struct scene *s)
{
	resv_ww_mutex_init(&s->o, &first_class);
	resv_ww_mutex_init(&s->o2, &first_class);
	resv_ww_mutex_init(&s->o3, &first_class);
	s->other_failed = false;
}

static void begin(struct scene *s)
{
	resv_ww_acquire_init(&s->t, &first_class);
}

/* For those who take more than one lock with it. */
static bool begin_calm(struct scene *s)
{
	begin(s);
	return outlast_injection(&s->t, &first_class);
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

/* ---- Rules of use ---------------------------------------------------------------------------------------------- */

static void other_is_refused(void *data)
{
	struct scene *s = data;

	resv_ww_acquire_init(&s->other, &first_class);
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
	end(&s);
	return NULL;
}

static const char *two_contexts(void)
{
	struct scene s;

	begin(&s);
	resv_ww_acquire_init(&s.other, &first_class);
	resv_ww_acquire_fini(&s.other);
	end(&s);
	return NULL;
}

static const char *diff_class(void)
{
	struct scene s;

	set_up(&s);
	resv_ww_acquire_init(&s.t, &other_class);
	CHECK(resv_ww_mutex_lock(&s.o, &s.t) == CHECKED(-EINVAL, 0));
	end(&s);
	return NULL;
}

static const char *context_done_twice(void)
{
	struct scene s;

	begin(&s);
	resv_ww_acquire_done(&s.t);
	CHECK(misuse_silent());
	resv_ww_acquire_done(&s.t);
	resv_ww_acquire_fini(&s.t);
	return NULL;
}

static const char *context_unlock_twice(void)
{
	struct scene s;

	begin(&s);
	resv_ww_acquire_done(&s.t);
	resv_ww_acquire_fini(&s.t);
	CHECK(misuse_silent());
	resv_ww_acquire_fini(&s.t);
	return NULL;
}

static const char *context_fini_early(void)
{
	struct scene s;

	set_up(&s);
	begin(&s);
	CHECK(resv_ww_mutex_lock(&s.o, &s.t) == 0);
	resv_ww_acquire_done(&s.t);
	CHECK(misuse_silent());
	resv_ww_acquire_fini(&s.t);
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
	end(&s);
	return NULL;
}

static const char *object_unlock_twice(void)
{
	struct scene s;

	set_up(&s);
	CHECK(resv_ww_mutex_lock(&s.o, NULL) == 0);
	resv_ww_mutex_unlock(&s.o);
	CHECK(misuse_silent());
	resv_ww_mutex_unlock(&s.o);
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
	CHECK(misuse_silent());
	resv_ww_mutex_unlock(&s.o);
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

	resv_ww_acquire_init(&s->other, &first_class);
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

static const char *edeadlk(enum after_deadlk then, bool slow)
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
	CHECK(misuse_silent());

	if (other_gone)
		lockdep_os_on_other_task(other_lets_go, &s);
	if (then == NORMAL || then == ACQUIRE_WRONG)
		resv_ww_mutex_unlock(&s.o);
	if (slow)
		resv_ww_mutex_lock_slow(next, &s.t);
	else
		CHECK(resv_ww_mutex_lock(next, &s.t) == (then == ACQUIRE_MORE_DEADLK ? -EDEADLK : 0));
	CHECK((resv_ww_mutex_locking_ctx(next) == &s.t) == (then != ACQUIRE_MORE_DEADLK));

	end(&s);
	if (!other_gone)
		lockdep_os_on_other_task(other_lets_go, &s);
	CHECK(all_free(&s));
	return NULL;
}

#define AFTER_DEADLK(name, then, slow)      \
	static const char *name(void)       \
	{                                   \
		return edeadlk(then, slow); \
	}

AFTER_DEADLK(edeadlk_normal, NORMAL, false)
AFTER_DEADLK(edeadlk_normal_slow, NORMAL, true)
AFTER_DEADLK(edeadlk_no_unlock, NO_UNLOCK, false)
AFTER_DEADLK(edeadlk_no_unlock_slow, NO_UNLOCK, true)
AFTER_DEADLK(edeadlk_acquire_more, ACQUIRE_MORE, false)
AFTER_DEADLK(edeadlk_acquire_more_slow, ACQUIRE_MORE, true)
AFTER_DEADLK(edeadlk_acquire_more_edeadlk, ACQUIRE_MORE_DEADLK, false)
AFTER_DEADLK(edeadlk_acquire_more_edeadlk_slow, ACQUIRE_MORE_DEADLK, true)
AFTER_DEADLK(edeadlk_acquire_wrong, ACQUIRE_WRONG, false)
AFTER_DEADLK(edeadlk_acquire_wrong_slow, ACQUIRE_WRONG, true)

/* ---- One is held, and then another one is taken ---------------------------------------------------------------- */

enum way { BLOCK, TRY, WITH_CONTEXT };

static bool take(struct resv_ww_mutex *lock, struct scene *s, enum way way)
{
	if (way == TRY)
		return resv_ww_mutex_trylock(lock, NULL);
	return resv_ww_mutex_lock(lock, way == WITH_CONTEXT ? &s->t : NULL) == 0;
}

static const char *two_locks(enum way first, enum way then)
{
	struct scene s;

	set_up(&s);
	if (first == WITH_CONTEXT)
		CHECK(begin_calm(&s));
	CHECK(take(&s.o, &s, first));
	if (first != WITH_CONTEXT && then == WITH_CONTEXT)
		begin(&s);
	CHECK(misuse_silent());
	CHECK(take(&s.o2, &s, then));
	resv_ww_mutex_unlock(&s.o2);
	resv_ww_mutex_unlock(&s.o);
	if (first == WITH_CONTEXT || then == WITH_CONTEXT)
		end(&s);
	return NULL;
}

__attribute__((unused)) static struct resv_lock_class_key spinlocks, mutexes;

static void make_spinlock(struct resv_lockdep_map *map)
{
	resv_lockdep_init_map_type(map, "spinlock", &spinlocks, 0, RESV_LD_WAIT_CONFIG, RESV_LD_WAIT_CONFIG,
				   RESV_LD_LOCK_NORMAL);
}

static void lock(struct resv_lockdep_map *map, struct resv_lockdep_map *nest_lock)
{
	resv_lockdep_acquire(map, 0, 0, 0, 1, nest_lock, 0);
}

static void unlock(struct resv_lockdep_map *map)
{
	resv_lockdep_release(map, 0);
}

/* A spinlock is taken while the lock is held, and then it is the other way round. */
static const char *spin_and_lock(enum way way)
{
	struct resv_lockdep_map spin;
	struct scene s;

	set_up(&s);
	make_spinlock(&spin);
	if (way == WITH_CONTEXT)
		begin(&s);
	CHECK(take(&s.o, &s, way));
	lock(&spin, NULL);
	unlock(&spin);
	resv_ww_mutex_unlock(&s.o);

	lock(&spin, NULL);
	CHECK(misuse_silent());
	CHECK(take(&s.o, &s, way));
	resv_ww_mutex_unlock(&s.o);
	unlock(&spin);
	if (way == WITH_CONTEXT)
		end(&s);
	return NULL;
}

#define TWO_LOCKS(name, first, then)           \
	static const char *name(void)          \
	{                                      \
		return two_locks(first, then); \
	}
#define SPIN_AND_LOCK(name, way)           \
	static const char *name(void)      \
	{                                  \
		return spin_and_lock(way); \
	}

TWO_LOCKS(context_block, WITH_CONTEXT, BLOCK)
TWO_LOCKS(context_try, WITH_CONTEXT, TRY)
TWO_LOCKS(context_context, WITH_CONTEXT, WITH_CONTEXT)
TWO_LOCKS(try_block, TRY, BLOCK)
TWO_LOCKS(try_try, TRY, TRY)
TWO_LOCKS(try_context, TRY, WITH_CONTEXT)
TWO_LOCKS(block_block, BLOCK, BLOCK)
TWO_LOCKS(block_try, BLOCK, TRY)
TWO_LOCKS(block_context, BLOCK, WITH_CONTEXT)
SPIN_AND_LOCK(spin_block, BLOCK)
SPIN_AND_LOCK(spin_try, TRY)
SPIN_AND_LOCK(spin_context, WITH_CONTEXT)

static const char *spin_nest_unlocked(void)
{
	struct resv_lockdep_map spin, nest;

	make_spinlock(&spin);
	resv_lockdep_init_map(&nest, "mutex", &mutexes, 0);
	lock(&spin, &nest);
	unlock(&spin);
	return NULL;
}

/* `nest` serializes both of `spin`, whatever is taken between them. */
static const char *spin_nest_lock(void)
{
	struct resv_lockdep_map spin[2], between, nest;

	make_spinlock(&spin[0]);
	make_spinlock(&spin[1]);
	resv_lockdep_init_map(&between, "between", &mutexes, 1);
	resv_lockdep_init_map(&nest, "nest", &mutexes, 0);
	lock(&nest, NULL);
	lock(&spin[0], &nest);
	lock(&between, NULL);
	lock(&spin[1], &nest);
	unlock(&between);
	unlock(&spin[1]);
	unlock(&spin[0]);
	unlock(&nest);
	return NULL;
}

/* ---- The list -------------------------------------------------------------------------------------------------- */

static const struct misuse_case cases[] = {
	RIGHT(fail_acquire),
	RIGHT(normal),
	MISUSE(unneeded_slow, RESV_REPORT_SLOW_WITHOUT_DEADLK),
	MISUSE(two_contexts, RESV_REPORT_RECURSION),
	MISUSE(diff_class, RESV_REPORT_WRONG_CLASS),
	MISUSE(context_done_twice, RESV_REPORT_DONE_TWICE),
	HARM(context_unlock_twice, RESV_REPORT_UNINITIALIZED),
	MISUSE(context_fini_early, RESV_REPORT_FINI_HOLDING),
	MISUSE(context_lock_after_done, RESV_REPORT_LOCK_AFTER_DONE),
	MISUSE(object_unlock_twice, RESV_REPORT_UNLOCK_FREE),
	MISUSE(object_lock_unbalanced, RESV_REPORT_UNLOCK_FREE),
	HARM(object_lock_stale_context, RESV_REPORT_UNINITIALIZED),

	RIGHT(edeadlk_normal),
	RIGHT(edeadlk_normal_slow),
	MISUSE(edeadlk_no_unlock, RESV_REPORT_STILL_HOLDING),
	MISUSE(edeadlk_no_unlock_slow, RESV_REPORT_STILL_HOLDING),
	MISUSE(edeadlk_acquire_more, RESV_REPORT_STILL_HOLDING),
	MISUSE(edeadlk_acquire_more_slow, RESV_REPORT_STILL_HOLDING),
	MISUSE(edeadlk_acquire_more_edeadlk, RESV_REPORT_DEADLK_IGNORED),
	MISUSE(edeadlk_acquire_more_edeadlk_slow, RESV_REPORT_DEADLK_IGNORED, RESV_REPORT_SLOW_FAILED),
	MISUSE(edeadlk_acquire_wrong, RESV_REPORT_WRONG_LOCK),
	MISUSE(edeadlk_acquire_wrong_slow, RESV_REPORT_WRONG_LOCK),

	MISUSE(context_block, RESV_REPORT_RECURSION),
	RIGHT(context_try),
	RIGHT(context_context),
	MISUSE(try_block, RESV_REPORT_RECURSION),
	RIGHT(try_try),
	MISUSE(try_context, RESV_REPORT_RECURSION),
	MISUSE(block_block, RESV_REPORT_RECURSION),
	RIGHT(block_try),
	MISUSE(block_context, RESV_REPORT_RECURSION),
	MISUSE(spin_block, RESV_REPORT_WAIT_CONTEXT, RESV_REPORT_CIRCULAR),
	RIGHT(spin_try),
	MISUSE(spin_context, RESV_REPORT_WAIT_CONTEXT, RESV_REPORT_CIRCULAR),
	MISUSE(spin_nest_unlocked, RESV_REPORT_NEST_NOT_HELD),
	RIGHT(spin_nest_lock),
};

const struct misuse_file misuse_selftest = {cases, COUNT(cases)};
