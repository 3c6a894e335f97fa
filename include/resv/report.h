/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The rules that reports name, one kind each, and the hook that sees every report. */
#ifndef RESV_REPORT_H
#define RESV_REPORT_H

#ifdef __cplusplus
extern "C" {
#endif

enum resv_report_kind {
	RESV_REPORT_UNINITIALIZED,       /**< lock or context never initialised, ended, or destroyed */
	RESV_REPORT_WRONG_CLASS,         /**< lock and context are of different classes */
	RESV_REPORT_FOREIGN_CONTEXT,     /**< context used by a task that did not open it */
	RESV_REPORT_LOCK_AFTER_DONE,     /**< lock taken after ww_acquire_done */
	RESV_REPORT_DONE_TWICE,          /**< ww_acquire_done called twice */
	RESV_REPORT_STILL_HOLDING,       /**< after -EDEADLK, a lock is taken while others are still held */
	RESV_REPORT_WRONG_LOCK,          /**< after -EDEADLK, another lock than the contended one is taken */
	RESV_REPORT_DEADLK_IGNORED,      /**< a second -EDEADLK while the first is unresolved */
	RESV_REPORT_SLOW_WITHOUT_DEADLK, /**< lock_slow although no lock returned -EDEADLK */
	RESV_REPORT_SLOW_FAILED,    /**< lock_slow broke its rule and could not take the lock (every build) */
	RESV_REPORT_UNLOCK_FREE,    /**< unlock of a lock that nobody holds */
	RESV_REPORT_UNLOCK_FOREIGN, /**< unlock of a lock that another task holds */
	RESV_REPORT_FINI_HOLDING,   /**< context ended while it holds locks */
	RESV_REPORT_DESTROY_BUSY,   /**< lock destroyed while held or waited for */
	RESV_REPORT_SELF_DEADLOCK,  /**< the task waits for a lock that it holds itself */
	RESV_REPORT_NOT_HELD,       /**< assert_held failed */
	RESV_REPORT_WAIT_WHILE_HOLDING, /**< wait_for_unreserve while the context holds reservations */
	RESV_REPORT_CORRUPT_WAIT_LIST,  /**< a wait list's links contradict each other */
	RESV_REPORT_LRU_NOT_EMPTY,      /**< an LRU is destroyed with entries on it (every build) */
	RESV_REPORT_LRU_PLACE,    /**< an entry is added twice, or to a range of another LRU (every build) */
	RESV_REPORT_RELEASE_BUSY, /**< a buffer is released whose own object is reserved (every build) */

	/* by the lock-order checker, with CONFIG_PROVE_LOCKING */
	RESV_REPORT_CIRCULAR,  /**< an order that would close a circle of locks */
	RESV_REPORT_RECURSION, /**< a lock is taken while another one of its class is held */
	RESV_REPORT_IRQ_ORDER, /**< a lock that interrupts take, then one that is held with interrupts on */
	RESV_REPORT_IRQ_INVERSION, /**< the same circle, closed by an interrupt's taking or by interrupts being on */
	RESV_REPORT_IRQ_STATE,      /**< one lock, taken in interrupts and held with interrupts on */
	RESV_REPORT_UNLOCK_BALANCE, /**< release of a lock that the task does not hold */
	RESV_REPORT_HELD_FREED,     /**< memory with a held lock in it is freed or made anew */
	RESV_REPORT_NEST_NOT_HELD,  /**< the lock or context that should serialize others is not held */
	RESV_REPORT_WAIT_CONTEXT,   /**< a lock that waits in a way that the context forbids */
	RESV_REPORT_BLOCKING,       /**< a blocking reserve where only trying is allowed */
	RESV_REPORT_PIN,            /**< a pinned lock is released, or pin and unpin do not match */
	RESV_REPORT_BAD_KEY,        /**< a class key or subclass that cannot be one */

	/* about fences, in every build */
	RESV_REPORT_FENCE_ABANDONED, /**< the last reference is dropped while somebody waits for the signal */
	RESV_REPORT_FENCE_REFERENCES, /**< a reference to a fence that is gone, one dropped twice, or too many */
	RESV_REPORT_FENCE_ERROR,      /**< an error set after the signal, or what is no error */
	RESV_REPORT_FENCE_TIMELINES, /**< fences of two timelines compared */
	RESV_REPORT_FENCE_NESTED,    /**< a fence made of fences, where that cannot be */

	/* about the fences of reservation objects, in every build */
	RESV_REPORT_NO_FENCE_SLOT,   /**< a fence is added to a reservation object without a promised place */
	RESV_REPORT_NO_FENCES,       /**< room is asked for no fence at all */
	RESV_REPORT_FENCE_CONTAINER, /**< a fence made of fences is added, instead of those */
};

/** Sees each report as it is printed; `text` has several lines and is valid only during the call. Must not sleep. */
typedef void (*resv_report_handler)(enum resv_report_kind kind, const char *text, void *data);

/** Installs the hook, or none (NULL). Context: while no report can be made. */
void resv_lockdep_set_report_handler(resv_report_handler handler, void *data);

#ifdef __cplusplus
}
#endif

#endif /* RESV_REPORT_H */
