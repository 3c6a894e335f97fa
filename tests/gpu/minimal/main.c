// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The smallest driver that uses resv: /dev/minimal_gpu. What is written, a byte for each buffer, is a job that uses
 * these buffers; reading waits until all jobs are done that are there now, and tells how often each buffer was used.
 */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>

#include <resv/resv.h>
#include <resv_port/linux.h>

#define BUFFERS  16
#define JOB_USES 8

struct buffer {
	struct resv_object resv;
	unsigned int jobs; /* whoever has reserved the buffer counts */
};

/* The fence is the first member, in memory of resv's: so its last reference frees the job. */
struct job {
	struct resv_fence fence;
	struct work_struct work;
};

static struct buffer buffers[BUFFERS];
static struct workqueue_struct *ring; /* runs one job after the other */

static void job_run(struct work_struct *work)
{
	struct job *job = container_of(work, struct job, work);

	usleep_range(100, 200); /* the device works */
	resv_fence_signal(&job->fence);
	resv_fence_put(&job->fence);
}

/* Reserves the buffers, in any order, and gives the job to the ring. */
static int submit(struct job *job, struct resv_object *const *objs, size_t count)
{
	struct resv_exec exec;
	struct resv_object *obj;
	unsigned int i;
	int err;

	resv_exec_init(&exec, RESV_EXEC_INTERRUPTIBLE_WAIT);
	err = resv_exec_reserve(&exec, objs, count, 1); /* with room for a fence in each */
	if (!err) {
		resv_exec_for_each_locked_object (&exec, i, obj) {
			container_of(obj, struct buffer, resv)->jobs++;
			resv_add_fence(obj, &job->fence, RESV_USAGE_WRITE);
		}
		queue_work(ring, &job->work); /* in the order of reserving */
	}
	resv_exec_fini(&exec);
	return err;
}

static ssize_t minimal_write(struct file *file, const char __user *from, size_t count, loff_t *pos)
{
	struct resv_object *objs[JOB_USES];
	u8 handles[JOB_USES];
	struct job *job;
	size_t i;
	int err;

	if (count == 0 || count > JOB_USES)
		return -EINVAL;
	if (copy_from_user(handles, from, count))
		return -EFAULT;
	for (i = 0; i < count; i++) {
		if (handles[i] >= BUFFERS)
			return -ENOENT;
		objs[i] = &buffers[handles[i]].resv;
	}
	job = resv_port_alloc(sizeof(*job));
	if (!job)
		return -ENOMEM;
	resv_fence_init(&job->fence, NULL, NULL, resv_fence_context_alloc(1),
			1); /* each is a timeline of its own */
	INIT_WORK(&job->work, job_run);
	err = submit(job, objs, count);
	if (!err)
		return count;
	resv_fence_put(&job->fence);
	return err == -EINTR ? -ERESTARTSYS : err;
}

static ssize_t minimal_read(struct file *file, char __user *to, size_t count, loff_t *pos)
{
	char text[BUFFERS * 11 + 1];
	int i, length = 0;

	for (i = 0; i < BUFFERS; i++) {
		if (resv_wait_timeout(&buffers[i].resv, RESV_USAGE_READ, true, RESV_WAIT_FOREVER) < 0)
			return -ERESTARTSYS;
		length += scnprintf(text + length, sizeof(text) - length, "%u%c", READ_ONCE(buffers[i].jobs),
				    i == BUFFERS - 1 ? '\n' : ' ');
	}
	return simple_read_from_buffer(to, count, pos, text, length);
}

static const struct file_operations fops = {
	.owner = THIS_MODULE, .write = minimal_write, .read = minimal_read};
static struct miscdevice device = {.minor = MISC_DYNAMIC_MINOR, .name = "minimal_gpu", .fops = &fops};

static void clean_up(void)
{
	int i;

	if (ring)
		destroy_workqueue(ring); /* when its last job is done */
	for (i = 0; i < BUFFERS; i++)
		resv_fini(&buffers[i].resv);
	resv_linux_exit();
}

static int __init minimal_init(void)
{
	int i, err = resv_linux_init();

	if (err)
		return err;
	for (i = 0; i < BUFFERS; i++)
		resv_init(&buffers[i].resv);
	ring = alloc_ordered_workqueue("minimal_gpu", WQ_MEM_RECLAIM);
	err = ring ? misc_register(&device) : -ENOMEM;
	if (err)
		clean_up();
	return err;
}

static void __exit minimal_exit(void)
{
	misc_deregister(&device);
	clean_up();
}

module_init(minimal_init);
module_exit(minimal_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("The smallest driver that uses resv");
