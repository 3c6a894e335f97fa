// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What tasks wait for without being able to tell a lock: fences, and the kernel's own locks that a driver is called
// under. They are pseudo-locks.
//
// Whoever is needed to signal a fence holds the fence's, shared; whoever waits for a fence takes it, exclusive. A
// signalling section counts as a trylock, since to be in one is to wait for nobody.
#include <resv/lockdep.h>

extern "C" {

#if RESV_PROVE_LOCKING

static constinit resv_lock_class_key fence_key{}, mmap_key{}, reclaim_key{};

constinit resv_lockdep_map resv_lockdep_fence = RESV_LOCKDEP_MAP_INIT("resv_fence_map", &fence_key);
constinit resv_lockdep_map resv_lockdep_mmap_lock = RESV_LOCKDEP_MAP_INIT("mmap_lock", &mmap_key);
constinit resv_lockdep_map resv_lockdep_fs_reclaim = RESV_LOCKDEP_MAP_INIT("fs_reclaim", &reclaim_key);

static unsigned long where_from(void *return_address)
{
	return reinterpret_cast<unsigned long>(return_address);
}

// True if the caller is in a section already: then the end of this one ends nothing.
bool resv_fence_begin_signalling()
{
	if (resv_lockdep_is_held_type(&resv_lockdep_fence, 1) == RESV_LOCK_STATE_HELD)
		return true;
	resv_lockdep_acquire(&resv_lockdep_fence, 0, 1, 1, 1, nullptr,
			     where_from(__builtin_return_address(0)));
	return false;
}

void resv_fence_end_signalling(bool cookie)
{
	if (!cookie)
		resv_lockdep_release(&resv_lockdep_fence, where_from(__builtin_return_address(0)));
}

void resv_fence_might_wait()
{
	resv_lockdep_sync(&resv_lockdep_fence, 0, 0, 1, nullptr, where_from(__builtin_return_address(0)));
}

#else

resv_lockdep_map resv_lockdep_fence, resv_lockdep_mmap_lock, resv_lockdep_fs_reclaim;

#endif

} // extern "C"
