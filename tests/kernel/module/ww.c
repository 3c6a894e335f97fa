// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* Wound/wait mutexes among kthreads, with each algorithm. */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/slab.h>

#include "check.h"

#define MANY   8
#define LOCKS  16
#define ROUNDS 1500
#define MSEC   1000000ll

static RESV_DEFINE_WW_CLASS(wound_wait_class);
static RESV_DEFINE_WD_CLASS(wait_die_class);
static RESV_DEFINE_CLASS(adaptive_class, RESV_WW_ADAPTIVE, RESV_STAMPS_LAZY);
static struct resv_ww_class *const classes[] = {&wound_wait_class, &wait_die_class, &adaptive_class};

/* So many threads meet here; for one use. */
static void meet(atomic_t *missing)
{
	atomic_dec(missing);
	while (atomic_read(missing) > 0)
		cond_resched();
}

/* ---- One thread ------------------------------------------------------------------------------------------------- */

static const char *aa(unsigned int n)
{
	struct resv_ww_acquire_ctx ctx;
	struct resv_ww_mutex lock;

	resv_ww_mutex_init(&lock, classes[n]);
	resv_ww_acquire_init(&ctx, classes[n]);
	CHECK(resv_ww_mutex_lock(&lock, &ctx) == 0);
	CHECK(resv_ww_mutex_lock(&lock, &ctx) == -EALREADY);
	CHECK(resv_ww_mutex_lock_interruptible(&lock, &ctx) == -EALREADY);
	CHECK(!resv_ww_mutex_trylock(&lock, &ctx) && !resv_ww_mutex_trylock(&lock, NULL));
	resv_ww_mutex_unlock(&lock);
	CHECK(!resv_ww_mutex_is_locked(&lock));
	resv_ww_acquire_fini(&ctx);

	CHECK(resv_ww_mutex_trylock(&lock, NULL) && !resv_ww_mutex_trylock(&lock, NULL));
	resv_ww_mutex_unlock(&lock);
	resv_ww_mutex_destroy(&lock);
	return NULL;
}

/* ---- Circles ---------------------------------------------------------------------------------------------------- */

struct circle {
	struct resv_ww_mutex lock[MANY];
	unsigned int size;
	struct resv_ww_class *class;
	atomic_t missing, deadlocks, place;
};

/* Holds one, and wants the next: all do, so somebody must give way. */
static void *take_own_and_next(void *data)
{
	struct circle *c = data;
	const unsigned int i = atomic_inc_return(&c->place) - 1;
	struct resv_ww_mutex *own = &c->lock[i], *next = &c->lock[(i + 1) % c->size];
	struct resv_ww_acquire_ctx ctx;
	int err;

	resv_ww_acquire_init(&ctx, c->class);
	err = resv_ww_mutex_lock(own, &ctx);
	meet(&c->missing);
	if (!err)
		err = resv_ww_mutex_lock(next, &ctx);
	while (err == -EDEADLK) {
		atomic_inc(&c->deadlocks);
		resv_ww_mutex_unlock(own);
		resv_ww_mutex_lock_slow(next, &ctx);
		swap(own, next);
		err = resv_ww_mutex_lock(next, &ctx);
	}
	if (!err)
		resv_ww_acquire_unlock_all(&ctx);
	resv_ww_acquire_fini(&ctx);
	return ERR_PTR(err);
}

static const char *circle_of(unsigned int size, struct resv_ww_class *class)
{
	static struct circle c;
	struct thread threads[MANY];
	unsigned int i, failed = 0;

	c.size = size;
	c.class = class;
	atomic_set(&c.missing, size);
	atomic_set(&c.deadlocks, 0);
	atomic_set(&c.place, 0);
	for (i = 0; i < size; i++)
		resv_ww_mutex_init(&c.lock[i], class);
	for (i = 0; i < size; i++)
		CHECK(thread_start(&threads[i], take_own_and_next, &c) == 0);
	for (i = 0; i < size; i++)
		failed += thread_join(&threads[i]) != NULL;
	CHECK(failed == 0);
	CHECK(atomic_read(&c.deadlocks) >= 1);
	for (i = 0; i < size; i++) {
		CHECK(!resv_ww_mutex_is_locked(&c.lock[i]));
		resv_ww_mutex_destroy(&c.lock[i]);
	}
	return NULL;
}

static const char *abba(unsigned int n)
{
	unsigned int round;
	const char *failure = NULL;

	for (round = 0; round < 20 && !failure; round++)
		failure = circle_of(2, classes[n]);
	return failure;
}

static const char *cycles(unsigned int n)
{
	unsigned int size;
	const char *failure = NULL;

	for (size = 2; size <= MANY && !failure; size++)
		failure = circle_of(size, classes[n]);
	return failure;
}

/* ---- Stress ----------------------------------------------------------------------------------------------------- */

struct stress {
	struct resv_ww_mutex lock[LOCKS];
	unsigned long count[LOCKS]; /* plain: whoever holds the lock adds to it */
	struct resv_ww_class *class;
	bool interruptible;
	atomic_t seed;
	atomic_long_t counted, interrupted;
	bool stop;
};

static int take(struct stress *s, struct resv_ww_mutex *lock, struct resv_ww_acquire_ctx *ctx)
{
	return s->interruptible ? resv_ww_mutex_lock_interruptible(lock, ctx) : resv_ww_mutex_lock(lock, ctx);
}

/* Takes a set of locks, in any order, and counts in each. */
static int transact(struct stress *s, u32 *seed)
{
	struct resv_ww_mutex *contended = NULL;
	struct resv_ww_acquire_ctx ctx;
	unsigned int order[LOCKS], size = 1 + random(seed) % 6, i;
	int err;

	for (i = 0; i < LOCKS; i++)
		order[i] = i;
	for (i = 0; i < size; i++) {
		unsigned int other = i + random(seed) % (LOCKS - i);

		swap(order[i], order[other]);
	}

	resv_ww_acquire_init(&ctx, s->class);
	do {
		err = 0;
		if (contended && s->interruptible)
			err = resv_ww_mutex_lock_slow_interruptible(contended, &ctx);
		else if (contended)
			resv_ww_mutex_lock_slow(contended, &ctx);
		for (i = 0; i < size && !err; i++) {
			if (&s->lock[order[i]] == contended)
				continue;
			err = take(s, &s->lock[order[i]], &ctx);
			if (err == -EDEADLK)
				contended = &s->lock[order[i]];
		}
		if (!err)
			for (i = 0; i < size; i++)
				s->count[order[i]]++;
		if (!err && random(seed) % 4)
			for (i = 0; i < size; i++)
				resv_ww_mutex_unlock(&s->lock[order[i]]);
		else
			resv_ww_acquire_unlock_all(&ctx);
	} while (err == -EDEADLK);
	if (err)
		resv_ww_acquire_abandon(&ctx);
	resv_ww_acquire_fini(&ctx);
	if (!err)
		atomic_long_add(size, &s->counted);
	return err;
}

static void *do_transactions(void *data)
{
	struct stress *s = data;
	u32 seed = atomic_inc_return(&s->seed);
	unsigned int round;
	int err = 0;

	for (round = 0; round < ROUNDS && (!err || err == -EINTR); round++) {
		err = transact(s, &seed);
		if (err == -EINTR)
			atomic_long_inc(&s->interrupted);
	}
	return err == -EINTR ? NULL : ERR_PTR(err);
}

/* `send_signals` until all have ended: they take each as a reason to give up one transaction. */
static const char *stress(struct resv_ww_class *class, bool send_signals)
{
	static struct stress s;
	struct thread threads[4];
	unsigned long sum = 0;
	unsigned int i, failed = 0, round;

	memset(&s, 0, sizeof(s));
	s.class = class;
	s.interruptible = send_signals;
	for (i = 0; i < LOCKS; i++)
		resv_ww_mutex_init(&s.lock[i], class);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		CHECK(thread_start(&threads[i], do_transactions, &s) == 0);
	for (round = 0; send_signals && round < 400; round++) {
		resv_host_interrupt((resv_port_task)threads[round % ARRAY_SIZE(threads)].task);
		usleep_range(100, 300);
	}
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		failed += thread_join(&threads[i]) != NULL;
	CHECK(failed == 0);
	for (i = 0; i < LOCKS; i++) {
		sum += s.count[i];
		CHECK(!resv_ww_mutex_is_locked(&s.lock[i]));
		resv_ww_mutex_destroy(&s.lock[i]);
	}
	CHECK(sum == atomic_long_read(&s.counted));
	CHECK(sum != 0);
	return NULL;
}

static const char *stress_in_any_order(unsigned int n)
{
	return stress(classes[n], false);
}

static const char *stress_with_signals(unsigned int n)
{
	return stress(classes[n], true);
}

/* ---- Signals and deadlines -------------------------------------------------------------------------------------- */

struct waiting {
	struct resv_ww_mutex lock;
	struct resv_ww_class *class;
	int (*wait)(struct resv_ww_mutex *lock, struct resv_ww_acquire_ctx *ctx);
	int result;
};

static void *wait_for_lock(void *data)
{
	struct waiting *w = data;
	struct resv_ww_acquire_ctx ctx;

	resv_ww_acquire_init(&ctx, w->class);
	w->result = w->wait(&w->lock, &ctx);
	if (!w->result)
		resv_ww_mutex_unlock(&w->lock);
	resv_ww_acquire_fini(&ctx);
	return NULL;
}

static bool still_waits(struct thread *waiter)
{
	msleep(30);
	return !completion_done(thread_done(waiter));
}

/* Which signals end which wait, while the lock is held. */
static const char *signals(unsigned int n)
{
	static struct waiting w;
	struct thread waiter;

	w.class = classes[n];
	resv_ww_mutex_init(&w.lock, w.class);
	CHECK(resv_ww_mutex_lock(&w.lock, NULL) == 0);

	w.wait = resv_ww_mutex_lock_interruptible;
	CHECK(thread_start(&waiter, wait_for_lock, &w) == 0);
	wait_until_asleep(waiter.task);
	CHECK(still_waits(&waiter));
	resv_host_interrupt((resv_port_task)waiter.task);
	thread_join(&waiter);
	CHECK(w.result == -EINTR);

	w.wait = resv_ww_mutex_lock_killable;
	CHECK(thread_start(&waiter, wait_for_lock, &w) == 0);
	wait_until_asleep(waiter.task);
	resv_host_interrupt((resv_port_task)waiter.task);
	CHECK(still_waits(&waiter));
	resv_host_kill((resv_port_task)waiter.task);
	thread_join(&waiter);
	CHECK(w.result == -EINTR);

	w.wait = resv_ww_mutex_lock;
	CHECK(thread_start(&waiter, wait_for_lock, &w) == 0);
	wait_until_asleep(waiter.task);
	resv_host_interrupt((resv_port_task)waiter.task);
	resv_host_kill((resv_port_task)waiter.task);
	CHECK(still_waits(&waiter));
	resv_ww_mutex_unlock(&w.lock);
	thread_join(&waiter);
	CHECK(w.result == 0);
	CHECK(!resv_ww_mutex_is_locked(&w.lock));
	resv_ww_mutex_destroy(&w.lock);
	return NULL;
}

static int wait_a_while(struct resv_ww_mutex *lock, struct resv_ww_acquire_ctx *ctx)
{
	return resv_ww_mutex_lock_timeout(lock, ctx, 20 * MSEC);
}

static const char *deadlines(unsigned int n)
{
	static struct waiting w;
	struct thread waiter;
	int64_t began;

	w.class = classes[n];
	w.wait = wait_a_while;
	resv_ww_mutex_init(&w.lock, w.class);
	CHECK(resv_ww_mutex_lock(&w.lock, NULL) == 0);
	began = resv_port_clock();
	CHECK(thread_start(&waiter, wait_for_lock, &w) == 0);
	thread_join(&waiter);
	CHECK(w.result == -ETIME);
	CHECK(resv_port_clock() - began >= 20 * MSEC);
	resv_ww_mutex_unlock(&w.lock);
	resv_ww_mutex_destroy(&w.lock);
	return NULL;
}

#define EACH(name)                                                    \
	{#name "_wound_wait", name, 0}, {#name "_wait_die", name, 1}, \
	{                                                             \
#name "_adaptive", name, 2                            \
	}

static const struct named_test tests[] = {
	EACH(aa),      EACH(abba),      EACH(cycles), EACH(stress_in_any_order), EACH(stress_with_signals),
	EACH(signals), EACH(deadlines),
};

SUITE(ww, tests);
