// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "client.hpp"

namespace gpu {

bool client::create(actor &self)
{
	const config &c = gpu_.config();
	self_ = &self;
	if (c.signal_rate != 0 || c.interrupt_every != 0)
		request_ = resv::interruptible;
	if (c.wait_limit_us != 0)
		request_.timeout_ns = int64_t{c.wait_limit_us} * 1000;
	return source_.create(self) && wanted_.create_zeroed(c.max_buffers_per_job + 1) &&
	       (c.vram == 0 || held_.create_zeroed(c.max_buffers_per_job + 1));
}

void client::run()
{
	const int64_t start = resv_port_clock();
	self_->enter();
	while (gpu_.running() && source_.next(plan_)) {
		if (!has_room()) {
			gpu_.stop(stop_reason::log_full);
			break;
		}
		if (!sleep_until(start + plan_.begin_ns))
			break;
		make_job();
		if (!perform())
			break;
		submitted_++;
		if (gpu_.config().vram == 0)
			self_->note_completed();
	}
	wait_for_last();
	self_->leave();
}

// For the largest job there may be. Where memory is limited, the ring writes the log, sooner or later.
bool client::has_room() const
{
	const config &c = gpu_.config();
	if (c.vram == 0)
		return self_->log.has_room(c.max_buffers_per_job);
	return self_->log.capacity() - words_logged_ > c.max_buffers_per_job;
}

// False: the device was stopped meanwhile.
bool client::sleep_until(int64_t when)
{
	constexpr int64_t longest_nap = 10000000;
	for (int64_t now = resv_port_clock(); now < when && gpu_.running(); now = resv_port_clock())
		nap_until(when - now < longest_nap ? when : now + longest_nap);
	return gpu_.running();
}

void client::make_job()
{
	job_ = {.id = {self_->index, submitted_ + 1},
		.count = plan_.count,
		.uses = plan_.uses,
		.log = &self_->log,
		.busy_ns = plan_.busy_ns};
	if (gpu_.config().vram != 0)
		return;
	for (unsigned i = 0; i < plan_.count; i++)
		wanted_[i] = &gpu_.reservation_of(plan_.uses[i].buffer);
	wanted_count_ = plan_.count;
	if (plan_.twice < plan_.count)
		wanted_[wanted_count_++] = wanted_[plan_.twice];
}

// As an ioctl that its user calls again after an error that may pass. False: the device was stopped meanwhile, or
// something is wrong; the job was not run.
bool client::perform()
{
	counters &stats = self_->stats;
	int64_t begin = resv_port_clock();
	unsigned no_room = 0;
	int err;
	while ((err = attempt(begin)) == -EINTR || err == -ETIME || err == -ENOSPC || err == -ENOMEM) {
		if (!gpu_.running())
			return false;
		if (err == -ENOSPC || err == -ENOMEM) {
			(err == -ENOSPC ? stats.no_space : stats.no_memory)++;
			back_off(no_room++);
			continue;
		}
		if (err == -ETIME) {
			stats.timed_out++;
			continue;
		}
		stats.interrupted++;
		if (self_->trace.enabled())
			self_->trace.record({.kind = trace_kind::interrupt,
					     .actor = self_->index,
					     .job = job_.id.number,
					     .begin = resv_port_clock()});
		gpu_os_signals_handled();
	}
	if (err != 0) {
		stats.errors++;
		stats.last_error = err;
		gpu_.stop(stop_reason::error);
		return false;
	}
	stats.jobs++;
	if (plan_.run_by_ring || gpu_.config().vram != 0)
		stats.jobs_by_ring++;
	else
		gpu_.ring_at(plan_.ring).submit(job_.id, job_.busy_ns);
	return true;
}

int client::attempt(int64_t begin)
{
	if (gpu_.config().before_try)
		gpu_.config().before_try(gpu_.config().before_try_data, self_->index, submitted_);
	if (gpu_.config().vram != 0)
		return submit_with_fences(begin);
	if (plan_.skips_reservation) {
		execute<unreserved_access>(gpu_.pages(), job_.id, job_.uses, job_.count, *job_.log);
		self_->stats.jobs_unreserved++;
		return 0;
	}
	return plan_.without_context ? reserve_one_and_run(begin) : reserve_all_and_run(begin);
}

int client::reserve_all_and_run(int64_t begin)
{
	resv::transaction t(gpu_.cls(), request_);
	self_->note_context(&t.context());

	int err = t.reserve(wish_list{wanted_.begin(), wanted_.begin() + wanted_count_});
	self_->stats.retries += t.retries();
	if (err != 0)
		return err;

	span held = run_reserved(begin);
	if (self_->trace.enabled())
		for (resv::reservation_object &object : t)
			trace_held(object, held);
	t.release_all();
	return 0;
}

int client::reserve_one_and_run(int64_t begin) RESV_NO_ANALYSIS
{
	resv::reservation_object &object = *wanted_[0];
	self_->note_wait(gpu_.index_of(object)); // the tracer sees contexts only
	int err = object.reserve(nullptr, request_);
	self_->note_wait(actor::nothing);
	if (err != 0)
		return err;

	self_->stats.jobs_without_context++;
	span held = run_reserved(begin);
	if (self_->trace.enabled())
		trace_held(object, held);
	object.unreserve();
	return 0;
}

// Context: everything is reserved.
client::span client::run_reserved(int64_t begin)
{
	span held = {resv_port_clock(), 0};
	self_->stats.wait.add(held.begin - begin);
	gpu_.hang_if_told(*self_);
	if (plan_.run_by_ring) {
		self_->note_wait(actor::the_ring);
		gpu_.ring_at(plan_.ring).submit_and_wait(job_);
		self_->note_wait(actor::nothing);
	} else {
		execute(gpu_.pages(), job_.id, job_.uses, job_.count, *job_.log);
	}
	if (self_->trace.enabled()) {
		held.end = resv_port_clock();
		trace_span(begin, held);
	}
	return held;
}

void client::trace_span(int64_t begin, span held)
{
	trace_event event = {.kind = trace_kind::wait,
			     .actor = self_->index,
			     .job = job_.id.number,
			     .begin = begin,
			     .end = held.begin};
	self_->trace.record(event);
	event.kind = trace_kind::hold;
	event.begin = held.begin;
	event.end = held.end;
	self_->trace.record(event);
}

void client::trace_held(const resv::reservation_object &object, span held)
{
	self_->trace.record({.kind = trace_kind::held,
			     .actor = self_->index,
			     .reservation = gpu_.index_of(object),
			     .job = job_.id.number,
			     .begin = held.begin,
			     .end = held.end});
}

} // namespace gpu
