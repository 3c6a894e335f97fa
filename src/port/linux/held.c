// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Where the annotator keeps what each context holds. A task_struct has no room for it, so tasks have a table, by address;
 * interrupts have a place on each CPU. Interrupt threads are tasks.
 *
 * A task's slot is somewhere among WAYS that begin where its address is hashed to. Only the task itself puts it there. It
 * stays when the task ends, and goes when another task finds all WAYS taken: so the address of a task that has ended, and
 * another's that is allocated there, are told apart by when they began.
 */
#include <linux/cache.h>
#include <linux/hash.h>
#include <linux/jiffies.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "port.h"

#define SLOT_BITS 9
#define SLOTS	  (1u << SLOT_BITS)
#define WAYS	  16u

struct slot {
	struct task_struct *task; /* NULL: free. Changed by cmpxchg, or to NULL under `sweeping` */
	u64 began;
};

struct table {
	struct resv_port_held held[SLOTS];
	struct slot slots[SLOTS];
	struct resv_port_spinlock sweeping;
	unsigned long swept; /* when, in jiffies */
};

struct irq_levels {
	struct resv_port_held softirq, hardirq;
};

static struct table *table;
static struct irq_levels __percpu *irq_levels;

/* The n-th place where the calling task may be. */
static unsigned int place(unsigned int n)
{
	return (hash_ptr(current, SLOT_BITS) + n) % SLOTS;
}

static struct resv_port_held *use(unsigned int i)
{
	memset(&table->held[i], 0, sizeof(table->held[i]));
	table->slots[i].began = current->start_time;
	return &table->held[i];
}

static struct resv_port_held *claim(void)
{
	unsigned int n;

	for (n = 0; n < WAYS; n++)
		if (!READ_ONCE(table->slots[place(n)].task) &&
		    !cmpxchg(&table->slots[place(n)].task, NULL, current))
			return use(place(n));
	return NULL;
}

/* Frees the places among the caller's that belong to nobody any more: a walk through all tasks, so not too often. */
static void sweep(void)
{
	unsigned long flags = resv_port_spin_lock(&table->sweeping);
	unsigned int n;

	if (time_after_eq(jiffies, table->swept + HZ / 10)) {
		for (n = 0; n < WAYS; n++)
			if (!resv_linux_task_lives(table->slots[place(n)].task))
				WRITE_ONCE(table->slots[place(n)].task, NULL);
		table->swept = jiffies;
	}
	resv_port_spin_unlock(&table->sweeping, flags);
}

/*
 * The caller's address was another's, whose slot is still there, unless a sweep that began earlier has freed it:
 *
 *   sweep, `sweeping` held              this
 *   [R] the list of tasks: not there    (listed when it was made)
 *   [W] slot is free                    takes and drops `sweeping`, [R] slot
 */
static struct resv_port_held *take_over(unsigned int i)
{
	unsigned long flags = resv_port_spin_lock(&table->sweeping);
	bool still = table->slots[i].task == current;

	resv_port_spin_unlock(&table->sweeping, flags);
	return still ? use(i) : claim();
}

static struct resv_port_held *held_by_task(void)
{
	struct resv_port_held *held;
	unsigned int n;

	for (n = 0; n < WAYS; n++) {
		unsigned int i = place(n);

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
