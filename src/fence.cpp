// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The fence itself: references, the signal, callbacks, and what is known of it.
//
// Ops are detached by the signal, since the module that has them may be unloaded after it:
//
//   signaler                                   reader, in a read-side section
//   [W] flags_: signaled (release)             [R] ops_ (acquire)
//   [W] ops_ = null (release)                  null: the fence is signaled, and test_signaled() says so
//   all fences are signaled, and all           otherwise the ops are there until the section ends
//   sections have ended: unload
#include "fence_core.hpp"

#include "../lockdep/in_place.hpp"
#include "../lockdep/report.hpp"

namespace resv {

static_assert(fits<fence, resv_fence>());
static_assert(sizeof(void *) != 8 || sizeof(fence) == 64);

using core = fence_core;

namespace {

const char *unnamed(resv_fence *)
{
	return "unnamed";
}

// The reference count of a fence whose count was wrong: far from 0 in both directions, so that it is never freed.
constexpr unsigned leaked = 0xc0000000;

// An open read-side section, and the ops of a fence in it; null if they are detached.
class ops_section {
public:
	explicit ops_section(fence &f)
	{
		resv_port_read_lock();
		ops_ = core::ops(f).load(order::acquire);
	}
	~ops_section() { resv_port_read_unlock(); }
	ops_section(const ops_section &) = delete;
	ops_section &operator=(const ops_section &) = delete;

	explicit operator bool() const { return ops_; }
	const resv_fence_ops *operator->() const { return ops_; }

private:
	const resv_fence_ops *ops_;
};

constinit atomic<uint64_t> next_context{1}; // 0 is the stub's

} // namespace

constinit const resv_fence_ops fence::no_ops{.get_driver_name = unnamed,
					     .get_timeline_name = unnamed,
					     .enable_signaling = nullptr,
					     .signaled = nullptr,
					     .release = nullptr,
					     .set_deadline = nullptr};

class fence_stub {
public:
	static fence &get() { return stub; }

private:
	static constinit fence stub;
};
constinit fence fence_stub::stub{int64_t{1}};

void fence_core::say(resv_report_kind kind, fence &f)
{
	resv_port_read_lock();
	const char *driver = resv_fence_driver_name(f.c());
	const char *timeline = resv_fence_timeline_name(f.c());
	{
		report r(kind);
		r.task() << " was using the fence " << driver << " " << timeline << " "
			 << static_cast<unsigned long>(f.context) << ":"
			 << static_cast<unsigned long>(f.seqno) << " at " << static_cast<const void *>(&f)
			 << ".\n";
	}
	resv_port_read_unlock();
}

void fence_core::bad_references(fence &f, unsigned count)
{
	f.references_.store(leaked, order::relaxed);
	if (count < leaked - leaked / 4 || count > leaked + leaked / 4)
		say(RESV_REPORT_FENCE_REFERENCES, f);
}

// Nobody can find the fence any more, so nobody changes it. Who waits for it without a reference would do so forever.
void fence_core::warn_if_awaited(fence &f)
{
	if (f.test_signaled() || !f.pending.callbacks) [[likely]]
		return;
	say(RESV_REPORT_FENCE_ABANDONED, f);
	signal(f, resv_port_clock(), -EDEADLK);
}

void fence_core::release(fence &f)
{
	// Ops without a release may be detached: then it was signaled. No section is needed to keep the others.
	const resv_fence_ops *ops = f.ops_.load(order::relaxed);
	if (ops && ops->release)
		ops->release(f.c());
	else
		resv_fence_free(f.c());
}

int fence_core::signal_locked(fence &f, int64_t timestamp_ns)
{
	unsigned flags = f.flags_.load(order::relaxed);
	if (flags & signaled)
		return -EINVAL;

	resv_fence_cb *cb = f.pending.callbacks;
	f.pending.timestamp = timestamp_ns;
	f.flags_.store(flags | signaled, order::release); // see fence::test_signaled()
	if (!f.ops_.load(order::relaxed)->release)
		f.ops_.store(nullptr, order::release); // see above

	if (cb)
		cb->prev->next = nullptr;
	while (cb) {
		resv_fence_cb *next = cb->next;
		cb->next = nullptr;
		cb->func(f.c(), cb); // its memory may be gone from now on
		cb = next;
	}
	return 0;
}

int fence_core::signal(fence &f, int64_t timestamp_ns, int its_error)
{
	bool cookie = resv_fence_begin_signalling();
	int rc;
	{
		guard locked(f);
		note_error_locked(f, its_error);
		rc = signal_locked(f, timestamp_ns);
	}
	resv_fence_end_signalling(cookie);
	return rc;
}

bool fence_core::enable_locked(fence &f)
{
	unsigned flags = f.flags_.load(order::relaxed);
	if (flags & signaled)
		return false;
	if (flags & enabled)
		return true;
	f.flags_.store(flags | enabled, order::relaxed);
	const resv_fence_ops *ops = f.ops_.load(order::relaxed); // attached, since the fence is not signaled
	if (ops->enable_signaling && !ops->enable_signaling(f.c())) {
		signal_locked(f, resv_port_clock());
		return false;
	}
	return true;
}

} // namespace resv

using namespace resv;

// ---- Life ------------------------------------------------------------------------------------------------------------

void resv_fence_init(resv_fence *f, const resv_fence_ops *ops, resv_port_spinlock *lock, uint64_t context,
		     uint64_t seqno)
{
	new (f, in_place) fence(ops, lock, context, seqno);
}

uint64_t resv_fence_context_alloc(unsigned num)
{
	return next_context.fetch_add(num, order::relaxed);
}

resv_fence *resv_fence_get_stub()
{
	return resv_fence_get(fence_stub::get().c());
}

resv_fence *resv_fence_get(resv_fence *f)
{
	if (f)
		core::get(fence::of(f));
	return f;
}

// Relaxed: what the fence is was published with the pointer that the caller followed.
resv_fence *resv_fence_get_rcu(resv_fence *f)
{
	auto &references = core::references(fence::of(f));
	for (;;) {
		unsigned before = references.load(order::relaxed);
		if (before == 0)
			return nullptr;
		if (references.compare_exchange(before, before + 1, order::relaxed)) {
			if (before >= core::most_references)
				core::bad_references(fence::of(f), before);
			return f;
		}
	}
}

void resv_fence_put(resv_fence *f)
{
	if (f)
		core::put(fence::of(f));
}

void resv_fence_free(resv_fence *f)
{
	resv_port_free_after_readers(&core::freed(fence::of(f)), f);
}

// ---- The signal ------------------------------------------------------------------------------------------------------

int resv_fence_signal(resv_fence *f)
{
	return core::signal(fence::of(f), resv_port_clock());
}

int resv_fence_signal_locked(resv_fence *f)
{
	return core::signal_locked(fence::of(f), resv_port_clock());
}

int resv_fence_signal_timestamp(resv_fence *f, int64_t timestamp_ns)
{
	return core::signal(fence::of(f), timestamp_ns);
}

// ---- What is known ---------------------------------------------------------------------------------------------------

bool resv_fence_test_signaled(const resv_fence *f)
{
	return fence::of(f).test_signaled();
}

bool resv_fence_is_signaled(resv_fence *f)
{
	if (fence::of(f).test_signaled())
		return true;
	{
		ops_section ops(fence::of(f));
		if (!ops)
			return true;
		if (!ops->signaled || !ops->signaled(f))
			return false;
	}
	resv_fence_signal(f);
	return true;
}

bool resv_fence_is_container(const resv_fence *f)
{
	return core::is_container(fence::of(f));
}

int resv_fence_get_status(resv_fence *f)
{
	if (!resv_fence_is_signaled(f))
		return 0;
	int error = core::error(fence::of(f));
	return error ? error : 1;
}

void resv_fence_set_error(resv_fence *f, int error)
{
	constexpr int lowest = -4095;
	if (error >= 0 || error < lowest || fence::of(f).test_signaled())
		return core::say(RESV_REPORT_FENCE_ERROR, fence::of(f));
	core::error(fence::of(f)) = error;
}

int64_t resv_fence_timestamp(const resv_fence *f)
{
	return fence::of(f).test_signaled() ? core::timestamp(fence::of(f)) : 0;
}

bool resv_fence_is_later(const resv_fence *a, const resv_fence *b)
{
	if (a->context != b->context) {
		core::say(RESV_REPORT_FENCE_TIMELINES, fence::of(const_cast<resv_fence *>(a)));
		return false;
	}
	return a->seqno > b->seqno;
}

const char *resv_fence_driver_name(resv_fence *f)
{
	ops_section ops(fence::of(f));
	return ops && !fence::of(f).test_signaled() ? ops->get_driver_name(f) : "signaled";
}

const char *resv_fence_timeline_name(resv_fence *f)
{
	ops_section ops(fence::of(f));
	return ops && !fence::of(f).test_signaled() ? ops->get_timeline_name(f) : "signaled";
}

// ---- Callbacks -------------------------------------------------------------------------------------------------------

int resv_fence_add_callback(resv_fence *f, resv_fence_cb *cb, resv_fence_func_t func)
{
	if (!f || !func)
		return -EINVAL;
	cb->next = nullptr;
	cb->func = func;
	if (fence::of(f).test_signaled())
		return -ENOENT;

	core::guard locked(fence::of(f));
	if (!core::enable_locked(fence::of(f)))
		return -ENOENT;
	resv_fence_cb *&first = core::callbacks(fence::of(f));
	if (!first) {
		cb->next = cb->prev = cb;
		first = cb;
	} else {
		cb->next = first;
		cb->prev = first->prev;
		first->prev->next = cb;
		first->prev = cb;
	}
	return 0;
}

bool resv_fence_remove_callback(resv_fence *f, resv_fence_cb *cb)
{
	core::guard locked(fence::of(f));
	if (!cb->next)
		return false;
	resv_fence_cb *&first = core::callbacks(fence::of(f));
	if (cb->next == cb) {
		first = nullptr;
	} else {
		cb->next->prev = cb->prev;
		cb->prev->next = cb->next;
		if (first == cb)
			first = cb->next;
	}
	cb->next = nullptr;
	return true;
}

void resv_fence_enable_sw_signaling(resv_fence *f)
{
	core::guard locked(fence::of(f));
	core::enable_locked(fence::of(f));
}

void resv_fence_set_deadline(resv_fence *f, int64_t deadline_ns)
{
	ops_section ops(fence::of(f));
	if (ops && ops->set_deadline && !fence::of(f).test_signaled())
		ops->set_deadline(f, deadline_ns);
}
