/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Fixed-width types, bool, and error numbers, for C and C++, with or without a C library.
 *
 * Errors travel as negative errno values. RESV_E* exist only where the platform has no <errno.h> and no kernel
 * header that defines them; the numbers are those of Linux's generic table, which every port so far uses.
 */
#ifndef RESV_TYPES_H
#define RESV_TYPES_H

#if defined(__KERNEL__) && !defined(__cplusplus)
#include <linux/errno.h>
#include <linux/types.h>
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#if __has_include(<errno.h>)
#include <errno.h>
#endif
#endif

#ifndef EDEADLK
#define RESV_ENOENT   2
#define RESV_EINTR    4
#define RESV_ENOMEM   12
#define RESV_EBUSY    16
#define RESV_EINVAL   22
#define RESV_ENOSPC   28
#define RESV_EDEADLK  35
#define RESV_ETIME    62
#define RESV_EALREADY 114
#endif

/** A duration or a deadline that never comes. All times are int64_t nanoseconds of the port's monotonic clock. */
#define RESV_WAIT_FOREVER INT64_MAX

#ifndef INT64_MAX
#define INT64_MAX ((int64_t)(~(uint64_t)0 >> 1))
#endif

/** A result that must be looked at. */
#define RESV_NODISCARD __attribute__((warn_unused_result))

#endif /* RESV_TYPES_H */
