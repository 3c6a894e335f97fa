/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The C ABI, used from C as a driver uses it. */
#define _POSIX_C_SOURCE 200809L

#include "c_api_test.h"

#include <resv/resv.h>
#include <resv_port/host.h>

#include <pthread.h>
#include <semaphore.h>
#include <string.h>

#define TEXT2(x) #x
#define TEXT(x)  TEXT2(x)
#define CHECK(condition)                                                    \
	do {                                                                \
		if (!(condition))                                           \
			return __FILE__ ":" TEXT(__LINE__) ": " #condition; \
	} while (0)
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static RESV_DEFINE_WW_CLASS(wound_wait_class);
static RESV_DEFINE_WD_CLASS(wait_die_class);

/* ---- Another task, which holds one lock until it is told to let go ---------------------------------------------- */

struct holder {
	struct resv_ww_mutex *lock;
	struct resv_object *obj;
	struct resv_ww_class *ww_class;
	pthread_t thread;
	sem_t holds;
	sem_t let_go;
};

static void *hold(void *data)
{
	struct holder *h = data;
	struct resv_ww_acquire_ctx ctx;
	int err;

	resv_ww_acquire_init(&ctx, h->ww_class);
	err = h->lock ? resv_ww_mutex_lock(h->lock, &ctx) : resv_lock(h->obj, &ctx);
	sem_post(&h->holds);
	sem_wait(&h->let_go);
	if (err == 0 && h->lock)
		resv_ww_mutex_unlock(h->lock);
	else if (err == 0)
		resv_unlock(h->obj);
	resv_ww_acquire_fini(&ctx);
	return err == 0 ? NULL : h;
}

static bool holder_start(struct holder *h)
{
	if (sem_init(&h->holds, 0, 0) || sem_init(&h->let_go, 0, 0) ||
	    pthread_create(&h->thread, NULL, hold, h))
		return false;
	sem_wait(&h->holds);
	return true;
}

static void holder_let_go(struct holder *h)
{
	sem_post(&h->let_go);
}

static bool holder_end(struct holder *h)
{
	void *failed;

	return pthread_join(h->thread, &failed) == 0 && !failed;
}

/* ---- ww_mutex --------------------------------------------------------------------------------------------------- */

/*
 * Locks both with the loop that ww_mutex users write by hand. Its -EDEADLK may also be an injected one, which debug
 * builds use to exercise just this loop. `saw_deadlk` counts them; `on_deadlk` is told before the wait.
 */
static int lock_both(struct resv_ww_acquire_ctx *ctx, struct resv_ww_mutex *a, struct resv_ww_mutex *b,
		     struct holder *on_deadlk, int *saw_deadlk)
{
	struct resv_ww_mutex *first = a, *second = b, *swap;
	int err = resv_ww_mutex_lock(first, ctx);

	if (err)
		return err;
	while ((err = resv_ww_mutex_lock(second, ctx)) == -EDEADLK) {
		++*saw_deadlk;
		resv_ww_mutex_unlock(first);
		if (on_deadlk)
			holder_let_go(on_deadlk);
		resv_ww_mutex_lock_slow(second, ctx);
		swap = first;
		first = second;
		second = swap;
	}
	return err;
}

const char *c_api_classes_are_static(void)
{
	CHECK(strcmp(wound_wait_class.mutex_name, "wound_wait_class_mutex") == 0);
	CHECK(strcmp(wait_die_class.acquire_name, "wait_die_class_acquire") == 0);
	CHECK(wound_wait_class.algorithm != wait_die_class.algorithm);
	CHECK(strcmp(resv_reservation_ww_class.mutex_name, "reservation_ww_class_mutex") == 0);
	CHECK(resv_reservation_ww_class.algorithm == wait_die_class.algorithm);
	return NULL;
}

const char *c_api_structs_are_small(void)
{
	if (!RESV_DEBUG_WW_MUTEXES) {
		CHECK(sizeof(struct resv_ww_mutex) == 4 * sizeof(void *));
		CHECK(sizeof(void *) != 8 || sizeof(struct resv_object) == 88);
	}
	if (!RESV_PROVE_LOCKING) {
		struct {
			struct resv_lockdep_map map;
			char tail;
		} driver;

		CHECK(sizeof(driver) == 1);
	}
	return NULL;
}

const char *c_api_lock_and_unlock(void)
{
	struct resv_ww_class *classes[] = {&wound_wait_class, &wait_die_class};

	for (size_t i = 0; i < COUNT(classes); i++) {
		struct resv_ww_mutex a, b;
		struct resv_ww_acquire_ctx ctx;
		int deadlks = 0;

		resv_ww_mutex_init(&a, classes[i]);
		resv_ww_mutex_init(&b, classes[i]);
		resv_ww_acquire_init(&ctx, classes[i]);
		CHECK(!resv_ww_mutex_is_locked(&a));
		CHECK(lock_both(&ctx, &a, &b, NULL, &deadlks) == 0);
		resv_ww_acquire_done(&ctx);
		CHECK(resv_ww_mutex_is_locked(&a) && resv_ww_mutex_is_locked(&b));
		CHECK(resv_ww_mutex_locking_ctx(&a) == &ctx);
		resv_ww_mutex_unlock(&a);
		CHECK(!resv_ww_mutex_is_locked(&a) && resv_ww_mutex_is_locked(&b));
		CHECK(resv_ww_mutex_locking_ctx(&a) == NULL);
		resv_ww_mutex_unlock(&b);
		resv_ww_acquire_fini(&ctx);
		resv_ww_mutex_destroy(&a);
		resv_ww_mutex_destroy(&b);
	}
	return NULL;
}

const char *c_api_lock_without_context(void)
{
	struct resv_ww_mutex lock;

	resv_ww_mutex_init(&lock, &wound_wait_class);
	CHECK(resv_ww_mutex_lock(&lock, NULL) == 0);
	CHECK(resv_ww_mutex_is_locked(&lock));
	CHECK(resv_ww_mutex_locking_ctx(&lock) == NULL);
	resv_ww_mutex_unlock(&lock);
	CHECK(!resv_ww_mutex_is_locked(&lock));
	return NULL;
}

const char *c_api_trylock(void)
{
	struct resv_ww_mutex lock;
	struct resv_ww_acquire_ctx ctx;

	resv_ww_mutex_init(&lock, &wait_die_class);
	resv_ww_acquire_init(&ctx, &wait_die_class);
	CHECK(resv_ww_mutex_trylock(&lock, &ctx) == 1);
	CHECK(resv_ww_mutex_trylock(&lock, &ctx) == 0);
	CHECK(resv_ww_mutex_trylock(&lock, NULL) == 0);
	resv_ww_mutex_unlock(&lock);
	CHECK(resv_ww_mutex_trylock(&lock, NULL) == 1);
	CHECK(resv_ww_mutex_trylock(&lock, &ctx) == 0);
	resv_ww_mutex_unlock(&lock);
	resv_ww_acquire_fini(&ctx);
	return NULL;
}

const char *c_api_duplicate(void)
{
	struct resv_ww_mutex lock;
	struct resv_ww_acquire_ctx ctx;

	resv_ww_mutex_init(&lock, &wound_wait_class);
	resv_ww_acquire_init(&ctx, &wound_wait_class);
	CHECK(resv_ww_mutex_lock(&lock, &ctx) == 0);
	CHECK(resv_ww_mutex_lock(&lock, &ctx) == -EALREADY);
	CHECK(resv_ww_mutex_lock_interruptible(&lock, &ctx) == -EALREADY);
	CHECK(resv_ww_mutex_lock_killable(&lock, &ctx) == -EALREADY);
	CHECK(resv_ww_mutex_lock_timeout(&lock, &ctx, 1) == -EALREADY);
	resv_ww_mutex_unlock(&lock);
	resv_ww_acquire_fini(&ctx);
	return NULL;
}

const char *c_api_unlock_all(void)
{
	static struct resv_ww_mutex locks[100];
	struct resv_ww_acquire_ctx ctx;

	resv_ww_acquire_init(&ctx, &wound_wait_class);
	for (size_t i = 0; i < COUNT(locks); i++) {
		resv_ww_mutex_init(&locks[i], &wound_wait_class);
		CHECK(resv_ww_mutex_trylock(&locks[i], &ctx) == 1);
	}
	resv_ww_acquire_unlock_all(&ctx);
	for (size_t i = 0; i < COUNT(locks); i++)
		CHECK(!resv_ww_mutex_is_locked(&locks[i]));
	resv_ww_acquire_fini(&ctx);
	return NULL;
}

const char *c_api_back_off_and_lock_slow(void)
{
	struct resv_ww_mutex mine, theirs;
	struct resv_ww_acquire_ctx ctx;
	struct holder other = {.lock = &theirs, .ww_class = &wait_die_class};
	int deadlks = 0;

	resv_ww_mutex_init(&mine, &wait_die_class);
	resv_ww_mutex_init(&theirs, &wait_die_class);
	CHECK(holder_start(&other));
	resv_ww_acquire_init(&ctx, &wait_die_class);
	/* The holder was there first, so it is the older: this context gives way. */
	CHECK(lock_both(&ctx, &mine, &theirs, &other, &deadlks) == 0);
	CHECK(deadlks >= 1);
	CHECK(resv_ww_mutex_locking_ctx(&mine) == &ctx && resv_ww_mutex_locking_ctx(&theirs) == &ctx);
	resv_ww_acquire_unlock_all(&ctx);
	resv_ww_acquire_fini(&ctx);
	CHECK(holder_end(&other));
	return NULL;
}

const char *c_api_abandon(void)
{
	struct resv_ww_mutex mine, theirs;
	struct resv_ww_acquire_ctx ctx;
	struct holder other = {.lock = &theirs, .ww_class = &wait_die_class};

	resv_ww_mutex_init(&mine, &wait_die_class);
	resv_ww_mutex_init(&theirs, &wait_die_class);
	CHECK(holder_start(&other));
	resv_ww_acquire_init(&ctx, &wait_die_class);
	CHECK(resv_ww_mutex_lock(&mine, &ctx) == 0);
	CHECK(resv_ww_mutex_lock(&theirs, &ctx) == -EDEADLK);
	resv_ww_mutex_unlock(&mine);
	resv_host_interrupt(resv_port_current());
	CHECK(resv_ww_mutex_lock_slow_interruptible(&theirs, &ctx) == -EINTR);
	resv_ww_acquire_abandon(&ctx);
	CHECK(resv_ww_mutex_lock(&mine, &ctx) == 0);
	resv_ww_mutex_unlock(&mine);
	resv_ww_acquire_fini(&ctx);
	holder_let_go(&other);
	CHECK(holder_end(&other));
	return NULL;
}

const char *c_api_signals_end_waits(void)
{
	struct resv_ww_mutex lock;
	struct resv_ww_acquire_ctx ctx;
	struct holder other = {.lock = &lock, .ww_class = &wound_wait_class};

	resv_ww_mutex_init(&lock, &wound_wait_class);
	CHECK(holder_start(&other));
	resv_ww_acquire_init(&ctx, &wound_wait_class);
	resv_host_interrupt(resv_port_current());
	CHECK(resv_ww_mutex_lock_interruptible(&lock, &ctx) == -EINTR);
	resv_host_kill(resv_port_current());
	CHECK(resv_ww_mutex_lock_killable(&lock, &ctx) == -EINTR);
	CHECK(resv_ww_mutex_lock_interruptible(&lock, NULL) == -EINTR);
	resv_host_clear_signals();
	resv_ww_acquire_fini(&ctx);
	holder_let_go(&other);
	CHECK(holder_end(&other));
	CHECK(!resv_ww_mutex_is_locked(&lock));
	return NULL;
}

const char *c_api_timeout(void)
{
	struct resv_ww_mutex lock;
	struct holder other = {.lock = &lock, .ww_class = &wound_wait_class};

	resv_ww_mutex_init(&lock, &wound_wait_class);
	CHECK(holder_start(&other));
	CHECK(resv_ww_mutex_lock_timeout(&lock, NULL, 0) == -ETIME);
	CHECK(resv_ww_mutex_lock_timeout(&lock, NULL, 1000000) == -ETIME);
	holder_let_go(&other);
	CHECK(resv_ww_mutex_lock_timeout(&lock, NULL, RESV_WAIT_FOREVER) == 0);
	resv_ww_mutex_unlock(&lock);
	CHECK(holder_end(&other));
	return NULL;
}

/* ---- Reservation object ----------------------------------------------------------------------------------------- */

const char *c_api_reservation(void)
{
	struct resv_object obj;
	struct resv_ww_acquire_ctx ctx;
	struct holder other = {.obj = &obj, .ww_class = &resv_reservation_ww_class};

	resv_init(&obj);
	resv_ww_acquire_init(&ctx, &resv_reservation_ww_class);
	CHECK(!resv_is_locked(&obj));
	CHECK(resv_lock(&obj, &ctx) == 0);
	resv_assert_held(&obj);
	CHECK(resv_is_locked(&obj) && resv_locking_ctx(&obj) == &ctx);
	CHECK(resv_lock(&obj, &ctx) == -EALREADY);
	CHECK(!resv_trylock(&obj, NULL));
	resv_unlock(&obj);
	CHECK(resv_trylock(&obj, NULL));
	CHECK(resv_locking_ctx(&obj) == NULL);
	resv_unlock(&obj);

	CHECK(holder_start(&other));
	resv_host_interrupt(resv_port_current());
	CHECK(resv_lock_interruptible(&obj, &ctx) == -EINTR);
	resv_ww_acquire_fini(&ctx);
	holder_let_go(&other);
	CHECK(holder_end(&other));
	resv_fini(&obj);
	return NULL;
}

const char *c_api_wait_for_unreserve(void)
{
	struct resv_object obj;
	struct holder other = {.obj = &obj, .ww_class = &resv_reservation_ww_class};

	resv_init(&obj);
	CHECK(resv_wait_for_unreserve(&obj, NULL, false) == 0);
	CHECK(holder_start(&other));
	resv_host_interrupt(resv_port_current());
	CHECK(resv_wait_for_unreserve(&obj, NULL, true) == -EINTR);
	holder_let_go(&other);
	CHECK(resv_wait_for_unreserve(&obj, NULL, false) == 0);
	CHECK(holder_end(&other));
	CHECK(!resv_is_locked(&obj));
	return NULL;
}

/* ---- Transaction ------------------------------------------------------------------------------------------------ */

const char *c_api_exec_locks_one_after_another(void)
{
	struct resv_object objs[8], *obj;
	struct resv_exec exec;
	size_t i;

	for (i = 0; i < COUNT(objs); i++)
		resv_init(&objs[i]);
	resv_exec_init(&exec, 0);
	resv_exec_until_all_locked (&exec) {
		for (i = 0; i < COUNT(objs); i++) {
			int err = resv_exec_lock_obj(&exec, &objs[i]);

			resv_exec_retry_on_contention(&exec);
			CHECK(err == 0);
		}
	}
	for (i = 0; i < COUNT(objs); i++)
		CHECK(resv_is_locked(&objs[i]));
	resv_exec_unlock_obj(&exec, &objs[3]);
	CHECK(!resv_is_locked(&objs[3]));
	resv_exec_for_each_locked_object (&exec, i, obj) {
		CHECK(resv_is_locked(obj));
		CHECK(obj != &objs[3]);
	}
	CHECK(i == COUNT(objs) - 1);
	resv_exec_fini(&exec);
	for (i = 0; i < COUNT(objs); i++)
		CHECK(!resv_is_locked(&objs[i]));
	return NULL;
}

const char *c_api_exec_duplicates(void)
{
	struct resv_object obj;
	struct resv_exec exec;

	resv_init(&obj);
	resv_exec_init(&exec, 0);
	resv_exec_until_all_locked (&exec) {
		CHECK(resv_exec_lock_obj(&exec, &obj) == 0);
		CHECK(resv_exec_lock_obj(&exec, &obj) == -EALREADY);
	}
	resv_exec_fini(&exec);

	resv_exec_init(&exec, RESV_EXEC_IGNORE_DUPLICATES);
	resv_exec_until_all_locked (&exec) {
		CHECK(resv_exec_lock_obj(&exec, &obj) == 0);
		CHECK(resv_exec_lock_obj(&exec, &obj) == 0);
	}
	resv_exec_fini(&exec);
	CHECK(!resv_is_locked(&obj));
	return NULL;
}

const char *c_api_exec_meets_contention(void)
{
	struct resv_object mine, theirs;
	struct resv_exec exec;
	struct holder other = {.obj = &theirs, .ww_class = &resv_reservation_ww_class};
	int passes = 0;

	resv_init(&mine);
	resv_init(&theirs);
	CHECK(holder_start(&other));
	resv_exec_init(&exec, 0);
	resv_exec_until_all_locked (&exec) {
		if (++passes == 2)
			holder_let_go(&other);
		for (;;) { /* retry leaves inner loops, too */
			CHECK(resv_exec_lock_obj(&exec, &mine) == 0 || resv_exec_is_contended(&exec));
			resv_exec_retry_on_contention(&exec);
			CHECK(resv_exec_lock_obj(&exec, &theirs) == 0 || resv_exec_is_contended(&exec));
			resv_exec_retry_on_contention(&exec);
			break;
		}
	}
	CHECK(passes >= 2);
	CHECK(resv_is_locked(&mine) && resv_is_locked(&theirs));
	resv_exec_fini(&exec);
	CHECK(holder_end(&other));
	CHECK(!resv_is_locked(&mine) && !resv_is_locked(&theirs));
	return NULL;
}

const char *c_api_exec_error_leaves_nothing_reserved(void)
{
	struct resv_object mine, theirs;
	struct resv_exec exec;
	struct holder other = {.obj = &theirs, .ww_class = &resv_reservation_ww_class};
	int err = 0;

	resv_init(&mine);
	resv_init(&theirs);
	CHECK(holder_start(&other));
	resv_exec_init(&exec, RESV_EXEC_INTERRUPTIBLE_WAIT);
	resv_exec_until_all_locked (&exec) {
		err = resv_exec_lock_obj(&exec, &mine);
		resv_exec_retry_on_contention(&exec);
		if (err)
			break;
		resv_host_interrupt(resv_port_current());
		err = resv_exec_lock_obj(&exec, &theirs); /* gives way; in the next pass it waits */
		resv_exec_retry_on_contention(&exec);
		if (err)
			break;
	}
	CHECK(err == -EINTR);
	resv_exec_fini(&exec);
	CHECK(!resv_is_locked(&mine));
	holder_let_go(&other);
	CHECK(holder_end(&other));
	CHECK(!resv_is_locked(&theirs));
	return NULL;
}

const char *c_api_exec_reserve(void)
{
	struct resv_object objs[4], *set[6], *obj;
	struct resv_exec exec;
	struct holder other = {.obj = &objs[2], .ww_class = &resv_reservation_ww_class};
	size_t i;

	for (i = 0; i < COUNT(objs); i++)
		resv_init(&objs[i]);
	for (i = 0; i < COUNT(set); i++)
		set[i] = &objs[i % COUNT(objs)];

	resv_exec_init(&exec, 0);
	CHECK(resv_exec_reserve(&exec, set, 0, 0) == 0);
	CHECK(resv_exec_reserve(&exec, set, COUNT(set), 0) == 0);
	i = 0;
	resv_exec_for_each_locked_object (&exec, i, obj)
		CHECK(resv_is_locked(obj));
	CHECK(i == COUNT(objs));
	resv_exec_fini(&exec);

	CHECK(holder_start(&other));
	resv_exec_init(&exec, RESV_EXEC_INTERRUPTIBLE_WAIT);
	resv_host_interrupt(resv_port_current());
	CHECK(resv_exec_reserve(&exec, set, COUNT(set), 0) == -EINTR);
	for (i = 0; i < COUNT(objs); i++)
		CHECK(i == 2 || !resv_is_locked(&objs[i]));
	holder_let_go(&other);
	CHECK(resv_exec_reserve(&exec, set, COUNT(set), 0) == 0);
	resv_exec_fini(&exec);
	CHECK(holder_end(&other));
	return NULL;
}

/* ---- Fences of a reservation object ------------------------------------------------------------------------------ */

static int64_t asked_for; /* the deadline */

static const char *name(struct resv_fence *fence)
{
	(void)fence;
	return "c";
}

static void note_deadline(struct resv_fence *fence, int64_t deadline_ns)
{
	(void)fence;
	asked_for = deadline_ns;
}

static const struct resv_fence_ops ops = {
	.get_driver_name = name, .get_timeline_name = name, .set_deadline = note_deadline};

static struct resv_fence *make_fence(void)
{
	struct resv_fence *fence = resv_port_alloc(sizeof(*fence));

	if (fence)
		resv_fence_init(fence, &ops, NULL, resv_fence_context_alloc(1), 1);
	return fence;
}

const char *c_api_fences(void)
{
	struct resv_fence *mine = make_fence(), *fence, **all;
	struct resv_object obj, copy;
	struct resv_iter cursor;
	unsigned n;

	CHECK(mine);
	CHECK(resv_usage_rw(true) == RESV_USAGE_READ && resv_usage_rw(false) == RESV_USAGE_WRITE);
	resv_init(&obj);
	resv_init(&copy);
	CHECK(resv_lock(&obj, NULL) == 0);
	CHECK(resv_reserve_fences(&obj, 1) == 0);
	CHECK(resv_add_fence(&obj, mine, RESV_USAGE_WRITE) == 0);
	n = 0;
	resv_for_each_fence (&cursor, &obj, RESV_USAGE_READ, fence) {
		CHECK(fence == mine && resv_iter_usage(&cursor) == RESV_USAGE_WRITE);
		n++;
	}
	CHECK(n == 1);
	resv_replace_fences(&obj, mine->context, mine, RESV_USAGE_READ);
	resv_unlock(&obj);

	resv_iter_begin(&cursor, &obj, RESV_USAGE_READ);
	resv_for_each_fence_unlocked (&cursor, fence) {
		CHECK(fence == mine && resv_iter_is_restarted(&cursor));
		CHECK(resv_iter_usage(&cursor) == RESV_USAGE_READ);
		n++;
	}
	resv_iter_end(&cursor);
	CHECK(n == 2);

	CHECK(resv_get_fences(&obj, RESV_USAGE_BOOKKEEP, &n, &all) == 0);
	CHECK(n == 1 && all[0] == mine);
	resv_fence_put(all[0]);
	resv_port_free(all);
	CHECK(resv_get_singleton(&obj, RESV_USAGE_READ, &fence) == 0 && fence == mine);
	resv_fence_put(fence);
	CHECK(resv_lock(&copy, NULL) == 0);
	CHECK(resv_copy_fences(&copy, &obj) == 0);
	resv_unlock(&copy);
	CHECK(!resv_test_signaled(&copy, RESV_USAGE_READ) && resv_test_signaled(&copy, RESV_USAGE_WRITE));
	CHECK(resv_wait_timeout(&copy, RESV_USAGE_READ, false, 1000) == 0);
	resv_set_deadline(&copy, RESV_USAGE_READ, 1234);
	CHECK(asked_for == 1234);
	CHECK(resv_fence_signal(mine) == 0);
	CHECK(resv_test_signaled(&copy, RESV_USAGE_READ));
	CHECK(resv_wait_timeout(&copy, RESV_USAGE_READ, true, 1000) == 1000);
	resv_fini(&obj);
	resv_fini(&copy);
	resv_fence_put(mine);
	resv_port_drain();
	return NULL;
}

static void drop_line(const char *line, void *data)
{
	(void)line, (void)data;
}

static void count_containers(enum resv_report_kind kind, const char *text, void *count)
{
	(void)text;
	*(unsigned *)count += kind == RESV_REPORT_FENCE_CONTAINER;
}

/* Counts the lines that tell of an array. */
static void count_arrays(const char *line, void *count)
{
	*(unsigned *)count += strncmp(line, "  write fence at ", 17) == 0 && strstr(line, ": resv array ") &&
			      strstr(line, ":1, not signaled");
}

const char *c_api_fence_made_of_fences(void)
{
	struct resv_fence **members = resv_port_alloc(2 * sizeof(*members)), *array, *member[2];
	unsigned reports = 0, lines = 0;
	struct resv_object obj;

	CHECK(members);
	for (int i = 0; i < 2; i++) {
		member[i] = make_fence();
		CHECK(member[i]);
		members[i] = resv_fence_get(member[i]);
	}
	array = resv_fence_array_create(2, members, resv_fence_context_alloc(1), 1, false);
	CHECK(array);

	resv_host_set_report_sink(drop_line, NULL);
	resv_lockdep_set_report_handler(count_containers, &reports);
	resv_init(&obj);
	CHECK(resv_lock(&obj, NULL) == 0);
	CHECK(resv_reserve_fences(&obj, 2) == 0);
	CHECK(resv_add_fence(&obj, member[0], RESV_USAGE_WRITE) == 0 && reports == 0);
	CHECK(resv_add_fence(&obj, array, RESV_USAGE_WRITE) == 0 && reports == 1);
	resv_unlock(&obj);
	resv_lockdep_set_report_handler(NULL, NULL);
	resv_host_set_report_sink(NULL, NULL);

	resv_describe(&obj, count_arrays, &lines);
	CHECK(lines == 1);
	CHECK(resv_fence_signal(member[0]) == 0);
	CHECK(!resv_test_signaled(&obj, RESV_USAGE_WRITE));
	CHECK(resv_fence_signal(member[1]) == 0);
	CHECK(resv_test_signaled(&obj, RESV_USAGE_WRITE));
	resv_fini(&obj);
	resv_fence_put(array);
	for (int i = 0; i < 2; i++)
		resv_fence_put(member[i]);
	resv_port_drain();
	return NULL;
}

/* How many fences may be added; the last one is refused, with a report. */
static unsigned room_in(struct resv_object *obj)
{
	struct resv_fence *fence = resv_fence_get_stub();
	unsigned n = 0;

	while (resv_add_fence(obj, fence, RESV_USAGE_WRITE) == 0)
		n++;
	resv_fence_put(fence);
	return n;
}

const char *c_api_exec_prepares(void)
{
	struct resv_object a, b, *both[] = {&a, &b}, *twice[] = {&b, &b};
	struct resv_exec exec;
	int err = 0;

	resv_host_set_report_sink(drop_line, NULL);
	resv_init(&a);
	resv_init(&b);
	resv_exec_init(&exec, 0);
	resv_exec_until_all_locked (&exec) {
		err = resv_exec_lock_obj(&exec, &a);
		resv_exec_retry_on_contention(&exec);
		CHECK(err == 0);
	}
	CHECK(room_in(&a) == 0);
	resv_exec_fini(&exec);

	resv_exec_init(&exec, 0);
	resv_exec_until_all_locked (&exec) {
		err = resv_exec_prepare_obj(&exec, &a, 2);
		resv_exec_retry_on_contention(&exec);
		CHECK(err == 0);
		CHECK(resv_exec_prepare_obj(&exec, &a, 2) == -EALREADY);
		CHECK(resv_exec_prepare_array(&exec, twice, 1, 3) == 0 || resv_exec_is_contended(&exec));
		resv_exec_retry_on_contention(&exec);
	}
	CHECK(room_in(&a) == 4 && room_in(&b) == 3);
	resv_exec_fini(&exec);

	resv_exec_init(&exec, RESV_EXEC_IGNORE_DUPLICATES);
	resv_exec_until_all_locked (&exec) {
		err = resv_exec_prepare_array(&exec, both, 2, 1);
		resv_exec_retry_on_contention(&exec);
		if (err == 0)
			err = resv_exec_prepare_array(&exec, twice, 2, 1);
		resv_exec_retry_on_contention(&exec);
		CHECK(err == 0);
	}
	CHECK(room_in(&a) == 1 && room_in(&b) == 3);
	resv_exec_fini(&exec);

	resv_exec_init(&exec, 0);
	CHECK(resv_exec_reserve(&exec, twice, 2, 2) == 0);
	CHECK(room_in(&b) == 4);
	resv_exec_fini(&exec);

	/* Signaled fences leave their places, but 5 need more than there are. */
	resv_exec_init(&exec, 0);
	resv_host_fail_alloc(0);
	CHECK(resv_exec_reserve(&exec, both, 2, 5) == -ENOMEM);
	CHECK(!resv_is_locked(&a) && !resv_is_locked(&b));
	CHECK(resv_exec_reserve(&exec, both, 2, 5) == 0);
	resv_exec_fini(&exec);
	resv_fini(&a);
	resv_fini(&b);
	resv_port_drain();
	resv_host_set_report_sink(NULL, NULL);
	return NULL;
}

/* ---- Annotator -------------------------------------------------------------------------------------------------- */

const char *c_api_lockdep_calls(void)
{
	static struct resv_lock_class_key key;
	struct resv_lockdep_map map;

	resv_lockdep_init_map(&map, "a driver's own lock", &key, 0);
	resv_lockdep_acquire(&map, 0, 0, 0, 1, NULL, 0);
	resv_lockdep_release(&map, 0);
	resv_lockdep_sync(&map, 0, 0, 1, NULL, 0);
#if RESV_PROVE_LOCKING
	CHECK(strcmp(map.name, "a driver's own lock") == 0);
#endif
	return NULL;
}

static void count_report(enum resv_report_kind kind, const char *text, void *data)
{
	unsigned *counts = data;

	(void)text;
	counts[kind == RESV_REPORT_NOT_HELD ? 0 : 1]++;
}

/* One name for whatever there is to hold. */
const char *c_api_lockdep_assert_held(void)
{
	static struct resv_lock_class_key key;
	__extension__ struct resv_lockdep_map map = RESV_LOCKDEP_MAP_INIT("asserted", &key);
	struct resv_ww_mutex mutex;
	struct resv_object obj;
	unsigned counts[2] = {0, 0};
	unsigned expected = 2 * RESV_DEBUG_WW_MUTEXES + RESV_PROVE_LOCKING;

	(void)key;
	resv_ww_mutex_init(&mutex, &wound_wait_class);
	resv_init(&obj);
	resv_lockdep_reset();
	resv_lockdep_set_report_handler(count_report, counts);
	resv_host_set_report_sink(drop_line, NULL);

	CHECK(resv_ww_mutex_trylock(&mutex, NULL));
	CHECK(resv_trylock(&obj, NULL));
	resv_lockdep_acquire(&map, 0, 1, 0, 1, NULL, 0);
	resv_lockdep_assert_held(&mutex);
	resv_lockdep_assert_held(&obj);
	resv_lockdep_assert_held(&map);
	CHECK(counts[0] == 0 && counts[1] == 0);

	resv_lockdep_release(&map, 0);
	resv_unlock(&obj);
	resv_ww_mutex_unlock(&mutex);
	resv_lockdep_assert_held(&mutex);
	resv_lockdep_assert_held(&obj);
	resv_lockdep_assert_held(&map);
	resv_lockdep_set_report_handler(NULL, NULL);
	resv_host_set_report_sink(NULL, NULL);
	CHECK(counts[0] == expected && counts[1] == 0);
	return NULL;
}
