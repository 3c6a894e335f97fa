// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* The module, its device, and who opens it. What is what: driver.h. */
#include "driver.h"

#include <drm/drm_drv.h>
#include <drm/drm_prime.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <resv_port/linux.h>

static struct gpu_core_config config = {
	.rings = 2,
	.algorithm = RESV_WAIT_DIE,
	.devices = 1,
	.vram = 256,
	.buffers = 4096,
	.words = 61,
};

#define GPU_PARAM(field, what)                               \
	module_param_named(field, config.field, uint, 0444); \
	MODULE_PARM_DESC(field, what)

GPU_PARAM(algorithm, "of locks. 0: wound-wait, 1: wait-die (default), 2: adaptive");
GPU_PARAM(rings, "rings that run jobs");
GPU_PARAM(devices, "devices, each with its own VRAM: 1 or 2");
GPU_PARAM(vram, "pages of VRAM of each device");
GPU_PARAM(system, "pages of system memory, the rest is in the swap store; 0 (default): enough");
GPU_PARAM(buffers, "buffers at most");
GPU_PARAM(words, "words of a buffer that each job touches: 1 to 509");
GPU_PARAM(eviction_rate, "evictions without need, per second");
GPU_PARAM(swapout_rate, "swapouts without need, per second");
GPU_PARAM(interrupt_every,
	  "each so many-th wait of a file for a reservation is interrupted; 0 (default): none");
GPU_PARAM(log_mb, "MiB for what jobs saw; 0 (default): it is forgotten");
GPU_PARAM(broken,
	  "to see that it is noticed. 1: some jobs wait for no fence, 2: some moves lose the contents");

#define GPU_MOST_TASKS 32

struct gpu_device gpu_the_device;
static struct platform_device *parent;
static struct task_struct *tasks[GPU_MOST_TASKS];

/* ---- Files ------------------------------------------------------------------------------------------------------ */

static struct resv_lock_class_key file_lock_key;

static int file_open(struct drm_device *drm, struct drm_file *drm_file)
{
	struct gpu_file *file = kzalloc(sizeof(*file), GFP_KERNEL);

	if (!file)
		return -ENOMEM;
	file->session = gpu_core_session_open(gpu_the_device.core);
	if (!file->session) {
		kfree(file);
		return -EMFILE;
	}
	mutex_init(&file->lock);
	resv_lockdep_init_map_type(&file->map, "gpu_file", &file_lock_key, 0, RESV_LD_WAIT_SLEEP,
				   RESV_LD_WAIT_INV, RESV_LD_LOCK_NORMAL);
	drm_file->driver_priv = file;
	return 0;
}

static void file_close(struct drm_device *drm, struct drm_file *drm_file)
{
	struct gpu_file *file = drm_file->driver_priv;

	gpu_core_session_close(file->session);
	mutex_destroy(&file->lock);
	kfree(file);
}

static const struct file_operations fops = {
	.owner = THIS_MODULE,
	.open = drm_open,
	.release = drm_release,
	.unlocked_ioctl = drm_ioctl,
	.compat_ioctl = drm_compat_ioctl,
	.poll = drm_poll,
	.read = drm_read,
	.llseek = noop_llseek,
	.mmap = gpu_object_mmap,
#ifdef FOP_UNSIGNED_OFFSET
	.fop_flags = FOP_UNSIGNED_OFFSET,
#endif
};

static struct drm_driver driver = {
	.driver_features = DRIVER_GEM | DRIVER_RENDER,
	.open = file_open,
	.postclose = file_close,
	.prime_handle_to_fd = drm_gem_prime_handle_to_fd,
	.prime_fd_to_handle = drm_gem_prime_fd_to_handle,
	.ioctls = gpu_ioctls,
	.fops = &fops,
	.name = "resv_gpu",
	.desc = "software GPU on resv",
#ifdef GPU_DRM_DRIVER_HAS_DATE
	.date = "0",
#endif
	.major = 1,
};

/* ---- The device --------------------------------------------------------------------------------------------------- */

static int run_task(void *number)
{
	gpu_core_run(gpu_the_device.core, (unsigned long)number);
	return 0;
}

/* Those that have been started; they end when the core has been closed. */
static void stop_tasks(void)
{
	unsigned int i;

	gpu_core_close(gpu_the_device.core);
	for (i = 0; i < GPU_MOST_TASKS && tasks[i]; i++) {
		kthread_stop(tasks[i]);
		put_task_struct(tasks[i]);
		tasks[i] = NULL;
	}
}

static int start_tasks(void)
{
	unsigned int count = gpu_core_tasks(gpu_the_device.core);
	unsigned long i;

	BUG_ON(count > GPU_MOST_TASKS);
	for (i = 0; i < count; i++) {
		struct task_struct *task = kthread_create(run_task, (void *)i, "resv_gpu/%lu", i);

		if (IS_ERR(task))
			return PTR_ERR(task);
		tasks[i] = get_task_struct(task);
		wake_up_process(task);
	}
	return 0;
}

static void end_core(void)
{
	unsigned int left;

	stop_tasks();
	left = gpu_core_destroy(gpu_the_device.core);
	if (left)
		pr_err("resv_gpu: %u buffers were not freed\n", left);
}

static int start_drm(void)
{
	int err;

	gpu_the_device.drm = drm_dev_alloc(&driver, &parent->dev);
	if (IS_ERR(gpu_the_device.drm))
		return PTR_ERR(gpu_the_device.drm);
	err = drm_dev_register(gpu_the_device.drm, 0);
	if (err)
		drm_dev_put(gpu_the_device.drm);
	return err;
}

static int __init gpu_init(void)
{
	int err = resv_linux_init();

	if (err)
		return err;
	err = -ENOMEM;
	driver.num_ioctls = gpu_ioctl_count;
	gpu_the_device.ends = alloc_workqueue("resv_gpu", 0, 0);
	if (!gpu_the_device.ends)
		goto end_port;
	parent = platform_device_register_simple("resv_gpu", PLATFORM_DEVID_NONE, NULL, 0);
	err = PTR_ERR_OR_ZERO(parent);
	if (err)
		goto end_queue;
	err = gpu_core_create(&config, &gpu_the_device.core);
	if (err)
		goto end_parent;
	err = start_tasks();
	if (err)
		goto end_core;
	err = start_drm();
	if (err)
		goto end_core;
	gpu_debugfs_init();
	return 0;

end_core:
	end_core();
end_parent:
	platform_device_unregister(parent);
end_queue:
	destroy_workqueue(gpu_the_device.ends);
end_port:
	resv_linux_exit();
	return err;
}

/* No file is open, nothing is mapped or exported: all of that has a reference to the module. */
static void __exit gpu_exit(void)
{
	gpu_debugfs_exit();
	drm_dev_unregister(gpu_the_device.drm);
	end_core();
	destroy_workqueue(gpu_the_device.ends); /* after the last object, which is the DRM device's */
	drm_dev_put(gpu_the_device.drm);
	platform_device_unregister(parent);
	resv_linux_exit();
	if (atomic_read(&gpu_in_use))
		pr_err("resv_gpu: %d pieces of memory were not released\n", atomic_read(&gpu_in_use));
}

module_init(gpu_init);
module_exit(gpu_exit);
MODULE_LICENSE("Dual MIT/GPL");
MODULE_DESCRIPTION("A software GPU on resv");
