/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What is timed: each row once with this library and once with the kernel's own, by functions of the same shape. They are
 * called with a number of loops and return 0 or -errno. Included from C and from C++, so it needs no kernel header.
 */
#ifndef RESV_TESTS_KERNEL_BENCH_H
#define RESV_TESTS_KERNEL_BENCH_H

#ifdef __cplusplus
extern "C" {
#endif

enum {
	BENCH_OBJECTS = 128,
	BENCH_CONTENDED = 64, /* of these, */
	BENCH_SET = 8,        /* each transaction takes so many */
	BENCH_FENCES = 4,     /* without a table, in both libraries */
};

struct bench_side {
	int (*create)(void);
	void (*destroy)(void);

	/* One lock again and again, in a context that was opened before. */
	int (*pair)(unsigned int unused, unsigned int loops);
	/* Open a context, take n locks, release them, close it. */
	int (*txn)(unsigned int n, unsigned int loops);
	/* The same with BENCH_SET locks out of BENCH_CONTENDED, by chance; two tasks at a time. */
	int (*multi)(unsigned int seed, unsigned int loops);
	/* Promise a place and add a fence, which takes that of an earlier one on its timeline. */
	int (*add_fence)(unsigned int unused, unsigned int loops);
	/* Ask without the lock whether BENCH_FENCES fences, which are signaled, are. */
	int (*test_signaled)(unsigned int unused, unsigned int loops);
};

extern const struct bench_side bench_ours;
extern const struct bench_side bench_theirs;

/* The next set, of BENCH_SET different numbers below BENCH_CONTENDED. */
static inline void bench_pick(unsigned int *random, unsigned int set[BENCH_SET])
{
	unsigned long long taken = 0;
	unsigned int n = 0;

	while (n < BENCH_SET) {
		unsigned int at;

		*random = *random * 1664525u + 1013904223u;
		at = *random >> 26; /* the upper bits are the better ones: BENCH_CONTENDED is 64 */
		if (taken >> at & 1)
			continue;
		taken |= 1ull << at;
		set[n++] = at;
	}
}

#ifdef __cplusplus
}
#endif

#endif /* RESV_TESTS_KERNEL_BENCH_H */
