// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Who gets in the clients' way: eviction, and signals.
#include "device.hpp"

namespace gpu {

namespace {

constexpr int64_t second = 1000000000;
constexpr int64_t longest_nap = second / 100; // so that a closed device is noticed

// Sleeps until the next of `rate` ticks a second is due. A tick that is missed is not made up for.
void pace(const device &gpu, int64_t &due, unsigned rate)
{
	int64_t now = resv_port_clock();
	due = due + second / rate > now ? due + second / rate : now;
	while (now < due && !gpu.closed()) {
		nap_until(due - now < longest_nap ? due : now + longest_nap);
		now = resv_port_clock();
	}
}

} // namespace

// Where memory is limited, see memory::evict(). Otherwise each eviction writes one buffer, as a move to other memory
// would. It never blocks on a reservation: it tries a few buffers and takes the first that is free. When all are busy it
// waits, now and then, for one to be let go: holding nothing, and without taking it.
void device::run_evictor()
{
	if (config_.vram != 0) {
		run_background(evictor_index(), config_.eviction_rate, [](device &gpu, actor &self) {
			return gpu.memory_.evict(self.random.below(gpu.config_.devices), self);
		});
		return;
	}
	actor &self = actors_[evictor_index()];
	int64_t due = resv_port_clock();

	self.enter();
	for (pace(*this, due, config_.eviction_rate); !closed(); pace(*this, due, config_.eviction_rate)) {
		if (!self.log.has_room(1)) {
			stop(stop_reason::log_full);
			break;
		}
		uint32_t victim = 0;
		if (evict_one(self, victim)) {
			self.stats.evictions++;
			continue;
		}
		self.stats.evictions_busy++;
		if (self.stats.evictions_busy % 4 != 0)
			continue;
		resv::reservation_object &busy = reservation_of(victim);
		self.note_wait(index_of(busy));
		int err = busy.wait_for_unreserve(nullptr);
		self.note_wait(actor::nothing);
		self.stats.waits_for_unreserve++;
		if (err != 0) {
			self.stats.errors++;
			self.stats.last_error = err;
		}
	}
	self.leave();
}

// Somebody may wait for this memory with reservations held. False: all candidates are busy, the last being `victim`.
bool device::evict_one(actor &self, uint32_t &victim) RESV_NO_ANALYSIS
{
	constexpr unsigned candidates = 8;
	pretended_lock reclaim(resv_lockdep_fs_reclaim);

	resv_lockdep_no_blocking_begin();
	bool found = false;
	for (unsigned i = 0; i < candidates && !found; i++) {
		victim = self.random.below(config_.buffers);
		resv::reservation_object &object = reservation_of(victim);
		found = config_.broken == breakage::blocking_eviction ? object.reserve(nullptr) == 0
								      : object.try_reserve(nullptr);
	}
	if (found) {
		use moved = {.buffer = victim & 0x7fffffff, .write = 1};
		int64_t begin = resv_port_clock();
		execute(pages_, {self.index, self.log.jobs() + 1}, &moved, 1, self.log);
		if (self.trace.enabled())
			self.trace.record({.kind = trace_kind::held,
					   .actor = self.index,
					   .reservation = index_of(reservation_of(victim)),
					   .job = self.log.jobs(),
					   .begin = begin,
					   .end = resv_port_clock()});
		reservation_of(victim).unreserve();
	}
	resv_lockdep_no_blocking_end();
	return found;
}

void device::run_swapper()
{
	run_background(swapper_index(), config_.swapout_rate,
		       [](device &gpu, actor &self) { return gpu.memory_.swap_out(self); });
}

void device::run_recycler()
{
	run_background(recycler_index(), config_.recycle_rate,
		       [](device &gpu, actor &self) { return gpu.memory_.recycle(self); });
}

// What cannot be done when it is due is not made up for.
void device::run_background(unsigned index, unsigned rate, bool (*act)(device &, actor &))
{
	actor &self = actors_[index];
	int64_t due = resv_port_clock();
	self.enter();
	for (pace(*this, due, rate); !closed(); pace(*this, due, rate))
		act(*this, self);
	self.leave();
	leave_rings();
}

void device::run_storm()
{
	random_source random(~config_.seed);
	int64_t due = resv_port_clock();
	for (pace(*this, due, config_.signal_rate); !closed(); pace(*this, due, config_.signal_rate))
		signals_sent_ += actors_[random.below(config_.clients)].interrupt();
}

} // namespace gpu
