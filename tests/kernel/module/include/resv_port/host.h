/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What the host's tests in C use of the host port, for kthreads: see os.c. */
#ifndef TESTS_KERNEL_RESV_PORT_HOST_H
#define TESTS_KERNEL_RESV_PORT_HOST_H

#include <resv/port.h>

/** A signal, which the next interruptible park consumes that returns -EINTR for it; a fatal one; and none. */
void resv_host_interrupt(resv_port_task task);
void resv_host_kill(resv_port_task task);
void resv_host_clear_signals(void);

/** Sends each line of a report there, or to the kernel's log (NULL). Must not sleep. */
void resv_host_set_report_sink(void (*fn)(const char *line, void *data), void *data);

/** Of the allocations of the calling task from now on, `skip` are tried, and then one fails. */
void resv_host_fail_alloc(unsigned long skip);

#endif /* TESTS_KERNEL_RESV_PORT_HOST_H */
