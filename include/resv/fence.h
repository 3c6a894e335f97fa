/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Fences for C: something that will happen once, for others to wait for. Part of <resv/resv.h>. In Linux, struct
 * dma_fence: resv_fence_*() is dma_fence_*() there, with the same parameters; what differs, or is ours alone, is said at
 * the function.
 *
 * Who signals a fence has promised to, as soon as anybody else can see it: it may take no reservation on its way, and
 * wait for no memory; see resv_fence_begin_signalling(). Who holds a reservation may wait for a fence.
 */
#ifndef RESV_FENCE_H
#define RESV_FENCE_H

#include <resv/config.h>
#include <resv/lockdep.h>
#include <resv/port.h>
#include <resv/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct resv_fence;
struct resv_fence_cb;

/** What a driver does for its fences. Static. All but the names may be NULL. */
struct resv_fence_ops {
	/** For describe and reports. Not called after the fence has been signaled. Context: any, in a read-side
	 * section. */
	const char *(*get_driver_name)(struct resv_fence *fence);
	const char *(*get_timeline_name)(struct resv_fence *fence);

	/** Somebody waits: see to it that the fence is signaled. Once at most, under the fence's lock. False: it has
	 * happened already. Context: any. */
	bool (*enable_signaling)(struct resv_fence *fence);

	/** Has it happened, although nobody called signal yet? Context: any, in a read-side section. */
	bool (*signaled)(struct resv_fence *fence);

	/** The last reference is gone. Frees the fence, with resv_fence_free() or not before all readers that are
	 * there have left. Without it the fence is freed by resv_fence_free(). A fence of such ops keeps them after it
	 * was signaled, so that the module that has them must stay while the fence exists. Context: any. */
	void (*release)(struct resv_fence *fence);

	/** Somebody would like it to happen until `deadline_ns`, of resv_port_clock(). Context: any. */
	void (*set_deadline)(struct resv_fence *fence, int64_t deadline_ns);
};

/**
 * A fence: 64 bytes. A driver embeds it as the first member of memory from resv_port_alloc(), or has a release op.
 * `context` and `seqno` do not change.
 */
struct resv_fence {
	uint64_t context; /**< the timeline that it is on */
	uint64_t seqno;   /**< on one timeline, fences are signaled in this order */
	/* private: laid out as resv::fence */
	uint64_t opaque[6];
};

/** Called when the fence is signaled, in the order of adding, under the fence's lock. The callback is not queued any
 * more and may be freed or added elsewhere; the fence may not be waited for. Context: any. */
typedef void (*resv_fence_func_t)(struct resv_fence *fence, struct resv_fence_cb *cb);

/** A callback that waits for a fence. The caller's storage, until it was called or removed. */
struct resv_fence_cb {
	/* private */
	struct resv_fence_cb *next, *prev;
	resv_fence_func_t func;
};

/**
 * Makes a fence with one reference, the caller's. `lock` guards its callbacks and may be shared by many; it must then
 * outlive them all. NULL, which Linux 6.12 does not have: the fence has a lock of its own. `ops` may be NULL: nothing to
 * do, and no names. Context: any.
 */
void resv_fence_init(struct resv_fence *fence, const struct resv_fence_ops *ops,
		     struct resv_port_spinlock *lock, uint64_t context, uint64_t seqno);

/** `num` timelines of their own; returns the first. Context: any. */
uint64_t resv_fence_context_alloc(unsigned num);

/** A fence that was signaled long ago; a reference to it, for the caller. */
struct resv_fence *resv_fence_get_stub(void);

/** One more reference, on a fence to which the caller has one. NULL: NULL. Returns it. Context: any. */
struct resv_fence *resv_fence_get(struct resv_fence *fence);

/** A reference to a fence that was found in a read-side section; NULL if its last one is gone. Context: any. */
struct resv_fence *resv_fence_get_rcu(struct resv_fence *fence);

/** Drops a reference; NULL: nothing. With the last one the fence is released. If it has not been signaled and somebody
 * waits for it, that is reported, and it is signaled with the error -EDEADLK. Context: any. */
void resv_fence_put(struct resv_fence *fence);

/** Frees a fence once all readers have left that may have found it: what a release op ends with. Context: any. */
void resv_fence_free(struct resv_fence *fence);

/** It has happened: calls the callbacks, wakes who waits. Returns 0, or -EINVAL if it was signaled before. What the
 * caller wrote is seen by whoever sees the fence signaled. The caller keeps a reference meanwhile. Context: any, the
 * fence's lock not held. */
int resv_fence_signal(struct resv_fence *fence);

/** The same, with the fence's lock held. */
int resv_fence_signal_locked(struct resv_fence *fence);

/** The same, and says when it happened, by resv_port_clock(). */
int resv_fence_signal_timestamp(struct resv_fence *fence, int64_t timestamp_ns);

/** Has it happened? Asks the driver, too, and if he says so signals it: that may run callbacks of others. Context:
 * any. */
bool resv_fence_is_signaled(struct resv_fence *fence);

/** Has it been signaled? Looks at one bit, and runs nobody's code. Linux: dma_fence_test_signaled_flag(). Context:
 * any. */
bool resv_fence_test_signaled(const struct resv_fence *fence);

/** 0: not yet; 1: signaled; negative: signaled with that error. Context: any. */
int resv_fence_get_status(struct resv_fence *fence);

/** What happened is a failure. `error`: a negative errno value. By who signals the fence, before that; anything else is
 * reported and ignored. Context: any. */
void resv_fence_set_error(struct resv_fence *fence, int error);

/** When it happened, by resv_port_clock(); 0: it has not. Context: any. */
int64_t resv_fence_timestamp(const struct resv_fence *fence);

/** Is `a` after `b`, on the same timeline? Otherwise reported, and false. Seqnos have 64 bits and do not wrap. */
bool resv_fence_is_later(const struct resv_fence *a, const struct resv_fence *b);

/** Has `func` called when the fence is signaled. Returns 0; -ENOENT if it was already, `func` is then not called and
 * `cb` not queued; -EINVAL without a fence or `func`. Context: any. */
RESV_NODISCARD int resv_fence_add_callback(struct resv_fence *fence, struct resv_fence_cb *cb,
					   resv_fence_func_t func);

/** Takes the callback back. False: it has been called, has returned, and was not queued any more. Context: any, but not
 * in a callback of this fence. */
bool resv_fence_remove_callback(struct resv_fence *fence, struct resv_fence_cb *cb);

/** Asks the driver to get to it, as if somebody waited. Context: any. */
void resv_fence_enable_sw_signaling(struct resv_fence *fence);

/** Hands a wish on to the driver; a signaled fence has none. Context: any. */
void resv_fence_set_deadline(struct resv_fence *fence, int64_t deadline_ns);

/** Waits for the fence. Returns 0, or -EINTR for a signal if `intr`. May sleep. Linux: -ERESTARTSYS. */
RESV_NODISCARD int64_t resv_fence_wait(struct resv_fence *fence, bool intr);

/** The same, for at most `timeout_ns`. Returns what is left of that, 1 at least (RESV_WAIT_FOREVER stays that); 0 when
 * it has run out; -EINTR; -EINVAL for a negative one. With 0 it does not wait: 1 if the fence is signaled. */
RESV_NODISCARD int64_t resv_fence_wait_timeout(struct resv_fence *fence, bool intr, int64_t timeout_ns);

/** Waits for one of `count` fences, and tells which through `idx`, which may be NULL. Returns as
 * resv_fence_wait_timeout(); -EINVAL without fences as well, and -ENOMEM, with more than 8 of them only. */
RESV_NODISCARD int64_t resv_fence_wait_any_timeout(struct resv_fence **fences, unsigned count, bool intr,
						   int64_t timeout_ns, unsigned *idx);

/** The names of who made it, and what it is on; of a signaled fence, that it is signaled. Valid in the read-side
 * section of the caller. Context: any. */
const char *resv_fence_driver_name(struct resv_fence *fence);
const char *resv_fence_timeline_name(struct resv_fence *fence);

/* ---- Fences made of fences. They keep ops of this library after the signal: see resv_fence_ops.release. ------------- */

/** A fence for several: signaled with all of them, or with the first if `signal_on_any`; its error is the first among
 * theirs. Takes over `fences`, from resv_port_alloc(), and the references in it; NULL if there is no memory, then it
 * does not. No member may be made of fences itself; reported, and NULL. May sleep. */
struct resv_fence *resv_fence_array_create(int num_fences, struct resv_fence **fences, uint64_t context,
					   unsigned seqno, bool signal_on_any);

/** Is it an array, a chain, or either? Context: any. */
bool resv_fence_is_array(const struct resv_fence *fence);
bool resv_fence_is_chain(const struct resv_fence *fence);
bool resv_fence_is_container(const struct resv_fence *fence);

/** A link of a chain: signaled once its own fence and all links before it are. It has no error of its own. */
struct resv_fence_chain {
	struct resv_fence base;
	/* private */
	uintptr_t opaque[8];
};

/** Memory for a link, or NULL. May sleep. */
struct resv_fence_chain *resv_fence_chain_alloc(void);
/** Frees a link that was never made. */
void resv_fence_chain_free(struct resv_fence_chain *chain);

/** Makes the link `seqno` out of a fence, behind `prev`, which may be NULL or no link; takes over a reference to
 * both. If `prev` is a link with a lower seqno, this one is on its timeline; otherwise it begins one, with a seqno not
 * lower than that. `fence` may be no link, which is reported. Context: any. */
void resv_fence_chain_init(struct resv_fence_chain *chain, struct resv_fence *prev, struct resv_fence *fence,
			   uint64_t seqno);

/** The link before, with a reference for the caller, who gives up his to `fence`; NULL at the end. Drops signaled links
 * from the chain on its way. Context: any. */
struct resv_fence *resv_fence_chain_walk(struct resv_fence *fence);

/** Makes `*pfence`, a reference, the first link that stands for `seqno`: signaled with it. NULL: that has been signaled
 * already. Returns 0, or -EINVAL for no chain or a seqno that is to come. Context: any. */
RESV_NODISCARD int resv_fence_chain_find_seqno(struct resv_fence **pfence, uint64_t seqno);

/** The fence in a link, or the fence itself, without a reference. */
struct resv_fence *resv_fence_chain_contained(struct resv_fence *fence);

/** Walks all fences that chains and arrays are made of. */
struct resv_fence_unwrap {
	struct resv_fence
		*chain; /**< the link, or the fence at its end: a reference, while the walk goes on */
	struct resv_fence *array; /**< the fence in that */
	unsigned index;           /**< and where in it, if it is an array */
};

/** The first and the next fence; NULL: no more. One that breaks the walk off calls resv_fence_put(cursor->chain). The
 * result is valid until the next call. Linux: dma_fence_unwrap_first(). Context: any. */
struct resv_fence *resv_fence_unwrap_first(struct resv_fence *head, struct resv_fence_unwrap *cursor);
struct resv_fence *resv_fence_unwrap_next(struct resv_fence_unwrap *cursor);

#define resv_fence_unwrap_for_each(fence, cursor, head)                \
	for ((fence) = resv_fence_unwrap_first(head, cursor); (fence); \
	     (fence) = resv_fence_unwrap_next(cursor))

/** One fence for all of these, as flat as can be: unwrapped, without signaled ones, the latest of each timeline. With
 * none left it is a signaled fence, with the latest timestamp among theirs. NULL if there is no memory. Takes over no
 * reference. May sleep. Linux: dma_fence_unwrap_merge(). */
struct resv_fence *resv_fence_merge(unsigned num_fences, struct resv_fence **fences);

#ifdef __cplusplus
}
#endif

#endif /* RESV_FENCE_H */
