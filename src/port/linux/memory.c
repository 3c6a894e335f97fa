// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The Linux port's memory: kmalloc(), and one workqueue for what was deferred.
 *
 * There are two lists, each with a work item of its own that takes all of a list and runs it in the order of asking.
 * One is run soon, the other after a grace period. An item never runs twice at once, which keeps the order. The queue
 * has a thread of its own for when there is no memory to make one: fences are signaled from there.
 */
#include <linux/completion.h>
#include <linux/irq_work.h>
#include <linux/llist.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "port.h"

/* So many pieces of memory wait to be freed at most, but for those whose askers cannot wait. */
#define MAX_WAITING 16384

static struct workqueue_struct *queue;

/* ---- Lists of work ---------------------------------------------------------------------------------------------- */

/* Who runs a batch; these never wait for room. */
static struct task_struct *server_of_deferred, *server_of_readers;

static struct llist_node *node_of(struct resv_port_work *work)
{
	BUILD_BUG_ON(sizeof(struct llist_node) != sizeof(work->next));
	BUILD_BUG_ON(offsetof(struct resv_port_work, next) != 0);
	return (struct llist_node *)work;
}

static struct resv_port_work *work_of(struct llist_node *node)
{
	return (struct resv_port_work *)node;
}

static void run(struct llist_node *node)
{
	while (node) {
		struct llist_node *next = node->next;

		work_of(node)->fn(work_of(node));
		node = next;
	}
}

/* ---- Deferred work ---------------------------------------------------------------------------------------------- */

static LLIST_HEAD(deferred);
static LLIST_HEAD(dropped); /* memory that could not be freed where it was to be */
static struct irq_work __percpu *locks_dropped;

static void nothing(struct irq_work *work) {}

/*
 * Nothing begins before its asker has dropped its spin locks: under those the asker's CPU takes no interrupt.
 *
 *   asker, interrupts off            worker
 *   [W] interrupt for this CPU       [R] list: there it is
 *   [W] list (full barrier)          waits until that interrupt has been taken
 */
static void run_deferred(struct work_struct *work)
{
	struct llist_node *batch = llist_reverse_order(llist_del_all(&deferred));
	struct llist_node *memory = llist_del_all(&dropped);
	int cpu;

	for_each_possible_cpu (cpu)
		irq_work_sync(per_cpu_ptr(locks_dropped, cpu));
	WRITE_ONCE(server_of_deferred, current);
	run(batch);
	WRITE_ONCE(server_of_deferred, NULL);
	while (memory) {
		struct llist_node *next = memory->next;

		kfree(memory);
		memory = next;
	}
}

static DECLARE_WORK(deferred_work, run_deferred);

void resv_port_defer(struct resv_port_work *work)
{
	if (irqs_disabled())
		irq_work_queue(this_cpu_ptr(locks_dropped));
	llist_add(node_of(work), &deferred);
	queue_work(queue, &deferred_work);
}

/* ---- Allocation ------------------------------------------------------------------------------------------------- */

void *resv_port_alloc(size_t size)
{
	return kzalloc(size, GFP_KERNEL | __GFP_NOWARN);
}

/* On PREEMPT_RT, kfree() may sleep. The smallest piece of memory has room for a link. */
void resv_port_free(void *memory)
{
	if (!IS_ENABLED(CONFIG_PREEMPT_RT) || preemptible() || ZERO_OR_NULL_PTR(memory)) {
		kfree(memory);
		return;
	}
	llist_add(memory, &dropped);
	queue_work(queue, &deferred_work);
}

/* ---- After readers ----------------------------------------------------------------------------------------------- */

/*
 * One batch at a time waits for its grace period. Whoever turns `under_way` on begins one; that is also how what was
 * asked for while the last batch was run is not forgotten:
 *
 *   asker                                worker, at its end
 *   [W] list (full barrier)              [W] under_way = 0, full barrier
 *   [R] under_way: 0? -> begins          [R] list: something? -> begins
 */
static LLIST_HEAD(asked);
static LLIST_HEAD(asked_memory);                /* here, `fn` is the memory that the work lies in */
static struct llist_node *batch, *batch_memory; /* of whoever turned `under_way` on */
static atomic_t under_way;
static struct rcu_work after_readers_work;

static atomic_t waiting; /* pieces of memory */
static DECLARE_WAIT_QUEUE_HEAD(room);

/* What was asked for before something that is in `batch` is in `batch_memory`: that is taken later, and run earlier. */
static void begin_batch(void)
{
	batch = llist_del_all(&asked);
	batch_memory = llist_del_all(&asked_memory);
	queue_rcu_work(queue, &after_readers_work);
}

static bool is_asked(void)
{
	return !llist_empty(&asked) || !llist_empty(&asked_memory);
}

static void begin_if_idle(void)
{
	if (is_asked() && atomic_cmpxchg(&under_way, 0, 1) == 0)
		begin_batch();
}

static void free_batch(void)
{
	int freed = 0;

	while (batch_memory) {
		struct llist_node *next = batch_memory->next;

		kfree((void *)work_of(batch_memory)->fn);
		batch_memory = next;
		freed++;
	}
	atomic_sub(freed, &waiting);
	wake_up_all(&room);
}

static void run_after_readers(struct work_struct *work)
{
	free_batch();
	WRITE_ONCE(server_of_readers, current);
	run(llist_reverse_order(batch));
	WRITE_ONCE(server_of_readers, NULL);
	if (is_asked()) {
		begin_batch();
		return;
	}
	atomic_set(&under_way, 0);
	smp_mb();
	begin_if_idle();
}

static void ask(struct resv_port_work *work, struct llist_head *list)
{
	llist_add(node_of(work), list);
	smp_mb(); /* llist_add() is one only where cmpxchg() is */
	begin_if_idle();
}

void resv_port_after_readers(struct resv_port_work *work)
{
	ask(work, &asked);
}

static bool may_wait(void)
{
	return preemptible() && rcu_preempt_depth() == 0 && READ_ONCE(server_of_deferred) != current &&
	       READ_ONCE(server_of_readers) != current;
}

void resv_port_free_after_readers(struct resv_port_work *work, void *memory)
{
	if (atomic_read(&waiting) >= MAX_WAITING && may_wait())
		wait_event(room, atomic_read(&waiting) < MAX_WAITING);
	atomic_inc(&waiting);
	work->fn = (void (*)(struct resv_port_work *))memory;
	ask(work, &asked_memory);
}

/* ---- The end ----------------------------------------------------------------------------------------------------- */

struct marker {
	struct resv_port_work work;
	struct completion passed;
};

static void reached(struct resv_port_work *work)
{
	complete(&container_of(work, struct marker, work)->passed);
}

static void pass(void (*ask_for)(struct resv_port_work *work))
{
	struct marker marker = {.work.fn = reached};

	init_completion(&marker.passed);
	ask_for(&marker.work);
	wait_for_completion(&marker.passed);
}

/* Deferred work comes first: what it asks for is waited for as well. */
void resv_port_drain(void)
{
	pass(resv_port_defer);
	pass(resv_port_after_readers);
}

int resv_linux_memory_init(void)
{
	int cpu;

	queue = alloc_workqueue("resv", WQ_MEM_RECLAIM | WQ_HIGHPRI | WQ_UNBOUND, 0);
	locks_dropped = alloc_percpu(struct irq_work);
	if (!queue || !locks_dropped) {
		if (queue)
			destroy_workqueue(queue);
		free_percpu(locks_dropped);
		return -ENOMEM;
	}
	for_each_possible_cpu (cpu)
		*per_cpu_ptr(locks_dropped, cpu) = IRQ_WORK_INIT_HARD(nothing);
	INIT_RCU_WORK(&after_readers_work, run_after_readers);
	return 0;
}

void resv_linux_memory_exit(void)
{
	int cpu;

	resv_port_drain();
	flush_rcu_work(&after_readers_work);
	destroy_workqueue(queue);
	for_each_possible_cpu (cpu)
		irq_work_sync(per_cpu_ptr(locks_dropped, cpu));
	free_percpu(locks_dropped);
}
