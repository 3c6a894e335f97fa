/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * resv_gpu.ko: the software GPU of tests/gpu as a render-only DRM driver.
 *
 *   user space       ioctl()               mmap(), page faults        close(), rmmod
 *                      |                       |                         |
 *   C    main.c      ioctl.c                 gem.c                    debugfs.c, os.c
 *                      |                       |                         |
 *   core.h           sessions, submit        fault_begin/end          close, destroy
 *   C++  core.cpp  ../session.cpp  ../fenced_job.cpp  ../memory.cpp  ../ring.cpp ...: what the host runs as well
 *
 * Who keeps what:
 * - A handle, a mapping and a call in progress have a reference to the GEM object, this has one to the core's buffer, and so
 *   have those who evict it. The buffer ends after its last reference and its last fence, and with it the memory of the
 *   GEM object: so who moves a buffer may always ask for its mappings to go.
 * - A session belongs to an open file. Closing that waits for nothing: jobs that are under way keep their buffers, by their
 *   fences, and their log is given to nobody before they have been run.
 * - Whatever is open has a reference to the module. So at the end there may be jobs and buffers that are about to end, but
 *   no user: the rings run empty, the buffers are freed, and then the port ends.
 *
 * Locks: mmap_lock -> reservation, in a page fault; the session's lock -> reservations, in a submit. User memory is read
 * before and written after that. Moving takes mappings away with the reservation held, which needs no mmap_lock. What a
 * fault does, and what a move does:
 *
 *   fault                                     move
 *   reserve                                   (reserved)
 *   wait for the fences of moves              take the mappings away
 *   map the buffer's home                     hand the copy in; home = another place; add its fence
 *   unreserve                                 unreserve
 *
 * So nobody sees a place that the buffer has left, nor one that it has not yet come to.
 */
#ifndef RESV_GPU_DRIVER_H
#define RESV_GPU_DRIVER_H

#include "core.h"

#include <drm/drm_device.h>
#include <drm/drm_file.h>
#include <drm/drm_gem.h>
#include <drm/drm_ioctl.h>
#include <linux/mutex.h>
#include <linux/workqueue.h>
#include <resv/resv.h>

/** The one device. */
struct gpu_device {
	struct drm_device *drm;
	struct gpu_core *core;
	struct workqueue_struct *ends; /* of GEM objects */
};
extern struct gpu_device gpu_the_device;

/** Pieces of memory, and GEM objects. None is left at the end. */
extern atomic_t gpu_in_use;

/** An open file. */
struct gpu_file {
	struct gpu_core_session *session;
	struct mutex lock; /* one submit at a time */
	struct resv_lockdep_map map;
};

int gpu_file_lock(struct gpu_file *file);
void gpu_file_unlock(struct gpu_file *file);

/* gem.c */
struct gpu_object {
	struct drm_gem_object base;
	struct gpu_core_buffer *buffer;
	struct work_struct end;
};

struct gpu_object *gpu_object_create(struct drm_device *drm);
int gpu_object_mmap(struct file *filp, struct vm_area_struct *vma);

static inline struct gpu_object *gpu_object_of(struct drm_gem_object *gem)
{
	return container_of(gem, struct gpu_object, base);
}

/* ioctl.c */
extern const struct drm_ioctl_desc gpu_ioctls[];
extern const int gpu_ioctl_count;

/* debugfs.c */
void gpu_debugfs_init(void);
void gpu_debugfs_exit(void);

#endif /* RESV_GPU_DRIVER_H */
