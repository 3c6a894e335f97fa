/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Semaphores, as far as the host's tests in C use them. */
#ifndef TESTS_KERNEL_SEMAPHORE_H
#define TESTS_KERNEL_SEMAPHORE_H

#include <linux/semaphore.h>

typedef struct semaphore sem_t;

static inline int sem_init(sem_t *sem, int shared, unsigned int value)
{
	sema_init(sem, value);
	return 0;
}

static inline void sem_post(sem_t *sem)
{
	up(sem);
}

static inline void sem_wait(sem_t *sem)
{
	down(sem);
}

#endif /* TESTS_KERNEL_SEMAPHORE_H */
