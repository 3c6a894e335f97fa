// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The rows with this library.
#include "bench.h"

#include <resv/reservation.hpp>

namespace {

constinit resv::ww_class bench_class{resv::ww_algorithm::wait_die, "bench_acquire", "bench"};

// Each in a cache line of its own, as theirs.
struct alignas(64) object {
	resv::ww_mutex lock{bench_class};
	long contents = 0;

	static void *operator new(size_t, object *at) noexcept { return at; }
};

constinit object objects[BENCH_OBJECTS];
constinit object *many = nullptr;

constexpr resv_fence_ops ops{};

int create()
{
	many = static_cast<object *>(bench_alloc(BENCH_MANY * sizeof(object)));
	if (!many)
		return -ENOMEM;
	for (unsigned i = 0; i < BENCH_MANY; i++)
		new (many + i) object;
	return 0;
}

void destroy()
{
	for (object &o : objects)
		o.lock.destroy();
	for (unsigned i = 0; many && i < BENCH_MANY; i++)
		many[i].lock.destroy();
	bench_free(many);
	many = nullptr;
}

int pair(unsigned, unsigned loops) RESV_NO_ANALYSIS
{
	resv::ww_mutex lock(bench_class);
	resv::ww_acquire_ctx context(bench_class);
	for (unsigned i = 0; i < loops; i++) {
		if (int err = lock.lock(&context))
			return err;
		lock.unlock();
	}
	return 0;
}

int txn(unsigned n, unsigned loops) RESV_NO_ANALYSIS
{
	for (unsigned loop = 0; loop < loops; loop++) {
		resv::ww_acquire_ctx context(bench_class);
		for (unsigned i = 0; i < n; i++)
			if (int err = objects[i].lock.lock(&context))
				return err;
		context.unlock_all();
	}
	return 0;
}

// The same loop as theirs.
int take(object *all, const unsigned *set, unsigned size, resv::ww_acquire_ctx &context) RESV_NO_ANALYSIS
{
	object *contended = nullptr;
	for (unsigned i = 0; i < size; i++) {
		object *o = &all[set[i]];
		if (o == contended)
			continue;
		int err = o->lock.lock(&context);
		if (err == 0)
			continue;
		context.unlock_all();
		if (err != -EDEADLK)
			return err;
		contended = o;
		contended->lock.lock_slow(&context);
		i = ~0u; // from the first one on
	}
	return 0;
}

int change(object *all, const unsigned *set, unsigned size)
{
	resv::ww_acquire_ctx context(bench_class);
	if (int err = take(all, set, size, context))
		return err;
	for (unsigned i = 0; i < size; i++)
		all[set[i]].contents++;
	context.unlock_all();
	return 0;
}

int multi(unsigned seed, unsigned loops)
{
	for (unsigned loop = 0; loop < loops; loop++) {
		unsigned set[BENCH_SET];
		bench_pick(&seed, set);
		if (int err = change(objects, set, BENCH_SET))
			return err;
	}
	return 0;
}

int multi_large(unsigned seed, unsigned loops)
{
	auto *set = static_cast<unsigned *>(bench_alloc(BENCH_LARGE_SET * sizeof(unsigned)));
	int err = set ? 0 : -ENOMEM;
	for (unsigned loop = 0; loop < loops && err == 0; loop++) {
		bench_pick_large(&seed, set);
		err = change(many, set, BENCH_LARGE_SET);
	}
	bench_free(set);
	return err;
}

resv::fence *make(uint64_t timeline)
{
	auto *f = static_cast<resv_fence *>(resv_port_alloc(sizeof(resv_fence)));
	if (!f)
		return nullptr;
	resv_fence_init(f, &ops, nullptr, timeline, 1);
	return &resv::fence::of(f);
}

int add_fence(unsigned, unsigned loops) RESV_NO_ANALYSIS
{
	resv::reservation_object object(bench_class);
	const uint64_t timeline = resv_fence_context_alloc(1);
	resv::fence *both[] = {make(timeline), make(timeline)};
	int err = both[0] && both[1] ? object.reserve(nullptr) : -ENOMEM;
	if (err == 0) {
		for (unsigned i = 0; i < loops && err == 0; i++) {
			err = object.reserve_fences(1);
			if (err == 0)
				err = object.add_fence(*both[i & 1], resv::usage::write);
		}
		object.unreserve();
	}
	for (resv::fence *f : both)
		if (f) {
			f->signal();
			resv_fence_put(f->c());
		}
	object.destroy();
	return err;
}

int test_signaled(unsigned, unsigned loops) RESV_NO_ANALYSIS
{
	resv::reservation_object object(bench_class);
	int err = object.reserve(nullptr);
	if (err != 0)
		return err;
	for (unsigned i = 0; i < BENCH_FENCES && err == 0; i++) {
		resv::fence *f = make(resv_fence_context_alloc(1));
		err = f ? object.reserve_fences(1) : -ENOMEM;
		if (err == 0)
			err = object.add_fence(*f, resv::usage::write);
		if (f) {
			f->signal();
			resv_fence_put(f->c());
		}
	}
	object.unreserve();
	for (unsigned i = 0; i < loops && err == 0; i++)
		if (!object.test_signaled(resv::usage::write))
			err = -EBUSY;
	object.destroy();
	return err;
}

} // namespace

constinit const bench_side bench_ours{
	.create = create,
	.destroy = destroy,
	.pair = pair,
	.txn = txn,
	.multi = multi,
	.multi_large = multi_large,
	.add_fence = add_fence,
	.test_signaled = test_signaled,
};
