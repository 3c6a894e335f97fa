/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The annotator for C: what a driver's own locks tell the lock-order checker, and what it tells back. Part of
 * <resv/resv.h>; reservations and ww_mutexes annotate themselves.
 *
 * lock_acquire() is resv_lockdep_acquire() here, lockdep_*() is resv_lockdep_*(): same parameters, same meaning; what
 * differs, or is ours alone, is said at the function. With CONFIG_PROVE_LOCKING unset all of it costs nothing, and maps
 * and keys take no space in any object.
 *
 * The annotator allocates nothing, never sleeps, and may be called in any context, but it ignores non-maskable
 * interrupts. After a report it goes on: the order that it found wrong is refused and remembered, so that each bug is
 * reported once, and the next one as well.
 */
#ifndef RESV_LOCKDEP_H
#define RESV_LOCKDEP_H

#include <resv/config.h>
#include <resv/report.h>
#include <resv/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How a lock makes its taker wait, and what its holder may do: a lock whose `outer` type is greater than the `inner`
 * type of one that is held is reported. Linux: enum lockdep_wait_type. */
enum resv_lockdep_wait_type {
	RESV_LD_WAIT_INV = 0,    /**< not checked */
	RESV_LD_WAIT_FREE = 1,   /**< never waits: RCU */
	RESV_LD_WAIT_SPIN = 2,   /**< spins on every kernel: raw_spinlock_t */
	RESV_LD_WAIT_CONFIG = 3, /**< spins, but sleeps on PREEMPT_RT: spinlock_t */
	RESV_LD_WAIT_SLEEP = 4,  /**< sleeps: mutexes, ww_mutexes, reservations */
};

enum resv_lockdep_lock_type {
	RESV_LD_LOCK_NORMAL = 0,
	RESV_LD_LOCK_WAIT_OVERRIDE = 1, /**< its inner wait type holds whatever else is held */
	/** An acquire context: locks that nest in it may be many of one class, but keep their order against all others.
	 * Ours alone: Linux lets locks nested in a context come after anything. */
	RESV_LD_LOCK_CONTEXT = 2,
};

/** What resv_lockdep_is_held() says. */
enum resv_lockdep_state {
	RESV_LOCK_STATE_UNKNOWN =
		-1, /**< the annotator cannot know: no room for this task, or a lock was lost */
	RESV_LOCK_STATE_NOT_HELD = 0,
	RESV_LOCK_STATE_HELD = 1,
};

/** Proves that a lock stayed held between pin and unpin. */
struct resv_pin_cookie {
	unsigned val;
};

/** What the annotator has seen so far; each limit is an option of Kconfig. */
struct resv_lockdep_stats {
	unsigned classes;
	unsigned classes_max;
	unsigned dependencies; /**< orders that were seen and accepted */
	unsigned refused;      /**< orders that were reported, and not accepted */
	unsigned edges;        /**< of the graph; a dependency takes one or two */
	unsigned edges_max;
	unsigned trace_words;
	unsigned trace_words_max;
	unsigned reports;
	unsigned long lost_classes; /**< acquisitions of locks whose class found no room: not checked */
	unsigned long lost_edges;   /**< orders that found no room: not checked */
	unsigned long lost_traces;  /**< traces that found no room: reports are short of them */
	unsigned long lost_held;    /**< acquisitions that found no room in their task's stack */
	unsigned long lost_tasks;   /**< annotations of tasks that found no room at all */
	unsigned long lost_reports; /**< reports beyond CONFIG_RESV_LOCKDEP_REPORTS */
};

/** Contention and hold times of one class, with CONFIG_RESV_LOCK_STAT. Nanoseconds. */
struct resv_lockdep_class_stats {
	const char *name;
	unsigned long acquisitions;
	unsigned long contentions;
	uint64_t wait_total, wait_max;
	uint64_t hold_total, hold_max;
};

#if RESV_PROVE_LOCKING

/** Identifies a lock class by its address. Static storage. */
struct resv_lock_class_key {
	char subclass[8];
};

/** What the annotator knows of one lock instance. Static ones begin with RESV_LOCKDEP_MAP_INIT. */
struct resv_lockdep_map {
	/* private: laid out as resv::lockdep_map */
	const char *key;
	const char *name;
	uint32_t classes;
	uint8_t inner, outer, kind, entry;
	uintptr_t holder;
};

#define RESV_LOCKDEP_MAP_INIT(name, lock_key)                \
	{                                                    \
		(lock_key)->subclass, name, 0, 0, 0, 0, 0, 0 \
	}

/* Each function is declared once; without the annotator it is an empty one that the compiler drops. */
#define RESV_LD_FN
#define RESV_LD_OFF(...)

#else

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wpedantic" /* an array of 0 is the one way to size 0 in both languages */
#ifdef __clang__
#pragma GCC diagnostic ignored "-Wextern-c-compat"
#endif
struct resv_lock_class_key {
	char none[0];
};
struct resv_lockdep_map {
	char none[0];
};

#define RESV_LOCKDEP_MAP_INIT(name, lock_key) \
	{}

#define RESV_LD_FN static inline
#define RESV_LD_OFF(...)    \
	{                   \
		__VA_ARGS__ \
	}

#endif

/* ---- Locks -------------------------------------------------------------------------------------------------------- */

/** Names `map` an instance of the class at `key`. `subclass`: 0 to 7, told apart as classes of their own. */
RESV_LD_FN void resv_lockdep_init_map(struct resv_lockdep_map *map, const char *name,
				      const struct resv_lock_class_key *key, int subclass) RESV_LD_OFF();

/** The same, and says how the lock waits. Linux: lockdep_init_map_type(). */
RESV_LD_FN void resv_lockdep_init_map_type(struct resv_lockdep_map *map, const char *name,
					   const struct resv_lock_class_key *key, int subclass,
					   enum resv_lockdep_wait_type inner,
					   enum resv_lockdep_wait_type outer,
					   enum resv_lockdep_lock_type type) RESV_LD_OFF();

/**
 * The caller takes the lock: called before it may wait, or, with `trylock`, after it succeeded. `read`: 0 exclusive,
 * 1 shared, 2 shared and recursive. `check` 0: recorded as held, and nothing else. `nest_lock`: a held lock that
 * serializes all of this class, or NULL. `ip` is the address that reports name as the place. Linux: lock_acquire().
 * Context: any.
 */
RESV_LD_FN void resv_lockdep_acquire(struct resv_lockdep_map *map, unsigned subclass, int trylock, int read,
				     int check, struct resv_lockdep_map *nest_lock, unsigned long ip)
	RESV_LD_OFF();

/** The caller drops the lock. Linux: lock_release(). Context: any. */
RESV_LD_FN void resv_lockdep_release(struct resv_lockdep_map *map, unsigned long ip) RESV_LD_OFF();

/** The caller waits for the lock's holder but does not take the lock. Linux: lock_sync(). Context: any. */
RESV_LD_FN void resv_lockdep_sync(struct resv_lockdep_map *map, unsigned subclass, int read, int check,
				  struct resv_lockdep_map *nest_lock, unsigned long ip) RESV_LD_OFF();

/** Does the calling task hold this very lock? One of enum resv_lockdep_state. */
RESV_LD_FN int resv_lockdep_is_held(const struct resv_lockdep_map *map)
	RESV_LD_OFF(return RESV_LOCK_STATE_UNKNOWN;);

/** The same, with `read` as for resv_lockdep_acquire(), or -1 for any. Linux: lock_is_held_type(). */
RESV_LD_FN int resv_lockdep_is_held_type(const struct resv_lockdep_map *map, int read)
	RESV_LD_OFF(return RESV_LOCK_STATE_UNKNOWN;);

/** private: see resv_lockdep_assert_held() in <resv/resv.h> */
RESV_LD_FN void resv_lockdep_assert_map_held_(struct resv_lockdep_map *map) RESV_LD_OFF();

/** Pins a held lock: its release before the unpin with the same cookie is reported. Linux: lockdep_pin_lock(). */
RESV_LD_FN struct resv_pin_cookie resv_lockdep_pin(struct resv_lockdep_map *map)
	RESV_LD_OFF(struct resv_pin_cookie none = {0}; return none;);
RESV_LD_FN void resv_lockdep_unpin(struct resv_lockdep_map *map, struct resv_pin_cookie cookie) RESV_LD_OFF();
/** Pins again with a cookie that an unpin has given back. */
RESV_LD_FN void resv_lockdep_repin(struct resv_lockdep_map *map, struct resv_pin_cookie cookie) RESV_LD_OFF();

/** Gives a lock another class: a held one is checked anew in its place among the held ones. Linux: lock_set_class() for
 * a held lock, lockdep_set_class() for another. */
RESV_LD_FN void resv_lockdep_set_class(struct resv_lockdep_map *map, const char *name,
				       const struct resv_lock_class_key *key, unsigned subclass,
				       unsigned long ip) RESV_LD_OFF();

/** The holder keeps the lock shared instead of exclusive. Linux: lock_downgrade(). */
RESV_LD_FN void resv_lockdep_downgrade(struct resv_lockdep_map *map, unsigned long ip) RESV_LD_OFF();

/** Orders locks of the map's class among themselves: negative if a task that holds `a` may take `b`. Both are held or
 * about to be. NULL: none. Linux: lock_set_cmp_fn(). */
typedef int (*resv_lockdep_cmp_fn)(const struct resv_lockdep_map *a, const struct resv_lockdep_map *b);
RESV_LD_FN void resv_lockdep_set_cmp_fn(struct resv_lockdep_map *map, resv_lockdep_cmp_fn fn) RESV_LD_OFF();

/** Memory is about to be freed or made anew: reports a lock in it that the caller holds. Linux:
 * debug_check_no_locks_freed(). */
RESV_LD_FN void resv_lockdep_free(const void *memory, size_t size) RESV_LD_OFF();

/** Forgets all classes whose keys lie in this memory, and their orders: for a module that is unloaded. None of these
 * locks may be held, nor taken again. Linux: lockdep_free_key_range(). */
RESV_LD_FN void resv_lockdep_unregister(const void *memory, size_t size) RESV_LD_OFF();

/** With CONFIG_RESV_LOCK_STAT: the caller, after acquire, is about to wait, or has got the lock after it waited. Linux:
 * lock_contended(), lock_acquired(). */
RESV_LD_FN void resv_lockdep_contended(struct resv_lockdep_map *map, unsigned long ip) RESV_LD_OFF();
RESV_LD_FN void resv_lockdep_acquired(struct resv_lockdep_map *map, unsigned long ip) RESV_LD_OFF();

/* ---- Ours alone ------------------------------------------------------------------------------------------------- */

/** A task that holds the lock gives it up so that another one, which calls handoff_in, will release it. What the second
 * takes while it holds the lock counts; the hand-over itself waits for nothing. */
RESV_LD_FN void resv_lockdep_handoff_out(struct resv_lockdep_map *map, unsigned long ip) RESV_LD_OFF();
RESV_LD_FN void resv_lockdep_handoff_in(struct resv_lockdep_map *map, unsigned long ip) RESV_LD_OFF();

/** States that `then` may be taken while `first` is held, before anybody does so. Returns 0, or -EDEADLK with a report
 * if the opposite has been seen. */
RESV_LD_FN int resv_lockdep_declare_order(struct resv_lockdep_map *first, struct resv_lockdep_map *then)
	RESV_LD_OFF(return 0;);

/** Until the matching end, a blocking reserve or a wait for an unreserve by the calling task is a bug: eviction, swapout
 * and destruction only ever try. Nests. */
RESV_LD_FN void resv_lockdep_no_blocking_begin(void) RESV_LD_OFF();
RESV_LD_FN void resv_lockdep_no_blocking_end(void) RESV_LD_OFF();

/** The kernel's own locks are invisible on a stock kernel: annotate these where the driver is called under them. */
extern struct resv_lockdep_map resv_lockdep_mmap_lock, resv_lockdep_fs_reclaim;
/** What resv_fence_might_wait() waits for. */
extern struct resv_lockdep_map resv_lockdep_fence;

/** Declares the order that every GPU driver keeps: mmap_lock, acquire context, reservation, fs_reclaim, fence wait.
 * Returns 0, or -EDEADLK as resv_lockdep_declare_order(). Linux: dma_resv_lockdep(). */
RESV_LD_FN int resv_lockdep_declare_driver_order(void) RESV_LD_OFF(return 0;);

/* ---- Fences ------------------------------------------------------------------------------------------------------- */

/** Everything up to the matching end is needed to signal a fence that others may wait for: it may not itself wait for
 * one, nor take a lock under which anybody waits for one. Returns what end wants. Linux: dma_fence_begin_signalling(). */
RESV_LD_FN bool resv_fence_begin_signalling(void) RESV_LD_OFF(return true;);
RESV_LD_FN void resv_fence_end_signalling(bool cookie) RESV_LD_OFF();

/** The caller is about to wait for a fence, or might have to. Linux: __dma_fence_might_wait(). */
RESV_LD_FN void resv_fence_might_wait(void) RESV_LD_OFF();

/* ---- What it knows ------------------------------------------------------------------------------------------------ */

/** Forgets all classes, orders, reports and counters. No annotated lock may be held. For tests. */
RESV_LD_FN void resv_lockdep_reset(void) RESV_LD_OFF();

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow" /* functions and structs of one name, as in C */
RESV_LD_FN void resv_lockdep_stats(struct resv_lockdep_stats *stats) RESV_LD_OFF();

/** The statistics of the class number `index`; false beyond the last. */
RESV_LD_FN bool resv_lockdep_class_stats(unsigned index, struct resv_lockdep_class_stats *stats)
	RESV_LD_OFF(return false;);
#pragma GCC diagnostic pop

/** The graph of orders in the DOT language, line by line, without newlines: refused orders, and the cycles that they
 * would close, in red. `emit` must not take annotated locks. */
RESV_LD_FN void resv_lockdep_dump_dot(void (*emit)(const char *line, void *data), void *data) RESV_LD_OFF();

/** What the calling task holds, in the kernel's format, line by line. Linux: debug_show_held_locks(). */
RESV_LD_FN void resv_lockdep_dump_held(void (*emit)(const char *line, void *data), void *data) RESV_LD_OFF();

#undef RESV_LD_FN
#undef RESV_LD_OFF
#if !RESV_PROVE_LOCKING
#pragma GCC diagnostic pop
#endif

#ifdef __cplusplus
}
#endif

#endif /* RESV_LOCKDEP_H */
