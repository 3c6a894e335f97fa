// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What CONFIG_RESV_DEBUG_WW_MUTEXES and CONFIG_PROVE_LOCKING add to the locks: the fields, and the checked form of each
// operation. With both off the fields take no space and nothing here is called. Included by resv/ww_mutex.hpp.
#ifndef RESV_WW_DEBUG_HPP
#define RESV_WW_DEBUG_HPP

#include <resv/config.h>
#include <resv/lockdep.hpp>
#include <resv/types.h>

namespace resv {

namespace config {
inline constexpr bool debug_ww_mutexes = RESV_DEBUG_WW_MUTEXES;
inline constexpr bool debug_ww_slowpath = RESV_DEBUG_WW_SLOWPATH;
static_assert(debug_ww_mutexes || !debug_ww_slowpath, "RESV_DEBUG_WW_SLOWPATH needs RESV_DEBUG_WW_MUTEXES");
} // namespace config

class ww_acquire_ctx;
class ww_class;
class ww_mutex;
struct wait_request;

template <bool on>
struct ww_mutex_debug {
	constexpr explicit ww_mutex_debug(const ww_class &) {}
};

template <bool on>
struct ww_ctx_debug {};

/// The lock classes that a ww_class stands for.
#if RESV_PROVE_LOCKING
struct ww_class_keys {
	lock_class_key acquire{};
	lock_class_key mutex{};
};
inline constexpr lock_traits ww_mutex_traits{RESV_LD_WAIT_SLEEP, RESV_LD_WAIT_SLEEP, RESV_LD_LOCK_NORMAL};
inline constexpr lock_traits ww_context_traits{RESV_LD_WAIT_INV, RESV_LD_WAIT_INV, RESV_LD_LOCK_CONTEXT};
#else
struct ww_class_keys {
	static constexpr no_lock_class_key acquire{};
	static constexpr no_lock_class_key mutex{};
};
inline constexpr lock_traits ww_mutex_traits{}, ww_context_traits{};
#endif

#if RESV_DEBUG_WW_MUTEXES
template <>
struct ww_mutex_debug<true> {
	static constexpr unsigned long alive = 0x77776d75; // "wwmu"

	constexpr explicit ww_mutex_debug(const ww_class &c) : cls(&c) {}

	unsigned long magic = alive;
	const ww_class *cls;
#if RESV_PROVE_LOCKING
	// Where and when it was taken: by the holder, after it took the lock; 0 while it is free, or not yet.
	atomic<uintptr_t> where{0};
	atomic<int64_t> since{0};
#endif
};

template <>
struct ww_ctx_debug<true> {
	static constexpr unsigned long alive = 0x77776374; // "wwct"

	unsigned long magic = alive;
	bool done = false;
	ww_mutex *contending = nullptr; // the lock that the last -EDEADLK was about
	unsigned inject_interval = 1;   // successful nested locks from one injected -EDEADLK to the next
	unsigned inject_countdown = 1;
};
#endif

/// The checked operations; each keeps the rules listed in src/ww_checks.cpp, annotates the lock for the annotator, and
/// otherwise does what the operation of ww_mutex or ww_acquire_ctx does. A broken rule is reported by its name; where
/// going on would corrupt anything, the operation is refused.
class ww_checks {
public:
	static void begin(ww_acquire_ctx &ctx);
	static void done(ww_acquire_ctx &ctx);
	static void abandon(ww_acquire_ctx &ctx);
	static void unlock_all(ww_acquire_ctx &ctx);
	static void end(ww_acquire_ctx &ctx);

	static int lock(ww_mutex &lock, ww_acquire_ctx *ctx, const wait_request &request);
	static int lock_slow(ww_mutex &lock, ww_acquire_ctx *ctx, const wait_request &request);
	static bool trylock(ww_mutex &lock, ww_acquire_ctx *ctx);
	static int wait_for_unlock(ww_mutex &lock, ww_acquire_ctx *ctx, const wait_request &request);
	static void unlock(ww_mutex &lock);
	static void assert_held(ww_mutex &lock);
	static void destroy(ww_mutex &lock);
	static void corrupt_wait_list(const ww_mutex &lock);

	/// Reports, in every build, a lock_slow() that could not take the lock because its rule was broken.
	static void slow_lock_failed(const ww_mutex &lock, int rc);
};

} // namespace resv

#endif // RESV_WW_DEBUG_HPP
