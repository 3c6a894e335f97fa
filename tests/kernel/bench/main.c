// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * Times this library beside the kernel's own locks, in one boot. The two take turns, round after round, and a ratio is the
 * median over the rounds. It does so while it is loaded, and says each result in a line of its own:
 *
 *     resv_bench: <name> <ours, in ps a loop> <theirs> <ours/theirs, in thousandths>
 *
 * and in the end "resv_bench: done <0 or -errno>". Where the emulator's clock counts instructions, a ps is a thousandth of
 * one.
 */
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include <resv_port/linux.h>

#include "bench.h"

enum {
	ROUNDS = 31,
	TASKS = 2,
};

void *bench_alloc(unsigned long size)
{
	return kvzalloc(size, GFP_KERNEL);
}

void bench_free(void *memory)
{
	kvfree(memory);
}

typedef int (*run_fn)(unsigned int arg, unsigned int loops);

struct row {
	const char *name;
	run_fn ours, theirs;
	unsigned int arg;
	unsigned int loops;
	bool contended; /* on two CPUs at a time, where arg is a seed */
};

struct runner {
	struct task_struct *task;
	struct completion *start;
	struct completion done;
	run_fn run;
	unsigned int seed, loops;
	int err;
};

static int run_one(void *data)
{
	struct runner *r = data;

	wait_for_completion(r->start);
	r->err = r->run(r->seed, r->loops);
	complete(&r->done);
	return 0; /* the starter has a reference to the task: kthread_stop() */
}

/* Starts two at once, and waits for both. */
static int run_all(run_fn run, unsigned int seed, unsigned int loops, u64 *ns)
{
	DECLARE_COMPLETION_ONSTACK(start);
	unsigned int cpu = cpumask_first(cpu_online_mask);
	struct runner runners[TASKS];
	unsigned int i, n;
	int err = 0;
	u64 begin;

	for (n = 0; n < TASKS; n++) {
		struct runner *r = &runners[n];

		*r = (struct runner){.start = &start, .run = run, .seed = seed + n, .loops = loops};
		init_completion(&r->done);
		r->task = kthread_create(run_one, r, "resv_bench/%u", n);
		if (IS_ERR(r->task)) {
			err = PTR_ERR(r->task);
			break;
		}
		get_task_struct(r->task);
		kthread_bind(r->task, cpu);
		cpu = cpumask_next(cpu, cpu_online_mask);
		if (cpu >= nr_cpu_ids)
			cpu = cpumask_first(cpu_online_mask);
		wake_up_process(r->task);
	}
	if (err)
		for (i = 0; i < n; i++)
			runners[i].loops = 0;
	begin = ktime_get_ns();
	complete_all(&start);
	for (i = 0; i < n; i++) {
		wait_for_completion(&runners[i].done);
		err = err ?: runners[i].err;
	}
	*ns = ktime_get_ns() - begin;
	for (i = 0; i < n; i++) {
		kthread_stop(runners[i].task);
		put_task_struct(runners[i].task);
	}
	return err;
}

static int time_one(const struct row *row, run_fn run, u64 *ns)
{
	u64 begin;
	int err;

	if (row->contended)
		return run_all(run, row->arg, row->loops, ns);
	begin = ktime_get_ns();
	err = run(row->arg, row->loops);
	*ns = ktime_get_ns() - begin;
	return err;
}

static int by_size(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static u64 median(u64 *all)
{
	sort(all, ROUNDS, sizeof(*all), by_size, NULL);
	return all[ROUNDS / 2];
}

static int play(const struct row *row)
{
	static u64 ours[ROUNDS], theirs[ROUNDS], ratios[ROUNDS];
	const u64 ps = 1000;
	unsigned int i;
	int err;

	for (i = 0; i < ROUNDS; i++) {
		err = time_one(row, row->ours, &ours[i]);
		if (!err)
			err = time_one(row, row->theirs, &theirs[i]);
		if (err)
			return err;
		ratios[i] = div64_u64(ours[i] * 1000, theirs[i] ?: 1);
	}
	pr_info("resv_bench: %s %llu %llu %llu\n", row->name, div_u64(median(ours) * ps, row->loops),
		div_u64(median(theirs) * ps, row->loops), median(ratios));
	return 0;
}

#define ROW(what, side, ...)                                          \
	{                                                             \
		what, bench_ours.side, bench_theirs.side, __VA_ARGS__ \
	}

static int __init bench_init(void)
{
	const struct row rows[] = {
		ROW("pair_vs_ww_mutex", pair, 0, 20000, false),
		ROW("txn4_vs_ww_mutex", txn, 4, 8000, false),
		ROW("txn8_vs_ww_mutex", txn, 8, 4000, false),
		ROW("txn32_vs_ww_mutex", txn, 32, 1000, false),
		ROW("txn128_vs_ww_mutex", txn, 128, 250, false),
		ROW("add_fence_vs_dma_resv", add_fence, 0, 20000, false),
		ROW("test_signaled4_vs_dma_resv", test_signaled, 0, 20000, false),
		ROW("multi_8of64_vs_ww_mutex", multi, 1, 4000, true),
		ROW("multi_800of100k_vs_ww_mutex", multi_large, 1, 100, true),
	};
	unsigned int i;
	int err;

	err = resv_linux_init();
	if (err)
		return err;
	err = bench_ours.create();
	if (!err)
		err = bench_theirs.create();
	for (i = 0; i < ARRAY_SIZE(rows) && !err; i++)
		err = play(&rows[i]);
	bench_theirs.destroy();
	bench_ours.destroy();
	pr_info("resv_bench: done %d\n", err);
	if (err)
		resv_linux_exit();
	return err;
}

static void __exit bench_exit(void)
{
	resv_linux_exit();
}

module_init(bench_init);
module_exit(bench_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("Times resv beside the kernel's own locks");
