// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "session.hpp"

namespace gpu {

bool session::open()
{
	if (!taken_.compare_exchange(0, 1, resv::order::acq_rel))
		return false;
	const config &c = gpu_.config();
	// The ring wrote to the log before it signaled the last job.
	if (last_ && !last_->test_signaled())
		return give_up();
	const size_t least = c.max_buffers_per_job + size_t{1};
	const size_t words = c.keep_logs ? (size_t{c.log_mb} << 20) / sizeof(uint64_t) / c.sessions : least;
	if (self_->log.capacity() == 0 && !self_->log.create(words < least ? least : words))
		return give_up();
	self_->keeps_log = c.keep_logs;
	self_->log.forget();
	words_logged_ = 0;
	last_ = {};
	return true;
}

int session::submit(named_buffer *buffers, unsigned count, int64_t busy_ns, uint32_t &number)
{
	if (self_->keeps_log && self_->log.capacity() - words_logged_ < count + size_t{1})
		return -EBUSY;
	const config &c = gpu_.config();
	const bool skips_fences = c.broken == breakage::skip_fences && self_->random.percent(c.break_share);
	fenced_job job = {.id = {self_->index, submitted_ + 1},
			  .buffers = buffers,
			  .count = count,
			  .busy_ns = busy_ns,
			  .skips_fences = skips_fences,
			  .begin = resv_port_clock()};
	self_->enter();
	int err = job.submit(gpu_, *self_, resv::interruptible, last_);
	self_->leave();
	counters &stats = self_->stats;
	stats.interrupted += err == -EINTR;
	stats.no_space += err == -ENOSPC;
	if (err != 0)
		return err;
	stats.jobs++;
	stats.jobs_by_ring++;
	words_logged_ += count + size_t{1};
	number = submitted_ = job.id.number;
	return 0;
}

int session::wait_idle()
{
	if (!last_)
		return 0;
	int64_t left = last_->wait(true);
	return left < 0 ? static_cast<int>(left) : 0;
}

} // namespace gpu
