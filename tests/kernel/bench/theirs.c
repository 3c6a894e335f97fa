// SPDX-License-Identifier: MIT OR GPL-2.0-only
/*
 * The rows with the kernel's own ww_mutex and dma_resv.
 */
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/slab.h>
#include <linux/ww_mutex.h>

#include "bench.h"

static DEFINE_WD_CLASS(bench_class);

struct object {
	struct ww_mutex lock;
	long contents;
} ____cacheline_aligned;

static struct object *objects, *many;

static struct object *make_objects(unsigned int n)
{
	struct object *all = bench_alloc(n * sizeof(*all));
	unsigned int i;

	for (i = 0; all && i < n; i++)
		ww_mutex_init(&all[i].lock, &bench_class);
	return all;
}

static void destroy_objects(struct object *all, unsigned int n)
{
	unsigned int i;

	for (i = 0; all && i < n; i++)
		ww_mutex_destroy(&all[i].lock);
	bench_free(all);
}

static int create(void)
{
	objects = make_objects(BENCH_OBJECTS);
	many = make_objects(BENCH_MANY);
	return objects && many ? 0 : -ENOMEM;
}

static void destroy(void)
{
	destroy_objects(objects, BENCH_OBJECTS);
	destroy_objects(many, BENCH_MANY);
}

static int pair(unsigned int unused, unsigned int loops)
{
	struct ww_acquire_ctx ctx;
	struct ww_mutex lock;
	unsigned int i;
	int err = 0;

	ww_mutex_init(&lock, &bench_class);
	ww_acquire_init(&ctx, &bench_class);
	for (i = 0; i < loops && !err; i++) {
		err = ww_mutex_lock(&lock, &ctx);
		if (!err)
			ww_mutex_unlock(&lock);
	}
	ww_acquire_fini(&ctx);
	ww_mutex_destroy(&lock);
	return err;
}

static int txn(unsigned int n, unsigned int loops)
{
	unsigned int i, loop;

	for (loop = 0; loop < loops; loop++) {
		struct ww_acquire_ctx ctx;

		ww_acquire_init(&ctx, &bench_class);
		for (i = 0; i < n; i++) {
			int err = ww_mutex_lock(&objects[i].lock, &ctx);

			if (err)
				return err;
		}
		ww_acquire_done(&ctx);
		for (i = 0; i < n; i++)
			ww_mutex_unlock(&objects[i].lock);
		ww_acquire_fini(&ctx);
	}
	return 0;
}

/* The loop of the kernel's documentation: on -EDEADLK drop all, and begin with the one that was missed. */
static int reserve(struct object *all, const unsigned int *set, unsigned int size, struct ww_acquire_ctx *ctx)
{
	struct object *contended = NULL;
	unsigned int i, n;
	int err;

again:
	if (contended)
		ww_mutex_lock_slow(&contended->lock, ctx);
	for (i = 0; i < size; i++) {
		struct object *o = &all[set[i]];

		if (o == contended) {
			contended = NULL; /* it is in the part that was taken from now on */
			continue;
		}
		err = ww_mutex_lock(&o->lock, ctx);
		if (!err)
			continue;
		for (n = 0; n < i; n++)
			ww_mutex_unlock(&all[set[n]].lock);
		if (contended)
			ww_mutex_unlock(&contended->lock);
		if (err != -EDEADLK)
			return err;
		contended = o;
		goto again;
	}
	return 0;
}

static inline int change(struct object *all, const unsigned int *set, unsigned int size)
{
	struct ww_acquire_ctx ctx;
	unsigned int i;
	int err;

	ww_acquire_init(&ctx, &bench_class);
	err = reserve(all, set, size, &ctx);
	if (err)
		return err;
	ww_acquire_done(&ctx);
	for (i = 0; i < size; i++)
		all[set[i]].contents++;
	for (i = 0; i < size; i++)
		ww_mutex_unlock(&all[set[i]].lock);
	ww_acquire_fini(&ctx);
	return 0;
}

static int multi(unsigned int seed, unsigned int loops)
{
	unsigned int loop;

	for (loop = 0; loop < loops; loop++) {
		unsigned int set[BENCH_SET];
		int err;

		bench_pick(&seed, set);
		err = change(objects, set, BENCH_SET);
		if (err)
			return err;
	}
	return 0;
}

static int multi_large(unsigned int seed, unsigned int loops)
{
	unsigned int *set = bench_alloc(BENCH_LARGE_SET * sizeof(*set));
	unsigned int loop;
	int err = set ? 0 : -ENOMEM;

	for (loop = 0; loop < loops && !err; loop++) {
		bench_pick_large(&seed, set);
		err = change(many, set, BENCH_LARGE_SET);
	}
	bench_free(set);
	return err;
}

static const char *name(struct dma_fence *f)
{
	return "bench";
}

static const struct dma_fence_ops ops = {
	.get_driver_name = name,
	.get_timeline_name = name,
};

static DEFINE_SPINLOCK(fence_lock);

static struct dma_fence *make(u64 timeline)
{
	struct dma_fence *f = kzalloc(sizeof(*f), GFP_KERNEL);

	if (f)
		dma_fence_init(f, &ops, &fence_lock, timeline, 1);
	return f;
}

static int add_fence(unsigned int unused, unsigned int loops)
{
	u64 timeline = dma_fence_context_alloc(1);
	struct dma_fence *both[] = {make(timeline), make(timeline)};
	struct dma_resv object;
	unsigned int i;
	int err;

	dma_resv_init(&object);
	err = both[0] && both[1] ? dma_resv_lock(&object, NULL) : -ENOMEM;
	if (!err) {
		for (i = 0; i < loops && !err; i++) {
			err = dma_resv_reserve_fences(&object, 1);
			if (!err)
				dma_resv_add_fence(&object, both[i & 1], DMA_RESV_USAGE_WRITE);
		}
		dma_resv_unlock(&object);
	}
	for (i = 0; i < 2; i++) {
		if (!both[i])
			continue;
		dma_fence_signal(both[i]);
		dma_fence_put(both[i]);
	}
	dma_resv_fini(&object);
	return err;
}

static int test_signaled(unsigned int unused, unsigned int loops)
{
	struct dma_resv object;
	unsigned int i;
	int err;

	dma_resv_init(&object);
	err = dma_resv_lock(&object, NULL);
	if (err)
		goto out;
	err = dma_resv_reserve_fences(&object, BENCH_FENCES);
	for (i = 0; i < BENCH_FENCES && !err; i++) {
		struct dma_fence *f = make(dma_fence_context_alloc(1));

		if (!f) {
			err = -ENOMEM;
			break;
		}
		dma_resv_add_fence(&object, f, DMA_RESV_USAGE_WRITE);
		dma_fence_signal(f);
		dma_fence_put(f);
	}
	dma_resv_unlock(&object);
	for (i = 0; i < loops && !err; i++)
		if (!dma_resv_test_signaled(&object, DMA_RESV_USAGE_WRITE))
			err = -EBUSY;
out:
	dma_resv_fini(&object);
	return err;
}

const struct bench_side bench_theirs = {
	.create = create,
	.destroy = destroy,
	.pair = pair,
	.txn = txn,
	.multi = multi,
	.multi_large = multi_large,
	.add_fence = add_fence,
	.test_signaled = test_signaled,
};
