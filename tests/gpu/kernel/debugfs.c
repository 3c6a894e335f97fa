// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * /sys/kernel/debug/resv_gpu:
 *
 *   stats       what the device has done, and what its locks have met
 *   holders     each buffer: who holds its reservation, who waits, and its fences
 *   lock_stat   each class of locks: how often, and for how long, it was waited for and held
 *   lock_graph  the order of locks that was seen, in the DOT language
 */
#include "driver.h"

#include <linux/debugfs.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>

static struct dentry *dir;

static void emit(const char *line, void *data)
{
	seq_printf(data, "%s\n", line);
}

static int holders_show(struct seq_file *m, void *unused)
{
	gpu_core_describe(gpu_the_device.core, emit, m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(holders);

static int lock_graph_show(struct seq_file *m, void *unused)
{
	resv_lockdep_dump_dot(emit, m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(lock_graph);

static int lock_stat_show(struct seq_file *m, void *unused)
{
	struct resv_lockdep_class_stats s;
	unsigned int i;

	seq_printf(m, "%-36s %12s %12s %14s %14s %14s %14s\n", "class", "acquired", "contended",
		   "wait total ns", "wait max ns", "hold total ns", "hold max ns");
	for (i = 0; resv_lockdep_class_stats(i, &s); i++)
		if (s.name)
			seq_printf(m, "%-36s %12lu %12lu %14llu %14llu %14llu %14llu\n", s.name,
				   s.acquisitions, s.contentions, s.wait_total, s.wait_max, s.hold_total,
				   s.hold_max);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(lock_stat);

static int stats_show(struct seq_file *m, void *unused)
{
	struct resv_gpu_stats *s = kzalloc(sizeof(*s), GFP_KERNEL);
	int err = s ? gpu_core_stats(gpu_the_device.core, s) : -ENOMEM;

	if (!err) {
		seq_printf(m, "jobs %llu\nretries %llu\n", s->jobs, s->retries);
		seq_printf(m, "contended %llu\nspins %llu\nstays %llu\nwaits %llu\nbypasses %llu\n",
			   s->met.contended, s->met.spins, s->met.stays, s->met.waits, s->met.bypasses);
		seq_printf(m, "wounds %llu\ndeaths %llu\nmost_retries %llu\nlongest_wait_ns %llu\n",
			   s->met.wounds, s->met.deaths, s->met.most_retries, s->met.longest_wait_ns);
		seq_printf(m, "evictions %llu\nswapouts %llu\nbytes_moved %llu\nno_space %llu\n",
			   s->evictions, s->swapouts, s->bytes_moved, s->no_space);
		seq_printf(m, "lock_order_reports %llu\n", s->lock_order_reports);
	}
	kfree(s);
	return err;
}
DEFINE_SHOW_ATTRIBUTE(stats);

void gpu_debugfs_init(void)
{
	dir = debugfs_create_dir("resv_gpu", NULL);
	debugfs_create_file("stats", 0444, dir, NULL, &stats_fops);
	debugfs_create_file("holders", 0444, dir, NULL, &holders_fops);
	debugfs_create_file("lock_stat", 0444, dir, NULL, &lock_stat_fops);
	debugfs_create_file("lock_graph", 0444, dir, NULL, &lock_graph_fops);
}

void gpu_debugfs_exit(void)
{
	debugfs_remove_recursive(dir);
}
