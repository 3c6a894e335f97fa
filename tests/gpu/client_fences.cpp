// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// How a client submits where memory is limited: it reserves, makes resident, hands in, adds the fence, lets go, and does
// not wait for the job. Reservations outlive the functions that take them here.
#include "client.hpp"

namespace gpu {

int client::submit_with_fences(int64_t begin)
{
	for (unsigned i = 0; i < plan_.count; i++)
		held_[i] = &gpu_.memory().get(plan_.uses[i].buffer);
	int err;
	{
		resv::transaction t(gpu_.cls(), request_);
		self_->note_context(&t.context());
		err = t.run([&](resv::transaction &pass) { return make_all_resident(pass); });
		counters &stats = self_->stats;
		stats.retries += t.retries();
		stats.longest_chain = t.retries() > stats.longest_chain ? t.retries() : stats.longest_chain;
		if (err == 0) {
			span held = {resv_port_clock(), 0};
			self_->stats.wait.add(held.begin - begin);
			hang();
			err = submit_resident(t, held);
			if (err == 0 && self_->trace.enabled()) {
				trace_span(begin, held);
				for (unsigned i = 0; i < plan_.count; i++)
					trace_held(held_[i]->object, held);
			}
		}
	}
	for (unsigned i = 0; i < plan_.count; i++)
		memory::put(*held_[i]);
	return err;
}

// One pass: all reserved, each with room for the fences of its move and of the job; then, all at home in the VRAM. What
// was moved in already stays there if the pass has to be given up.
int client::make_all_resident(resv::transaction &t)
{
	constexpr unsigned fences = 2;
	for (unsigned i = 0; i < plan_.count; i++)
		if (int err = t.prepare_one(held_[i]->object, fences))
			return err;
	if (plan_.twice < plan_.count) {
		int err = t.prepare_one(held_[plan_.twice]->object, fences);
		if (err != -EALREADY)
			return err;
	}
	for (unsigned i = 0; i < plan_.count; i++)
		if (int err = gpu_.memory().make_resident(t, *held_[i], gpu_.device_of(self_->index), *self_))
			return err;
	return 0;
}

// From here on the job is under way: all that is left to do cannot fail.
int client::submit_resident(resv::transaction &t, span &held)
{
	unsigned dependencies = 0;
	for (unsigned i = 0; i < plan_.count; i++)
		dependencies += submission::count(held_[i]->object, resv::usage_rw(plan_.uses[i].write));
	submission *s = submission::create(work::job, plan_.count, dependencies);
	if (!s)
		return -ENOMEM;
	s->id = job_.id;
	s->owner = self_;
	s->busy_ns = plan_.busy_ns;
	s->skips_fences = gpu_.config().broken == breakage::skip_fences &&
			  self_->random.percent(gpu_.config().break_share);
	for (unsigned i = 0; i < plan_.count; i++) {
		s->uses[i] = {.buffer = held_[i]->id & 0x7fffffff, .write = plan_.uses[i].write};
		s->places[i] = held_[i]->home.load(resv::order::relaxed);
		s->wait_for(held_[i]->object, resv::usage_rw(plan_.uses[i].write));
	}
	gpu_.ring_at(gpu_.ring_of(self_->index)).submit(*s);
	last_ = resv::fence_ref(s->c());
	words_logged_ += plan_.count + size_t{1};
	for (unsigned i = 0; i < plan_.count; i++) {
		held_[i]->object.add_fence(*last_,
					   plan_.uses[i].write ? resv::usage::write : resv::usage::read);
		memory::touch(*held_[i], gpu_.device_of(self_->index));
	}
	t.release_all();
	held.end = resv_port_clock();
	return 0;
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
