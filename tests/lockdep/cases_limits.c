/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What happens when some room is used up: that is said once, and counted, and everything else goes on as before. When
 * there is room again, so does what was out of it.
 */
#include "cases_internal.h"
#include "cases_os.h"

/* More than are needed to use up what there may be of orders, and their locks. */
#define MANY_KEYS 160
#define MANY      (8 * MANY_KEYS)

static struct resv_lock_class_key many_keys[MANY_KEYS];

static struct resv_lockdep_map *many_locks(void)
{
	struct resv_lockdep_map *maps = lockdep_os_alloc(MANY * sizeof(*maps));

	for (unsigned i = 0; maps && i < MANY; i++)
		resv_lockdep_init_map(&maps[i], "one of many", &many_keys[i / 8], (int)(i % 8));
	return maps;
}

static void trylock(struct resv_lockdep_map *map)
{
	resv_lockdep_acquire(map, 0, 1, 0, 1, NULL, 0);
}

static struct resv_lockdep_stats stats(void)
{
	struct resv_lockdep_stats s = {0};

	resv_lockdep_stats(&s);
	return s;
}

static int held(struct resv_lockdep_map *map)
{
	return resv_lockdep_is_held(map);
}

/* ---- Held locks ------------------------------------------------------------------------------------------------ */

#define TOO_MANY (RESV_LOCKDEP_HELD + 8)

static struct resv_lock_class_key held_key;
static struct resv_lockdep_map held_maps[TOO_MANY + 1]; /* one is never taken */

static void take_too_many(void)
{
	for (unsigned i = 0; i <= TOO_MANY; i++)
		resv_lockdep_init_map(&held_maps[i], "one of too many", &held_key, 0);
	for (unsigned i = 0; i < TOO_MANY; i++)
		trylock(&held_maps[i]);
}

/* What was no room for may be held, or not: nobody can tell. */
static const char *held_locks(void)
{
	take_too_many();
	CHECK(stats().lost_held == TOO_MANY - RESV_LOCKDEP_HELD);
	CHECK(held(&held_maps[0]) == RESV_LOCK_STATE_HELD);
	CHECK(held(&held_maps[RESV_LOCKDEP_HELD - 1]) == RESV_LOCK_STATE_HELD);
	CHECK(held(&held_maps[RESV_LOCKDEP_HELD]) == RESV_LOCK_STATE_UNKNOWN);
	CHECK(held(&held_maps[TOO_MANY - 1]) == RESV_LOCK_STATE_UNKNOWN);
	CHECK(held(&held_maps[TOO_MANY]) == RESV_LOCK_STATE_UNKNOWN);
	resv_lockdep_assert_held(&held_maps[TOO_MANY]);
	CHECK(resv_lockdep_pin(&held_maps[TOO_MANY - 1]).val == 0);
	resv_lockdep_downgrade(&held_maps[TOO_MANY - 1], 0);
	for (unsigned i = TOO_MANY; i-- != 0;)
		drop(&held_maps[i]);
	CHECK(NO_REPORT());
	resv_lockdep_assert_held(&held_maps[TOO_MANY]);
	CHECK(REPORTED(RESV_REPORT_NOT_HELD));
	for (unsigned i = 0; i <= TOO_MANY; i++)
		CHECK(held(&held_maps[i]) == RESV_LOCK_STATE_NOT_HELD);
	return NULL;
}

static const char *held_locks_released_in_order(void)
{
	take_too_many();
	for (unsigned i = 0; i < TOO_MANY; i++)
		drop(&held_maps[i]);
	CHECK(NO_REPORT());
	for (unsigned i = 0; i <= TOO_MANY; i++)
		CHECK(held(&held_maps[i]) == RESV_LOCK_STATE_NOT_HELD);
	return NULL;
}

/* Said once only; and a release too many is a bug again. */
static const char *held_locks_again_and_again(void)
{
	for (unsigned turn = 0; turn < 3; turn++) {
		take_too_many();
		for (unsigned i = 0; i < TOO_MANY; i++)
			drop(&held_maps[i]);
	}
	CHECK(stats().lost_held == 3 * (TOO_MANY - RESV_LOCKDEP_HELD));
	CHECK(NO_REPORT());
	drop(&held_maps[0]);
	CHECK(REPORTED(RESV_REPORT_UNLOCK_BALANCE));
	return NULL;
}

/* A wait is checked against all that there was room for. */
static const char *held_locks_and_a_bug(void)
{
	CHECK(play("LmB LmA UmA UmB | LmA"));
	take_too_many();
	CHECK(NO_REPORT());
	CHECK(play("SmB"));
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	for (unsigned i = 0; i < TOO_MANY; i++)
		drop(&held_maps[i]);
	CHECK(play("UmA"));
	return NULL;
}

static void other_is_not_affected(void *data)
{
	struct resv_lockdep_map *map = data;

	trylock(map);
	if (held(map) == RESV_LOCK_STATE_HELD)
		drop(map);
}

static const char *held_locks_of_another_task(void)
{
	take_too_many();
	CHECK(held(&held_maps[TOO_MANY]) == RESV_LOCK_STATE_UNKNOWN);
	lockdep_os_on_other_task(other_is_not_affected, &held_maps[TOO_MANY]);
	CHECK(stats().lost_held == TOO_MANY - RESV_LOCKDEP_HELD);
	for (unsigned i = 0; i < TOO_MANY; i++)
		drop(&held_maps[i]);
	return NULL;
}

/* Where one more lock of a context has no room of its own, it needs none. */
static const char *held_locks_of_a_context(void)
{
	struct resv_lockdep_map *maps = held_maps;

	for (unsigned i = 0; i <= TOO_MANY; i++)
		resv_lockdep_init_map(&maps[i], "one of too many", &held_key, 0);
	for (unsigned i = 0; i < RESV_LOCKDEP_HELD - 2; i++)
		trylock(&maps[i]);
	CHECK(play("LgA LmX0^gA LmX1^gA LmX2^gA"));
	CHECK(stats().lost_held == 0);
	CHECK(held(named("mX2")) == RESV_LOCK_STATE_HELD);
	CHECK(play("UmX0 UmX1 UmX2 UgA"));
	for (unsigned i = 0; i < RESV_LOCKDEP_HELD - 2; i++)
		drop(&maps[i]);
	return NULL;
}

/* ---- Classes --------------------------------------------------------------------------------------------------- */

#define CLASS_KEYS (RESV_LOCKDEP_CLASSES / 8 + 8)

static struct resv_lock_class_key class_keys[CLASS_KEYS];

static const char *lock_classes(void)
{
	static struct resv_lock_class_key key_p, key_q;
	struct resv_lockdep_map map, p, q;
	unsigned long taken = 0;
	unsigned before;

	CHECK(play("LmA LmB UmB UmA"));
	before = stats().classes;
	for (unsigned i = 0; i < CLASS_KEYS; i++) {
		resv_lockdep_init_map(&map, "one of many", &class_keys[i], 0);
		for (unsigned subclass = 0; subclass < 8; subclass++, taken++) {
			resv_lockdep_acquire(&map, subclass, 0, 0, 1, NULL, 0);
			drop(&map);
		}
	}
	CHECK(stats().classes == stats().classes_max);
	CHECK(stats().lost_classes == taken - (stats().classes_max - before));
	CHECK(NO_REPORT());

	/* a lock that is not checked */
	resv_lockdep_init_map(&p, "P", &key_p, 0);
	resv_lockdep_init_map(&q, "Q", &key_q, 0);
	take(&p);
	CHECK(held(&p) == RESV_LOCK_STATE_UNKNOWN);
	take(&p);
	drop(&p);
	drop(&p);
	CHECK(held(&p) == RESV_LOCK_STATE_NOT_HELD);
	resv_lockdep_sync(&p, 0, 0, 1, NULL, 0);
	CHECK(NO_REPORT());

	/* all others are */
	CHECK(play("LmB LmA UmA UmB"));
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));

	resv_lockdep_unregister(class_keys, sizeof(class_keys));
	CHECK(stats().classes == before);
	take_two(&p, &q);
	CHECK(NO_REPORT());
	take_two(&q, &p);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	return NULL;
}

/* ---- Orders, and where they were seen -------------------------------------------------------------------------- */

/* The trace begins at the caller. */
__attribute__((__noinline__)) static void take_two_here(struct resv_lockdep_map *first,
							struct resv_lockdep_map *then)
{
	unsigned long caller = (unsigned long)(uintptr_t)__builtin_return_address(0);

	resv_lockdep_acquire(first, 0, 0, 0, 1, NULL, caller);
	resv_lockdep_acquire(then, 0, 0, 0, 1, NULL, caller);
	drop(then);
	drop(first);
}

/* Takes both, by one of many ways through the program: each bit of `path` says which function calls the next. */
typedef void way(unsigned path, unsigned turns, struct resv_lockdep_map *first,
		 struct resv_lockdep_map *then);

static way left, right;
static way *const volatile ways[] = {left, right};
static volatile unsigned passed; /* so that no call is the last thing that a function does */

static void left(unsigned path, unsigned turns, struct resv_lockdep_map *first, struct resv_lockdep_map *then)
{
	if (turns == 0)
		take_two_here(first, then);
	else
		ways[path & 1](path >> 1, turns - 1, first, then);
	passed = 0;
}

static void right(unsigned path, unsigned turns, struct resv_lockdep_map *first,
		  struct resv_lockdep_map *then)
{
	if (turns == 0)
		take_two_here(first, then);
	else
		ways[path & 1](path >> 1, turns - 1, first, then);
	passed = 1;
}

/* Takes each two, until what `lost` looks at is not 0; each by another way, or all by the same. */
static bool take_pairs(struct resv_lockdep_map *maps, unsigned long (*lost)(void), unsigned turns)
{
	unsigned path = 0;

	for (unsigned j = 1; j < MANY; j++) {
		for (unsigned i = 0; i < j; i++)
			left(path++, turns, &maps[i], &maps[j]);
		if (lost())
			return true;
	}
	return false;
}

static unsigned long lost_edges(void)
{
	return stats().lost_edges;
}

static const char *lock_orders(void)
{
	struct resv_lockdep_map *maps = many_locks();
	unsigned long lost;

	CHECK(maps);
	CHECK(take_pairs(maps, lost_edges, 0));
	CHECK(NO_REPORT());
	CHECK(stats().edges == stats().edges_max);
	CHECK(stats().dependencies != 0);

	/* those that are known are known, and what breaks them is told once */
	lost = lost_edges();
	take_two(&maps[1], &maps[0]);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	CHECK(lost_edges() == lost + 1); /* nor can it be remembered as refused */
	take_two(&maps[1], &maps[0]);
	CHECK(NO_REPORT());
	take_two(&maps[2], &maps[0]);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	take(&maps[0]);
	take(&maps[0]);
	CHECK(REPORTED(RESV_REPORT_RECURSION));
	drop(&maps[0]);
	drop(&maps[0]);

	resv_lockdep_unregister(many_keys, sizeof(many_keys));
	CHECK(stats().edges < stats().edges_max);
	lockdep_os_free(maps);
	return NULL;
}

static unsigned long lost_traces(void)
{
	return stats().lost_traces;
}

static const char *stack_traces(void)
{
	struct resv_lockdep_map *maps = many_locks();

	CHECK(maps);
	CHECK(take_pairs(maps, lost_traces, 13));
	CHECK(stats().lost_edges == 0);
	CHECK(NO_REPORT());
	CHECK(play("LmA LmB UmB UmA | LmB LmA UmA UmB"));
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	take_two(&maps[1], &maps[0]);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	resv_lockdep_unregister(many_keys, sizeof(many_keys));
	lockdep_os_free(maps);
	return NULL;
}

/* ---- Reports --------------------------------------------------------------------------------------------------- */

static const char *reports(void)
{
	struct resv_lockdep_map *maps = many_locks();
	unsigned long bugs = 0;

	CHECK(maps);
	for (unsigned j = 1; bugs < RESV_LOCKDEP_REPORTS + 10; j++) {
		CHECK(j < MANY);
		for (unsigned i = 0; i < j && bugs < RESV_LOCKDEP_REPORTS + 10; i++, bugs++) {
			take_two(&maps[i], &maps[j]);
			take_two(&maps[j], &maps[i]);
		}
	}
	CHECK(lockdep_report_count() == RESV_LOCKDEP_REPORTS);
	CHECK(stats().reports == RESV_LOCKDEP_REPORTS);
	CHECK(stats().lost_reports == 10);
	CHECK(stats().refused == bugs);
	lockdep_forget_reports();
	/* counted once each, too */
	take_two(&maps[1], &maps[0]);
	CHECK(stats().lost_reports == 10);
	CHECK(NO_REPORT());
	resv_lockdep_reset();
	CHECK(stats().reports == 0 && stats().lost_reports == 0);
	lockdep_os_free(maps);
	return NULL;
}

/* So many bugs that are no orders are told once each, and then anew when classes were forgotten. All others are told each
 * time. */
#define BUGS      600
#define BUGS_ONCE 256

static unsigned long tell_bugs(struct resv_lockdep_map *map)
{
	unsigned long before = stats().reports + stats().lost_reports;

	for (unsigned i = 0; i < BUGS; i++)
		resv_lockdep_release(map, 1 + i);
	return stats().reports + stats().lost_reports - before;
}

static const char *single_bugs(void)
{
	static struct resv_lock_class_key key;
	struct resv_lockdep_map map;

	resv_lockdep_init_map(&map, "never held", &key, 0);
	for (unsigned turn = 0; turn < 2; turn++) {
		CHECK(tell_bugs(&map) == BUGS);
		CHECK(tell_bugs(&map) == BUGS - BUGS_ONCE);
		resv_lockdep_unregister(&key, sizeof(key));
	}
	CHECK(stats().reports == RESV_LOCKDEP_REPORTS);
	lockdep_forget_reports();
	resv_lockdep_reset();
	return NULL;
}

/* ---- The list -------------------------------------------------------------------------------------------------- */

/* Each says once that there is no room. */
static const struct lockdep_function limits_functions[] = {
	{"held_locks", held_locks, true, 1},
	{"held_locks_released_in_order", held_locks_released_in_order, false, 1},
	{"held_locks_again_and_again", held_locks_again_and_again, true, 1},
	{"held_locks_and_a_bug", held_locks_and_a_bug, true, 1},
	{"held_locks_of_another_task", held_locks_of_another_task, false, 1},
	SILENT(held_locks_of_a_context),
	{"lock_classes", lock_classes, true, 1},
/* In these only if what is to run out does so before something else. */
#if MANY + 16 <= RESV_LOCKDEP_CLASSES && MANY * (MANY - 1) / 2 > 2 * RESV_LOCKDEP_EDGES
	{"lock_orders", lock_orders, true, 1},
#endif
#if MANY + 16 <= RESV_LOCKDEP_CLASSES && RESV_LOCKDEP_TRACES <= 2 * RESV_LOCKDEP_EDGES
	{"stack_traces", stack_traces, true, 1},
#endif
#if MANY + 16 <= RESV_LOCKDEP_CLASSES && RESV_LOCKDEP_REPORTS <= 1000
	{"reports", reports, true, 1},
#endif
#if RESV_LOCKDEP_REPORTS < BUGS
	{"single_bugs", single_bugs, true, 1},
#endif
};

const struct lockdep_family lockdep_limits = {"limits", NULL, 0, limits_functions, COUNT(limits_functions)};
