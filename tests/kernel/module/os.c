// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * What the tests need from their surroundings: threads, signals, a sink for reports, allocations that fail, and
 * interrupts as the annotator sees them. Calls of the port come here first; the linker sees to that (see Kbuild).
 */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "cases_os.h"
#include "os.h"

/* ---- Threads ---------------------------------------------------------------------------------------------------- */

struct thread_state {
	void *(*run)(void *data);
	void *data;
	struct completion begun, done;
};

static int thread_main(void *data)
{
	struct thread_state *state = data;

	allow_signal(SIGUSR1);
	allow_signal(SIGKILL);
	complete(&state->begun);
	state->data = state->run(state->data);
	flush_signals(current);
	complete(&state->done);
	for (;;) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		if (kthread_should_stop())
			break;
		schedule();
	}
	__set_current_state(TASK_RUNNING);
	return 0;
}

int thread_start(struct thread *thread, void *(*run)(void *data), void *data)
{
	thread->state = kzalloc(sizeof(*thread->state), GFP_KERNEL);
	if (!thread->state)
		return -ENOMEM;
	thread->state->run = run;
	thread->state->data = data;
	init_completion(&thread->state->begun);
	init_completion(&thread->state->done);
	thread->task = kthread_run(thread_main, thread->state, "resv_test");
	if (IS_ERR(thread->task)) {
		kfree(thread->state);
		return PTR_ERR(thread->task);
	}
	wait_for_completion(&thread->state->begun); /* before that, signals would be lost */
	return 0;
}

void *thread_join(struct thread *thread)
{
	void *result;

	wait_for_completion(&thread->state->done);
	result = thread->state->data;
	kthread_stop(thread->task);
	kfree(thread->state);
	return result;
}

struct completion *thread_done(const struct thread *thread)
{
	return &thread->state->done;
}

struct actor {
	struct thread thread;
	void (*run)(void *data); /* NULL: end */
	void *data;
	struct completion told, done;
};

static void *act(void *data)
{
	struct actor *actor = data;

	for (;;) {
		wait_for_completion(&actor->told);
		if (!actor->run)
			return NULL;
		actor->run(actor->data);
		complete(&actor->done);
	}
}

struct actor *actor_start(void)
{
	struct actor *actor = kzalloc(sizeof(*actor), GFP_KERNEL | __GFP_NOFAIL);

	init_completion(&actor->told);
	init_completion(&actor->done);
	BUG_ON(thread_start(&actor->thread, act, actor));
	return actor;
}

void actor_run(struct actor *actor, void (*run)(void *data), void *data)
{
	actor->run = run;
	actor->data = data;
	complete(&actor->told);
	wait_for_completion(&actor->done);
}

void actor_end(struct actor *actor)
{
	actor->run = NULL;
	complete(&actor->told);
	thread_join(&actor->thread);
	kfree(actor);
}

void wait_until_asleep(struct task_struct *task)
{
	while (!(READ_ONCE(task->__state) & (TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE)) ||
	       READ_ONCE(task->on_cpu))
		usleep_range(50, 100);
}

/* ---- Signals ---------------------------------------------------------------------------------------------------- */

void resv_host_interrupt(resv_port_task task)
{
	send_sig(SIGUSR1, (struct task_struct *)task, 1);
}

void resv_host_kill(resv_port_task task)
{
	send_sig(SIGKILL, (struct task_struct *)task, 1);
}

void resv_host_clear_signals(void)
{
	flush_signals(current);
}

int __real_resv_port_park(enum resv_port_park_mode mode, int64_t deadline_ns);
int __wrap_resv_port_park(enum resv_port_park_mode mode, int64_t deadline_ns);

/* As if the caller returned to its user, who handled the signal and called again. */
int __wrap_resv_port_park(enum resv_port_park_mode mode, int64_t deadline_ns)
{
	int ret = __real_resv_port_park(mode, deadline_ns);

	if (ret == -EINTR && !fatal_signal_pending(current))
		flush_signals(current);
	return ret;
}

/* ---- Reports ---------------------------------------------------------------------------------------------------- */

static struct {
	void (*fn)(const char *line, void *data);
	void *data;
} sink;

void __real_resv_port_report(const char *line);
void __wrap_resv_port_report(const char *line);

void resv_host_set_report_sink(void (*fn)(const char *line, void *data), void *data)
{
	sink.fn = fn;
	sink.data = data;
}

void __wrap_resv_port_report(const char *line)
{
	if (sink.fn)
		sink.fn(line, sink.data);
	else
		__real_resv_port_report(line);
}

/* ---- Memory ----------------------------------------------------------------------------------------------------- */

static atomic_long_t in_use;
static struct task_struct *failing;
static unsigned long allocs_to_failure;

void *__real_resv_port_alloc(size_t size);
void *__wrap_resv_port_alloc(size_t size);
void __real_resv_port_free(void *memory);
void __wrap_resv_port_free(void *memory);
void __real_resv_port_free_after_readers(struct resv_port_work *work, void *memory);
void __wrap_resv_port_free_after_readers(struct resv_port_work *work, void *memory);

long memory_in_use(void)
{
	return atomic_long_read(&in_use);
}

void resv_host_fail_alloc(unsigned long skip)
{
	allocs_to_failure = skip + 1;
	failing = current;
}

void *__wrap_resv_port_alloc(size_t size)
{
	void *memory = NULL;

	if (READ_ONCE(failing) != current || --allocs_to_failure != 0)
		memory = __real_resv_port_alloc(size);
	else
		failing = NULL;
	if (memory)
		atomic_long_inc(&in_use);
	return memory;
}

void __wrap_resv_port_free(void *memory)
{
	if (memory)
		atomic_long_dec(&in_use);
	__real_resv_port_free(memory);
}

void __wrap_resv_port_free_after_readers(struct resv_port_work *work, void *memory)
{
	atomic_long_dec(&in_use);
	__real_resv_port_free_after_readers(work, memory);
}

void *lockdep_os_alloc(size_t size)
{
	return vzalloc(size);
}

void lockdep_os_free(void *memory)
{
	vfree(memory);
}

/* ---- Interrupts ------------------------------------------------------------------------------------------------- */

#if RESV_PROVE_LOCKING

enum level { TASK, SOFTIRQ, HARDIRQ, LEVELS };

/* Of the one task that emulates them. Each level has a state, and but for the task a stack of its own. */
static struct {
	struct task_struct *task;
	enum level level, interrupted[LEVELS];
	unsigned int state[LEVELS];
	struct resv_port_held held[LEVELS];
} irqs;

struct resv_port_held *__real_resv_port_held_locks(void);
struct resv_port_held *__wrap_resv_port_held_locks(void);

void emulate_irqs_for(struct task_struct *task)
{
	memset(&irqs, 0, sizeof(irqs));
	irqs.task = task;
}

struct resv_port_held *__wrap_resv_port_held_locks(void)
{
	struct resv_port_held *held;

	if (READ_ONCE(irqs.task) != current || !in_task())
		return __real_resv_port_held_locks();
	held = irqs.level == TASK ? __real_resv_port_held_locks() : &irqs.held[irqs.level];
	if (held)
		held->irq_state = irqs.state[irqs.level];
	return held;
}

void lockdep_os_irq_enter(enum lockdep_os_irq kind)
{
	const unsigned int all_off = RESV_HARDIRQS_OFF | RESV_SOFTIRQS_OFF;
	enum level level = kind == LOCKDEP_OS_SOFTIRQ ? SOFTIRQ : HARDIRQ;
	unsigned int state = RESV_IN_HARDIRQ | all_off;

	BUG_ON(irqs.task != current || level <= irqs.level);
	if (kind == LOCKDEP_OS_HARDIRQ_THREADED)
		state |= RESV_IRQ_THREADED;
	else if (kind == LOCKDEP_OS_SOFTIRQ)
		state = RESV_IN_SOFTIRQ | RESV_SOFTIRQS_OFF | (irqs.state[irqs.level] & RESV_HARDIRQS_OFF);
	memset(&irqs.held[level], 0, sizeof(irqs.held[level]));
	irqs.state[level] = state;
	irqs.interrupted[level] = irqs.level;
	irqs.level = level;
}

void lockdep_os_irq_exit(void)
{
	BUG_ON(irqs.task != current || irqs.level == TASK);
	irqs.level = irqs.interrupted[irqs.level];
}

static bool turn(unsigned int off, bool on)
{
	unsigned int *state = &irqs.state[irqs.level];
	const bool was_on = !(*state & off);

	BUG_ON(irqs.task != current);
	*state = on ? *state & ~off : *state | off;
	return was_on;
}

bool lockdep_os_hardirqs(bool on)
{
	return turn(RESV_HARDIRQS_OFF, on);
}

bool lockdep_os_softirqs(bool on)
{
	return turn(RESV_SOFTIRQS_OFF, on);
}

#endif
