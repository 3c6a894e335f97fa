// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The C ABI of a reservation object's fences.
#include "c_api.hpp"

namespace resv {

static_assert(static_cast<unsigned>(usage::kernel) == RESV_USAGE_KERNEL);
static_assert(static_cast<unsigned>(usage::write) == RESV_USAGE_WRITE);
static_assert(static_cast<unsigned>(usage::read) == RESV_USAGE_READ);
static_assert(static_cast<unsigned>(usage::bookkeep) == RESV_USAGE_BOOKKEEP);

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

} // extern "C"
