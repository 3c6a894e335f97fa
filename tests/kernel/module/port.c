// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * What <resv/port.h> promises, of the Linux port: what can only be asked in a kernel, and what tests/port_test.cpp
 * asks of the host's.
 */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/string.h>

#include "check.h"

#define MSEC 1000000ll

static const enum resv_port_park_mode modes[] = {
	RESV_PARK_UNINTERRUPTIBLE,
	RESV_PARK_INTERRUPTIBLE,
	RESV_PARK_KILLABLE,
};

static void pin_and_wake(resv_port_task task)
{
	resv_port_task_pin(task);
	resv_port_task_wake(task);
}

/* ---- Tasks and parking ------------------------------------------------------------------------------------------ */

static const char *task_identity(unsigned int n)
{
	CHECK(resv_port_current() == (resv_port_task)current && (resv_port_current() & 3) == 0);
	return NULL;
}

static void *sleep_until_woken(void *data)
{
	atomic_t *go = data;

	for (;;) {
		resv_port_park_prepare(RESV_PARK_UNINTERRUPTIBLE);
		if (atomic_read(go))
			break;
		if (resv_port_park(RESV_PARK_UNINTERRUPTIBLE, RESV_WAIT_FOREVER))
			return ERR_PTR(-EIO);
		resv_port_park_finish();
	}
	resv_port_park_finish();
	return NULL;
}

static const char *parked_task_does_not_run(unsigned int n)
{
	struct thread thread;
	atomic_t go = ATOMIC_INIT(0);

	CHECK(thread_start(&thread, sleep_until_woken, &go) == 0);
	wait_until_asleep(thread.task);
	CHECK(!resv_port_task_running((resv_port_task)thread.task));
	atomic_set(&go, 1);
	pin_and_wake((resv_port_task)thread.task);
	CHECK(!thread_join(&thread));
	return NULL;
}

static const char *wake_after_prepare(unsigned int n)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		resv_port_park_prepare(modes[i]);
		pin_and_wake(resv_port_current());
		CHECK(resv_port_park(modes[i], RESV_WAIT_FOREVER) == 0);
		resv_port_park_finish();
		CHECK(READ_ONCE(current->__state) == TASK_RUNNING);
	}
	return NULL;
}

static int park_until(enum resv_port_park_mode mode, int64_t deadline)
{
	int ret = 0, attempt;

	for (attempt = 0; ret == 0 && attempt < 1000; attempt++) {
		resv_port_park_prepare(mode);
		ret = resv_port_park(mode, deadline);
		resv_port_park_finish();
	}
	return ret;
}

static const char *deadlines(unsigned int n)
{
	static const int64_t durations[] = {1, 1000, MSEC, 30 * MSEC};
	static const int64_t passed[] = {1, 0, -1, -1000 * MSEC, S64_MIN};
	unsigned int i, k;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		pin_and_wake(resv_port_current()); /* before prepare: counts for nothing */
		for (k = 0; k < ARRAY_SIZE(durations); k++) {
			int64_t deadline = resv_port_clock() + durations[k];

			CHECK(park_until(modes[i], deadline) == -ETIME);
			CHECK(resv_port_clock() >= deadline);
		}
		for (k = 0; k < ARRAY_SIZE(passed); k++)
			CHECK(park_until(modes[i], passed[k]) == -ETIME);
	}
	return NULL;
}

/* A wake and a pending signal: the signal is told of. */
static const char *pending_signals(unsigned int n)
{
	int64_t soon = resv_port_clock() + MSEC;

	resv_host_interrupt(resv_port_current());
	CHECK(park_until(RESV_PARK_UNINTERRUPTIBLE, soon) == -ETIME);
	CHECK(park_until(RESV_PARK_KILLABLE, soon) == -ETIME);
	CHECK(park_until(RESV_PARK_INTERRUPTIBLE, RESV_WAIT_FOREVER) == -EINTR);
	resv_host_kill(resv_port_current());
	CHECK(park_until(RESV_PARK_UNINTERRUPTIBLE, soon) == -ETIME);
	CHECK(park_until(RESV_PARK_KILLABLE, RESV_WAIT_FOREVER) == -EINTR);
	CHECK(park_until(RESV_PARK_INTERRUPTIBLE, RESV_WAIT_FOREVER) == -EINTR);
	resv_host_clear_signals();
	return NULL;
}

struct game {
	resv_port_task player[2];
	atomic_t ball, joined;
};

#define TURNS 2000

static void *play(void *data)
{
	struct game *game = data;
	const int me = atomic_inc_return(&game->joined) - 1;
	int round;

	smp_store_release(&game->player[me], resv_port_current());
	while (!smp_load_acquire(&game->player[!me]))
		cond_resched();
	for (round = 0; round < TURNS; round++) {
		while (atomic_read(&game->ball) != 2 * round + me) {
			resv_port_park_prepare(modes[round % 3]);
			if (atomic_read(&game->ball) != 2 * round + me &&
			    resv_port_park(modes[round % 3], RESV_WAIT_FOREVER))
				return ERR_PTR(-EIO);
			resv_port_park_finish();
		}
		resv_port_task_pin(game->player[!me]);
		atomic_set(&game->ball, 2 * round + me + 1);
		resv_port_task_wake(game->player[!me]);
	}
	return NULL;
}

static const char *ping_pong_loses_no_wake(unsigned int n)
{
	static struct game game;
	struct thread threads[2];

	memset(&game, 0, sizeof(game));
	CHECK(thread_start(&threads[0], play, &game) == 0);
	CHECK(thread_start(&threads[1], play, &game) == 0);
	CHECK(!thread_join(&threads[0]));
	CHECK(!thread_join(&threads[1]));
	CHECK(atomic_read(&game.ball) == 2 * TURNS);
	return NULL;
}

static void *end_at_once(void *data)
{
	return NULL;
}

/* The last reference to a task goes in an interrupt. */
struct late_wake {
	struct irq_work interrupt;
	resv_port_task task;
};

static void wake_late(struct irq_work *interrupt)
{
	resv_port_task_wake(container_of(interrupt, struct late_wake, interrupt)->task);
}

static const char *pin_keeps_an_ended_task(unsigned int n)
{
	struct late_wake late = {.interrupt = IRQ_WORK_INIT_HARD(wake_late)};
	struct thread thread;

	CHECK(thread_start(&thread, end_at_once, NULL) == 0);
	late.task = (resv_port_task)thread.task;
	resv_port_task_pin(late.task);
	thread_join(&thread);
	synchronize_rcu();
	irq_work_queue(&late.interrupt);
	irq_work_sync(&late.interrupt);
	return NULL;
}

/* ---- Spinning ---------------------------------------------------------------------------------------------------- */

#define SPINS 50000

static struct resv_port_spinlock spin;
static unsigned long spun;
static atomic_t spinners_missing;

static void *spin_many(void *data)
{
	unsigned int round;

	atomic_dec(&spinners_missing);
	while (atomic_read(&spinners_missing) > 0)
		cond_resched();
	for (round = 0; round < SPINS; round++) {
		unsigned long flags = resv_port_spin_lock(&spin), seen = READ_ONCE(spun);

		resv_port_relax(0);
		WRITE_ONCE(spun, seen + 1);
		resv_port_spin_unlock(&spin, flags);
	}
	return NULL;
}

static const char *spin_lock_excludes(unsigned int n)
{
	struct thread threads[4];
	unsigned int i;

	spun = 0;
	atomic_set(&spinners_missing, ARRAY_SIZE(threads));
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		CHECK(thread_start(&threads[i], spin_many, NULL) == 0);
	for (i = 0; i < ARRAY_SIZE(threads); i++)
		thread_join(&threads[i]);
	CHECK(spun == ARRAY_SIZE(threads) * SPINS);
	return NULL;
}

static const char *spin_lock_turns_interrupts_off(unsigned int n)
{
	struct resv_port_spinlock inner = {};
	unsigned long outer_flags = resv_port_spin_lock(&spin), inner_flags;
	bool off = irqs_disabled() && !preemptible(), still, on;

	inner_flags = resv_port_spin_lock(&inner);
	resv_port_spin_unlock(&inner, inner_flags);
	still = irqs_disabled();
	resv_port_spin_unlock(&spin, outer_flags);
	on = !irqs_disabled() && preemptible();
	CHECK(off && still && on);
	return NULL;
}

static const char *critical_sections_nest(unsigned int n)
{
	bool in, still;

	resv_port_critical_begin();
	resv_port_critical_begin();
	in = preemptible();
	resv_port_critical_end();
	still = preemptible();
	resv_port_critical_end();
	CHECK(!in && !still && preemptible());
	return NULL;
}

/* ---- Memory ------------------------------------------------------------------------------------------------------ */

static const char *memory_is_zeroed(unsigned int n)
{
	size_t size;

	for (size = 1; size <= 65536; size *= 2) {
		char *memory = resv_port_alloc(size);

		CHECK(memory && !memchr_inv(memory, 0, size));
		memset(memory, 0xa5, size);
		resv_port_free(memory);
	}
	CHECK(!resv_port_alloc(SIZE_MAX / 2));
	resv_port_free(NULL);
	return NULL;
}

struct late_free {
	struct irq_work interrupt;
	void *memory;
};

static void free_late(struct irq_work *interrupt)
{
	resv_port_free(container_of(interrupt, struct late_free, interrupt)->memory);
}

static const char *memory_is_freed_in_interrupt(unsigned int n)
{
	struct late_free late = {.interrupt = IRQ_WORK_INIT_HARD(free_late), .memory = resv_port_alloc(1)};

	CHECK(late.memory);
	irq_work_queue(&late.interrupt);
	irq_work_sync(&late.interrupt);
	resv_port_drain();
	return NULL;
}

struct asked {
	struct resv_port_work work;
	unsigned int number;
	bool in_order, done;
};

static atomic_t numbers;

static void asked_fn(struct resv_port_work *work)
{
	struct asked *a = container_of(work, struct asked, work);

	a->in_order = atomic_inc_return(&numbers) == a->number;
	smp_store_release(&a->done, true);
}

#define ASKED 8

/* In order, and none before the spin locks are dropped, wherever the worker may run. */
static const char *deferred_work_waits_for_spin_locks(unsigned int n)
{
	static struct asked asked[ASKED];
	unsigned int round, i;
	bool early = false;

	for (round = 0; round < 50; round++) {
		unsigned long flags;
		int64_t end;

		memset(asked, 0, sizeof(asked));
		atomic_set(&numbers, 0);
		flags = resv_port_spin_lock(&spin);
		for (i = 0; i < ASKED; i++) {
			asked[i].work.fn = asked_fn;
			asked[i].number = i + 1;
			resv_port_defer(&asked[i].work);
		}
		for (end = resv_port_clock() + MSEC; resv_port_clock() < end;)
			early |= READ_ONCE(asked[0].done);
		resv_port_spin_unlock(&spin, flags);
		resv_port_drain();
		CHECK(!early);
		for (i = 0; i < ASKED; i++)
			CHECK(asked[i].done && asked[i].in_order);
	}
	return NULL;
}

/* Looks at its section's end whether what was asked for meanwhile has been done too early. */
static void *stay_in_section(void *data)
{
	struct asked *a = data;
	int64_t end = resv_port_clock() + 100 * MSEC;
	bool early = false;

	resv_port_read_lock();
	resv_port_read_lock();
	resv_port_read_unlock();
	WRITE_ONCE(a->number, 1);
	while (resv_port_clock() < end) {
		early |= READ_ONCE(a->done);
		cpu_relax();
	}
	resv_port_read_unlock();
	return early ? ERR_PTR(-EIO) : NULL;
}

static const char *after_readers_waits_for_sections(unsigned int n)
{
	static struct asked a;
	struct thread reader;

	memset(&a, 0, sizeof(a));
	a.work.fn = asked_fn;
	CHECK(thread_start(&reader, stay_in_section, &a) == 0);
	while (!READ_ONCE(a.number))
		usleep_range(50, 100);
	resv_port_after_readers(&a.work);
	CHECK(!thread_join(&reader));
	resv_port_drain();
	CHECK(a.done);
	return NULL;
}

/* More than may wait at a time: askers wait, and all goes well. */
static const char *memory_goes_after_readers(unsigned int n)
{
	unsigned int i;

	for (i = 0; i < 40000; i++) {
		struct asked *a = resv_port_alloc(sizeof(*a));

		CHECK(a);
		resv_port_free_after_readers(&a->work, a);
	}
	resv_port_drain();
	return NULL;
}

/* ---- Time and reports -------------------------------------------------------------------------------------------- */

static const char *texts(unsigned int n)
{
	char text[256], expected[64], small[4];
	struct thread thread;
	resv_port_task ended;

	resv_port_task_name(resv_port_current(), text, sizeof(text));
	snprintf(expected, sizeof(expected), "%s/%d", current->comm, current->pid);
	CHECK(strcmp(text, expected) == 0);
	CHECK(thread_start(&thread, end_at_once, NULL) == 0);
	ended = (resv_port_task)thread.task;
	thread_join(&thread);
	resv_port_task_name(ended, text, sizeof(text));
	CHECK(strcmp(text, "a task that has ended") == 0 || strchr(text, '/')); /* another is there */
	resv_port_task_name(resv_port_current(), small, sizeof(small));
	CHECK(strlen(small) == sizeof(small) - 1);

	resv_port_symbol((uintptr_t)resv_port_clock + 1, text, sizeof(text));
	CHECK(strncmp(text, "resv_port_clock+0x1/0x", 22) == 0);
	resv_port_symbol(1, text, sizeof(text));
	CHECK(strcmp(text, "0x1") == 0);
	resv_port_system(text, sizeof(text));
	CHECK(strstr(text, "6.") == text && strstr(text, " #") && strstr(text, "Tainted: ") &&
	      strchr(text, 'O'));
	return NULL;
}

static __attribute__((__noipa__)) unsigned int trace_here(uintptr_t *pcs, unsigned int max, unsigned int skip)
{
	unsigned int count = resv_port_stack_trace(pcs, max, skip);

	barrier(); /* no tail call */
	return count;
}

static const char *stack_trace(unsigned int n)
{
	uintptr_t pcs[16], skipped[16];
	char text[128];
	unsigned int count = trace_here(pcs, ARRAY_SIZE(pcs), 0);

	CHECK(count >= 3);
	resv_port_symbol(pcs[0], text, sizeof(text));
	CHECK(strncmp(text, "trace_here+", 11) == 0);
	CHECK(trace_here(skipped, ARRAY_SIZE(skipped), 1) == count - 1 && skipped[1] == pcs[2]);
	CHECK(trace_here(pcs, 2, 0) == 2);
	return NULL;
}

static const char *clock_goes_on(unsigned int n)
{
	int64_t began = resv_port_clock(), now;

	usleep_range(20000, 40000);
	now = resv_port_clock();
	CHECK(now - began >= 20 * MSEC && now - began < 10000 * MSEC);
	return NULL;
}

static const char *stands_back_until_then(unsigned int n)
{
	int64_t until = resv_port_clock() + 5 * MSEC;

	resv_port_stand_back(until);
	CHECK(resv_port_clock() >= until);
	resv_port_stand_back(until); /* that is over */
	return NULL;
}

/* ---- Held locks: only with the annotator ----------------------------------------------------------------------- */

#if RESV_PROVE_LOCKING

static const unsigned int all_off = RESV_HARDIRQS_OFF | RESV_SOFTIRQS_OFF;

static const char *held_of_task(unsigned int n)
{
	struct resv_port_held *held = resv_port_held_locks();
	unsigned long flags;
	unsigned int state[3];

	CHECK(held && (uintptr_t)held % RESV_PORT_HELD_ALIGN == 0 && held->irq_state == 0);
	CHECK(!memchr_inv(held->opaque, 0, sizeof(held->opaque))); /* the task is new */
	local_irq_save(flags);
	state[0] = resv_port_held_locks()->irq_state;
	local_irq_restore(flags);
	local_bh_disable();
	state[1] = resv_port_held_locks()->irq_state;
	local_bh_enable();
	state[2] = resv_port_held_locks()->irq_state;
	CHECK(state[0] == all_off && state[1] == RESV_SOFTIRQS_OFF && state[2] == 0);
	CHECK(resv_port_held_locks() == held);
	return NULL;
}

static struct resv_port_held *held_in_irq;
static unsigned int state_in_irq;
static struct completion irq_came;

static void look(void)
{
	held_in_irq = resv_port_held_locks();
	state_in_irq = held_in_irq ? held_in_irq->irq_state : 0;
	complete(&irq_came);
}

static void look_in_hardirq(struct irq_work *interrupt)
{
	look();
}

static void look_in_softirq(struct tasklet_struct *tasklet)
{
	look();
}

static DECLARE_TASKLET(softirq, look_in_softirq);

static const char *held_of_interrupts(unsigned int n)
{
	struct irq_work hardirq = IRQ_WORK_INIT_HARD(look_in_hardirq);
	struct resv_port_held *own = resv_port_held_locks(), *in_hardirq;

	init_completion(&irq_came);
	irq_work_queue(&hardirq);
	wait_for_completion(&irq_came);
	irq_work_sync(&hardirq);
	in_hardirq = held_in_irq;
	CHECK(in_hardirq && in_hardirq != own && state_in_irq == (RESV_IN_HARDIRQ | all_off));

	tasklet_schedule(&softirq);
	wait_for_completion(&irq_came);
	tasklet_kill(&softirq);
	CHECK(held_in_irq && held_in_irq != own && held_in_irq != in_hardirq);
	CHECK(state_in_irq == (RESV_IN_SOFTIRQ | RESV_SOFTIRQS_OFF));
	return NULL;
}

struct guest {
	struct thread thread;
	struct resv_port_held *held;
	atomic_t *missing;
};

static void *write_own(void *data)
{
	struct guest *guest = data;
	unsigned int i;

	guest->held = resv_port_held_locks();
	if (!guest->held || memchr_inv(guest->held->opaque, 0, sizeof(guest->held->opaque))) {
		atomic_dec(guest->missing);
		return ERR_PTR(-EIO);
	}
	for (i = 0; i < ARRAY_SIZE(guest->held->opaque); i++)
		guest->held->opaque[i] = (unsigned int)(uintptr_t)current;
	atomic_dec(guest->missing);
	while (atomic_read(guest->missing) > 0)
		usleep_range(1000, 2000);
	for (i = 0; i < ARRAY_SIZE(guest->held->opaque); i++)
		if (guest->held->opaque[i] != (unsigned int)(uintptr_t)current)
			return ERR_PTR(-EIO);
	return resv_port_held_locks() == guest->held ? NULL : ERR_PTR(-EIO);
}

#define GUESTS 50

/* More tasks come and go than there are places. Those that live at the same time never meet; each begins with nothing. */
static const char *held_of_many_tasks(unsigned int n)
{
	static struct guest guests[GUESTS];
	unsigned int round, i, failed = 0;

	for (round = 0; round < 16; round++) {
		atomic_t missing = ATOMIC_INIT(GUESTS);

		for (i = 0; i < GUESTS; i++) {
			guests[i].missing = &missing;
			CHECK(thread_start(&guests[i].thread, write_own, &guests[i]) == 0);
		}
		for (i = 0; i < GUESTS; i++)
			failed += thread_join(&guests[i].thread) != NULL;
		CHECK(failed == 0);
	}
	return NULL;
}
#endif

static const struct named_test tests[] = {
	{"task_identity", task_identity},
	{"parked_task_does_not_run", parked_task_does_not_run},
	{"wake_after_prepare", wake_after_prepare},
	{"deadlines", deadlines},
	{"pending_signals", pending_signals},
	{"ping_pong_loses_no_wake", ping_pong_loses_no_wake},
	{"pin_keeps_an_ended_task", pin_keeps_an_ended_task},
	{"spin_lock_excludes", spin_lock_excludes},
	{"spin_lock_turns_interrupts_off", spin_lock_turns_interrupts_off},
	{"critical_sections_nest", critical_sections_nest},
	{"memory_is_zeroed", memory_is_zeroed},
	{"memory_is_freed_in_interrupt", memory_is_freed_in_interrupt},
	{"deferred_work_waits_for_spin_locks", deferred_work_waits_for_spin_locks},
	{"after_readers_waits_for_sections", after_readers_waits_for_sections},
	{"memory_goes_after_readers", memory_goes_after_readers},
	{"texts", texts},
	{"stack_trace", stack_trace},
	{"clock_goes_on", clock_goes_on},
	{"stands_back_until_then", stands_back_until_then},
#if RESV_PROVE_LOCKING
	{"held_of_task", held_of_task},
	{"held_of_interrupts", held_of_interrupts},
	{"held_of_many_tasks", held_of_many_tasks},
#endif
};

SUITE(port, tests);
