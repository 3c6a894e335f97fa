// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* What user space asks for. Nothing that it says is believed. */
#include "driver.h"

#include <linux/slab.h>
#include <linux/uaccess.h>

static int restartable(int err)
{
	return err == -EINTR ? -ERESTARTSYS : err;
}

int gpu_file_lock(struct gpu_file *file)
{
	int err;

	resv_lockdep_acquire(&file->map, 0, 0, 0, 1, NULL, _RET_IP_);
	err = mutex_lock_interruptible(&file->lock);
	if (err)
		resv_lockdep_release(&file->map, _RET_IP_);
	return err ? -ERESTARTSYS : 0;
}

void gpu_file_unlock(struct gpu_file *file)
{
	mutex_unlock(&file->lock);
	resv_lockdep_release(&file->map, _RET_IP_);
}

static int ioctl_info(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct resv_gpu_info *info = data;
	struct gpu_file *file = drm_file->driver_priv;

	memset(info, 0, sizeof(*info));
	gpu_core_info(gpu_the_device.core, info);
	gpu_core_session_info(file->session, info);
	return 0;
}

static int ioctl_create(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct resv_gpu_create *create = data;
	struct gpu_object *object;
	int err;

	if (create->flags || create->pad)
		return -EINVAL;
	object = gpu_object_create(drm);
	if (IS_ERR(object))
		return PTR_ERR(object);
	create->offset = drm_vma_node_offset_addr(&object->base.vma_node);
	create->id = gpu_core_buffer_id(object->buffer);
	err = drm_gem_handle_create(drm_file, &object->base, &create->handle);
	drm_gem_object_put(&object->base);
	return err;
}

/* Takes a reference to each. */
static int look_up_uses(struct drm_file *drm_file, const struct resv_gpu_use *named,
			struct gpu_core_use *uses, struct drm_gem_object **objects, u32 count)
{
	u32 i;

	for (i = 0; i < count; i++)
		if (named[i].flags & ~RESV_GPU_WRITE)
			return -EINVAL;
	for (i = 0; i < count; i++) {
		objects[i] = drm_gem_object_lookup(drm_file, named[i].handle);
		if (!objects[i])
			return -ENOENT;
		uses[i].buffer = gpu_object_of(objects[i])->buffer;
		uses[i].write = named[i].flags & RESV_GPU_WRITE;
	}
	return 0;
}

static int submit_uses(struct gpu_file *file, struct gpu_core_use *uses, struct resv_gpu_submit *submit)
{
	int err = gpu_file_lock(file);

	if (err)
		return err;
	err = gpu_core_submit(file->session, uses, submit->count, (s64)submit->busy_us * NSEC_PER_USEC,
			      &submit->number);
	gpu_file_unlock(file);
	return restartable(err);
}

static int ioctl_submit(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct resv_gpu_submit *submit = data;
	struct gpu_file *file = drm_file->driver_priv;
	struct resv_gpu_info info = {};
	struct drm_gem_object **objects;
	struct gpu_core_use *uses;
	struct resv_gpu_use *named;
	int err;
	u32 i;

	gpu_core_info(gpu_the_device.core, &info);
	if (submit->flags || submit->busy_us > RESV_GPU_MAX_BUSY_US || submit->count == 0)
		return -EINVAL;
	if (submit->count > info.most_buffers)
		return -E2BIG;
	named = kvmalloc_array(submit->count, sizeof(*named), GFP_KERNEL);
	uses = kvcalloc(submit->count, sizeof(*uses), GFP_KERNEL);
	objects = kvcalloc(submit->count, sizeof(*objects), GFP_KERNEL);
	if (!named || !uses || !objects)
		err = -ENOMEM;
	else if (copy_from_user(named, u64_to_user_ptr(submit->uses), submit->count * sizeof(*named)))
		err = -EFAULT;
	else
		err = look_up_uses(drm_file, named, uses, objects, submit->count);
	if (!err)
		err = submit_uses(file, uses, submit);
	for (i = 0; objects && i < submit->count && objects[i]; i++)
		drm_gem_object_put(objects[i]);
	kvfree(objects);
	kvfree(uses);
	kvfree(named);
	return err;
}

static int ioctl_wait(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct resv_gpu_wait *wait = data;
	struct drm_gem_object *gem;
	int err;

	if (wait->flags & ~RESV_GPU_WRITE)
		return -EINVAL;
	gem = drm_gem_object_lookup(drm_file, wait->handle);
	if (!gem)
		return -ENOENT;
	err = gpu_core_buffer_wait(gpu_object_of(gem)->buffer, wait->flags & RESV_GPU_WRITE,
				   wait->deadline_ns);
	drm_gem_object_put(gem);
	return restartable(err);
}

static int ioctl_stats(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct resv_gpu_stats *stats = data;
	struct gpu_file *file = drm_file->driver_priv;

	if (stats->flags & ~RESV_GPU_WHOLE_DEVICE || stats->pad)
		return -EINVAL;
	if (stats->flags & RESV_GPU_WHOLE_DEVICE)
		return gpu_core_stats(gpu_the_device.core, stats);
	gpu_core_session_stats(file->session, stats);
	return 0;
}

static int ioctl_log(struct drm_device *drm, void *data, struct drm_file *drm_file)
{
	struct resv_gpu_log *log = data;
	struct gpu_file *file = drm_file->driver_priv;
	const u64 *words;
	u64 count;
	int err;

	if (log->flags)
		return -EINVAL;
	err = gpu_file_lock(file);
	if (err)
		return err;
	err = gpu_core_session_wait_idle(file->session);
	if (!err) {
		words = gpu_core_session_log(file->session, log->first, &count);
		count = min_t(u64, count, log->count);
		if (copy_to_user(u64_to_user_ptr(log->words), words, count * sizeof(*words)))
			err = -EFAULT;
		else
			log->count = count;
	}
	gpu_file_unlock(file);
	return restartable(err);
}

const struct drm_ioctl_desc gpu_ioctls[] = {
	DRM_IOCTL_DEF_DRV(RESV_GPU_INFO, ioctl_info, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(RESV_GPU_CREATE, ioctl_create, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(RESV_GPU_SUBMIT, ioctl_submit, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(RESV_GPU_WAIT, ioctl_wait, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(RESV_GPU_STATS, ioctl_stats, DRM_RENDER_ALLOW),
	DRM_IOCTL_DEF_DRV(RESV_GPU_LOG, ioctl_log, DRM_RENDER_ALLOW),
};
const int gpu_ioctl_count = ARRAY_SIZE(gpu_ioctls);
