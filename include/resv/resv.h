/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * resv for C: the one header that a C driver includes. C11 and C++20; C++ drivers may prefer the .hpp headers, which
 * speak of the same objects.
 *
 * Each function does what Linux 6.12's function of the same name without the prefix does, with the same parameters in
 * the same order: ww_* is resv_ww_*, dma_resv_* is resv_*, drm_exec_* is resv_exec_*. What differs, or is ours alone,
 * is said at the function. Durations are nanoseconds. Errors are negative errno values.
 *
 * The structs are opaque; their size depends on the options in <resv/config.h> alone. The caller owns all storage.
 * Unless it says otherwise, a function is called from task context, and one that waits may sleep.
 */
#ifndef RESV_RESV_H
#define RESV_RESV_H

#include <resv/config.h>
#include <resv/fence.h>
#include <resv/lockdep.h>
#include <resv/lru.h>
#include <resv/release.h>
#include <resv/report.h>
#include <resv/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- ww_mutex ------------------------------------------------------------------------------------------------- */

/** A set of mutexes that are locked together. Defined with the macros below, in static storage. */
struct resv_ww_class {
	/* private: laid out as resv::ww_class */
	unsigned long stamp;
	const char *acquire_name;
	const char *mutex_name;
	void (*tracer)(void);
	unsigned algorithm;
	unsigned stamps;
#if RESV_PROVE_LOCKING
	struct resv_lock_class_key acquire_key;
	struct resv_lock_class_key mutex_key;
#endif
	unsigned traffic[19 * 16] __attribute__((aligned(64)));
};

/* private: one word for each pointer-sized field; checked against the C++ classes when the library is built */
#define RESV_LOCKDEP_MAP_WORDS (RESV_PROVE_LOCKING * (3 + 8 / sizeof(uintptr_t)))
#define RESV_TAKEN_WORDS       (RESV_PROVE_LOCKING * (1 + 8 / sizeof(uintptr_t)))
#define RESV_WW_MUTEX_WORDS    (4 + 2 * RESV_DEBUG_WW_MUTEXES + RESV_TAKEN_WORDS + RESV_LOCKDEP_MAP_WORDS)
#define RESV_WW_CTX_WORDS                                                                  \
	(8 - sizeof(uintptr_t) / 8 + (3 + 8 / sizeof(uintptr_t)) * RESV_DEBUG_WW_MUTEXES + \
	 RESV_LOCKDEP_MAP_WORDS)

/* the lock, four fences, a table for more of them, its version, and two counts */
#define RESV_OBJECT_WORDS (RESV_WW_MUTEX_WORDS + 6 + 8 / sizeof(uintptr_t))

/** A wound/wait mutex: 32 bytes without debug options. */
struct resv_ww_mutex {
	uintptr_t opaque[RESV_WW_MUTEX_WORDS];
};

/** One task's attempt to hold several locks of a class. On that task's stack. */
struct resv_ww_acquire_ctx {
	uintptr_t opaque[RESV_WW_CTX_WORDS];
};

/* private */
#if RESV_PROVE_LOCKING
#define RESV_WW_CLASS_KEYS_ \
	, {{0}},            \
	{                   \
		{           \
			0   \
		}           \
	}
#else
#define RESV_WW_CLASS_KEYS_
#endif
#define RESV_WW_CLASS_INITIALIZER_(name, algorithm, stamps)                                    \
	{                                                                                      \
		0, #name "_acquire", #name "_mutex", 0, algorithm, stamps RESV_WW_CLASS_KEYS_, \
		{                                                                              \
			2 * (stamps)                                                           \
		}                                                                              \
	}

/** Who gives way when two contexts want each other's locks. The older context always gets its way. */
enum resv_ww_algorithm {
	RESV_WOUND_WAIT, /**< the older wounds the younger holder, which backs off when it next has to wait */
	RESV_WAIT_DIE,   /**< the younger requester backs off at once if it holds anything */
	RESV_WW_ADAPTIVE, /**< wound-wait, where the younger waits or backs off, as gets more done */
};

/** When a context gets its stamp, by which others see how old it is. */
enum resv_ww_stamps {
	RESV_STAMPS_LAZY,  /**< when it first meets contention */
	RESV_STAMPS_EAGER, /**< when it begins, as in Linux */
};

/** Defines a class with this algorithm and these stamps. May be preceded by `static`. Not in Linux. */
#define RESV_DEFINE_CLASS(name, algorithm, stamps) \
	struct resv_ww_class name = RESV_WW_CLASS_INITIALIZER_(name, algorithm, stamps)

/** Defines a wound-wait class: the older context makes the younger holder back off. Linux: DEFINE_WW_CLASS. */
#define RESV_DEFINE_WW_CLASS(name) RESV_DEFINE_CLASS(name, RESV_WOUND_WAIT, RESV_STAMPS_LAZY)

/** Defines a wait-die class: the younger requester backs off. Linux: DEFINE_WD_CLASS. */
#define RESV_DEFINE_WD_CLASS(name) RESV_DEFINE_CLASS(name, RESV_WAIT_DIE, RESV_STAMPS_LAZY)

/** What the contexts of a class have met so far; all 0 with CONFIG_RESV_STEADY. Not in Linux. */
struct resv_ww_stats {
	unsigned long contended;    /**< how often a lock that was to be waited for was held */
	unsigned long spins;        /**< ... and was had by watching it for a moment */
	unsigned long stays;        /**< ... and the context stayed away for a while */
	unsigned long waits;        /**< how often a context slept in line */
	unsigned long bypasses;     /**< locks that were taken ahead of somebody in line */
	unsigned long wounds;       /**< holders that were told to back off */
	unsigned long deaths;       /**< how often a context had to back off */
	unsigned long most_retries; /**< the most often that one context had to */
	uint64_t longest_wait_ns;   /**< the longest that one slept in line, to 1024 ns */
};

/** Tells what it is. Counts of what happens meanwhile may be missing. Context: any. */
void resv_ww_class_stats(const struct resv_ww_class *ww_class, struct resv_ww_stats *stats);

/**
 * Begins an attempt. Unlike Linux's it takes no stamp yet, unless the class is eager: the context gets one when it first
 * meets contention, and keeps it over every retry.
 */
void resv_ww_acquire_init(struct resv_ww_acquire_ctx *ctx, struct resv_ww_class *ww_class);

/** States that the context will take no further lock. Debug builds report one that is. */
void resv_ww_acquire_done(struct resv_ww_acquire_ctx *ctx);

/** Ends the attempt. Locks that are still held are released, with a report in debug builds. */
void resv_ww_acquire_fini(struct resv_ww_acquire_ctx *ctx);

/** Releases all that the context holds, with one full fence. Ours alone. Does not sleep. */
void resv_ww_acquire_unlock_all(struct resv_ww_acquire_ctx *ctx);

/** Gives up the lock that the last -EDEADLK was about; otherwise debug builds expect it next. Ours alone. */
void resv_ww_acquire_abandon(struct resv_ww_acquire_ctx *ctx);

/** Makes an unlocked mutex of the class. */
void resv_ww_mutex_init(struct resv_ww_mutex *lock, struct resv_ww_class *ww_class);

/** Ends the mutex's life. Debug builds report one that is locked or waited for. */
void resv_ww_mutex_destroy(struct resv_ww_mutex *lock);

/**
 * Takes the lock, waiting if need be; with `ctx` NULL as a plain mutex that never backs off.
 * Returns 0; -EALREADY if the context (or, without one, the task, where Linux hangs) holds it already; -EDEADLK if
 * the context must release all that it holds, and then take this lock with resv_ww_mutex_lock_slow(). In debug builds
 * -EINVAL for a lock of another class, an unusable lock or context.
 */
RESV_NODISCARD int resv_ww_mutex_lock(struct resv_ww_mutex *lock, struct resv_ww_acquire_ctx *ctx);

/** The same; a signal ends the wait with -EINTR. */
RESV_NODISCARD int resv_ww_mutex_lock_interruptible(struct resv_ww_mutex *lock,
						    struct resv_ww_acquire_ctx *ctx);

/** The same; a fatal signal ends the wait with -EINTR. Ours alone. */
RESV_NODISCARD int resv_ww_mutex_lock_killable(struct resv_ww_mutex *lock, struct resv_ww_acquire_ctx *ctx);

/** The same; gives up with -ETIME after `ns` nanoseconds; 0 and less: does not wait. Ours alone. */
RESV_NODISCARD int resv_ww_mutex_lock_timeout(struct resv_ww_mutex *lock, struct resv_ww_acquire_ctx *ctx,
					      int64_t ns);

/** Takes the lock that the last -EDEADLK was about. The context must hold nothing: then it cannot fail. */
void resv_ww_mutex_lock_slow(struct resv_ww_mutex *lock, struct resv_ww_acquire_ctx *ctx);

/** The same; a signal ends the wait with -EINTR, and the context still owes that lock a visit. */
RESV_NODISCARD int resv_ww_mutex_lock_slow_interruptible(struct resv_ww_mutex *lock,
							 struct resv_ww_acquire_ctx *ctx);

/** Returns 1 if the lock was free and is now held, otherwise 0. Does not sleep. `ctx` may be NULL. */
RESV_NODISCARD int resv_ww_mutex_trylock(struct resv_ww_mutex *lock, struct resv_ww_acquire_ctx *ctx);

/** Releases the lock, in any order among several. For the task that took it. Does not sleep. */
void resv_ww_mutex_unlock(struct resv_ww_mutex *lock);

/** Racy unless the caller holds the lock. Context: any. */
bool resv_ww_mutex_is_locked(const struct resv_ww_mutex *lock);

/** Reports, in debug builds, a caller that does not hold the lock. Ours alone. */
void resv_ww_mutex_assert_held(struct resv_ww_mutex *lock);

/**
 * The context that holds the lock, or NULL: free, or held without one. To be compared with the caller's own. Ours
 * alone. Context: any.
 */
struct resv_ww_acquire_ctx *resv_ww_mutex_locking_ctx(const struct resv_ww_mutex *lock);

/**
 * Tells, line by line, without newlines: who holds the lock, with which context and stamp, who waits, and with
 * CONFIG_PROVE_LOCKING where it was taken and how long ago. `emit` is called with the lock's wait list held: it must not
 * sleep, nor take a lock of this library. Ours alone. Does not sleep.
 */
void resv_ww_mutex_describe(struct resv_ww_mutex *lock, void (*emit)(const char *line, void *data),
			    void *data);

/* ---- Reservation object ---------------------------------------------------------------------------------------- */

/** Who may touch a buffer now, and the fences of what has to happen before others may. Linux: struct dma_resv. */
struct resv_object {
	uintptr_t opaque[RESV_OBJECT_WORDS];
};

/** The class of all reservation objects: wait-die. Linux: reservation_ww_class. */
extern struct resv_ww_class resv_reservation_ww_class;

/** Makes an unreserved object. */
void resv_init(struct resv_object *obj);

/** Ends the object's life, and drops its fences. Debug builds report one that is reserved or waited for. */
void resv_fini(struct resv_object *obj);

/**
 * Reserves the object; results as resv_ww_mutex_lock(). Under CONFIG_PROVE_LOCKING it first records, contended or
 * not, that it might have to wait for an unreserve.
 */
RESV_NODISCARD int resv_lock(struct resv_object *obj, struct resv_ww_acquire_ctx *ctx);

/** The same; a signal ends the wait with -EINTR. */
RESV_NODISCARD int resv_lock_interruptible(struct resv_object *obj, struct resv_ww_acquire_ctx *ctx);

/** Reserves the object that the last -EDEADLK was about. The context must hold nothing: then it cannot fail. */
void resv_lock_slow(struct resv_object *obj, struct resv_ww_acquire_ctx *ctx);

/** The same; a signal ends the wait with -EINTR. */
RESV_NODISCARD int resv_lock_slow_interruptible(struct resv_object *obj, struct resv_ww_acquire_ctx *ctx);

/**
 * Reserves the object if that needs no waiting. Linux's has no `ctx`; NULL does what Linux's does. Does not sleep:
 * this is the form for eviction, swapout and destruction.
 */
RESV_NODISCARD bool resv_trylock(struct resv_object *obj, struct resv_ww_acquire_ctx *ctx);

/** Ends the reservation. For the task that holds it. Does not sleep. */
void resv_unlock(struct resv_object *obj);

/** Racy unless the caller holds the reservation. Context: any. */
bool resv_is_locked(const struct resv_object *obj);

/** The context that holds the reservation, or NULL; to be compared with the caller's own. Context: any. */
struct resv_ww_acquire_ctx *resv_locking_ctx(const struct resv_object *obj);

/** Reports, in debug builds, a caller that does not hold the reservation. */
void resv_assert_held(struct resv_object *obj);

/**
 * Waits until whoever holds the reservation now has ended it; does not take it. The caller must hold no reservation.
 * Returns 0; -EINTR for a signal if `interruptible`; -EALREADY if the caller is the holder; -EDEADLK if it would wait
 * while `ctx` holds others. `ctx` may be NULL. Under CONFIG_PROVE_LOCKING it records a lock/unlock cycle. Linux, until
 * 5.3: ttm_bo_wait_unreserved().
 */
RESV_NODISCARD int resv_wait_for_unreserve(struct resv_object *obj, struct resv_ww_acquire_ctx *ctx,
					   bool interruptible);

/* ---- Its fences ------------------------------------------------------------------------------------------------- */

/** What a fence is about. Whoever asks for one gets those before it as well. Linux: enum dma_resv_usage. */
enum resv_usage {
	RESV_USAGE_KERNEL, /**< memory management: moving or clearing the contents; everybody waits for it */
	RESV_USAGE_WRITE,  /**< writes the contents */
	RESV_USAGE_READ,   /**< reads the contents */
	RESV_USAGE_BOOKKEEP, /**< neither: only keeps the memory where it is */
};

/** What one who writes, or only reads, has to wait for. */
static inline enum resv_usage resv_usage_rw(bool write)
{
	return write ? RESV_USAGE_READ : RESV_USAGE_WRITE;
}

/**
 * Makes room for `num_fences` more, beyond those that were promised before; Linux's promises them in all. Void when the
 * reservation ends, without which debug builds report the call: -EINVAL. Up to 4 fences need no memory. Returns 0;
 * -ENOMEM; -EINVAL, and a report, for 0. May sleep.
 */
RESV_NODISCARD int resv_reserve_fences(struct resv_object *obj, unsigned num_fences);

/**
 * Adds a fence, with a reference of its own; the reservation is held. Takes up one of the promised places. Without one
 * nothing changes, and that is a report in every build, and -ENOSPC; Linux's stops the system. Otherwise 0; also for a
 * fence made of others, which is reported in every build. Does not sleep.
 */
int resv_add_fence(struct resv_object *obj, struct resv_fence *fence, enum resv_usage usage);

/** Puts `fence` in the place of all fences of that timeline; the reservation is held. Does not sleep. */
void resv_replace_fences(struct resv_object *obj, uint64_t context, struct resv_fence *fence,
			 enum resv_usage usage);

/** Makes the fences of `dst`, whose reservation is held, those of `src`, whose is not. Returns 0 or -ENOMEM. May sleep. */
RESV_NODISCARD int resv_copy_fences(struct resv_object *dst, const struct resv_object *src);

/** All that have not been signaled: an array from resv_port_alloc(), for the caller to free, and references for him to
 * drop; NULL if there are none. Returns 0 or -ENOMEM. May sleep. */
RESV_NODISCARD int resv_get_fences(const struct resv_object *obj, enum resv_usage usage, unsigned *num_fences,
				   struct resv_fence ***fences);

/** The same as one fence, with a reference; NULL if there are none. Returns 0 or -ENOMEM. May sleep. */
RESV_NODISCARD int resv_get_singleton(const struct resv_object *obj, enum resv_usage usage,
				      struct resv_fence **fence);

/** Have all been signaled, at one moment? May run callbacks of others. Context: any. */
bool resv_test_signaled(const struct resv_object *obj, enum resv_usage usage);

/** Waits for all of them. Returns as resv_fence_wait_timeout(). May sleep. Linux: -ERESTARTSYS for -EINTR. */
RESV_NODISCARD int64_t resv_wait_timeout(const struct resv_object *obj, enum resv_usage usage, bool intr,
					 int64_t timeout_ns);

/** Tells the drivers when somebody would like to have them signaled, by resv_port_clock(). Context: any. */
void resv_set_deadline(const struct resv_object *obj, enum resv_usage usage, int64_t deadline_ns);

/** Tells, line by line, without newlines: what resv_ww_mutex_describe() tells of the reservation, and then each fence,
 * of all usages, signaled ones as well: what it is for, its address, the names of who made it, context and seqno;
 * signaled or not, how long ago, and with which error. Each line is true at its time. `emit` must not sleep, nor use the
 * library. Need not be held. Context: any in which fences may be released. Linux: dma_resv_describe(), without the
 * fences for bookkeeping and without the holder. */
void resv_describe(struct resv_object *obj, void (*emit)(const char *line, void *data), void *data);

/** A walk over the fences. On the stack. Linux: struct dma_resv_iter. */
struct resv_iter {
	/* private: laid out as resv::fence_cursor */
	uintptr_t opaque[3];
	unsigned opaque_counts[3];
	bool opaque_flag;
};

/** Begins and ends a walk; end drops the reference that an unlocked one has. */
void resv_iter_begin(struct resv_iter *cursor, const struct resv_object *obj, enum resv_usage usage);
void resv_iter_end(struct resv_iter *cursor);

/** With the reservation held: every fence, signaled or not, without a reference. NULL: no more. */
struct resv_fence *resv_iter_first(struct resv_iter *cursor);
struct resv_fence *resv_iter_next(struct resv_iter *cursor);

/** Without: those that have not been signaled, valid until the next call. Begins again when the fences have changed; then
 * resv_iter_is_restarted(), as for the first, and what was gathered is void. Context: any. */
struct resv_fence *resv_iter_first_unlocked(struct resv_iter *cursor);
struct resv_fence *resv_iter_next_unlocked(struct resv_iter *cursor);
bool resv_iter_is_restarted(const struct resv_iter *cursor);

/** What the current fence was added as. */
enum resv_usage resv_iter_usage(const struct resv_iter *cursor);

/** The walk with the reservation held; needs no end. */
#define resv_for_each_fence(cursor, obj, usage, fence)                                        \
	for (resv_iter_begin(cursor, obj, usage), (fence) = resv_iter_first(cursor); (fence); \
	     (fence) = resv_iter_next(cursor))

/** The walk without; between resv_iter_begin() and resv_iter_end(). */
#define resv_for_each_fence_unlocked(cursor, fence) \
	for ((fence) = resv_iter_first_unlocked(cursor); (fence); (fence) = resv_iter_next_unlocked(cursor))

/* ---- Transaction ----------------------------------------------------------------------------------------------- */

/** Reserves many objects and owns the back-off. Allocation-free. On the task's stack. Linux: struct drm_exec. */
struct resv_exec {
	uintptr_t opaque[RESV_WW_CTX_WORDS + 3 + 16 / sizeof(uintptr_t)];
};

#define RESV_EXEC_INTERRUPTIBLE_WAIT 1u /**< a signal ends each wait with -EINTR */
#define RESV_EXEC_IGNORE_DUPLICATES \
	2u /**< an object that is reserved already counts as reserved: 0, not -EALREADY */

/** Begins a transaction. Unlike Linux's it needs no estimate of the number of objects. */
void resv_exec_init(struct resv_exec *exec, unsigned flags);

/** Releases all that is still reserved, with one full fence, and ends the transaction. */
void resv_exec_fini(struct resv_exec *exec);

/**
 * Reserves one object. Returns 0; -EALREADY if the transaction holds it (0 with RESV_EXEC_IGNORE_DUPLICATES); -EINTR;
 * -EDEADLK when everything has been released and the loop must start over, see resv_exec_retry_on_contention().
 */
RESV_NODISCARD int resv_exec_lock_obj(struct resv_exec *exec, struct resv_object *obj);

/** Ends one reservation early. */
void resv_exec_unlock_obj(struct resv_exec *exec, struct resv_object *obj);

/**
 * Reserves one object and makes room for fences, which may be 0, as resv_reserve_fences(): for as many more in an object
 * that the transaction holds, for which the result is the same as of resv_exec_lock_obj(). Returns -ENOMEM, too; an object
 * that was not reserved before is not then.
 */
RESV_NODISCARD int resv_exec_prepare_obj(struct resv_exec *exec, struct resv_object *obj,
					 unsigned num_fences);

/** The same for each of the objects; returns the first error. */
RESV_NODISCARD int resv_exec_prepare_array(struct resv_exec *exec, struct resv_object *const *objs,
					   unsigned num_objects, unsigned num_fences);

/**
 * Reserves `count` objects in one call: waits, backs off and starts over as often as it takes. Duplicates are fine
 * whatever the flags say. Makes room for `fences_each` fences in each, as often as it comes up; 0: for none.
 * Returns 0, or -EINTR or -ENOMEM with nothing reserved. -EDEADLK only if something was reserved before the call: that has been
 * released too and the loop must start over. Ours alone.
 */
RESV_NODISCARD int resv_exec_reserve(struct resv_exec *exec, struct resv_object *const *objs, size_t count,
				     unsigned fences_each);

/** Has the transaction met contention, so that everything was released? */
bool resv_exec_is_contended(const struct resv_exec *exec);

/** private: opens a pass of the loop below; false when the last pass met no contention */
bool resv_exec_next_pass_(struct resv_exec *exec);
/** private: the reserved objects in the order of reserving */
struct resv_object *resv_exec_first_(const struct resv_exec *exec);
struct resv_object *resv_exec_next_(const struct resv_object *obj);

/**
 * Runs the block that follows until it reserved all that it wants without contention:
 *
 *     resv_exec_until_all_locked(&exec) {
 *             err = resv_exec_lock_obj(&exec, obj);
 *             resv_exec_retry_on_contention(&exec);
 *             if (err)
 *                     break;
 *     }
 *
 * `break` and `goto` leave it; resv_exec_fini() then releases what is held. C++ code that holds objects with
 * destructors inside the block uses resv::transaction::run() instead.
 */
#define resv_exec_until_all_locked(exec)                                                               \
	RESV_PASTE_(resv_exec_pass_, __LINE__)                                                         \
		: for (void *resv_exec_pass = __extension__ && RESV_PASTE_(resv_exec_pass_, __LINE__); \
		       (void)resv_exec_pass, resv_exec_next_pass_(exec);)

/** Inside that block, from any depth of loops: starts over if the last call met contention. */
#define resv_exec_retry_on_contention(exec)                       \
	do {                                                      \
		if (resv_exec_is_contended(exec))                 \
			__extension__({ goto *resv_exec_pass; }); \
	} while (0)

/** Walks the reserved objects in the order of reserving; `index` counts them. The block must not unlock `obj`. */
#define resv_exec_for_each_locked_object(exec, index, obj) \
	for ((index) = 0, (obj) = resv_exec_first_(exec); (obj); (index)++, (obj) = resv_exec_next_(obj))

/* ---- Assertions -------------------------------------------------------------------------------------------------- */

/**
 * Reports, in debug builds, a caller that does not hold this: a reservation object, a ww_mutex, or the
 * resv_lockdep_map of a lock of the driver's own. Linux: lockdep_assert_held().
 */
#ifdef __cplusplus
} /* extern "C" */
inline void resv_lockdep_assert_held(struct resv_object *obj)
{
	resv_assert_held(obj);
}
inline void resv_lockdep_assert_held(struct resv_ww_mutex *lock)
{
	resv_ww_mutex_assert_held(lock);
}
inline void resv_lockdep_assert_held(struct resv_lockdep_map *map)
{
	resv_lockdep_assert_map_held_(map);
}
extern "C" {
#else
#define resv_lockdep_assert_held(held)                                  \
	_Generic((held), struct resv_object *                           \
		 : resv_assert_held, struct resv_ww_mutex *             \
		 : resv_ww_mutex_assert_held, struct resv_lockdep_map * \
		 : resv_lockdep_assert_map_held_)(held)
#endif

#define RESV_PASTE_(a, b)  RESV_PASTE2_(a, b)
#define RESV_PASTE2_(a, b) a##b

#ifdef __cplusplus
}
#endif

#endif /* RESV_RESV_H */
