// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The C ABI of walks over a reservation object's fences, and of what gathers them.
#include "../lockdep/in_place.hpp"
#include "c_api.hpp"

using namespace resv;

namespace {

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

} // namespace

extern "C" {

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

} // extern "C"
