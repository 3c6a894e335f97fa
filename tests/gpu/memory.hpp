// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Memory of limited size: where the contents of each buffer are, and how they get elsewhere.
//
// The contents of a buffer have one home, a place in the VRAM of a device, in system memory or in the swap store. Who
// holds the buffer's reservation may give it another one: the copy is work for a ring, waits for all fences of the
// buffer, and becomes its KERNEL fence. So from then on everybody counts with the new home, and whatever is submitted
// later waits for the copy. The place that is left can be given away at once as well: together with the fence, for which
// whoever moves in has to wait.
//
// That all of this is as if one job ran after the other:
//
// - A job is handed to its ring with all of its reservations held. So for two jobs with a buffer in common one is handed
//   in before the other, and over all jobs this order has no circle: it is the order of time.
// - If one of them writes the buffer, the later one has the fence of the earlier one among those that it waits for: a
//   writer waits for the fences of writers and readers, a reader for those of writers. A fence may have been replaced by
//   a later one of the same ring, which is signaled after it. So the two run in that order.
// - A copy waits for all fences before it, and all work after it waits for the copy. So no job sees a page half moved, or
//   at a place that is not its home any more.
//
// That everybody gets on:
//
// - Rings never wait in a circle (see ring.hpp), and whoever waits for a ring waits for no reservation there.
// - The walks down the LRUs only try, and the one form that waits for a reservation does so as part of the client's
//   transaction, by seniority, and no more than `patience` times.
// - Who finds no place then lets go of everything (-ENOSPC) and comes back later. A job fits into the VRAM alone: what
//   stood in its way was reserved by others, who now do not have to wait for it, or was about to be freed.
#ifndef GPU_MEMORY_HPP
#define GPU_MEMORY_HPP

#include "buffer.hpp"
#include "places.hpp"
#include "ring.hpp"

#include <resv/transaction.hpp>

namespace gpu {

inline constinit lock_class handle_locks{"gpu_handles", RESV_LD_WAIT_CONFIG};

class memory {
public:
	memory();
	memory(const memory &) = delete;
	memory &operator=(const memory &) = delete;
	~memory();

	/// Makes the pages, and config.buffers buffers in system memory, as far as there is room; with config.sessions room
	/// for so many. `engines`: a ring for each device's copies. Returns 0 or -ENOMEM.
	[[nodiscard]] int create(const config &config, resv::ww_class &cls, page_store &pages, ring *engines);

	/// The buffer that has this handle now, with a reference. Context: any.
	buffer &get(uint32_t handle);

	/// Makes a buffer for the front. The caller gets its first reference; a ring is yet to write the contents. Returns 0;
	/// -ENOSPC: there are as many as may be; or -ENOMEM. May sleep. Context: task.
	RESV_NODISCARD int make_for_front(void *of_front, buffer *&made);

	/// Waits until the contents are at home, and then shows where: `*page`, for as long as the buffer is reserved. Returns
	/// 0, or -EINTR if a signal may end waits. May sleep. Context: it is reserved.
	RESV_NODISCARD int wait_at_home(buffer &b, bool interruptible, const void *&page);

	/// Tells who holds what, as resv_lru_describe().
	void describe(void (*emit)(const char *line, void *data), void *data)
	{
		resv_lru_describe(reinterpret_cast<resv_lru *>(&lrus_[system_memory]), emit, data);
	}

	/// Drops a reference. With the last one the buffer ends, once its fences have been signaled. Context: task.
	static void put(buffer &b);

	/// Gives the buffer a home in the device's VRAM. Returns 0; -ENOSPC: there is no place, and everything should be let
	/// go for a while; -ENOMEM; and what resv_lru_reserve_wait() may return. May sleep. Context: reserved by `t`, with
	/// a fence promised.
	RESV_NODISCARD int make_resident(resv::transaction &t, buffer &b, unsigned device, actor &self);

	/// The buffer is the newest of the device.
	static void touch(buffer &b, unsigned device) { resv::lru::move_tail(b.on[device].entry); }

	/// Moves the oldest buffer out of the device's VRAM, or out of system memory, to make room for others. Never waits
	/// for a reservation. False: all that could be moved are reserved, or there are none. Context: task; somebody may
	/// wait for this memory with reservations held.
	bool evict(unsigned device, actor &self);
	bool swap_out(actor &self);

	/// Puts a new buffer in the place of one of some handle, whose last reference may go by that. False: there are
	/// enough buffers for now. Context: one task.
	bool recycle(actor &self);

	/// Finds out what is in each buffer. Returns how many should have been freed, but were not. Context: all tasks have
	/// ended.
	unsigned settle();

	/// What each buffer held at its end, by its id. Context: settled.
	const page_store::snapshot *left() const { return left_.begin(); }
	unsigned ids() const { return next_id_.load(resv::order::relaxed); }

private:
	static constexpr unsigned system_memory = max_devices;
	static constexpr unsigned swap_store = max_devices + 1;
	static constexpr unsigned memories = max_devices + 2;
	static constexpr unsigned spare_buffers = 64; // more than there are handles: those that end
	static constexpr unsigned patience = 3;

	buffer *make_buffer(uint32_t handle);
	int make_filled(uint32_t handle, void *of_front, buffer *&made);
	unsigned most() const { return config_.buffers + spare_buffers; }
	bool take_below_vram(free_place &place);
	void give_back(const free_place &vacated);
	submission *new_move() const;
	unsigned usual_fences() const;
	void move(buffer &b, const free_place &to, ring &engine, submission *prepared, free_place &vacated,
		  actor &self);
	int reserve_victim(unsigned from, resv::transaction *t, unsigned retries, actor &self,
			   buffer *&victim);
	int reserve_any(buffer *&victim, actor &self);
	bool move_out(unsigned from, buffer &victim, submission *prepared, free_place &vacated, actor &self);
	int make_space(resv::transaction &t, unsigned device, actor &self, free_place &vacated);
	bool reclaim(unsigned from, actor &self);
	static bool get_entry(resv_lru_entry *entry);
	static void put_entry(resv_lru_entry *entry);
	static void free_buffer(resv_release *release);

	static const resv_lru_ops lru_ops_;

	config config_;
	resv::ww_class *cls_ = nullptr;
	page_store *pages_ = nullptr;
	ring *engines_ = nullptr;
	place_pool pools_[memories];
	resv::lru lrus_[buffer::lists];
	array<page_store::snapshot> left_;   // of the clients' buffers
	resv::atomic<uint32_t> next_id_{0};  // of a new buffer
	resv::atomic<unsigned> existing_{0}; // buffers
	resv::atomic<unsigned> promised_{0}; // buffers to the front
	spin_lock handle_lock_;
	array<buffer *> handles_; // guarded by it; a reference to each
};

} // namespace gpu

#endif // GPU_MEMORY_HPP
