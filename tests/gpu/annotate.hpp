// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What the driver's own locks tell the annotator. Without CONFIG_PROVE_LOCKING nothing of it is left.
#ifndef GPU_ANNOTATE_HPP
#define GPU_ANNOTATE_HPP

#include <resv/lockdep.h>

namespace gpu {

/// The calling task is about to take the lock, or drops it. Out of line: reports name the place that they return to.
[[gnu::noinline]] inline void annotate_acquire([[maybe_unused]] resv_lockdep_map &map)
{
	resv_lockdep_acquire(&map, 0, 0, 0, 1, nullptr,
			     reinterpret_cast<unsigned long>(__builtin_return_address(0)));
}
[[gnu::noinline]] inline void annotate_release([[maybe_unused]] resv_lockdep_map &map)
{
	resv_lockdep_release(&map, reinterpret_cast<unsigned long>(__builtin_return_address(0)));
}

#if RESV_PROVE_LOCKING

/// Locks that are taken for the same purpose; static.
struct lock_class {
	const char *name;
	resv_lockdep_wait_type waits;
	resv_lock_class_key key{};
};

/// A lock's part for the annotator.
class annotation {
public:
	explicit annotation(const lock_class &cls)
	{
		resv_lockdep_init_map_type(&map_, cls.name, &cls.key, 0, cls.waits, RESV_LD_WAIT_INV,
					   RESV_LD_LOCK_NORMAL);
	}
	[[gnu::always_inline]] void acquire() { annotate_acquire(map_); }
	[[gnu::always_inline]] void release() { annotate_release(map_); }

private:
	resv_lockdep_map map_;
};

#else

struct lock_class {
	const char *name;
	resv_lockdep_wait_type waits;
};

class annotation {
public:
	explicit annotation(const lock_class &) {}
	void acquire() {}
	void release() {}
};

#endif

/// While it exists, the calling task is where a kernel would hold a lock of its own.
class pretended_lock {
public:
	[[gnu::always_inline]] explicit pretended_lock(resv_lockdep_map &map) : map_(map)
	{
		annotate_acquire(map_);
	}
	[[gnu::always_inline]] ~pretended_lock() { annotate_release(map_); }
	pretended_lock(const pretended_lock &) = delete;
	pretended_lock &operator=(const pretended_lock &) = delete;

private:
	resv_lockdep_map &map_;
};

} // namespace gpu

#endif // GPU_ANNOTATE_HPP
