/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What tests in C, those of the annotator and those of tests/misuse, need from their surroundings, besides the port. */
#ifndef LOCKDEP_CASES_OS_H
#define LOCKDEP_CASES_OS_H

#include <resv/resv.h>

#ifdef __cplusplus
extern "C" {
#endif

enum lockdep_os_irq { LOCKDEP_OS_HARDIRQ, LOCKDEP_OS_HARDIRQ_THREADED, LOCKDEP_OS_SOFTIRQ };

/**
 * What the calling task does until the exit counts as done by an interrupt handler. That of a hard interrupt begins
 * with all interrupts off, that of a soft one with the soft ones.
 */
void lockdep_os_irq_enter(enum lockdep_os_irq level);
void lockdep_os_irq_exit(void);

/** Turns interrupts, or software interrupts, on or off, as the annotator sees it; returns what they were. */
bool lockdep_os_hardirqs(bool on);
bool lockdep_os_softirqs(bool on);

/** Has the one other task call the function, and waits until it returns. What that task holds, it holds on. */
void lockdep_os_on_other_task(void (*function)(void *data), void *data);

/** Zeroed memory, or NULL. */
void *lockdep_os_alloc(size_t size);
void lockdep_os_free(void *memory);

/** A case has caused this report; for whoever wants to read it. Must not sleep. */
void lockdep_os_saw(enum resv_report_kind kind, const char *text);

#ifdef __cplusplus
}
#endif

#endif /* LOCKDEP_CASES_OS_H */
