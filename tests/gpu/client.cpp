// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "client.hpp"

namespace gpu {

namespace {

// Heap sort: in place, n log n at worst.
template <typename Before>
void sort(use *uses, unsigned n, const Before &before)
{
	auto sift = [&](unsigned root, unsigned end) {
		for (unsigned child; (child = 2 * root + 1) < end; root = child) {
			if (child + 1 < end && before(uses[child], uses[child + 1]))
				child++;
			if (!before(uses[root], uses[child]))
				return;
			use held = uses[root];
			uses[root] = uses[child];
			uses[child] = held;
		}
	};
	for (unsigned i = n / 2; i-- > 0;)
		sift(i, n);
	for (unsigned end = n; end-- > 1;) {
		use largest = uses[0];
		uses[0] = uses[end];
		uses[end] = largest;
		sift(0, end);
	}
}

} // namespace

bool client::create(actor &self)
{
	const config &c = gpu_.config();
	self_ = &self;
	if (c.signal_rate != 0)
		request_ = resv::interruptible;
	return uses_.create_zeroed(c.max_buffers_per_job) &&
	       wanted_.create_zeroed(c.max_buffers_per_job + 1) && picked_.create_zeroed(c.buffers);
}

void client::run()
{
	const config &c = gpu_.config();
	self_->enter();
	while (gpu_.running() && (c.jobs == 0 || self_->log.jobs() < c.jobs)) {
		if (!self_->log.has_room(c.max_buffers_per_job)) {
			gpu_.stop(stop_reason::log_full);
			break;
		}
		make_job();
		if (!perform())
			break;
		self_->note_completed();
	}
	self_->leave();
}

void client::make_job()
{
	const config &c = gpu_.config();
	random_source &random = self_->random;

	skips_reservation_ = c.broken == breakage::skip_reservation && random.percent(c.break_share);
	run_by_ring_ = !skips_reservation_ &&
		       (c.execute == executor::ring || (c.execute == executor::mixed && random.percent(50)));
	without_context_ = random.percent(c.no_context_share);
	unsigned range = c.max_buffers_per_job - c.min_buffers_per_job + 1;
	unsigned count = without_context_ ? 1 : c.min_buffers_per_job + random.below(range);

	job_ = {.id = {self_->index, self_->log.jobs() + 1},
		.count = count,
		.uses = uses_.begin(),
		.log = &self_->log};
	for (unsigned i = 0; i < count; i++)
		uses_[i] = {.buffer = pick_buffer() & 0x7fffffff, .write = !random.percent(c.read_share)};
	order_uses();
	for (unsigned i = 0; i < count; i++)
		wanted_[i] = &gpu_.reservation_of(uses_[i].buffer);
	wanted_count_ = count;
	if (random.percent(c.duplicate_share))
		wanted_[wanted_count_++] = wanted_[random.below(count)];
}

// One that this job has not picked yet: if need be, the next after it that is so.
uint32_t client::pick_buffer()
{
	uint32_t buffer = gpu_.popularity().pick(self_->random);
	while (picked_[buffer] == job_.id.number)
		buffer = buffer + 1 == picked_.size() ? 0 : buffer + 1;
	picked_[buffer] = job_.id.number;
	return buffer;
}

void client::order_uses()
{
	lock_order order = gpu_.config().order;
	if (order == lock_order::opposite)
		order = self_->index % 2 == 0 ? lock_order::ascending : lock_order::descending;
	if (order == lock_order::ascending)
		sort(job_.uses, job_.count, [](use a, use b) { return a.buffer < b.buffer; });
	else if (order == lock_order::descending)
		sort(job_.uses, job_.count, [](use a, use b) { return a.buffer > b.buffer; });
}

// As an ioctl that its user calls again for as long as it returns -EINTR. False: the device was stopped meanwhile, or
// something is wrong; the job was not run.
bool client::perform()
{
	counters &stats = self_->stats;
	int64_t begin = resv_port_clock();
	int err;
	while ((err = attempt(begin)) == -EINTR) {
		stats.interrupted++;
		if (self_->trace.enabled())
			self_->trace.record({.kind = trace_kind::interrupt,
					     .actor = self_->index,
					     .job = job_.id.number,
					     .begin = resv_port_clock()});
		gpu_os_signals_handled();
		if (!gpu_.running())
			return false;
	}
	if (err != 0) {
		stats.errors++;
		stats.last_error = err;
		gpu_.stop(stop_reason::error);
		return false;
	}
	stats.jobs++;
	if (run_by_ring_)
		stats.jobs_by_ring++;
	else
		gpu_.ring_of(self_->index).submit(job_.id);
	return true;
}

int client::attempt(int64_t begin)
{
	if (skips_reservation_) {
		execute<unreserved_access>(gpu_.pages(), job_.id, job_.uses, job_.count, *job_.log);
		self_->stats.jobs_unreserved++;
		return 0;
	}
	return without_context_ ? reserve_one_and_run(begin) : reserve_all_and_run(begin);
}

int client::reserve_all_and_run(int64_t begin)
{
	resv::transaction t(gpu_.cls(), request_);
	self_->note_context(&t.context());

	int err = t.reserve(wish_list{wanted_.begin(), wanted_.begin() + wanted_count_});
	counters &stats = self_->stats;
	stats.retries += t.retries();
	stats.longest_chain = t.retries() > stats.longest_chain ? t.retries() : stats.longest_chain;
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
	if (gpu_.config().broken == breakage::hang && self_->index == 0)
		while (gpu_.running())
			nap_until(resv_port_clock() + 1000000);
	if (run_by_ring_) {
		self_->note_wait(actor::the_ring);
		gpu_.ring_of(self_->index).submit_and_wait(job_);
		self_->note_wait(actor::nothing);
	} else {
		execute(gpu_.pages(), job_.id, job_.uses, job_.count, *job_.log);
	}
	if (!self_->trace.enabled())
		return held;

	held.end = resv_port_clock();
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
	return held;
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
