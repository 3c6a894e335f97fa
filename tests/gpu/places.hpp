// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef GPU_PLACES_HPP
#define GPU_PLACES_HPP

#include "os.hpp"
#include "wait_queue.hpp"

#include <resv/fence.hpp>

namespace gpu {

inline constinit lock_class place_locks{"gpu_places", RESV_LD_WAIT_CONFIG};

/// A place for one page that nobody is at home in.
struct free_place {
	uint32_t number = 0;
	resv_fence *ready =
		nullptr; // a reference: before it, what was there is still being moved out; or none
};

/// The places of one memory: the VRAM of a device, system memory, the swap store.
class place_pool {
public:
	place_pool() : lock_(place_locks) {}
	~place_pool()
	{
		for (free_place p; take(p);)
			resv_fence_put(p.ready);
	}

	/// `count` places from `first` on. False: no memory.
	[[nodiscard]] bool create(uint32_t first, uint32_t count)
	{
		first_ = first;
		if (!free_.create_zeroed(count))
			return false;
		for (uint32_t i = 0; i < count; i++)
			give({first + i, nullptr});
		return true;
	}

	/// The one that has been free for longest. False: all are in use. Context: any, as for the next.
	bool take(free_place &place)
	{
		lock_.lock();
		bool any = count_ != 0;
		if (any) {
			place = free_[begin_];
			begin_ = (begin_ + 1) % free_.size();
			count_--;
		}
		lock_.unlock();
		return any;
	}

	/// Takes the reference over.
	void give(const free_place &place)
	{
		lock_.lock();
		free_[(begin_ + count_++) % free_.size()] = place;
		lock_.unlock();
	}

	bool has(uint32_t place) const { return place - first_ < free_.size(); }

private:
	uint32_t first_ = 0;
	spin_lock lock_;
	array<free_place> free_; // a ring
	size_t begin_ = 0, count_ = 0;
};

} // namespace gpu

#endif // GPU_PLACES_HPP
