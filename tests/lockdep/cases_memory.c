/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Memory of locks and of keys that goes and comes; what the annotator knows, and forgets. */
#include "cases_internal.h"
#include "cases_os.h"

static struct resv_lock_class_key key_p;
static struct resv_lockdep_map p, p2;

static void init_p(void)
{
	resv_lockdep_init_map(&p, "P", &key_p, 0);
	resv_lockdep_init_map(&p2, "P", &key_p, 0);
}

/* ---- Memory ---------------------------------------------------------------------------------------------------- */

struct buffer {
	char before[64];
	struct resv_lockdep_map map;
	char after[64];
};

static struct buffer *new_buffer(void)
{
	struct buffer *b = lockdep_os_alloc(sizeof(*b));

	if (b)
		resv_lockdep_init_map(&b->map, "a buffer's lock", &key_p, 0);
	return b;
}

static const char *free_with_held_lock(void)
{
	struct buffer *b = new_buffer();

	CHECK(b);
	take(&b->map);
	CHECK(NO_REPORT());
	resv_lockdep_free(b, sizeof(*b));
	CHECK(REPORTED(RESV_REPORT_HELD_FREED));
	drop(&b->map);
	lockdep_os_free(b);
	return NULL;
}

static const char *free_with_released_lock(void)
{
	struct buffer *b = new_buffer();

	CHECK(b);
	take(&b->map);
	drop(&b->map);
	resv_lockdep_free(b, sizeof(*b));
	lockdep_os_free(b);
	return NULL;
}

static const char *free_beside_held_lock(void)
{
	struct buffer *b = new_buffer();

	CHECK(b);
	take(&b->map);
	resv_lockdep_free(b->before, sizeof(b->before));
	resv_lockdep_free(b->after, sizeof(b->after));
	drop(&b->map);
	lockdep_os_free(b);
	return NULL;
}

static const char *free_in_the_middle_of_a_held_lock(void)
{
	struct buffer *b = new_buffer();

	CHECK(b);
	take(&b->map);
	resv_lockdep_free((char *)&b->map + 8, 8);
	CHECK(REPORTED(RESV_REPORT_HELD_FREED));
	drop(&b->map);
	lockdep_os_free(b);
	return NULL;
}

static const char *init_of_held_lock(void)
{
	init_p();
	take(&p);
	resv_lockdep_free(&p2, sizeof(p2));
	CHECK(NO_REPORT());
	resv_lockdep_free(&p, sizeof(p));
	CHECK(REPORTED(RESV_REPORT_HELD_FREED));
	resv_lockdep_init_map(&p, "P", &key_p, 0);
	drop(&p);
	return NULL;
}

struct module {
	struct resv_lock_class_key before, keys[2], after;
};

/* Locks of classes a and b, and of those around these in memory. */
struct module_locks {
	struct resv_lockdep_map before, a, b, after;
};

static struct module module;

static void module_init(struct module_locks *locks)
{
	resv_lockdep_init_map(&locks->before, "before", &module.before, 0);
	resv_lockdep_init_map(&locks->a, "a", &module.keys[0], 0);
	resv_lockdep_init_map(&locks->b, "b", &module.keys[1], 0);
	resv_lockdep_init_map(&locks->after, "after", &module.after, 0);
}

static void module_unload(void)
{
	resv_lockdep_unregister(module.keys, sizeof(module.keys));
}

/* Takes both, the second one as a recursive reader would. */
static void take_two_and_read(struct resv_lockdep_map *first, struct resv_lockdep_map *then)
{
	take(first);
	resv_lockdep_acquire(then, 0, 0, 2, 1, NULL, 0);
	drop(then);
	drop(first);
}

/* Also if the classes get the numbers that they had, or each other's. */
static const char *unregister_forgets(void)
{
	struct module_locks locks;
	void (*const take_both[])(struct resv_lockdep_map *, struct resv_lockdep_map *) = {take_two,
											   take_two_and_read};

	for (unsigned i = 0; i < 2 * COUNT(take_both); i++) {
		module_init(&locks);
		take_both[i / 2](&locks.a, &locks.b);
		module_unload();
		module_init(&locks);
		if (i % 2 == 0)
			take_two(&locks.a, named("mA"));
		take_both[i / 2](&locks.b, &locks.a);
		module_unload();
	}
	return NULL;
}

/* The same keys are of use again. */
static const char *unregister_and_load_again(void)
{
	struct module_locks locks;

	module_init(&locks);
	take_two(&locks.a, &locks.b);
	module_unload();
	module_init(&locks);
	take_two(&locks.b, &locks.a);
	CHECK(NO_REPORT());
	take_two(&locks.a, &locks.b);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	return NULL;
}

static const char *unregister_keeps_what_is_outside(void)
{
	struct module_locks locks;

	module_init(&locks);
	take_two(&locks.before, &locks.after);
	take_two(&locks.before, &locks.a);
	take_two(&locks.a, &locks.after);
	module_unload();
	take_two(&locks.after, &locks.before);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	return NULL;
}

static const char *unregister_forgets_what_was_refused(void)
{
	struct module_locks locks;

	module_init(&locks);
	take_two(&locks.a, &locks.b);
	take_two(&locks.b, &locks.a);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	module_unload();
	module_init(&locks);
	take_two(&locks.a, &locks.b);
	CHECK(NO_REPORT());
	take_two(&locks.b, &locks.a);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	return NULL;
}

static const char *unregister_forgets_what_was_told(void)
{
	struct module_locks locks;

	for (unsigned i = 0; i < 2; i++) {
		module_init(&locks);
		drop(&locks.a);
		CHECK(REPORTED(RESV_REPORT_UNLOCK_BALANCE));
		drop(&locks.a);
		CHECK(NO_REPORT());
		module_unload();
	}
	return NULL;
}

/* Numbers that no class has any more are of no class in any memory. */
static const char *unregister_nothing(void)
{
	struct module_locks locks;
	struct resv_lockdep_stats before = {0}, after = {0};

	module_init(&locks);
	take_two(&locks.a, &locks.b);
	take_two(&locks.before, &locks.after);
	module_unload();
	resv_lockdep_stats(&before);
	module_unload();
	resv_lockdep_unregister(NULL, 1);
	resv_lockdep_stats(&after);
	CHECK(after.classes == before.classes);
	return NULL;
}

/* Modules come and go, with more classes in all than there is room for at a time. */
static const char *unregister_many_times(void)
{
	enum { MANY = 32 };
	static struct resv_lock_class_key many[MANY];
	struct resv_lockdep_stats stats = {0};
	struct resv_lockdep_map map;
	unsigned before;

	resv_lockdep_stats(&stats);
	before = stats.classes;
	for (unsigned taken = 0; taken < 3 * RESV_LOCKDEP_CLASSES;) {
		for (unsigned i = 0; i < MANY; i++) {
			resv_lockdep_init_map(&map, "one of many", &many[i], 0);
			for (unsigned subclass = 0; subclass < 8; subclass++, taken++) {
				resv_lockdep_acquire(&map, subclass, 0, 0, 1, NULL, 0);
				CHECK(resv_lockdep_is_held(&map) == RESV_LOCK_STATE_HELD);
				drop(&map);
			}
		}
		resv_lockdep_unregister(many, sizeof(many));
		resv_lockdep_stats(&stats);
		CHECK(stats.classes == before);
	}
	CHECK(stats.lost_classes == 0);
	return NULL;
}

/* ---- Keys, and what it knows ----------------------------------------------------------------------------------- */

static const char *subclass_of_init(void)
{
	init_p();
	resv_lockdep_init_map(&p2, "P", &key_p, 3);
	take_two(&p, &p2);
	CHECK(NO_REPORT());
	take_two(&p2, &p);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	return NULL;
}

static const char *init_with_a_subclass_too_high(void)
{
	init_p();
	resv_lockdep_init_map(&p, "P", &key_p, 8);
	take(&p);
	CHECK(REPORTED(RESV_REPORT_BAD_KEY));
	drop(&p);
	CHECK(NO_REPORT());
	return NULL;
}

static const char *init_without_a_key(void)
{
	init_p();
	resv_lockdep_init_map(&p, "P", NULL, 0);
	take(&p);
	CHECK(REPORTED(RESV_REPORT_BAD_KEY));
	drop(&p);
	CHECK(NO_REPORT());
	return NULL;
}

__attribute__((unused)) static struct resv_lock_class_key static_key;
__extension__ static struct resv_lockdep_map static_map = RESV_LOCKDEP_MAP_INIT("a static lock", &static_key);

static const char *static_lock(void)
{
	CHECK(resv_lockdep_is_held(&static_map) == RESV_LOCK_STATE_NOT_HELD);
	take_two(&static_map, named("mA"));
	CHECK(NO_REPORT());
	take_two(named("mA"), &static_map);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	return NULL;
}

static const char *counters(void)
{
	struct resv_lockdep_stats first = {0}, then = {0};

	resv_lockdep_stats(&first);
	CHECK(first.dependencies == 0 && first.refused == 0 && first.reports == 0 && first.edges == 0);
	CHECK(play("LmA LmB UmB UmA"));
	resv_lockdep_stats(&then);
	CHECK(then.classes == first.classes + 2);
	CHECK(then.dependencies >= 1 && then.refused == 0 && then.reports == 0);
	CHECK(then.trace_words > first.trace_words && then.trace_words <= then.trace_words_max);
	first = then;
	CHECK(play("LmA LmB UmB UmA"));
	resv_lockdep_stats(&then);
	CHECK(then.dependencies == first.dependencies && then.edges == first.edges);
	CHECK(NO_REPORT());
	CHECK(play("LmB LmA UmA UmB"));
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	resv_lockdep_stats(&then);
	CHECK(then.dependencies == first.dependencies && then.refused == 1 && then.reports == 1);
	CHECK(then.classes <= then.classes_max && then.edges <= then.edges_max);
	resv_lockdep_reset();
	resv_lockdep_stats(&then);
	CHECK(then.dependencies == 0 && then.refused == 0 && then.reports == 0 && then.edges == 0);
	return NULL;
}

static const char *reset_forgets(void)
{
	CHECK(play("LmA LmB UmB UmA"));
	resv_lockdep_reset();
	CHECK(play("LmB LmA UmA UmB"));
	CHECK(NO_REPORT());
	CHECK(play("LmA LmB UmB UmA"));
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	return NULL;
}

/* However often its locks were taken before. */
static const char *recursion_again_and_again(void)
{
	for (unsigned i = 0; i < 100; i++) {
		resv_lockdep_reset();
		CHECK(play("TmX1 TmX2 LmX0"));
		CHECK(REPORTED(RESV_REPORT_RECURSION));
		CHECK(play("UmX0 UmX2 UmX1"));
	}
	return NULL;
}

static const char *reset_forgets_what_is_held(void)
{
	struct resv_object w;

	resv_init(&w);
	CHECK(play("LmA"));
	resv_lockdep_no_blocking_begin();
	resv_lockdep_reset();
	CHECK(state("mA") == RESV_LOCK_STATE_NOT_HELD);
	CHECK(resv_lock(&w, NULL) == 0);
	resv_unlock(&w);
	CHECK(NO_REPORT());
	resv_lockdep_no_blocking_end();
	CHECK(REPORTED(RESV_REPORT_UNLOCK_BALANCE));
	CHECK(play("UmA"));
	CHECK(REPORTED(RESV_REPORT_UNLOCK_BALANCE));
	return NULL;
}

/* ---- The list -------------------------------------------------------------------------------------------------- */

static const struct lockdep_function memory_functions[] = {
	REPORTS(free_with_held_lock),
	SILENT(free_with_released_lock),
	SILENT(free_beside_held_lock),
	REPORTS(free_in_the_middle_of_a_held_lock),
	REPORTS(init_of_held_lock),
	SILENT(unregister_forgets),
	REPORTS(unregister_and_load_again),
	REPORTS(unregister_keeps_what_is_outside),
	REPORTS(unregister_forgets_what_was_refused),
	REPORTS(unregister_forgets_what_was_told),
	SILENT(unregister_nothing),
	SILENT(unregister_many_times),

	REPORTS(subclass_of_init),
	REPORTS(init_with_a_subclass_too_high),
	REPORTS(init_without_a_key),
	REPORTS(static_lock),
	REPORTS(counters),
	REPORTS(reset_forgets),
	REPORTS(recursion_again_and_again),
	REPORTS(reset_forgets_what_is_held),
};

const struct lockdep_family lockdep_memory = {"memory", NULL, 0, memory_functions, COUNT(memory_functions)};
