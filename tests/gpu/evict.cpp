// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Moving buffers: to where they are needed, and out of the way. Reservations are tried, and change hands with buffers,
// which leaves the thread-safety analysis nothing to say.
#include "memory.hpp"

namespace gpu {

// For whom is not known yet. A fence of each usage on each timeline, as is usual: a later one takes the place of an earlier
// one. And a place's.
submission *memory::new_move() const
{
	return submission::create(work::copy, 0, usual_fences() + 1);
}

unsigned memory::usual_fences() const
{
	return 4 * (config_.rings + config_.devices);
}

// Context: the buffer is reserved, with a fence promised; `prepared` has room for its fences and a place's. `vacated` is
// the caller's then.
void memory::move(buffer &b, const free_place &to, ring &engine, submission *prepared, free_place &vacated,
		  actor &self)
{
	if (b.of_front)
		config_.front->unmap(b.of_front);
	submission &copy = *prepared;
	copy.from = b.home.load(resv::order::relaxed);
	copy.to = to.number;
	copy.loses_copy = config_.broken == breakage::lose_copy && self.random.percent(config_.break_share);
	copy.wait_for(b.object, resv::usage::bookkeep);
	copy.wait_for(to.ready);
	vacated.number = copy.from;
	engine.submit(copy);
	b.object.add_fence(copy.fence(), resv::usage::kernel);
	b.home.store(to.number, resv::order::relaxed);
	vacated.ready = copy.c();
	self.stats.bytes_moved += pages_->page_bytes();
}

// The oldest buffer at home in this memory, reserved and with a reference.
int memory::reserve_victim(unsigned from, resv::transaction *t, unsigned retries, actor &self,
			   buffer *&victim)
{
	bool passed = false;
	auto suits = [&](resv::lru_entry &entry, resv::reservation_object &object, bool reserved) {
		buffer &b = buffer::of(entry);
		if (!pools_[from].has(b.home.load(resv::order::relaxed)))
			return false;
		if (!reserved) {
			passed |= !t || object.locking_ctx() != &t->context();
			return true;
		}
		if (!b.get_unless_gone())
			return false;
		victim = &b;
		return true;
	};
	resv::reservation_object *object;
	int err = t ? lrus_[from].reserve_wait(*t, suits, retries, object)
		    : lrus_[from].reserve_first(nullptr, suits, object);
	self.stats.evictions_passed += passed;
	self.stats.evictions_busy += err == -EBUSY && retries == 0; // a client looks again
	return err;
}

// What an evictor must not do: it waits for a reservation.
int memory::reserve_any(buffer *&victim, actor &self) RESV_NO_ANALYSIS
{
	victim = &get(self.random.below(config_.buffers));
	return victim->object.reserve(nullptr);
}

// Context: the victim is reserved. Out of VRAM by the device's engine, out of system memory by the first. False: its home
// has changed, it has more fences than is usual, or there is no memory for another one; then `prepared` is still the
// caller's.
bool memory::move_out(unsigned from, buffer &victim, submission *prepared, free_place &vacated, actor &self)
{
	free_place to;
	if (!pools_[from].has(victim.home.load(resv::order::relaxed)) ||
	    submission::count(victim.object, resv::usage::bookkeep) > usual_fences() ||
	    victim.object.reserve_fences(1) != 0 ||
	    !(from == system_memory ? pools_[swap_store].take(to) : take_below_vram(to)))
		return false;
	move(victim, to, engines_[from == system_memory ? 0 : from], prepared, vacated, self);
	(from == system_memory ? self.stats.swapouts : self.stats.evictions)++;
	return true;
}

// A place for a client that has others reserved already. Trying first, all of it where nothing may block.
int memory::make_space(resv::transaction &t, unsigned device, actor &self, free_place &vacated)
{
	buffer *victim = nullptr;
	submission *prepared = new_move();
	if (!prepared)
		return -ENOMEM;
	bool moved = false;
	int err = reserve_victim(device, &t, 0, self, victim);
	if (err == -EBUSY)
		err = reserve_victim(device, &t, patience, self, victim);
	if (err == 0) {
		resv_lockdep_no_blocking_begin();
		moved = move_out(device, *victim, prepared, vacated, self);
		t.unreserve(victim->object);
		put(*victim);
		resv_lockdep_no_blocking_end();
	}
	if (!moved)
		submission::destroy(prepared);
	if (err == 0)
		return moved ? 0 : -ENOMEM;
	return err == -EBUSY || err == -ENOENT ? -ENOSPC : err;
}

int memory::make_resident(resv::transaction &t, buffer &b, unsigned device, actor &self)
{
	if (pools_[device].has(b.home.load(resv::order::relaxed)))
		return 0;
	free_place to;
	if (!pools_[device].take(to))
		if (int err = make_space(t, device, self, to))
			return err;
	submission *prepared =
		submission::create(work::copy, 0, submission::count(b.object, resv::usage::bookkeep) + 1);
	if (!prepared) {
		give_back(to);
		return -ENOMEM;
	}
	free_place vacated;
	move(b, to, engines_[device], prepared, vacated, self);
	give_back(vacated);
	return 0;
}

// Makes room without need, from where somebody may wait for memory with reservations held.
bool memory::reclaim(unsigned from, actor &self) RESV_NO_ANALYSIS
{
	submission *prepared = new_move();
	if (!prepared)
		return false;
	pretended_lock reclaiming(resv_lockdep_fs_reclaim);
	resv_lockdep_no_blocking_begin();
	buffer *victim = nullptr;
	free_place vacated;
	bool moved = false;
	int err = config_.broken == breakage::blocking_eviction
			  ? reserve_any(victim, self)
			  : reserve_victim(from, nullptr, 0, self, victim);
	if (err == 0) {
		moved = move_out(from, *victim, prepared, vacated, self);
		victim->object.unreserve();
		put(*victim);
	}
	if (moved)
		give_back(vacated);
	else
		submission::destroy(prepared);
	resv_lockdep_no_blocking_end();
	return moved;
}

bool memory::evict(unsigned device, actor &self)
{
	return reclaim(device, self);
}

bool memory::swap_out(actor &self)
{
	return reclaim(system_memory, self);
}

} // namespace gpu
