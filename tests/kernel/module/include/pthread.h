/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Threads, as far as the host's tests in C use them, over kthreads. */
#ifndef TESTS_KERNEL_PTHREAD_H
#define TESTS_KERNEL_PTHREAD_H

#include "../os.h"

typedef struct thread pthread_t;

static inline int pthread_create(pthread_t *thread, const void *attributes, void *(*run)(void *), void *data)
{
	return thread_start(thread, run, data);
}

static inline int pthread_join(pthread_t thread, void **result)
{
	*result = thread_join(&thread);
	return 0;
}

#endif /* TESTS_KERNEL_PTHREAD_H */
