/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * LRUs for C: what a device may evict, the oldest first. Part of <resv/resv.h>.
 *
 * An LRU belongs to one device (or one of its memories), and an entry to one buffer there. The reservation object of a
 * buffer may be under several entries, on LRUs of several devices, and knows of none of them.
 *
 * Walks take the LRU's lock, and under it reservations, but those by trying alone; whoever waits for a reservation must
 * not hold the lock. Adding, deleting and moving is allowed with and without reservations.
 *
 * Linux: the lists of struct ttm_resource_manager, and ttm_lru_walk_for_evict().
 */
#ifndef RESV_LRU_H
#define RESV_LRU_H

#include <resv/config.h>
#include <resv/port.h>
#include <resv/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct resv_exec;
struct resv_lru;
struct resv_lru_bulk;
struct resv_object;
struct resv_ww_acquire_ctx;

/** A buffer's place on an LRU; embedded in the buffer. All zero: on none. 7 words, so that on 64 bits the owner word of
 * a reservation object right behind it shares its cache line, which makes walks as quick as they can be. */
struct resv_lru_entry {
	/* private: laid out as resv::lru_entry */
	struct resv_lru_entry *next, *prev;
	struct resv_lru *lru;
	struct resv_object *object;
	struct resv_lru_bulk *bulk;
	uintptr_t ahead;
	const void *ahead_object;
};

/** How buffers are kept alive, for those who wait for one. Static. */
struct resv_lru_ops {
	/** A reference to the buffer that has this entry. False: its last one is gone. Context: any, under the LRU's
	 * lock. */
	bool (*get)(struct resv_lru_entry *entry);
	/** Drops that reference. The LRU's lock is not held; the buffer's reservation may be. Must not sleep. */
	void (*put)(struct resv_lru_entry *entry);
};

#define RESV_LRU_AHEAD 32 /* entries */

/** The LRU of a device. */
struct resv_lru {
	/* private: laid out as resv::lru */
	struct resv_port_spinlock lock;
	struct resv_lru_entry head;
	struct resv_lru_entry *cursors;
	const struct resv_lru_ops *ops;
	unsigned long count;
	unsigned long at;
	struct resv_lru_entry *newest[RESV_LRU_AHEAD];
	const void *oldest[RESV_LRU_AHEAD];
};

/** Makes an empty LRU. `ops` may be NULL where nobody calls resv_lru_reserve_wait(). Context: any. */
void resv_lru_init(struct resv_lru *lru, const struct resv_lru_ops *ops);

/** Ends the LRU's life. One that is not empty is reported, in every build, and its entries are taken off. */
void resv_lru_fini(struct resv_lru *lru);

/** Puts the entry at the end, as the newest one. `obj` is what has to be reserved to evict the buffer; it must live as
 * long as it is the entry's. An entry that is on an LRU already is reported, in every build, and stays there. Context:
 * any, as for all functions up to the walks. */
void resv_lru_add(struct resv_lru *lru, struct resv_lru_entry *entry, struct resv_object *obj);

/** Takes the entry off its LRU, and out of its range; one that is on none stays so. */
void resv_lru_del(struct resv_lru_entry *entry);

/** The entry becomes the newest one of its LRU; one in a range, the newest of that. One on no LRU stays so. */
void resv_lru_move_tail(struct resv_lru_entry *entry);

/** From now on another object has to be reserved for the entry. Who walks and has reserved the old one under the LRU's
 * lock has done so before this call; who waits for the old one looks again. One on no LRU stays as it is. */
void resv_lru_set_object(struct resv_lru_entry *entry, struct resv_object *obj);

/** How many entries there are, now. */
unsigned long resv_lru_count(struct resv_lru *lru);

/* ---- Ranges ------------------------------------------------------------------------------------------------------ */

/** Entries of one LRU that are kept side by side and moved in one step, such as all buffers of a process. Linux: struct
 * ttm_lru_bulk_move. */
struct resv_lru_bulk {
	/* private */
	struct resv_lru *lru;
	struct resv_lru_entry *first, *last;
};

/** Makes an empty range. */
void resv_lru_bulk_init(struct resv_lru_bulk *bulk, struct resv_lru *lru);

/** Ends it: the entries stay where they are, each by itself. */
void resv_lru_bulk_fini(struct resv_lru_bulk *bulk);

/** The entry joins the range, as its newest; it leaves another one. The first of a range stays where it is. One that is
 * not on the range's LRU is reported, in every build, and left alone. */
void resv_lru_bulk_add(struct resv_lru_bulk *bulk, struct resv_lru_entry *entry);

/** The entry leaves its range; if need be it moves right behind it. */
void resv_lru_bulk_del(struct resv_lru_entry *entry);

/** The whole range becomes the newest of its LRU, in the same order, in one step. */
void resv_lru_bulk_move_tail(struct resv_lru_bulk *bulk);

/* ---- Walks ------------------------------------------------------------------------------------------------------- */

/** A place on an LRU, which stays where it is while entries come, go and move. On the walker's stack. */
struct resv_lru_cursor {
	/* private */
	struct resv_lru_entry mark;
};

/** Begins a walk before the oldest entry. Context: any, as for the next two. */
void resv_lru_cursor_begin(struct resv_lru_cursor *cursor, struct resv_lru *lru);

/** The next entry, with a reference by ops->get, for the caller; buffers whose last one is gone are passed over. On an
 * LRU without ops there is no reference, and the caller must know what keeps the buffer. NULL at the end. */
struct resv_lru_entry *resv_lru_cursor_next(struct resv_lru_cursor *cursor);

/** Ends the walk, anywhere. */
void resv_lru_cursor_end(struct resv_lru_cursor *cursor);

/** Who holds what on a device: tells of each entry's object, the oldest first, what resv_describe() tells, and at last
 * how many there are, reserved, and with fences that have not been signaled. It goes by a cursor, with the references
 * that those give, and calls `emit` without the LRU's lock. Where there are no ops, the caller keeps all objects that
 * the entries have or had meanwhile. Context: as resv_describe(). */
void resv_lru_describe(struct resv_lru *lru, void (*emit)(const char *line, void *data), void *data);

/** An answer of resv_lru_accept_fn to the first question: yes, and also if the caller's context has reserved it. */
#define RESV_LRU_OWN_TOO 2

/**
 * Does the buffer suit the caller? 0: no; 1: yes; or RESV_LRU_OWN_TOO. Called under the LRU's lock: must not sleep, nor
 * call functions of that LRU.
 *
 * `reserved`: the caller holds the reservation `obj`, and "yes" ends the walk with it. The place to take a reference to
 * the buffer, and to say no if its last one is gone: a reservation that several buffers share does not keep any of them.
 * Not `reserved`: the reservation is held already, and the caller is asked in advance. By others: the answer decides
 * between -EBUSY and -ENOENT; once one suits, later busy ones are not asked about. By the caller's own context: passed
 * over unless the answer is RESV_LRU_OWN_TOO; then comes the question with `reserved`.
 */
typedef int (*resv_lru_accept_fn)(struct resv_lru_entry *entry, struct resv_object *obj, bool reserved,
				  void *data);

/**
 * Reserves the oldest one that suits and that nobody holds. Never sleeps, and runs in a section of
 * resv_lockdep_no_blocking_begin(): the form for eviction, swapout, and interrupts-off contexts. The lock is dropped for
 * a moment now and then.
 *
 *   the LRU has                                      result
 *   a free one that suits                            0, *obj is reserved: the oldest such
 *   one of the context's own that it may have too    -EALREADY, *obj is reserved, as before (RESV_LRU_OWN_TOO)
 *   some that suit, all held by others               -EBUSY
 *   none that suits, or only the context's own       -ENOENT
 *
 * What the context holds itself is no candidate: a transaction does not evict what it is about to use, and waiting for
 * it makes no sense. An accept function that answers RESV_LRU_OWN_TOO gets it nevertheless, in its place in the order;
 * not to be unreserved by whoever asked for eviction alone. Linux: allow_res_evict. `ctx` may be NULL: then nothing is
 * one's own. While a resv_exec is open, its reservations are made by resv_lru_reserve_wait().
 */
RESV_NODISCARD int resv_lru_reserve_first(struct resv_lru *lru, struct resv_ww_acquire_ctx *ctx,
					  resv_lru_accept_fn accept, void *data, struct resv_object **obj);

/**
 * The same as part of a transaction, for callers that may sleep: if all that suit are busy, waits for the oldest of them,
 * without the lock, and looks whether it still suits; if not, starts over, `retries` times at most (0: only tries, and
 * never sleeps). Results as above, -EBUSY after the last retry; and
 *
 *   -EDEADLK   contention: all that the transaction held has been released, and its loop must start over. It has waited
 *              for the contended object, and keeps no pointer to it
 *   -EINTR     a signal, if the transaction wants to know
 *
 * The LRU must have ops.
 */
RESV_NODISCARD int resv_lru_reserve_wait(struct resv_lru *lru, struct resv_exec *exec,
					 resv_lru_accept_fn accept, void *data, unsigned retries,
					 struct resv_object **obj);

#ifdef __cplusplus
}
#endif

#endif /* RESV_LRU_H */
