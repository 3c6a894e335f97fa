// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The C ABI of a reservation object's fences.
#include "../lockdep/in_place.hpp"
#include "c_api.hpp"

namespace resv {

static_assert(static_cast<unsigned>(usage::kernel) == RESV_USAGE_KERNEL);
static_assert(static_cast<unsigned>(usage::write) == RESV_USAGE_WRITE);
static_assert(static_cast<unsigned>(usage::read) == RESV_USAGE_READ);
static_assert(static_cast<unsigned>(usage::bookkeep) == RESV_USAGE_BOOKKEEP);

namespace {

usage of(resv_usage u)
{
	return static_cast<usage>(u);
}
fence_cursor &of(resv_iter *cursor)
{
	return in<fence_cursor>(cursor);
}
const fence_cursor &of(const resv_iter *cursor)
{
	return in<const fence_cursor>(cursor);
}
resv_fence *to_c(fence *f)
{
	return f ? f->c() : nullptr;
}

// Objects by pointers, as a range.
struct object_array {
	resv_object *const *first;
	resv_object *const *last;
	resv_object *const *begin() const { return first; }
	resv_object *const *end() const { return last; }
};

reservation_object *as_object(resv_object *obj)
{
	return &resv::of(obj);
}

} // namespace

} // namespace resv

using namespace resv;

extern "C" {

int resv_reserve_fences(resv_object *obj, unsigned num)
{
	lockdep::caller from(lockdep::return_address());
	return of(obj).reserve_fences(num);
}

int resv_add_fence(resv_object *obj, resv_fence *f, resv_usage u)
{
	lockdep::caller from(lockdep::return_address());
	return of(obj).add_fence(fence::of(f), of(u));
}

void resv_replace_fences(resv_object *obj, uint64_t context, resv_fence *f, resv_usage u)
{
	lockdep::caller from(lockdep::return_address());
	of(obj).replace_fences(context, fence::of(f), of(u));
}

int resv_copy_fences(resv_object *dst, const resv_object *src)
{
	lockdep::caller from(lockdep::return_address());
	return of(dst).copy_fences(of(src));
}

int resv_get_fences(const resv_object *obj, resv_usage u, unsigned *num, resv_fence ***fences)
{
	lockdep::caller from(lockdep::return_address());
	return of(obj).get_fences(of(u), num, fences);
}

int resv_get_singleton(const resv_object *obj, resv_usage u, resv_fence **f)
{
	lockdep::caller from(lockdep::return_address());
	return of(obj).get_singleton(of(u), f);
}

bool resv_test_signaled(const resv_object *obj, resv_usage u)
{
	return of(obj).test_signaled(of(u));
}

int64_t resv_wait_timeout(const resv_object *obj, resv_usage u, bool intr, int64_t timeout_ns)
{
	lockdep::caller from(lockdep::return_address());
	return of(obj).wait(of(u), intr, timeout_ns);
}

void resv_set_deadline(const resv_object *obj, resv_usage u, int64_t deadline_ns)
{
	of(obj).set_deadline(of(u), deadline_ns);
}

void resv_describe(resv_object *obj, void (*emit)(const char *line, void *data), void *data)
{
	of(obj).describe(emit, data);
}

void resv_iter_begin(resv_iter *cursor, const resv_object *obj, resv_usage u)
{
	new (cursor, in_place) fence_cursor(of(obj), of(u));
}

void resv_iter_end(resv_iter *cursor)
{
	of(cursor).~fence_cursor();
}

resv_fence *resv_iter_first(resv_iter *cursor)
{
	return to_c(of(cursor).first());
}

resv_fence *resv_iter_next(resv_iter *cursor)
{
	return to_c(of(cursor).next());
}

resv_fence *resv_iter_first_unlocked(resv_iter *cursor)
{
	return to_c(of(cursor).first_unlocked());
}

resv_fence *resv_iter_next_unlocked(resv_iter *cursor)
{
	return to_c(of(cursor).next_unlocked());
}

bool resv_iter_is_restarted(const resv_iter *cursor)
{
	return of(cursor).is_restarted();
}

resv_usage resv_iter_usage(const resv_iter *cursor)
{
	return static_cast<resv_usage>(of(cursor).current_usage());
}

int resv_exec_prepare_obj(resv_exec *e, resv_object *obj, unsigned num_fences)
{
	lockdep::caller from(lockdep::return_address());
	int err = of(e).prepare_one(of(obj), num_fences);
	return err == -EALREADY && of(e).flags & RESV_EXEC_IGNORE_DUPLICATES ? 0 : err;
}

int resv_exec_prepare_array(resv_exec *e, resv_object *const *objs, unsigned num_objects, unsigned num_fences)
{
	lockdep::caller from(lockdep::return_address());
	for (unsigned i = 0; i < num_objects; i++) {
		int err = resv_exec_prepare_obj(e, objs[i], num_fences);
		if (err != 0)
			return err;
	}
	return 0;
}

int resv_exec_reserve(resv_exec *e, resv_object *const *objs, size_t count, unsigned fences_each)
{
	lockdep::caller from(lockdep::return_address());
	object_array objects{objs, objs + count};
	if (fences_each == 0)
		return of(e).reserve(objects, as_object);
	return of(e).prepare(objects, fences_each, as_object);
}

} // extern "C"
