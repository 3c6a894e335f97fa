/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What the DRM driver, in C, and the software GPU, in C++, know of each other. All functions may sleep and are called from
 * task context, except where something else is said. Errors are negative errno values.
 */
#ifndef RESV_GPU_CORE_H
#define RESV_GPU_CORE_H

#include "uapi.h"

#include <resv/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gpu_core;
struct gpu_core_session;
struct gpu_core_buffer;

/** What the driver is loaded with. */
struct gpu_core_config {
	unsigned algorithm; /* enum resv_ww_algorithm */
	unsigned rings;
	unsigned devices;
	unsigned vram;    /* pages of each device */
	unsigned system;  /* pages; 0: enough */
	unsigned buffers; /* at most */
	unsigned words;
	unsigned eviction_rate; /* per second */
	unsigned swapout_rate;
	unsigned interrupt_every; /* waits of a session */
	unsigned log_mb;          /* of all sessions; 0: no logs */
	unsigned broken;          /* 1: some jobs wait for no fence, 2: some moves lose the contents */
};

/** What the core calls, with what it was told at the buffer's making. */
void gpu_front_unmap(void *of_front); /* nobody may see its page any more */
void gpu_front_freed(void *of_front); /* it has ended; any context, must not sleep */

/** -EINVAL for what is out of range. */
int gpu_core_create(const struct gpu_core_config *config, struct gpu_core **core);

/** Tasks that the core needs: each runs gpu_core_run() until gpu_core_close(). */
unsigned gpu_core_tasks(struct gpu_core *core);
void gpu_core_run(struct gpu_core *core, unsigned task);

/** There are no sessions any more. What was submitted is still run, but takes no time. */
void gpu_core_close(struct gpu_core *core);

/** The tasks have ended. Returns how many buffers were not freed that should have been. */
unsigned gpu_core_destroy(struct gpu_core *core);

void gpu_core_info(struct gpu_core *core, struct resv_gpu_info *info);
/** What runs goes on being counted. Returns 0 or -ENOMEM. */
int gpu_core_stats(struct gpu_core *core, struct resv_gpu_stats *stats);

/** Who holds what, line by line. */
void gpu_core_describe(struct gpu_core *core, void (*emit)(const char *line, void *data), void *data);

/** NULL: there are too many. One task at a time may use one. */
struct gpu_core_session *gpu_core_session_open(struct gpu_core *core);
void gpu_core_session_close(struct gpu_core_session *session);
void gpu_core_session_info(struct gpu_core_session *session, struct resv_gpu_info *info);
void gpu_core_session_stats(struct gpu_core_session *session, struct resv_gpu_stats *stats);
int gpu_core_session_wait_idle(struct gpu_core_session *session);

/** What its jobs saw, from word `first` on; *count are left. Context: idle, as long as the result is used. */
const uint64_t *gpu_core_session_log(struct gpu_core_session *session, uint64_t first, uint64_t *count);

/** A buffer of a job. */
struct gpu_core_use {
	struct gpu_core_buffer *buffer;
	bool write;
	bool opaque;
};

int gpu_core_submit(struct gpu_core_session *session, struct gpu_core_use *uses, unsigned count,
		    int64_t busy_ns, uint32_t *number);

int gpu_core_buffer_create(struct gpu_core *core, void *of_front, struct gpu_core_buffer **buffer);
void gpu_core_buffer_put(struct gpu_core_buffer *buffer);
uint32_t gpu_core_buffer_id(struct gpu_core_buffer *buffer);

/** Returns 0, -ETIME or -EINTR. */
int gpu_core_buffer_wait(struct gpu_core_buffer *buffer, bool write, int64_t deadline_ns);

/** In a page fault, with the mmap_lock held: where the contents are, which is so until the end of that. Returns 0; or
 * -EINTR, if a signal may end waits, and then there is nothing to end. */
int gpu_core_fault_begin(struct gpu_core_buffer *buffer, bool interruptible, const void **page);
void gpu_core_fault_end(struct gpu_core_buffer *buffer);

#ifdef __cplusplus
}
#endif

#endif /* RESV_GPU_CORE_H */
