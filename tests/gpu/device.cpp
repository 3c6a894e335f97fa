// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "device.hpp"

#include "client.hpp"
#include "session.hpp"

namespace gpu {

namespace {

// By algorithm.
constinit resv::ww_class classes[] = {
	{resv::ww_algorithm::wound_wait, "gpu_wound_wait_acquire", "gpu_wound_wait_mutex"},
	{resv::ww_algorithm::wait_die, "gpu_wait_die_acquire", "gpu_wait_die_mutex"},
	{resv::ww_algorithm::adaptive, "gpu_adaptive_acquire", "gpu_adaptive_mutex"},
};

// What the class has met is another device's. The annotator knows it by its address, so the order of its locks stays.
void begin_anew(resv::ww_class &cls)
{
	new (place{&cls}) resv::ww_class(cls.algorithm(), cls.acquire_name(), cls.mutex_name());
}

} // namespace

constinit device *device::traced_ = nullptr;

device::device() = default;

device::~device()
{
	cls().set_tracer(nullptr);
	traced_ = nullptr;
	for (resv::reservation_object &object : reservations_)
		object.destroy();
}

resv::ww_class &device::cls() const
{
	return classes[static_cast<size_t>(config_.algorithm)];
}

int device::create(const gpu::config &c)
{
	config_ = c;
	begin_anew(cls());
	const bool limited = c.vram != 0;
	unsigned groups = (c.buffers + c.shared_reservations - 1) / c.shared_reservations;
	unsigned actors = limited ? recycler_index() + 1 : users() + (c.eviction_rate != 0);
	if ((!limited && (!reservations_.create(groups, cls()) || !pages_.create(c.buffers, c.words))) ||
	    !popularity_.create(c.buffers, c.skew) || !actors_.create(actors) ||
	    !rings_.create(c.rings + (limited ? c.devices : 0)) || !clients_.create(c.clients, *this) ||
	    !sessions_.create(c.sessions, *this))
		return -ENOMEM;

	// A client's jobs are many, and larger than an eviction.
	size_t log_words = (size_t{c.log_mb} << 20) / sizeof(uint64_t);
	size_t evictor_words = c.eviction_rate != 0 && !limited ? log_words / 16 : 0;
	for (unsigned i = 0; i < actors; i++) {
		actor &a = actors_[i];
		a.index = i;
		a.random = random_source(mix(c.seed) + i);
		size_t words = i < c.clients          ? (log_words - evictor_words) / c.clients
			       : i == evictor_index() ? evictor_words
						      : 0;
		if (!a.log.create(words) || !a.trace.create(c.trace_events))
			return -ENOMEM;
	}
	for (ring &r : rings_)
		if (!r.create(actors, pages_))
			return -ENOMEM;
	if (limited)
		if (int err = memory_.create(c, cls(), pages_, &rings_[c.rings]))
			return err;
	unsigned background = (c.eviction_rate != 0) + (c.swapout_rate != 0) + (c.recycle_rate != 0);
	submitters_.store(1 + (limited ? background : 0), order_);
	for (unsigned i = 0; i < c.clients; i++)
		if (!clients_[i].create(actors_[i]))
			return -ENOMEM;
	for (unsigned i = 0; i < c.sessions; i++)
		sessions_[i].create(actors_[i]);
	if (int err = show_lock_order())
		return err;
	traced_ = this;
	cls().set_tracer(trace);
	return 0;
}

// Takes in turn what a driver may hold at once, so that the annotator knows the order before somebody breaks it. A fault
// comes with the mmap_lock held, jobs are waited for with reservations held, and so may be the memory that they need.
// Linux: dma_resv_lockdep().
int device::show_lock_order()
{
	pretended_lock fault(resv_lockdep_mmap_lock);
	resv::reservation_object any(cls());
	int err;
	{
		resv::transaction t(cls());
		err = t.reserve_one(any);
		pretended_lock reclaim(resv_lockdep_fs_reclaim);
		resv_fence_might_wait();
	}
	any.destroy();
	return err;
}

session *device::open_session()
{
	for (session &s : sessions_)
		if (s.open())
			return &s;
	return nullptr;
}

void device::close_session(session &s)
{
	s.close();
}

void device::run_client(unsigned i)
{
	constexpr int64_t look_interval_ns = 100000;
	clients_arrived_.fetch_add(1, order_);
	while (clients_arrived_.load(order_) < config_.clients && running())
		nap_until(resv_port_clock() + look_interval_ns);
	clients_[i].run();
}

void device::hang_if_told(const actor &self) const
{
	if (config_.broken == breakage::hang && self.index == 0)
		while (running())
			nap_until(resv_port_clock() + 1000000);
}

void device::close()
{
	closed_.store(1, order_);
	leave_rings();
}

// The last one closes them.
void device::leave_rings()
{
	if (submitters_.fetch_add(-1u, resv::order::acq_rel) != 1)
		return;
	for (ring &r : rings_)
		r.close();
}

verdict device::check()
{
	array<const job_log *> logs;
	if (!logs.create_zeroed(actors_.size()))
		return {.what = violation::no_memory};
	for (size_t i = 0; i < actors_.size(); i++)
		logs[i] = &actors_[i].log;
	if (config_.vram == 0)
		return check_serial(logs.begin(), actors(), pages_);
	if (unsigned left = memory_.settle())
		return {.what = violation::not_freed, .version = left};
	return check_serial(logs.begin(), actors(), memory_.left(), memory_.ids());
}

uint64_t device::retired() const
{
	uint64_t sum = 0;
	for (const ring &r : rings_)
		sum += r.retired();
	return sum;
}

bool device::retired_in_order() const
{
	for (const ring &r : rings_)
		if (!r.in_order())
			return false;
	return true;
}

unsigned device::holder(uint32_t reservation)
{
	if (config_.vram == 0)
		return holder_of(reservations_[reservation]);
	buffer &b = memory_.get(reservation);
	unsigned found = holder_of(b.object);
	memory::put(b);
	return found;
}

unsigned device::holder_of(const resv::reservation_object &object) const
{
	resv::ww_acquire_ctx *ctx = object.locking_ctx();
	if (ctx)
		for (unsigned i = 0; i < actors(); i++)
			if (actors_[i].context.load(order_) == reinterpret_cast<uintptr_t>(ctx))
				return i;
	return object.is_reserved() ? holds_without_context : trace_event::nobody;
}

actor *device::actor_of(resv_port_task task)
{
	for (actor &a : actors_)
		if (a.task.load(order_) == task)
			return &a;
	return nullptr;
}

void device::trace(resv::ww_event event, const resv::ww_mutex &lock, const resv::ww_acquire_ctx &self,
		   const resv::ww_acquire_ctx *other)
{
	// A reservation object begins with its lock; see transaction::owner_of().
	const auto *object = reinterpret_cast<const resv::reservation_object *>(&lock);
	traced_->note(event, traced_->index_of(*object), self.task(), other ? other->task() : 0);
}

// In the task that waits, backs off or has taken the lock; a wound may be dealt by the victim's own task, when it takes
// a lock that somebody older waits for. So what is noted or recorded goes to the calling task's own actor.
void device::note(resv::ww_event event, uint32_t reservation, resv_port_task self, resv_port_task other)
{
	actor *subject = actor_of(self);
	actor *caller = actor_of(resv_port_current());
	if (!subject || !caller)
		return;
	trace_kind kind = trace_kind::die;
	switch (event) {
	case resv::ww_event::wait:
		caller->waits++;
		caller->note_wait(reservation);
		if (config_.interrupt_every != 0 && caller->waits % config_.interrupt_every == 0)
			gpu_os_interrupt(resv_port_current()); // before it goes to sleep
		return;
	case resv::ww_event::acquired:
	case resv::ww_event::leave:
		caller->note_wait(actor::nothing);
		return;
	case resv::ww_event::wound:
		kind = trace_kind::wound;
		break;
	case resv::ww_event::die:
		caller->note_wait(actor::nothing);
		break;
	}
	if (!caller->trace.enabled())
		return;
	const actor *object = other ? actor_of(other) : nullptr;
	caller->trace.record({.kind = kind,
			      .actor = subject->index,
			      .other = object ? object->index : trace_event::nobody,
			      .reservation = reservation,
			      .begin = resv_port_clock()});
}

} // namespace gpu
