// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* Buffers as GEM objects, and their mappings. */
#include "driver.h"

#include <drm/drm_vma_manager.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

static void object_end(struct gpu_object *object)
{
	drm_gem_object_release(&object->base);
	kfree(object);
	atomic_dec(&gpu_in_use);
}

static void object_end_work(struct work_struct *work)
{
	object_end(container_of(work, struct gpu_object, end));
}

void gpu_front_freed(void *of_front)
{
	struct gpu_object *object = of_front;

	queue_work(gpu_the_device.ends, &object->end);
}

void gpu_front_unmap(void *of_front)
{
	struct gpu_object *object = of_front;

	drm_vma_node_unmap(&object->base.vma_node, gpu_the_device.drm->anon_inode->i_mapping);
}

/* The last handle, mapping and call are gone; the buffer goes when the device is through with it. */
static void object_free(struct drm_gem_object *gem)
{
	struct gpu_object *object = gpu_object_of(gem);

	if (object->buffer)
		gpu_core_buffer_put(object->buffer);
	else
		object_end(object);
}

static vm_fault_t object_fault(struct vm_fault *vmf)
{
	struct gpu_object *object = gpu_object_of(vmf->vma->vm_private_data);
	const void *page;
	vm_fault_t result;
	int err;

	/* The kernel itself, copying from or to user space, would not see a signal before the fault is over. */
	err = gpu_core_fault_begin(object->buffer, vmf->flags & FAULT_FLAG_USER, &page);
	if (err)
		return err == -EINTR ? VM_FAULT_NOPAGE : VM_FAULT_SIGBUS;
	result = vmf_insert_pfn(vmf->vma, vmf->address, vmalloc_to_pfn(page));
	gpu_core_fault_end(object->buffer);
	return result;
}

static const struct vm_operations_struct object_vm_ops = {
	.open = drm_gem_vm_open,
	.close = drm_gem_vm_close,
	.fault = object_fault,
};

static const struct drm_gem_object_funcs object_funcs = {
	.free = object_free,
	.vm_ops = &object_vm_ops,
};

/*
 * A private mapping would be written to copies of pages, of which the kernel knows nothing here. A mapping of an exported
 * buffer's own file would not be found when the buffer moves, since that file is another one.
 */
int gpu_object_mmap(struct file *filp, struct vm_area_struct *vma)
{
	if ((vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE || vma->vm_file != filp)
		return -EINVAL;
	return drm_gem_mmap(filp, vma);
}

struct gpu_object *gpu_object_create(struct drm_device *drm)
{
	struct gpu_object *object = kzalloc(sizeof(*object), GFP_KERNEL);
	int err;

	if (!object)
		return ERR_PTR(-ENOMEM);
	atomic_inc(&gpu_in_use);
	INIT_WORK(&object->end, object_end_work);
	object->base.funcs = &object_funcs;
	drm_gem_private_object_init(drm, &object->base, PAGE_SIZE);
	err = drm_gem_create_mmap_offset(&object->base);
	if (!err)
		err = gpu_core_buffer_create(gpu_the_device.core, object, &object->buffer);
	if (err) {
		drm_gem_object_put(&object->base);
		return ERR_PTR(err);
	}
	return object;
}
