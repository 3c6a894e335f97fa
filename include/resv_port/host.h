/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What the host port offers beyond <resv/port.h>: signals to send to a task, and a sink for reports. Host programs
 * and tests use it; the core does not.
 *
 * The host's signals are the port's own, not POSIX signals: those never end a park.
 */
#ifndef RESV_PORT_HOST_H
#define RESV_PORT_HOST_H

#include <resv/port.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Signals --------------------------------------------------------------------------------------------------
 *
 * `task` is what that task's own resv_port_current() returned; the caller guarantees that it is alive.
 *
 *   park mode         interrupted     killed
 *   uninterruptible   sleeps on       sleeps on
 *   interruptible     -EINTR, once    -EINTR, each time
 *   killable          sleeps on       -EINTR, each time
 *
 * A park that could return both -EINTR and 0 or -ETIME returns -EINTR.
 */

/**
 * Makes a signal pending for `task`. It stays pending until an interruptible park returns -EINTR for it: as when a
 * driver's ioctl returns -EINTR and the signal is handled on the way out. Two signals in the meantime are one.
 */
void resv_host_interrupt(resv_port_task task);

/** Makes a fatal signal pending for `task`, until the task ends or clears it. */
void resv_host_kill(resv_port_task task);

/** Is a signal pending for the calling task, fatal or not? */
bool resv_host_signal_pending(void);

/** Drops the calling task's pending signals, the fatal one too. */
void resv_host_clear_signals(void);

/* ---- Reports -------------------------------------------------------------------------------------------------- */

typedef void (*resv_host_report_fn)(const char *line, void *data);

/**
 * Sends each line of resv_port_report() to `fn`, or to stderr again if `fn` is null. Calls of a sink are serialized,
 * and none is under way when this function returns; so a sink must neither report nor set a sink.
 */
void resv_host_set_report_sink(resv_host_report_fn fn, void *data);

/* ---- Memory -----------------------------------------------------------------------------------------------------
 *
 * Deferred work runs in a thread of the port's, which is made when something is first deferred, takes no POSIX signals,
 * and lives until the program ends. A child of fork() does not have it.
 */

/**
 * At most so many pieces of memory wait to be freed: who asks for one more waits until there is room, unless it is in a
 * read-side section, holds a spin lock, or is deferred work. Those add to the number.
 */
enum { RESV_HOST_MAX_WAITING = 16384 };

/** Of the calling task's allocations from now on, `skip` are tried, and then one fails. An earlier order is forgotten. */
void resv_host_fail_alloc(unsigned long skip);

/** Forgets the calling task's order. Returns whether the allocation has failed already; true if there was no order. */
bool resv_host_end_fail_alloc(void);

/** What all tasks have done since the program began. What callers pass to free() themselves is not counted. */
struct resv_host_allocs {
	unsigned long allocated; /**< by resv_port_alloc() */
	unsigned long freed;
	unsigned long failed;  /**< allocations that returned NULL */
	unsigned long waiting; /**< pieces that resv_port_free_after_readers() has still to free */
};

/** Exact once the tasks are done, and after resv_port_drain(). */
struct resv_host_allocs resv_host_alloc_stats(void);

/* ---- Interrupts, as the annotator sees them ------------------------------------------------------------------------
 *
 * Emulated, for the calling thread: no code is interrupted, but what runs between enter and exit counts as the handler's.
 * Threads begin with interrupts on.
 */

enum resv_host_irq { RESV_HOST_HARDIRQ, RESV_HOST_HARDIRQ_THREADED, RESV_HOST_SOFTIRQ };

/** A handler begins, or ends, with its interrupts off. A hard interrupt may come within a soft one; no other nesting. */
void resv_host_irq_enter(enum resv_host_irq level);
void resv_host_irq_exit(void);

/** Turns the calling thread's interrupts, or software interrupts, on or off; returns what they were. */
bool resv_host_hardirqs(bool on);
bool resv_host_softirqs(bool on);

#ifdef __cplusplus
}
#endif

#endif /* RESV_PORT_HOST_H */
