/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What the files of the Linux port tell each other. */
#ifndef RESV_PORT_LINUX_PORT_H
#define RESV_PORT_LINUX_PORT_H

#include <resv/config.h>
#include <resv_port/linux.h>

struct task_struct;

/** Is there such a task? It is not looked at. If it is, it stays while the caller is in an RCU read-side section. */
bool resv_linux_task_lives(const struct task_struct *task);

/* memory.c */
int resv_linux_memory_init(void);
void resv_linux_memory_exit(void);

/* held.c: nothing without the annotator. */
#if RESV_PROVE_LOCKING
int resv_linux_held_init(void);
void resv_linux_held_exit(void);
#else
static inline int resv_linux_held_init(void)
{
	return 0;
}
static inline void resv_linux_held_exit(void) {}
#endif

#endif /* RESV_PORT_LINUX_PORT_H */
