/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* For tests in C: contexts that are not disturbed by injected errors. */
#ifndef TESTS_CALM_H
#define TESTS_CALM_H

#include <resv/resv.h>

/**
 * Debug builds make nested locks fail with -EDEADLK now and then: makes that too rare to come into a test's way. The
 * context holds nothing. False: something else failed.
 */
static inline bool outlast_injection(struct resv_ww_acquire_ctx *ctx, struct resv_ww_class *ww_class)
{
	struct resv_ww_mutex outer, inner;

	if (!RESV_DEBUG_WW_SLOWPATH)
		return true;
	resv_ww_mutex_init(&outer, ww_class);
	resv_ww_mutex_init(&inner, ww_class);
	for (int injected = 0; injected < 5;) {
		if (resv_ww_mutex_lock(&outer, ctx) != 0)
			return false;
		if (resv_ww_mutex_lock(&inner, ctx) == -EDEADLK) {
			injected++;
			resv_ww_mutex_unlock(&outer);
			resv_ww_mutex_lock_slow(&inner, ctx);
		}
		resv_ww_acquire_unlock_all(ctx);
	}
	return true;
}

#endif /* TESTS_CALM_H */
