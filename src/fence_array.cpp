// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// A fence for several. It hangs a callback on each once somebody waits for it, and not before.
//
// Locks nest one way: the array's, under which callbacks are hung on the members, then a member's. A member calls back
// under its lock, where the array's may not be taken: the array is signaled by deferred work.
#include "fence_array.hpp"

#include "../lockdep/in_place.hpp"

namespace resv {

using core = fence_core;

namespace {

const char *driver_name(resv_fence *)
{
	return "resv";
}

const char *timeline_name(resv_fence *)
{
	return "array";
}

} // namespace

constinit const resv_fence_ops fence_array::ops{.get_driver_name = driver_name,
						.get_timeline_name = timeline_name,
						.enable_signaling = enable,
						.signaled = happened,
						.release = destroy,
						.set_deadline = hurry};

fence_array::fence_array(int count, resv_fence **fences, uint64_t its_context, unsigned its_seqno, bool any)
	: fence(&ops, nullptr, its_context, its_seqno), resv_port_work{nullptr, complete}, fences_(fences),
	  count_(static_cast<unsigned>(count)), any_(any), to_come_(any ? 1 : count_)
{
	core::make_container(*this);
}

// The first error counts, whoever it comes from.
void fence_array::note_error(int its_error)
{
	if (its_error != 0)
		first_error_.compare_exchange(0, its_error, order::relaxed);
}

// True if this was the last member to be waited for. What was noted before is seen by whom that is told. Of an array for
// any, the first tells its error, and those that come later do not.
bool fence_array::count(int its_error)
{
	if (!any_)
		note_error(its_error);
	if (to_come_.fetch_add(-1u, order::acq_rel) != 1)
		return false;
	if (any_)
		note_error(its_error);
	return true;
}

// Under the array's lock. Each callback has a reference to the array.
bool fence_array::enable(resv_fence *f)
{
	fence_array &array = of(f);
	for (unsigned i = 0; i < array.count_; i++) {
		member &m = array.members()[i];
		m.array = &array;
		resv_fence_get(f);
		if (resv_fence_add_callback(array.fences_[i], &m, member_signaled) == 0)
			continue;
		resv_fence_put(f); // not the last: the caller has one
		if (array.count(core::error(fence::of(array.fences_[i])))) {
			core::note_error_locked(array, array.first_error_.load(order::relaxed));
			return false;
		}
	}
	return true;
}

// Under the member's lock.
void fence_array::member_signaled(resv_fence *f, resv_fence_cb *cb)
{
	fence_array &array = *static_cast<member *>(cb)->array;
	if (array.count(core::error(fence::of(f))))
		resv_port_defer(&array); // takes the reference over
	else
		resv_fence_put(array.c());
}

void fence_array::complete(resv_port_work *work)
{
	fence_array &array = *static_cast<fence_array *>(work);
	core::signal(array, resv_port_clock(), array.first_error_.load(order::relaxed));
	resv_fence_put(array.c());
}

// The errors are those that members have now: no other can come, or for an array for any, none that counts.
bool fence_array::happened(resv_fence *f)
{
	fence_array &array = of(f);
	int error = 0;
	bool one = false;
	for (unsigned i = 0; i < array.count_ && !(array.any_ && one); i++) {
		if (resv_fence_is_signaled(array.fences_[i])) {
			one = true;
			if (error == 0)
				error = core::error(fence::of(array.fences_[i]));
		} else if (!array.any_) {
			return false;
		}
	}
	if (array.any_ && !one)
		return false;
	array.note_error(error);
	core::guard locked(array);
	core::note_error_locked(array, array.first_error_.load(order::relaxed));
	return true;
}

void fence_array::hurry(resv_fence *f, int64_t deadline_ns)
{
	fence_array &array = of(f);
	for (unsigned i = 0; i < array.count_; i++)
		resv_fence_set_deadline(array.fences_[i], deadline_ns);
}

void fence_array::destroy(resv_fence *f)
{
	fence_array &array = of(f);
	for (unsigned i = 0; i < array.count_; i++)
		resv_fence_put(array.fences_[i]);
	resv_port_free(array.fences_);
	resv_fence_free(f);
}

} // namespace resv

using namespace resv;

resv_fence *resv_fence_array_create(int num_fences, resv_fence **fences, uint64_t context, unsigned seqno,
				    bool signal_on_any)
{
	const int count = num_fences > 0 ? num_fences : 0;
	for (int i = 0; i < count; i++) {
		if (resv_fence_is_container(fences[i])) {
			core::say(RESV_REPORT_FENCE_NESTED, fence::of(fences[i]));
			return nullptr;
		}
	}
	void *memory = resv_port_alloc(fence_array::size(count));
	if (!memory)
		return nullptr;
	auto *array = new (memory, in_place) fence_array(count, fences, context, seqno, signal_on_any);
	if (count == 0)
		resv_fence_signal(array->c());
	return array->c();
}

bool resv_fence_is_array(const resv_fence *f)
{
	return fence_array::is(fence::of(f));
}
