/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What the families of cases are made of.
 *
 * A script is a line of steps:
 *
 *   LA     take lock A, waiting                    UA     release it
 *   TA     try to take it, with success            SA     wait for its holder only (sync)
 *   KA     take it unchecked (check = 0)           IA     make it anew (init)
 *   ( )    enter, and leave, an interrupt          [ ]    interrupts off, and on
 *   |      an event ends here
 *
 *   LrA    of another kind than the row's          LX2    another lock of X's class (X0, that is X, to X2)
 *   LA.1   with a subclass                         LA^gB  nested in lock B, which is of kind g
 *   (h     a hard interrupt, threaded              (u     one that is not threaded
 *   (s     a soft interrupt                        (      one of the row's level
 *   [h     hard interrupts                         [s     soft ones, and [ those of the row's level
 *
 * Locks are named A to D and W to Z, of each kind; what has one letter is of one class. The kinds are:
 *
 *   s  spinlock            p  raw spinlock            m  mutex       c  RCU           g  acquire context (a fake one)
 *   w  rwlock, write       e  rw semaphore, write     t  rt_mutex    b  RCU-bh        v  wait-type override
 *   r  rwlock, read        h  rw semaphore, read                     k  RCU-sched     l  local_lock
 *   q  rwlock, read, queued: recursive in interrupts only
 *   u  a lock of which nothing is known but that it is one; o  the same, read; n  the same, read, recursive
 *
 * Reports have letters, too; they have to come in this order, and no others:
 *
 *   C  CIRCULAR      O  IRQ_ORDER         T  IRQ_STATE         F  HELD_FREED        W  WAIT_CONTEXT
 *   R  RECURSION     V  IRQ_INVERSION     U  UNLOCK_BALANCE    N  NEST_NOT_HELD     K  BAD_KEY
 */
#ifndef LOCKDEP_CASES_INTERNAL_H
#define LOCKDEP_CASES_INTERNAL_H

#include "cases.h"

#define COUNT(array) ((unsigned)(sizeof(array) / sizeof((array)[0])))

/* ---- Tables ---------------------------------------------------------------------------------------------------- */

struct lockdep_row {
	const char *name;
	const char *script;
	const char *reports[6]; /* one for all orders of events, or one for each: see lockdep_orders_2 */
	const char *kinds;  /* one case for each of these kinds of locks; NULL: the script names them all */
	const char *silent; /* those of `kinds` for which it is no bug */
	const char *levels; /* one case for each of 'h' and 's' in it, or NULL */
	bool permute;       /* one case for each order of events */
};

/** The orders of two events, and of three. */
extern const char *const lockdep_orders_2[2], *const lockdep_orders_3[6];

#define NONE "" /* no report */

/* One case; one for each order of events; for hard and soft interrupts; and for all of that. */
#define ONCE(name_, script_, reports_)                                    \
	{                                                                 \
		.name = name_, .script = script_, .reports = { reports_ } \
	}
#define EACH_ORDER(name_, script_, ...)                                                     \
	{                                                                                   \
		.name = name_, .script = script_, .reports = {__VA_ARGS__}, .permute = true \
	}
#define EACH_LEVEL(name_, script_, reports_)                                            \
	{                                                                               \
		.name = name_, .script = script_, .reports = {reports_}, .levels = "hs" \
	}
#define EACH_LEVEL_AND_ORDER(name_, script_, ...)                                                           \
	{                                                                                                   \
		.name = name_, .script = script_, .reports = {__VA_ARGS__}, .levels = "hs", .permute = true \
	}

struct lockdep_function {
	const char *name;
	const char *(*run)(void); /* NULL, or what did not hold */
	bool reported;            /* does any report come? */
	unsigned messages;        /* see struct lockdep_case */
};

#define SILENT(name_)                        \
	{                                    \
		.name = #name_, .run = name_ \
	}
#define REPORTS(name_)                                         \
	{                                                      \
		.name = #name_, .run = name_, .reported = true \
	}

struct lockdep_family {
	const char *name;
	const struct lockdep_row *rows;
	unsigned row_count;
	const struct lockdep_function *functions;
	unsigned function_count;
};

extern const struct lockdep_family lockdep_chains, lockdep_read, lockdep_rules, lockdep_false_negatives;
extern const struct lockdep_family lockdep_irq, lockdep_irq_rules, lockdep_wait_context;
extern const struct lockdep_family lockdep_reserve, lockdep_many, lockdep_sections, lockdep_reclaim;
extern const struct lockdep_family lockdep_api, lockdep_tasks, lockdep_memory, lockdep_limits;

/* ---- Scripts: cases_script.c --------------------------------------------------------------------------- */

/** Before the first script of a case. */
void lockdep_script_init(void);

/** Plays a row's events in their order, and releases what is still held then. NULL, or what did not hold. */
const char *lockdep_script_run(const struct lockdep_case *c);

/** Is no lock of any script held by the caller? */
bool lockdep_script_idle(void);

/** For functions: plays a part of a script; what is held stays held. */
bool play(const char *script);

/** For functions: the lock that scripts call by this name ("mA"). */
struct resv_lockdep_map *named(const char *name);

static inline int state(const char *name)
{
	return resv_lockdep_is_held(named(name));
}

/* ---- Locks ----------------------------------------------------------------------------------------------------- */

static inline void take(struct resv_lockdep_map *map)
{
	resv_lockdep_acquire(map, 0, 0, 0, 1, NULL, 0);
}

static inline void drop(struct resv_lockdep_map *map)
{
	resv_lockdep_release(map, 0);
}

/** Takes both, in this order, and drops them. */
static inline void take_two(struct resv_lockdep_map *first, struct resv_lockdep_map *then)
{
	take(first);
	take(then);
	drop(then);
	drop(first);
}

/* ---- Reports: cases.c ---------------------------------------------------------------------------------- */

/** Are these all that came since the last call? */
bool lockdep_reported_(const enum resv_report_kind *kinds, unsigned count);

#define REPORTED(...)                                                   \
	lockdep_reported_((const enum resv_report_kind[]){__VA_ARGS__}, \
			  COUNT(((const enum resv_report_kind[]){__VA_ARGS__})))
#define NO_REPORT() lockdep_reported_(NULL, 0)

/** How many have come since the case began. */
unsigned lockdep_report_count(void);

/** For a case that has more than it can list. */
void lockdep_forget_reports(void);

/** Writes what failed, and which reports came, into the text that a case returns. */
const char *lockdep_failed(const char *what);

#define TEXT2(x) #x
#define TEXT(x)  TEXT2(x)
#define CHECK(condition)                                                                    \
	do {                                                                                \
		if (!(condition))                                                           \
			return lockdep_failed(__FILE__ ":" TEXT(__LINE__) ": " #condition); \
	} while (0)

#endif /* LOCKDEP_CASES_INTERNAL_H */
