/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * As much of a kernel as tests/gpu/kernel/ioctl.c needs, for submit.c to drive it: in place of the headers that it
 * includes.
 */
#ifndef RESV_TESTS_FUZZ_KERNEL_H
#define RESV_TESTS_FUZZ_KERNEL_H

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;
typedef struct {
	int counter;
} atomic_t;

#define __user
#define ERESTARTSYS   512
#define NSEC_PER_USEC 1000
#define GFP_KERNEL    0
#define _RET_IP_      ((unsigned long)__builtin_return_address(0))

#define ARRAY_SIZE(a)                 (sizeof(a) / sizeof(*(a)))
#define min_t(type, a, b)             ((type)(a) < (type)(b) ? (type)(a) : (type)(b))
#define container_of(p, type, member) ((type *)((char *)(p)-offsetof(type, member)))

static inline bool IS_ERR(const void *p)
{
	return (uintptr_t)p >= (uintptr_t)-4095;
}
static inline int PTR_ERR(const void *p)
{
	return (int)(intptr_t)p;
}

/* Memory, and when there is none; user space, and where it ends. */
void *kvcalloc(size_t n, size_t size, int flags);
#define kvmalloc_array kvcalloc
void kvfree(void *memory);
#define u64_to_user_ptr(address) ((void *)(uintptr_t)(address))
unsigned long copy_from_user(void *to, const void *from, size_t size);
unsigned long copy_to_user(void *to, const void *from, size_t size);

struct mutex {
	pthread_mutex_t lock;
};
static inline int mutex_lock_interruptible(struct mutex *m)
{
	return -pthread_mutex_lock(&m->lock);
}
static inline void mutex_unlock(struct mutex *m)
{
	pthread_mutex_unlock(&m->lock);
}

struct work_struct {
	struct work_struct *next;
};
struct workqueue_struct;
struct file;
struct vm_area_struct;

/* DRM. */
struct drm_device;
struct drm_file {
	void *driver_priv;
	struct drm_gem_object *handles[16]; /* their numbers begin with 1 */
};
struct drm_vma_offset_node {
	u64 offset;
};
struct drm_gem_object {
	int references;
	struct drm_vma_offset_node vma_node;
};
struct drm_gem_object *drm_gem_object_lookup(struct drm_file *file, u32 handle);
void drm_gem_object_put(struct drm_gem_object *gem);
int drm_gem_handle_create(struct drm_file *file, struct drm_gem_object *gem, u32 *handle);
static inline u64 drm_vma_node_offset_addr(const struct drm_vma_offset_node *node)
{
	return node->offset;
}

struct drm_ioctl_desc {
	size_t size;
	int (*func)(struct drm_device *drm, void *data, struct drm_file *file);
};
#define DRM_RENDER_ALLOW      0
#define _IOWR(type, nr, size) sizeof(size)
#define DRM_IOCTL_DEF_DRV(ioctl, func_, flags)             \
	{                                                  \
		.size = DRM_IOCTL_##ioctl, .func = (func_) \
	}

#endif /* RESV_TESTS_FUZZ_KERNEL_H */
