// SPDX-License-Identifier: MIT OR GPL-2.0-only
/* Ours beside the kernel's own, in one function: names, macros and types do not meet. */
#include <linux/dma-fence-array.h>
#include <linux/dma-fence-chain.h>
#include <linux/dma-resv.h>
#include <linux/lockdep.h>
#include <linux/ww_mutex.h>

#include "check.h"

static DEFINE_WW_CLASS(their_class);
static RESV_DEFINE_WW_CLASS(our_class);

static const char *beside_the_kernels(unsigned int n)
{
	struct ww_acquire_ctx their_ctx;
	struct resv_ww_acquire_ctx our_ctx;
	struct ww_mutex theirs;
	struct resv_ww_mutex ours;
	struct dma_resv their_resv;
	struct resv_object our_resv;
	struct resv_fence *stub = resv_fence_get_stub();

	ww_mutex_init(&theirs, &their_class);
	resv_ww_mutex_init(&ours, &our_class);
	ww_acquire_init(&their_ctx, &their_class);
	resv_ww_acquire_init(&our_ctx, &our_class);
	CHECK(ww_mutex_lock(&theirs, &their_ctx) == 0);
	CHECK(resv_ww_mutex_lock(&ours, &our_ctx) == 0);
	CHECK(ww_mutex_is_locked(&theirs) && resv_ww_mutex_is_locked(&ours));
	resv_ww_mutex_unlock(&ours);
	ww_mutex_unlock(&theirs);
	resv_ww_acquire_fini(&our_ctx);
	ww_acquire_fini(&their_ctx);

	dma_resv_init(&their_resv);
	resv_init(&our_resv);
	CHECK(dma_resv_lock(&their_resv, NULL) == 0 && resv_lock(&our_resv, NULL) == 0);
	CHECK(dma_resv_reserve_fences(&their_resv, 1) == 0 && resv_reserve_fences(&our_resv, 1) == 0);
	CHECK(resv_add_fence(&our_resv, stub, RESV_USAGE_WRITE) == 0);
	resv_unlock(&our_resv);
	dma_resv_unlock(&their_resv);
	CHECK(dma_resv_test_signaled(&their_resv, DMA_RESV_USAGE_READ));
	CHECK(resv_test_signaled(&our_resv, RESV_USAGE_READ));
	resv_fini(&our_resv);
	dma_resv_fini(&their_resv);
	resv_fence_put(stub);
	return NULL;
}

static const struct named_test tests[] = {
	{"beside_the_kernels", beside_the_kernels},
};

SUITE(beside, tests);
