/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What a kernel module that contains resv does besides using it: its init function begins the port, before anything
 * else of resv is called, and its exit function ends it, after everything.
 */
#ifndef RESV_PORT_LINUX_H
#define RESV_PORT_LINUX_H

#include <resv/port.h>

/** Returns 0 or -ENOMEM. Context: task. */
RESV_NODISCARD int resv_linux_init(void);

/** Waits for what was deferred, and ends the port. All fences and buffers are gone by now, or go here. */
void resv_linux_exit(void);

#endif /* RESV_PORT_LINUX_H */
