// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* Reservations, fences and LRUs among kthreads, with fences that are signaled in interrupts. */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>

#include "check.h"

#define MSEC    1000000ll
#define OBJECTS 12
#define ROUNDS  1200

/* ---- Waiting for an unreserve ----------------------------------------------------------------------------------- */

struct unreserve {
	struct resv_object obj;
	bool interruptible;
	int result;
};

static void *wait_for_unreserve(void *data)
{
	struct unreserve *u = data;

	u->result = resv_wait_for_unreserve(&u->obj, NULL, u->interruptible);
	return NULL;
}

static const char *waits_for_unreserve(unsigned int n)
{
	static struct unreserve u;
	struct thread waiter;

	resv_init(&u.obj);
	u.interruptible = true;
	CHECK(resv_lock(&u.obj, NULL) == 0);
	CHECK(thread_start(&waiter, wait_for_unreserve, &u) == 0);
	wait_until_asleep(waiter.task);
	resv_host_interrupt((resv_port_task)waiter.task);
	thread_join(&waiter);
	CHECK(u.result == -EINTR);

	u.interruptible = false;
	u.result = 1;
	CHECK(thread_start(&waiter, wait_for_unreserve, &u) == 0);
	wait_until_asleep(waiter.task);
	resv_host_kill((resv_port_task)waiter.task);
	msleep(20);
	CHECK(!completion_done(thread_done(&waiter)));
	resv_unlock(&u.obj);
	thread_join(&waiter);
	CHECK(u.result == 0 && !resv_is_locked(&u.obj));
	resv_fini(&u.obj);
	return NULL;
}

/* ---- Fences that an interrupt signals ---------------------------------------------------------------------------- */

/* A piece of work of a device, which tells that it is done by an interrupt, a hard one on PREEMPT_RT as well. */
struct job {
	struct irq_work interrupt;
	struct resv_fence *fence;
	bool in_hardirq;
};

static void job_done(struct irq_work *interrupt)
{
	struct job *job = container_of(interrupt, struct job, interrupt);

	job->in_hardirq = in_hardirq();
	resv_fence_signal(job->fence);
}

static struct resv_fence *new_fence(uint64_t context, uint64_t seqno)
{
	struct resv_fence *fence = resv_port_alloc(sizeof(*fence));

	if (fence)
		resv_fence_init(fence, NULL, NULL, context, seqno);
	return fence;
}

struct fence_waiter {
	struct resv_object obj;
	int64_t result;
	bool interruptible;
};

static void *wait_for_fences(void *data)
{
	struct fence_waiter *w = data;

	w->result = resv_wait_timeout(&w->obj, RESV_USAGE_READ, w->interruptible, 60000 * MSEC);
	return NULL;
}

static const char *interrupt_signals_fence(unsigned int n)
{
	static struct fence_waiter w;
	struct job job = {.interrupt = IRQ_WORK_INIT_HARD(job_done)};
	struct thread waiter;

	job.fence = new_fence(resv_fence_context_alloc(1), 1);
	CHECK(job.fence);
	resv_init(&w.obj);
	CHECK(resv_lock(&w.obj, NULL) == 0);
	CHECK(resv_reserve_fences(&w.obj, 1) == 0);
	CHECK(resv_add_fence(&w.obj, job.fence, RESV_USAGE_WRITE) == 0);
	resv_unlock(&w.obj);

	w.interruptible = true;
	CHECK(thread_start(&waiter, wait_for_fences, &w) == 0);
	wait_until_asleep(waiter.task);
	resv_host_interrupt((resv_port_task)waiter.task);
	thread_join(&waiter);
	CHECK(w.result == -EINTR);

	w.interruptible = false;
	CHECK(resv_wait_timeout(&w.obj, RESV_USAGE_READ, false, 10 * MSEC) == 0);
	CHECK(thread_start(&waiter, wait_for_fences, &w) == 0);
	wait_until_asleep(waiter.task);
	irq_work_queue(&job.interrupt);
	thread_join(&waiter);
	irq_work_sync(&job.interrupt);
	CHECK(w.result > 0 && job.in_hardirq);
	CHECK(resv_test_signaled(&w.obj, RESV_USAGE_BOOKKEEP));
	resv_fini(&w.obj);
	resv_fence_put(job.fence);
	return NULL;
}

struct counting {
	struct resv_fence_cb cb;
	atomic_t calls;
};

static void count_call(struct resv_fence *fence, struct resv_fence_cb *cb)
{
	atomic_inc(&container_of(cb, struct counting, cb)->calls);
}

/* The last reference of an array goes in the interrupt that signals its last member. */
static const char *interrupt_completes_array(unsigned int n)
{
	struct job job = {.interrupt = IRQ_WORK_INIT_HARD(job_done)};
	struct resv_fence **members = resv_port_alloc(2 * sizeof(*members)), *array, *second;
	struct counting c = {.calls = ATOMIC_INIT(0)};

	CHECK(members);
	job.fence = new_fence(resv_fence_context_alloc(1), 1);
	second = new_fence(resv_fence_context_alloc(1), 1);
	CHECK(job.fence && second);
	members[0] = resv_fence_get(job.fence);
	members[1] = resv_fence_get(second);
	array = resv_fence_array_create(2, members, resv_fence_context_alloc(1), 1, false);
	CHECK(array);
	CHECK(resv_fence_add_callback(array, &c.cb, count_call) == 0);
	CHECK(resv_fence_signal(second) == 0);
	resv_fence_put(second);
	CHECK(atomic_read(&c.calls) == 0);
	irq_work_queue(&job.interrupt);
	irq_work_sync(&job.interrupt);
	resv_port_drain();
	CHECK(atomic_read(&c.calls) == 1);
	CHECK(resv_fence_is_signaled(array));
	resv_fence_put(array);
	resv_fence_put(job.fence);
	return NULL;
}

/* ---- Transactions, fences, and readers without locks ------------------------------------------------------------- */

struct world {
	struct resv_object obj[OBJECTS];
	unsigned long count[OBJECTS]; /* plain: whoever has reserved the object adds to it */
	atomic_long_t counted;
	atomic_t seed;
	bool stop;
	bool interruptible;
};

static struct world world;

/* Reserves some, waits for what is written there, writes, and leaves a fence that is signaled a little later. */
static int submit(u32 *seed, uint64_t context, uint64_t seqno, struct resv_fence **last)
{
	struct resv_object *set[8];
	struct resv_fence *fence;
	struct resv_exec exec;
	unsigned int size = 1 + random(seed) % ARRAY_SIZE(set), i;
	struct resv_object *obj;
	int err;

	for (i = 0; i < size; i++)
		set[i] = &world.obj[random(seed) % OBJECTS]; /* may be there twice */
	resv_exec_init(&exec, world.interruptible ? RESV_EXEC_INTERRUPTIBLE_WAIT : 0);
	err = resv_exec_reserve(&exec, set, size, 1);
	fence = err ? NULL : new_fence(context, seqno);
	if (!err && !fence)
		err = -ENOMEM;
	if (!err) {
		resv_exec_for_each_locked_object (&exec, i, obj) {
			world.count[obj - world.obj]++;
			resv_add_fence(obj, fence, random(seed) % 2 ? RESV_USAGE_WRITE : RESV_USAGE_READ);
		}
		atomic_long_add(i, &world.counted);
	}
	resv_exec_fini(&exec);
	if (err)
		return err;
	if (*last) {
		resv_fence_signal(*last);
		resv_fence_put(*last);
	}
	*last = fence;
	return 0;
}

static void *submit_many(void *data)
{
	u32 seed = atomic_inc_return(&world.seed);
	uint64_t context = resv_fence_context_alloc(1);
	struct resv_fence *last = NULL;
	unsigned int round;
	int err = 0;

	for (round = 0; round < ROUNDS && (!err || err == -EINTR); round++)
		err = submit(&seed, context, round + 1, &last);
	if (last) {
		resv_fence_signal(last);
		resv_fence_put(last);
	}
	return err == -EINTR ? NULL : ERR_PTR(err);
}

static void *read_without_locks(void *data)
{
	u32 seed = atomic_inc_return(&world.seed);

	while (!READ_ONCE(world.stop)) {
		struct resv_object *obj = &world.obj[random(&seed) % OBJECTS];
		struct resv_fence *fence;
		struct resv_iter cursor;

		if (random(&seed) % 4 == 0 && resv_wait_timeout(obj, RESV_USAGE_WRITE, false, MSEC) < 0)
			return ERR_PTR(-EIO);
		resv_iter_begin(&cursor, obj, RESV_USAGE_BOOKKEEP);
		resv_for_each_fence_unlocked (&cursor, fence)
			if (fence->seqno == 0 || fence->seqno > ROUNDS)
				world.stop = true; /* no fence of ours */
		resv_iter_end(&cursor);
		resv_test_signaled(obj, RESV_USAGE_READ);
		cond_resched();
	}
	return NULL;
}

static const char *stress(bool send_signals)
{
	struct thread submitters[3], reader;
	unsigned long sum = 0;
	unsigned int i, failed = 0, round;

	memset(&world, 0, sizeof(world));
	world.interruptible = send_signals;
	for (i = 0; i < OBJECTS; i++)
		resv_init(&world.obj[i]);
	CHECK(thread_start(&reader, read_without_locks, NULL) == 0);
	for (i = 0; i < ARRAY_SIZE(submitters); i++)
		CHECK(thread_start(&submitters[i], submit_many, NULL) == 0);
	for (round = 0; send_signals && round < 300; round++) {
		resv_host_interrupt((resv_port_task)submitters[round % ARRAY_SIZE(submitters)].task);
		usleep_range(100, 300);
	}
	for (i = 0; i < ARRAY_SIZE(submitters); i++)
		failed += thread_join(&submitters[i]) != NULL;
	CHECK(!READ_ONCE(world.stop));
	WRITE_ONCE(world.stop, true);
	failed += thread_join(&reader) != NULL;
	CHECK(failed == 0);
	for (i = 0; i < OBJECTS; i++) {
		sum += world.count[i];
		CHECK(!resv_is_locked(&world.obj[i]));
		CHECK(resv_test_signaled(&world.obj[i], RESV_USAGE_BOOKKEEP));
		resv_fini(&world.obj[i]);
	}
	CHECK(sum == atomic_long_read(&world.counted) && sum != 0);
	return NULL;
}

static const char *submits_and_readers(unsigned int n)
{
	return stress(false);
}

static const char *submits_and_signals(unsigned int n)
{
	return stress(true);
}

/* ---- Eviction --------------------------------------------------------------------------------------------------- */

struct buffer {
	struct resv_lru_entry entry;
	struct resv_object obj;
	struct resv_release release;
	atomic_t references;
	unsigned long evictions; /* plain: whoever has reserved it adds to it */
};

static struct buffer buffers[OBJECTS];
static struct resv_lru lru;
static atomic_long_t evicted;
static atomic_t gone;

static struct buffer *buffer_of(struct resv_lru_entry *entry)
{
	return container_of(entry, struct buffer, entry);
}

static bool buffer_get(struct resv_lru_entry *entry)
{
	return atomic_inc_not_zero(&buffer_of(entry)->references);
}

static void buffer_put(struct resv_lru_entry *entry)
{
	atomic_dec(&buffer_of(entry)->references);
}

static const struct resv_lru_ops lru_ops = {.get = buffer_get, .put = buffer_put};

static int accept_any(struct resv_lru_entry *entry, struct resv_object *obj, bool reserved, void *data)
{
	return 1;
}

static void *evict_many(void *data)
{
	unsigned int round;

	for (round = 0; round < ROUNDS; round++) {
		struct resv_object *obj;
		struct buffer *b;
		int err = resv_lru_reserve_first(&lru, NULL, accept_any, NULL, &obj);

		if (err == -EBUSY) {
			cond_resched();
			continue;
		}
		if (err)
			return ERR_PTR(err);
		b = container_of(obj, struct buffer, obj);
		b->evictions++;
		atomic_long_inc(&evicted);
		resv_lru_move_tail(&b->entry);
		resv_unlock(obj);
	}
	return NULL;
}

static void *use_many(void *data)
{
	u32 seed = (uintptr_t)data;
	unsigned int round;

	for (round = 0; round < ROUNDS; round++) {
		struct buffer *b = &buffers[random(&seed) % OBJECTS];
		int err = resv_lock(&b->obj, NULL);

		if (err)
			return ERR_PTR(err);
		b->evictions++;
		atomic_long_inc(&evicted);
		resv_unlock(&b->obj);
		resv_lru_move_tail(&b->entry);
	}
	return NULL;
}

static void begin_buffers(void)
{
	unsigned int i;

	memset(buffers, 0, sizeof(buffers));
	atomic_long_set(&evicted, 0);
	atomic_set(&gone, 0);
	resv_lru_init(&lru, &lru_ops);
	for (i = 0; i < OBJECTS; i++) {
		atomic_set(&buffers[i].references, 1);
		resv_init(&buffers[i].obj);
		resv_lru_add(&lru, &buffers[i].entry, &buffers[i].obj);
	}
}

static const char *evictions_and_uses(unsigned int n)
{
	struct thread threads[4];
	unsigned long sum = 0;
	unsigned int i, failed = 0;

	begin_buffers();
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		CHECK(thread_start(&threads[i], i % 2 ? evict_many : use_many, (void *)(uintptr_t)i) == 0);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		failed += thread_join(&threads[i]) != NULL;
	CHECK(failed == 0);
	CHECK(resv_lru_count(&lru) == OBJECTS);
	for (i = 0; i < OBJECTS; i++) {
		CHECK(!resv_is_locked(&buffers[i].obj) && atomic_read(&buffers[i].references) == 1);
		sum += buffers[i].evictions;
		resv_lru_del(&buffers[i].entry);
		resv_fini(&buffers[i].obj);
	}
	resv_lru_fini(&lru);
	CHECK(sum == atomic_long_read(&evicted) && sum >= 2 * ROUNDS);
	return NULL;
}

static void buffer_gone(struct resv_release *release)
{
	struct buffer *b = container_of(release, struct buffer, release);

	resv_lru_del(&b->entry);
	resv_fini(&b->obj);
	atomic_inc(&gone);
}

/* Buffers that the device still uses go when an interrupt tells that it does not. */
static const char *release_waits_for_interrupt(unsigned int n)
{
	struct job job = {.interrupt = IRQ_WORK_INIT_HARD(job_done)};
	unsigned int i;

	begin_buffers();
	job.fence = new_fence(resv_fence_context_alloc(1), 1);
	CHECK(job.fence);
	for (i = 0; i < OBJECTS; i++) {
		struct resv_lru_entry *entry = &buffers[i].entry;

		CHECK(resv_lock(&buffers[i].obj, NULL) == 0);
		CHECK(resv_reserve_fences(&buffers[i].obj, 1) == 0);
		CHECK(resv_add_fence(&buffers[i].obj, job.fence, RESV_USAGE_BOOKKEEP) == 0);
		resv_unlock(&buffers[i].obj);
		atomic_set(&buffers[i].references, 0);
		resv_release_buffer(&buffers[i].release, &buffers[i].obj, &buffers[i].obj, &entry, 1,
				    buffer_gone);
	}
	resv_port_drain();
	CHECK(atomic_read(&gone) == 0);
	irq_work_queue(&job.interrupt);
	irq_work_sync(&job.interrupt);
	resv_port_drain();
	CHECK(atomic_read(&gone) == OBJECTS && resv_lru_count(&lru) == 0);
	resv_lru_fini(&lru);
	resv_fence_put(job.fence);
	return NULL;
}

static const struct named_test tests[] = {
	{"waits_for_unreserve", waits_for_unreserve},
	{"interrupt_signals_fence", interrupt_signals_fence},
	{"interrupt_completes_array", interrupt_completes_array},
	{"submits_and_readers", submits_and_readers},
	{"submits_and_signals", submits_and_signals},
	{"evictions_and_uses", evictions_and_uses},
	{"release_waits_for_interrupt", release_waits_for_interrupt},
};

SUITE(reservation, tests);
