/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The port contract: everything that the core needs from its surroundings.
 *
 * A port defines these functions (src/port/host: futex and pthread; src/port/linux: a C shim that kbuild compiles), and
 * has a conformance suite (tests/port_test.cpp; tests/kernel/module/port.c). Atomic operations are the one thing that
 * must be inline: they come from <resv_port/atomic.hpp>, which a port may replace by -I order.
 *
 * All functions are callable from task context. Those marked "any" are callable with interrupts off and from
 * interrupt handlers as well. None may sleep except resv_port_park().
 */
#ifndef RESV_PORT_H
#define RESV_PORT_H

#include <resv/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Tasks --------------------------------------------------------------------------------------------------- */

/** A task's identity: never 0, bits 0 and 1 clear, constant while the task lives; may be reused after it ended. */
typedef uintptr_t resv_port_task;

/** The calling task. */
resv_port_task resv_port_current(void);

/**
 * A hint: is `task` on a CPU right now, so that spinning for it is worth while? May be wrong either way.
 * The caller guarantees that `task` does not end during the call. Context: any.
 */
bool resv_port_task_running(resv_port_task task);

/* ---- Parking -------------------------------------------------------------------------------------------------
 *
 *   sleeper                                  waker
 *   resv_port_park_prepare(mode)             [W] condition
 *   [R] condition: true? -> skip park        resv_port_task_pin(task)    (under the lock that keeps it alive)
 *   resv_port_park(mode, deadline)           resv_port_task_wake(task)   (after that lock is dropped)
 *   resv_port_park_finish()
 *
 * A wake that comes after prepare makes the park that follows return, whether it has begun or not.
 */

enum resv_port_park_mode {
	RESV_PARK_UNINTERRUPTIBLE = 0,
	RESV_PARK_INTERRUPTIBLE = 1, /**< any signal ends the wait */
	RESV_PARK_KILLABLE = 2,      /**< only a fatal signal ends the wait */
};

/** Opens a wait. Full barrier: what the caller reads next is not older than this call. */
void resv_port_park_prepare(enum resv_port_park_mode mode);

/**
 * Sleeps until a wake that came after prepare, until `deadline_ns` (absolute, of resv_port_clock();
 * RESV_WAIT_FOREVER for none), or until a signal that `mode` admits.
 * Returns 0 (woken, or for no reason at all), -ETIME, or -EINTR, at once if the signal was already pending.
 */
RESV_NODISCARD int resv_port_park(enum resv_port_park_mode mode, int64_t deadline_ns);

/** Closes the wait that prepare opened. Exactly one for each prepare, whether park was called or not. */
void resv_port_park_finish(void);

/** Keeps `task` valid until resv_port_task_wake(). The caller guarantees that it is alive now. Context: any. */
void resv_port_task_pin(resv_port_task task);

/**
 * Wakes a pinned task and drops the pin. What the caller wrote before is visible to the task when its park returns.
 * Waking a task that does not wait is harmless. Context: any. Under a spin lock that the task takes next, it costs the
 * task a turn of spinning.
 */
void resv_port_task_wake(resv_port_task task);

/* ---- Spinning ------------------------------------------------------------------------------------------------ */

/** One turn of a spin loop; `turn` counts from 0. A port without control over preemption yields now and then. */
void resv_port_relax(unsigned turn);

/**
 * Stands back until the clock reads `until_ns`, or for somewhat longer: runs, but lets the CPU go to whoever wants it,
 * and does not ask for it back as one that slept would. Context: task; may sleep.
 */
void resv_port_stand_back(int64_t until_ns);

/** The caller is not preempted until resv_port_critical_end(), where the port can have that. Nests. Context: any. */
void resv_port_critical_begin(void);
void resv_port_critical_end(void);

/** Storage for the port's spin lock; all zero is unlocked. Each port asserts that its own lock fits. */
struct resv_port_spinlock {
	uintptr_t opaque[8 / sizeof(uintptr_t)];
};

/** Takes the lock with local interrupts off; returns the state that unlock restores. Not recursive. Context: any. */
RESV_NODISCARD unsigned long resv_port_spin_lock(struct resv_port_spinlock *lock);
void resv_port_spin_unlock(struct resv_port_spinlock *lock, unsigned long flags);

/* ---- Memory -------------------------------------------------------------------------------------------------- */

/** Memory for any type, all zero; NULL if there is none. May sleep. Context: task, without spin locks. */
void *resv_port_alloc(size_t size) __attribute__((malloc));

/** Frees what resv_port_alloc() returned; NULL: nothing. What resv hands out for its caller to free comes from there
 * too: kfree() on Linux, free() on the host. Context: any. */
void resv_port_free(void *memory);

/*
 * Read-side sections: what a reader found in a section, by following pointers, stays allocated until the section ends.
 *
 *   reader                                     writer
 *   resv_port_read_lock()                      [W] pointer = another
 *   [R] pointer (acquire)                      resv_port_free_after_readers(&old->work, old)
 *   use what it points to                      freed once all sections have ended that were open then
 *   resv_port_read_unlock()
 *
 * Sections nest and never wait. Between them a task may do all that it may do with a spin lock held.
 */
void resv_port_read_lock(void);   /**< Context: any. */
void resv_port_read_unlock(void); /**< Context: any. */

/** Something to be done later. Its memory is the caller's until `fn` is called, and `fn`'s from then on. */
struct resv_port_work {
	struct resv_port_work *next; /**< the port's */
	void (*fn)(struct resv_port_work *work);
};

/** Frees `memory`, from resv_port_alloc(), once all read-side sections have ended that are open now. `work` lies in it.
 * A port bounds how much waits to be freed, by making callers wait that may. Context: any. */
void resv_port_free_after_readers(struct resv_port_work *work, void *memory);

/** Calls work->fn(work) once all read-side sections have ended that are open now. Context: any; so is fn's, which must
 * not sleep. */
void resv_port_after_readers(struct resv_port_work *work);

/** Calls work->fn(work) soon, from where no lock is held, and not before the caller has dropped its spin locks. In the
 * order of asking. Context: any. fn must not sleep. */
void resv_port_defer(struct resv_port_work *work);

/** Waits until every fn has returned and all memory has been freed that was asked for before. For a module that is
 * unloaded, and tests. May sleep. Context: task, outside of read-side sections. */
void resv_port_drain(void);

/* ---- Time and reports ----------------------------------------------------------------------------------------- */

/** Monotonic time in nanoseconds. Context: any. */
int64_t resv_port_clock(void);

/** One line of a report, without a newline, to wherever reports go (stderr, the kernel log). Context: any. */
void resv_port_report(const char *line);

/** A task's name and number, as reports print them ("name/pid"), NUL-terminated. One that has ended is told as such, if
 * the port knows. Context: any. */
void resv_port_task_name(resv_port_task task, char *buf, size_t size);

/** What reports print below their headline: the system's release, version, and taint. NUL-terminated. Context: any. */
void resv_port_system(char *buf, size_t size);

/**
 * Return addresses of the calling task, innermost first, without the port's own frame and `skip` more.
 * Returns how many of `max` were written; 0 where the port has no unwinder. Context: any.
 */
unsigned resv_port_stack_trace(uintptr_t *pcs, unsigned max, unsigned skip);

/** Writes the symbol of `pc` as "name+0xoff/0xsize", or the bare address. NUL-terminated. Context: any. */
void resv_port_symbol(uintptr_t pc, char *buf, size_t size);

/* ---- For the annotator: only with CONFIG_PROVE_LOCKING --------------------------------------------------------- */

/** What a context may be, beside a task with interrupts on. */
enum resv_port_irq_state {
	RESV_IN_HARDIRQ = 1,
	RESV_IN_SOFTIRQ = 2,
	RESV_IRQ_THREADED = 4,  /**< with RESV_IN_HARDIRQ: the handler is a thread on PREEMPT_RT */
	RESV_HARDIRQS_OFF = 8,  /**< no interrupt can come now */
	RESV_SOFTIRQS_OFF = 16, /**< no software interrupt can; where hard ones cannot, these cannot either */
};

/** What a port keeps for each task, and for each interrupt level on each CPU. */
#define RESV_PORT_HELD_ALIGN 64
struct resv_port_held {
	unsigned irq_state; /**< a set of enum resv_port_irq_state, by the port */
	unsigned opaque[1023];
} __attribute__((aligned(RESV_PORT_HELD_ALIGN)));

/**
 * What is kept for the context that the caller runs in: the task, or the interrupt level on this CPU. Its `irq_state` is
 * right when this returns; the rest is all zero when the context begins, and nobody else's until the caller leaves the
 * context. NULL if the port has no room, and in non-maskable interrupts. Context: any.
 */
struct resv_port_held *resv_port_held_locks(void);

/* A port that has a quicker way than a call puts it into a <resv_port/held.hpp> earlier on the include path. */

/** The annotator found a bug and is configured to stop there; the report has been printed. Does not return. */
void resv_port_panic(const char *why) __attribute__((noreturn));

/* ---- For a port that knows another lock-order checker: only with CONFIG_RESV_LOCKDEP_FORWARD ------------------------
 *
 * What the annotator notes of a context is passed on, by the number of the lock's class: from 1 to RESV_LOCKDEP_CLASSES.
 * Parameters are those of <resv/lockdep.h>; `nest` is the class of the lock that it nests in, which is held, or 0. Context:
 * any.
 */

/** The number is that of a new class, whose key for subclass 0 is at `key`; nobody holds one of what had it before. */
void resv_port_lockdep_class(unsigned cls, const char *name, const void *key, unsigned subclass,
			     unsigned inner, unsigned outer, bool overrides);
void resv_port_lockdep_acquire(unsigned cls, int trylock, int read, int check, unsigned nest,
			       unsigned long ip);
void resv_port_lockdep_release(unsigned cls, unsigned long ip);
void resv_port_lockdep_sync(unsigned cls, int read, unsigned nest, unsigned long ip);

#ifdef __cplusplus
}
#endif

#endif /* RESV_PORT_H */
