// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef GPU_BUFFER_HPP
#define GPU_BUFFER_HPP

#include "config.hpp"

#include <resv/lru.hpp>
#include <resv/release.h>
#include <resv/reservation.hpp>

namespace gpu {

class memory;

/// What a front is told of the buffers that it had made for itself: of each by its `of_front`.
struct front_ops {
	/// The contents are about to leave their place: nobody may see that any longer. What is seen from now on is asked for
	/// with memory::wait_at_home(). Context: task; the buffer is reserved. May sleep.
	void (*unmap)(void *of_front);
	/// The buffer has ended. Context: any; must not sleep.
	void (*freed)(void *of_front);
};

/// A buffer where memory is limited. It is on the LRUs of all devices and on that of system memory from its making to its
/// end; who walks one passes over those that are at home elsewhere.
struct buffer {
	static constexpr unsigned lists = max_devices + 1;

	/// On one LRU, with the way back.
	struct listed {
		resv::lru_entry entry;
		buffer *self = nullptr;
	};

	buffer(memory &its_owner, resv::ww_class &cls) : owner(&its_owner), object(cls) {}

	resv_release release{}; // the first
	memory *owner;
	uint32_t id = 0;          // never that of another buffer
	uint32_t handle = 0;      // by which clients name it; later another one's
	void *of_front = nullptr; // what the front knows it by, if it was made for that
	resv::atomic<unsigned> references{1};
	resv::atomic<uint32_t> home{0}; // a place; changed by who holds the reservation
	listed on[lists];
	resv::reservation_object object;

	static buffer &of(resv::lru_entry &entry) { return *reinterpret_cast<listed &>(entry).self; }
	static buffer &of(resv_release &release) { return reinterpret_cast<buffer &>(release); }
	static const buffer &of(const resv::reservation_object &object)
	{
		return *reinterpret_cast<const buffer *>(reinterpret_cast<const char *>(&object) -
							 __builtin_offsetof(buffer, object));
	}

	/// One more reference, unless the last one is gone. Context: any.
	bool get_unless_gone()
	{
		unsigned n = references.load(resv::order::relaxed);
		while (n != 0 && !references.compare_exchange(n, n + 1, resv::order::acq_rel))
			n = references.load(resv::order::relaxed);
		return n != 0;
	}
};

} // namespace gpu

#endif // GPU_BUFFER_HPP
