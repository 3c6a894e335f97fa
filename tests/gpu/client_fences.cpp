// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What a client does where memory is limited.
#include "client.hpp"

namespace gpu {

int client::submit_with_fences(int64_t begin)
{
	const bool skips_fences = gpu_.config().broken == breakage::skip_fences &&
				  self_->random.percent(gpu_.config().break_share);
	fenced_job job = {.id = job_.id,
			  .buffers = held_.begin(),
			  .count = plan_.count,
			  .busy_ns = plan_.busy_ns,
			  .skips_fences = skips_fences,
			  .begin = begin};
	for (unsigned i = 0; i < plan_.count; i++)
		held_[i] = {.what = &gpu_.memory().get(plan_.uses[i].buffer),
			    .write = plan_.uses[i].write != 0,
			    .again = false};
	if (plan_.twice < plan_.count) {
		held_[job.count] = held_[plan_.twice];
		held_[job.count++].write = false;
	}
	int err = job.submit(gpu_, *self_, request_, last_);
	if (err == 0) {
		words_logged_ += plan_.count + size_t{1};
		if (self_->trace.enabled()) {
			const span held = {job.reserved_at, job.released_at};
			trace_span(begin, held);
			for (unsigned i = 0; i < plan_.count; i++)
				trace_held(held_[i].what->object, held);
		}
	}
	for (unsigned i = 0; i < plan_.count; i++)
		memory::put(*held_[i].what);
	return err;
}

// Some time at random, longer from time to time, so that clients that stand in each other's way do not meet again.
void client::back_off(unsigned times)
{
	constexpr unsigned shortest_ns = 20000, doublings = 6;
	unsigned longest = shortest_ns << (times < doublings ? times : doublings);
	nap_until(resv_port_clock() + shortest_ns + self_->random.below(longest));
}

// The ring runs a client's jobs in turn, so with this one all have been run.
void client::wait_for_last()
{
	if (!last_)
		return;
	self_->note_wait(actor::the_ring);
	[[maybe_unused]] int64_t never_interrupted = last_->wait(false);
	self_->note_wait(actor::nothing);
	last_ = {};
}

} // namespace gpu
