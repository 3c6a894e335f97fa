// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The Linux port: what <resv/port.h> asks for, in a kernel module. A task is a task_struct.
 *
 * The port's spin lock is the architecture's own, with interrupts off: eight bytes have no room for what a debugging
 * kernel adds to a raw_spinlock_t, and on PREEMPT_RT it still spins. So nothing here that is called from any context
 * may sleep there: no kfree(), no spinlock_t.
 */
#include <linux/bug.h>
#include <linux/hrtimer.h>
#include <linux/irqflags.h>
#include <linux/ktime.h>
#include <linux/panic.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/spinlock.h>
#include <linux/stacktrace.h>
#include <linux/utsname.h>

#include "port.h"

static struct task_struct *task_of(resv_port_task task)
{
	return (struct task_struct *)task;
}

/* ---- Tasks ------------------------------------------------------------------------------------------------------ */

resv_port_task resv_port_current(void)
{
	return (resv_port_task)current;
}

bool resv_port_task_running(resv_port_task task)
{
#ifdef CONFIG_SMP
	return READ_ONCE(task_of(task)->on_cpu) && !vcpu_is_preempted(task_cpu(task_of(task)));
#else
	return false; /* the caller runs */
#endif
}

/* ---- Parking ---------------------------------------------------------------------------------------------------- */

static unsigned int state_of(enum resv_port_park_mode mode)
{
	switch (mode) {
	case RESV_PARK_INTERRUPTIBLE:
		return TASK_INTERRUPTIBLE;
	case RESV_PARK_KILLABLE:
		return TASK_KILLABLE;
	default:
		return TASK_UNINTERRUPTIBLE;
	}
}

/*
 *   sleeper                                waker
 *   [W] state = sleeping, full barrier     [W] condition
 *   [R] condition                          full barrier, [R] state -> running
 *   schedule(): returns at once if
 *   the state is "running"
 */
void resv_port_park_prepare(enum resv_port_park_mode mode)
{
	set_current_state(state_of(mode));
}

int resv_port_park(enum resv_port_park_mode mode, int64_t deadline_ns)
{
	const unsigned int state = state_of(mode);
	ktime_t deadline = max_t(s64, deadline_ns, 0);

	if (signal_pending_state(state, current))
		return -EINTR;
	if (deadline_ns == RESV_WAIT_FOREVER)
		schedule();
	else if (schedule_hrtimeout(&deadline, HRTIMER_MODE_ABS) == 0)
		return -ETIME;
	return signal_pending_state(state, current) ? -EINTR : 0;
}

void resv_port_park_finish(void)
{
	__set_current_state(TASK_RUNNING);
}

void resv_port_task_pin(resv_port_task task)
{
	get_task_struct(task_of(task));
}

void resv_port_task_wake(resv_port_task task)
{
	wake_up_process(task_of(task));
	put_task_struct(task_of(task));
}

/* ---- Spinning --------------------------------------------------------------------------------------------------- */

void resv_port_relax(unsigned int turn)
{
	cpu_relax();
}

void resv_port_stand_back(int64_t until_ns)
{
	while (resv_port_clock() < until_ns) {
		cpu_relax();
		cond_resched();
	}
}

void resv_port_critical_begin(void)
{
	preempt_disable();
}

void resv_port_critical_end(void)
{
	preempt_enable();
}

static arch_spinlock_t *arch_lock(struct resv_port_spinlock *lock)
{
	BUILD_BUG_ON(sizeof(arch_spinlock_t) > sizeof(*lock));
	BUILD_BUG_ON(__alignof__(arch_spinlock_t) > __alignof__(*lock));
	return (arch_spinlock_t *)lock;
}

unsigned long resv_port_spin_lock(struct resv_port_spinlock *lock)
{
	unsigned long flags;

	local_irq_save(flags);
	preempt_disable();
	arch_spin_lock(arch_lock(lock));
	return flags;
}

void resv_port_spin_unlock(struct resv_port_spinlock *lock, unsigned long flags)
{
	arch_spin_unlock(arch_lock(lock));
	local_irq_restore(flags);
	preempt_enable();
}

/* ---- Read-side sections ----------------------------------------------------------------------------------------- */

void resv_port_read_lock(void)
{
	rcu_read_lock();
}

void resv_port_read_unlock(void)
{
	rcu_read_unlock();
}

/* ---- Time and reports ------------------------------------------------------------------------------------------- */

int64_t resv_port_clock(void)
{
	return ktime_get_ns();
}

void resv_port_report(const char *line)
{
	pr_warn("%s\n", line);
}

bool resv_linux_task_lives(const struct task_struct *task)
{
	struct task_struct *process, *thread;
	bool lives = task == current;

	rcu_read_lock();
	for_each_process_thread (process, thread)
		lives |= thread == task;
	rcu_read_unlock();
	return lives;
}

/* Whoever holds a lock may have ended: only those that the kernel lists may be looked at, while it lists them. */
void resv_port_task_name(resv_port_task task, char *buf, size_t size)
{
	rcu_read_lock();
	if (resv_linux_task_lives(task_of(task)))
		snprintf(buf, size, "%.*s/%d", TASK_COMM_LEN, task_of(task)->comm, task_of(task)->pid);
	else
		snprintf(buf, size, "a task that has ended");
	rcu_read_unlock();
}

/* As an oops has it: the letters of what taints the kernel. */
void resv_port_system(char *buf, size_t size)
{
	static const char letters[] = "PFSRMBUDAWCIOELKXTN";
	char taint[sizeof(letters)];
	unsigned int bit, n = 0;

	for (bit = 0; bit < sizeof(letters) - 1; bit++)
		if (test_taint(bit))
			taint[n++] = letters[bit];
	taint[n] = '\0';
	snprintf(buf, size, "%s %.*s %s%s", init_utsname()->release,
		 (int)strcspn(init_utsname()->version, " "), init_utsname()->version,
		 n ? "Tainted: " : "Not tainted", taint);
}

noinline unsigned int resv_port_stack_trace(uintptr_t *pcs, unsigned int max, unsigned int skip)
{
	unsigned int count = 0;

	BUILD_BUG_ON(sizeof(*pcs) != sizeof(unsigned long));
#ifdef RESV_LINUX_HAS_STACK_TRACE_SAVE
	count = stack_trace_save((unsigned long *)pcs, max, skip + 1); /* one for this frame... */
	barrier();                                                     /* ...which is there: no tail call */
#endif
	return count;
}

void resv_port_symbol(uintptr_t pc, char *buf, size_t size)
{
	snprintf(buf, size, "%pS", (void *)pc);
}

void resv_port_panic(const char *why)
{
	panic("%s", why);
}

/* ---- The module -------------------------------------------------------------------------------------------------- */

int resv_linux_init(void)
{
	int err = resv_linux_held_init();

	if (err)
		return err;
	err = resv_linux_memory_init();
	if (err)
		resv_linux_held_exit();
	return err;
}

void resv_linux_exit(void)
{
	resv_linux_memory_exit();
	resv_linux_held_exit();
}
