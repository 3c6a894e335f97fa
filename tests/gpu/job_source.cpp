// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "job_source.hpp"

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

bool job_source::create(actor &self)
{
	const config &c = config_;
	self_ = &self;
	return uses_.create_zeroed(c.max_buffers_per_job) && picked_.create_zeroed(c.buffers);
}

bool job_source::next(job_plan &plan)
{
	const config &c = config_;
	const uint32_t done = given_;
	random_source &random = self_->random;
	if (c.recorded ? done >= c.recorded[self_->index].count : c.jobs != 0 && done >= c.jobs)
		return false;
	given_++;

	plan = {.uses = uses_.begin()};
	plan.skips_reservation = c.broken == breakage::skip_reservation && random.percent(c.break_share);
	plan.run_by_ring = !plan.skips_reservation && (c.execute == executor::ring ||
						       (c.execute == executor::mixed && random.percent(50)));
	if (c.recorded)
		play(plan, c.recorded[self_->index].jobs[done]);
	else
		make_up(plan);
	order_uses(plan.count);
	if (random.percent(c.duplicate_share))
		plan.twice = random.below(plan.count);
	return true;
}

void job_source::make_up(job_plan &plan)
{
	const config &c = config_;
	random_source &random = self_->random;
	plan.without_context = random.percent(c.no_context_share);
	unsigned range = c.max_buffers_per_job - c.min_buffers_per_job + 1;
	plan.count = plan.without_context ? 1 : c.min_buffers_per_job + random.below(range);
	plan.ring = self_->index % c.rings;
	for (unsigned i = 0; i < plan.count; i++)
		uses_[i] = {.buffer = pick_buffer(given_) & 0x7fffffff,
			    .write = !random.percent(c.read_share)};
}

void job_source::play(job_plan &plan, const recorded_job &job)
{
	const config &c = config_;
	plan.count = job.count;
	plan.ring = job.ring;
	plan.begin_ns = c.recorded_pace ? job.begin_ns : 0;
	plan.busy_ns = job.busy_ns;
	for (unsigned i = 0; i < job.count; i++) {
		uses_[i] = job.uses[i];
		if (self_->random.percent(c.read_share))
			uses_[i].write = 0;
	}
}

// One that this job has not picked yet: if need be, the next after it that is so.
uint32_t job_source::pick_buffer(uint32_t job)
{
	uint32_t buffer = popularity_.pick(self_->random);
	while (picked_[buffer] == job)
		buffer = buffer + 1 == picked_.size() ? 0 : buffer + 1;
	picked_[buffer] = job;
	return buffer;
}

void job_source::order_uses(unsigned count)
{
	lock_order order = config_.order;
	if (order == lock_order::opposite)
		order = self_->index % 2 == 0 ? lock_order::ascending : lock_order::descending;
	if (order == lock_order::ascending)
		sort(uses_.begin(), count, [](use a, use b) { return a.buffer < b.buffer; });
	else if (order == lock_order::descending)
		sort(uses_.begin(), count, [](use a, use b) { return a.buffer > b.buffer; });
}

} // namespace gpu
