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
	BENCH_MANY = 100000,  /* of these, */
	BENCH_LARGE_SET = 800,
	BENCH_FENCES = 4, /* without a table, in both libraries */
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
	/* And with BENCH_LARGE_SET out of BENCH_MANY. */
	int (*multi_large)(unsigned int seed, unsigned int loops);
	/* Promise a place and add a fence, which takes that of an earlier one on its timeline. */
	int (*add_fence)(unsigned int unused, unsigned int loops);
	/* Ask without the lock whether BENCH_FENCES fences, which are signaled, are. */
	int (*test_signaled)(unsigned int unused, unsigned int loops);
};

extern const struct bench_side bench_ours;
extern const struct bench_side bench_theirs;

/* Zeroed memory for both sides, or NULL; where there is much of it, in whole pages. */
void *bench_alloc(unsigned long size);
void bench_free(void *memory);

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

/* The next set, of BENCH_LARGE_SET different numbers below BENCH_MANY: the first of 0 to 2^17 - 1, shuffled. Each step turns
 * different numbers into different ones. */
static inline void bench_pick_large(unsigned int *random, unsigned int set[BENCH_LARGE_SET])
{
	const unsigned int mask = (1u << 17) - 1;
	unsigned int i, n, factor, offset;

	factor = *random = *random * 1664525u + 1013904223u;
	offset = *random = *random * 1664525u + 1013904223u;
	for (i = n = 0; n < BENCH_LARGE_SET; i++) {
		unsigned int at = (i * (factor >> 8 | 1) + (offset >> 8)) & mask;

		at ^= at >> 9;
		at = at * 0x9e3779b1u & mask;
		at ^= at >> 8;
		if (at < BENCH_MANY)
			set[n++] = at;
	}
}

#ifdef __cplusplus
}
#endif

#endif /* RESV_TESTS_KERNEL_BENCH_H */
