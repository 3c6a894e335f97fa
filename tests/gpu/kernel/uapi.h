/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What resv_gpu.ko offers to user space on /dev/dri/renderD*, beside what DRM has for all drivers: closing handles, and
 * sharing buffers by file descriptors (PRIME).
 *
 * A buffer is one page. A job names buffers, reads them all, and writes some of them with what it makes of that: see
 * tests/gpu/page.hpp. An open file is a session; its jobs are run one after the other, in the order of submitting.
 *
 * Errors: -EINVAL for values that mean nothing, -ENOENT for unknown handles, -E2BIG for too many of them, -EFAULT for bad
 * addresses. Then nothing has changed. A signal ends waits: the call is begun again, or returns -EINTR, as with all calls.
 */
#ifndef RESV_GPU_UAPI_H
#define RESV_GPU_UAPI_H

#include <resv/types.h>

/** The session, and the device: which does not change. */
struct resv_gpu_info {
	uint32_t session;   /**< its number; that of jobs which it makes the contents from */
	uint32_t algorithm; /**< 0: wound-wait, 1: wait-die, 2: adaptive */
	uint32_t rings;
	uint32_t devices;
	uint32_t vram;         /**< pages of each device */
	uint32_t system;       /**< pages */
	uint32_t words;        /**< of a page that jobs touch, beside its header of three */
	uint32_t most_buffers; /**< of a job */
	uint32_t logs;         /**< what jobs saw is kept */
	uint32_t checks;       /**< the driver checks the order of its locks */
};

struct resv_gpu_create {
	uint32_t flags;  /**< 0 */
	uint32_t handle; /**< out */
	uint64_t offset; /**< out: of the buffer, for mmap() */
	uint32_t id;     /**< out: what its contents are made from */
	uint32_t pad;    /**< 0 */
};

#define RESV_GPU_WRITE 1

struct resv_gpu_use {
	uint32_t handle;
	uint32_t flags; /**< RESV_GPU_WRITE, or 0 */
};

/** -ENOSPC: there is no room in the VRAM for now; to be tried again after a while. -EBUSY: none for the job in the log. */
struct resv_gpu_submit {
	uint64_t uses; /**< the address of `count` struct resv_gpu_use; a buffer may be named twice */
	uint32_t count;
	uint32_t flags;   /**< 0 */
	uint32_t busy_us; /**< keeps the ring busy for so long; RESV_GPU_MAX_BUSY_US at most */
	uint32_t number;  /**< out: of the job, in the session, from 1 */
};

#define RESV_GPU_MAX_BUSY_US 10000

/** Until the jobs that are under way have read and written the buffer; -ETIME: not yet. */
struct resv_gpu_wait {
	uint32_t handle;
	uint32_t flags;      /**< RESV_GPU_WRITE: to write it; otherwise only to read it */
	int64_t deadline_ns; /**< of CLOCK_MONOTONIC; 0 and less: only looks */
};

#define RESV_GPU_WAIT_BUCKETS 496

/** What the device's locks have met, see struct resv_ww_stats. */
struct resv_gpu_contention {
	uint64_t contended;
	uint64_t spins;
	uint64_t stays;
	uint64_t waits;
	uint64_t bypasses;
	uint64_t wounds;
	uint64_t deaths;
	uint64_t most_retries;
	uint64_t longest_wait_ns;
};

/** Of the session, or of the whole device. */
struct resv_gpu_stats {
	uint32_t flags; /**< RESV_GPU_WHOLE_DEVICE, or 0 */
	uint32_t pad;   /**< 0 */
	uint64_t jobs;
	uint64_t retries;
	uint64_t interrupted;
	uint64_t evictions;
	uint64_t evictions_busy;
	uint64_t evictions_passed;
	uint64_t no_space;
	uint64_t bytes_moved;
	uint64_t swapouts;
	uint64_t lock_order_reports;          /**< of the device: what the checker has found */
	struct resv_gpu_contention met;       /**< of the device */
	uint64_t longest_wait_ns;             /**< for all reservations of a job */
	uint64_t wait[RESV_GPU_WAIT_BUCKETS]; /**< how many of them, by buckets of gpu::histogram */
};

#define RESV_GPU_WHOLE_DEVICE 1

/** What the session's jobs saw, see gpu::job_log. Waits for all of them. */
struct resv_gpu_log {
	uint64_t words; /**< the address of room for `count` uint64_t */
	uint64_t first; /**< to be read; as many are as there are from there on */
	uint32_t count; /**< in: so many at most; out: so many were */
	uint32_t flags; /**< 0 */
};

/* With the macros of <linux/ioctl.h>. */
#define RESV_GPU_IOWR_(nr, type) _IOWR('d', 0x40 + (nr), type)

#define DRM_IOCTL_RESV_GPU_INFO   RESV_GPU_IOWR_(0, struct resv_gpu_info)
#define DRM_IOCTL_RESV_GPU_CREATE RESV_GPU_IOWR_(1, struct resv_gpu_create)
#define DRM_IOCTL_RESV_GPU_SUBMIT RESV_GPU_IOWR_(2, struct resv_gpu_submit)
#define DRM_IOCTL_RESV_GPU_WAIT   RESV_GPU_IOWR_(3, struct resv_gpu_wait)
#define DRM_IOCTL_RESV_GPU_STATS  RESV_GPU_IOWR_(4, struct resv_gpu_stats)
#define DRM_IOCTL_RESV_GPU_LOG    RESV_GPU_IOWR_(5, struct resv_gpu_log)

#endif /* RESV_GPU_UAPI_H */
