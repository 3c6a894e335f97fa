// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Where the annotator keeps what each context holds. A task_struct has no room for it, so tasks have a table, by
 * address; interrupts have a place on each CPU. Interrupt threads are tasks.
 *
 * A task's slot is somewhere among WAYS that begin where its address is hashed to. Only the task itself puts it
 * there. It stays when the task ends, and goes when another task finds all WAYS taken: so the address of a task that
 * has ended, and another's that is allocated there, are told apart by when they began.
 */
#include <linux/bitmap.h>
#include <linux/hash.h>
#include <linux/jiffies.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "port.h"

#define SLOT_BITS 9
#define SLOTS     (1u << SLOT_BITS)
#define WAYS      16u

struct slot {
	struct task_struct *task; /* NULL: free. Changed by cmpxchg, or to NULL under `sweeping` */
	u64 began;
};

struct table {
	struct resv_port_held held[SLOTS];
	struct slot slots[SLOTS];
	struct resv_port_spinlock sweeping;
	unsigned long swept; /* when, in jiffies */
	DECLARE_BITMAP(ended, SLOTS);
};

struct irq_levels {
	struct resv_port_held softirq, hardirq;
};

static struct table *table;
static struct irq_levels __percpu *irq_levels;

/* The n-th place where a task may be. */
static unsigned int place(struct task_struct *task, unsigned int n)
{
	return (hash_ptr(task, SLOT_BITS) + n) % SLOTS;
}

/* The calling task begins to use its slot. */
static struct resv_port_held *use(unsigned int i)
{
	memset(&table->held[i], 0, sizeof(table->held[i]));
	table->slots[i].began = current->start_time;
	return &table->held[i];
}

static struct resv_port_held *claim(void)
{
	unsigned int n;

	for (n = 0; n < WAYS; n++) {
		unsigned int i = place(current, n);

		if (!READ_ONCE(table->slots[i].task) && !cmpxchg(&table->slots[i].task, NULL, current))
			return use(i);
	}
	return NULL;
}

/*
 * Frees the slots of tasks that have ended: those that were taken before the walk through all tasks, and that no task
 * was found for. Such a slot does not change hands meanwhile. It goes through all tasks, so not too often.
 */
static void sweep(void)
{
	unsigned long flags = resv_port_spin_lock(&table->sweeping);
	struct task_struct *process, *task;
	unsigned int i, n;

	if (time_before(jiffies, table->swept + HZ / 10))
		goto out;
	table->swept = jiffies;
	for (i = 0; i < SLOTS; i++)
		__assign_bit(i, table->ended, READ_ONCE(table->slots[i].task));
	rcu_read_lock();
	for_each_process_thread (process, task)
		for (n = 0; n < WAYS; n++)
			if (READ_ONCE(table->slots[place(task, n)].task) == task)
				__clear_bit(place(task, n), table->ended);
	rcu_read_unlock();
	for_each_set_bit (i, table->ended, SLOTS)
		WRITE_ONCE(table->slots[i].task, NULL);
out:
	resv_port_spin_unlock(&table->sweeping, flags);
}

/*
 * The caller's address was another's, whose slot is still there, unless a sweep that began before the caller did
 * frees it:
 *
 *   sweep, `sweeping` held              this
 *   [R] the list of tasks: not there    (listed when it was made)
 *   [W] slot is free                    takes and drops `sweeping`, [R] slot
 */
static struct resv_port_held *take_over(unsigned int i)
{
	unsigned long flags = resv_port_spin_lock(&table->sweeping);
	bool still = table->slots[i].task == current;

	if (still)
		use(i);
	resv_port_spin_unlock(&table->sweeping, flags);
	return still ? &table->held[i] : claim();
}

static struct resv_port_held *held_by_task(void)
{
	struct resv_port_held *held;
	unsigned int n;

	for (n = 0; n < WAYS; n++) {
		unsigned int i = place(current, n);

		if (READ_ONCE(table->slots[i].task) != current)
			continue;
		return table->slots[i].began == current->start_time ? &table->held[i] : take_over(i);
	}
	held = claim();
	if (!held) {
		sweep();
		held = claim();
	}
	return held;
}

struct resv_port_held *resv_port_held_locks(void)
{
	struct resv_port_held *held;
	unsigned int state = 0;

	if (!table || in_nmi())
		return NULL;
	if (in_hardirq()) {
		held = &this_cpu_ptr(irq_levels)->hardirq;
		state = RESV_IN_HARDIRQ | RESV_HARDIRQS_OFF | RESV_SOFTIRQS_OFF;
	} else if (in_serving_softirq()) {
		held = &this_cpu_ptr(irq_levels)->softirq;
		state = RESV_IN_SOFTIRQ | RESV_SOFTIRQS_OFF;
	} else {
		held = held_by_task();
		if (!held)
			return NULL;
	}
	if (irqs_disabled())
		state |= RESV_HARDIRQS_OFF | RESV_SOFTIRQS_OFF;
	else if (softirq_count())
		state |= RESV_SOFTIRQS_OFF;
	held->irq_state = state;
	return held;
}

int resv_linux_held_init(void)
{
	BUILD_BUG_ON(__alignof__(struct resv_port_held) != RESV_PORT_HELD_ALIGN);
	BUILD_BUG_ON(sizeof(struct irq_levels) > PCPU_MIN_UNIT_SIZE);
	irq_levels = alloc_percpu(struct irq_levels);
	if (!irq_levels)
		return -ENOMEM;
	table = vzalloc(sizeof(*table));
	if (!table) {
		free_percpu(irq_levels);
		return -ENOMEM;
	}
	table->swept = jiffies - HZ;
	return 0;
}

void resv_linux_held_exit(void)
{
	vfree(table);
	table = NULL;
	free_percpu(irq_levels);
}
