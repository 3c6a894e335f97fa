/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What the suites of the test module have in common. */
#ifndef TESTS_KERNEL_OS_H
#define TESTS_KERNEL_OS_H

#include <linux/completion.h>
#include <linux/kernel.h>
#include <linux/sched.h>

#include <resv/resv.h>
#include <resv_port/host.h>

/* ---- Suites: main.c ---- */

struct test {
	char name[128];
	const char *(*run)(unsigned int n); /* NULL, or what did not hold */
	unsigned int n;
};

struct suite {
	const char *name;
	unsigned int (*get)(unsigned int index, struct test *test); /* how many there are; test may be NULL */
};

extern const struct suite misuse_suite, lockdep_suite, c_suite, port_suite, ww_suite, reservation_suite,
	deadlock_suite, beside_suite, forward_suite;

struct named_test {
	const char *name;
	const char *(*run)(unsigned int n);
	unsigned int n;
};

unsigned int suite_get(const struct named_test *tests, unsigned int count, unsigned int index,
		       struct test *test);

/* ---- Threads: os.c ---- */

struct thread {
	struct task_struct *task;
	struct thread_state *state;
};

/** Starts a kthread that takes signals. 0 or an error. */
int thread_start(struct thread *thread, void *(*run)(void *data), void *data);

/** Waits until it has returned, and has gone from the module's code. */
void *thread_join(struct thread *thread);

/** Has it returned? */
struct completion *thread_done(const struct thread *thread);

/** A thread that does what it is told. */
struct actor;
struct actor *actor_start(void);
void actor_run(struct actor *actor, void (*run)(void *data), void *data);
void actor_end(struct actor *actor);

/** Waits until the task sleeps. */
void wait_until_asleep(struct task_struct *task);

/** Memory that resv has asked for, less what it has freed. */
long memory_in_use(void);

/* ---- Interrupts, as the annotator sees them: os.c, only with the annotator ---- */

/** Lets the calling task emulate them, or nobody (NULL). */
void emulate_irqs_for(struct task_struct *task);

/* ---- Numbers ---- */

static inline u32 random(u32 *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

#endif /* TESTS_KERNEL_OS_H */
