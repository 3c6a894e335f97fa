// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The end of a buffer. Its fences are watched slot by slot: one that is there all the time keeps its slot until it has been
// signaled, or what takes its place is on its timeline. So each slot is watched once, however many fences are added to a
// shared object meanwhile.
//
// Reservations are only tried here, which leaves the thread-safety analysis nothing to say.
#include "../lockdep/report.hpp"

#include <resv/lru.hpp>
#include <resv/release.h>

namespace resv {

struct releasing {
	static reservation_object &of(resv_object *obj)
	{
		return *reinterpret_cast<reservation_object *>(obj);
	}

	// Gives the buffer an object that only it has, with the fences that matter to it. False: no memory, or misuse.
	static bool individualize(reservation_object &used, reservation_object &own) RESV_NO_ANALYSIS
	{
		if (!own.try_reserve(nullptr)) {
			report r(RESV_REPORT_RELEASE_BUSY);
			r.task() << " was releasing a buffer whose own object at "
				 << static_cast<const void *>(&own) << " is reserved.\n";
			return false;
		}
		int err = own.copy_fences(used);
		own.unreserve();
		return err == 0;
	}

	// Is there a fence to wait for? Then it continues when that is signaled.
	static bool watch(resv_release &r)
	{
		fence_ref found;
		usage how;
		for (; of(r.watched).find_from(&r.slot, usage::bookkeep, &found, &how); r.slot++) {
			r.fence = resv_fence_get(found.c()); // another one may take its place in the object
			if (found->add_callback(r.cb, signaled) == 0)
				return true;
			resv_fence_put(r.fence);
			r.fence = nullptr; // who resumes because of a reservation has none to drop
		}
		return false;
	}

	// Under the fence's lock, anywhere.
	static void signaled(resv_fence *, resv_fence_cb *cb)
	{
		auto *r = reinterpret_cast<resv_release *>(reinterpret_cast<char *>(cb) -
							   offsetof(resv_release, cb));
		resv_port_defer(&r->work);
	}

	static void resume(resv_port_work *work)
	{
		auto *r = reinterpret_cast<resv_release *>(work); // its first member
		resv_fence *f = r->fence;
		r->fence = nullptr;
		resv_fence_put(f);
		resv_lockdep_no_blocking_begin();
		bool over = step(*r);
		resv_lockdep_no_blocking_end();
		if (over)
			r->free_fn(r);
	}

	// Has all been done?
	static bool step(resv_release &r) RESV_NO_ANALYSIS
	{
		if (watch(r))
			return false;
		reservation_object &own = of(r.own);
		if (!own.try_reserve(nullptr)) {
			resv_port_defer(&r.work);
			return false;
		}
		own.unreserve();
		return true;
	}

	static void begin(resv_release &r, lru_entry *const *entries, unsigned num)
	{
		r.work.fn = resume;
		r.fence = nullptr;
		r.slot = 0;
		if (r.watched == r.own || !individualize(of(r.watched), of(r.own)))
			return;
		for (unsigned i = 0; i < num; i++)
			lru::set_object(*entries[i], of(r.own));
		r.watched = r.own;
	}
};

} // namespace resv

using namespace resv;

void resv_release_buffer(resv_release *release, resv_object *used, resv_object *own,
			 resv_lru_entry *const *entries, unsigned num, void (*free_fn)(resv_release *))
{
	lockdep::caller from(lockdep::return_address());
	release->watched = used;
	release->own = own;
	release->free_fn = free_fn;

	resv_lockdep_no_blocking_begin();
	releasing::begin(*release, reinterpret_cast<lru_entry *const *>(entries), num);
	bool over = releasing::step(*release);
	resv_lockdep_no_blocking_end();
	if (over)
		free_fn(release);
}
