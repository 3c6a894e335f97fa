/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The end of a buffer: its last reference is gone, but fences may say that the device still uses it. Part of
 * <resv/resv.h>. Linux: what ttm_bo_release() does, and its delayed destruction, without the waiting.
 */
#ifndef RESV_RELEASE_H
#define RESV_RELEASE_H

#include <resv/fence.h>
#include <resv/lru.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What is left to be done for a buffer; embedded in it. */
struct resv_release {
	/* private */
	struct resv_port_work work;
	struct resv_fence_cb cb;
	struct resv_fence *fence;
	struct resv_object *watched, *own;
	void (*free_fn)(struct resv_release *release);
	unsigned slot;
};

/**
 * Frees the buffer, by free_fn(release), once all fences have been signaled that are there now; before this returns if
 * they have been already. Waits for no reservation and no fence: it runs in a section of
 * resv_lockdep_no_blocking_begin(), and a caller may hold any reservation. It may sleep for memory. Context: task.
 *
 * `own` is the buffer's own object, and `used` the one that it was used with. If they are not the same, the buffer gets
 * a copy of the fences, and its `num` LRU entries get `own` as their object: so it is no matter of those who reserve
 * `used` any more. Nobody else may know `own` then; one that is reserved is reported, in every build.
 *
 * If there is no memory for the copy, the fences of `used` are watched where they are, one after the other, and the entries
 * keep their object. So `used` must live until free_fn is called: whoever shares it keeps a reference for that.
 *
 * `entries` may stay on their LRUs until free_fn takes them off. An accept function that takes references passes the
 * buffer over; one that takes what it can get may evict it, but must not sleep while it has it reserved, because the end
 * of that is waited for by asking again and again.
 *
 * free_fn is called with nothing reserved or locked; must not sleep; may free `own`, and the memory that `release` is in.
 */
void resv_release_buffer(struct resv_release *release, struct resv_object *used, struct resv_object *own,
			 struct resv_lru_entry *const *entries, unsigned num,
			 void (*free_fn)(struct resv_release *release));

#ifdef __cplusplus
}
#endif

#endif /* RESV_RELEASE_H */
