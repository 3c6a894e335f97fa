/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Locks of a driver's own, and the sections that it tells of: one case for each kind of report that the annotator makes.
 * What is and is not one, in all variants, is tested in tests/lockdep.
 */
#include "internal.h"

/* Without the annotator locks and keys take no room, and nobody uses their names. */
__attribute__((unused)) static struct resv_lock_class_key key_a, key_b;

struct scene {
	struct resv_lockdep_map a, b; /* of two classes */
	struct resv_object obj;
};

static void begin(struct scene *s)
{
	resv_lockdep_init_map(&s->a, "A", &key_a, 0);
	resv_lockdep_init_map(&s->b, "B", &key_b, 0);
	resv_init(&s->obj);
}

static void take_in(struct resv_lockdep_map *map, struct resv_lockdep_map *nest_lock)
{
	resv_lockdep_acquire(map, 0, 0, 0, 1, nest_lock, 0);
}

static void take(struct resv_lockdep_map *map)
{
	take_in(map, NULL);
}

static void drop(struct resv_lockdep_map *map)
{
	resv_lockdep_release(map, 0);
}

static void use(struct resv_lockdep_map *map)
{
	take(map);
	drop(map);
}

static bool end(struct scene *s)
{
	resv_fini(&s->obj);
	return resv_lockdep_is_held(&s->a) != RESV_LOCK_STATE_HELD &&
	       resv_lockdep_is_held(&s->b) != RESV_LOCK_STATE_HELD;
}

/* ---- Orders ---------------------------------------------------------------------------------------------------------- */

/* The reservation, then the lock; and the lock, then a wait for an unreserve. Nobody waits. */
static const char *lock_against_wait_for_unreserve(void)
{
	struct scene s;

	begin(&s);
	CHECK(resv_lock(&s.obj, NULL) == 0);
	use(&s.a);
	resv_unlock(&s.obj);
	take(&s.a);
	CHECK(misuse_silent());
	CHECK(resv_wait_for_unreserve(&s.obj, NULL, false) == 0);
	drop(&s.a);
	CHECK(end(&s));
	return NULL;
}

static const char *lock_against_lock(void)
{
	struct scene s;

	begin(&s);
	take(&s.a);
	use(&s.b);
	drop(&s.a);
	take(&s.b);
	CHECK(misuse_silent());
	use(&s.a);
	drop(&s.b);
	CHECK(end(&s));
	return NULL;
}

static const char *declared_against_order(void)
{
	struct scene s;

	begin(&s);
	CHECK(resv_lockdep_declare_order(&s.a, &s.b) == 0);
	CHECK(misuse_silent());
	CHECK(resv_lockdep_declare_order(&s.b, &s.a) == -EDEADLK);
	CHECK(end(&s));
	return NULL;
}

static const char *two_of_a_class(void)
{
	struct resv_lockdep_map another;
	struct scene s;

	begin(&s);
	resv_lockdep_init_map(&another, "A", &key_a, 0);
	take(&s.a);
	CHECK(misuse_silent());
	use(&another);
	drop(&s.a);
	CHECK(end(&s));
	return NULL;
}

/* ---- Interrupts ------------------------------------------------------------------------------------------------------- */

static void use_in_interrupt(struct resv_lockdep_map *map)
{
	lockdep_os_irq_enter(LOCKDEP_OS_HARDIRQ);
	use(map);
	lockdep_os_irq_exit();
}

static void use_with_interrupts_off(struct resv_lockdep_map *first, struct resv_lockdep_map *then)
{
	lockdep_os_hardirqs(false);
	take(first);
	use(then);
	drop(first);
	lockdep_os_hardirqs(true);
}

/* These are played with the annotator alone: some surroundings have no interrupts without it. */
static const char *interrupt_takes_what_is_held_with_them_on(void)
{
	struct scene s;

	if (!RESV_PROVE_LOCKING)
		return "there is no annotator";
	begin(&s);
	use(&s.a);
	CHECK(misuse_silent());
	use_in_interrupt(&s.a);
	CHECK(end(&s));
	return NULL;
}

static const char *order_from_interrupts_to_what_is_held_with_them_on(void)
{
	struct scene s;

	if (!RESV_PROVE_LOCKING)
		return "there is no annotator";
	begin(&s);
	use(&s.b);
	use_in_interrupt(&s.a);
	CHECK(misuse_silent());
	use_with_interrupts_off(&s.a, &s.b);
	CHECK(end(&s));
	return NULL;
}

static const char *interrupt_takes_what_comes_before_that(void)
{
	struct scene s;

	if (!RESV_PROVE_LOCKING)
		return "there is no annotator";
	begin(&s);
	use_with_interrupts_off(&s.a, &s.b);
	use(&s.b);
	CHECK(misuse_silent());
	use_in_interrupt(&s.a);
	CHECK(end(&s));
	return NULL;
}

/* ---- Single locks ------------------------------------------------------------------------------------------------------ */

static const char *released_but_not_held(void)
{
	struct scene s;

	begin(&s);
	use(&s.a);
	CHECK(misuse_silent());
	drop(&s.a);
	CHECK(end(&s));
	return NULL;
}

static const char *freed_but_held(void)
{
	struct scene s;

	begin(&s);
	take(&s.a);
	CHECK(misuse_silent());
	resv_lockdep_free(&s.a, sizeof(s.a));
	drop(&s.a);
	CHECK(end(&s));
	return NULL;
}

static const char *nested_in_what_is_not_held(void)
{
	struct scene s;

	begin(&s);
	take_in(&s.a, &s.b);
	drop(&s.a);
	CHECK(end(&s));
	return NULL;
}

static const char *asserted_but_not_held(void)
{
	struct scene s;

	begin(&s);
	use(&s.a);
	CHECK(misuse_silent());
	resv_lockdep_assert_held(&s.a);
	CHECK(end(&s));
	return NULL;
}

static const char *pinned_and_released(void)
{
	struct scene s;

	begin(&s);
	take(&s.a);
	(void)resv_lockdep_pin(&s.a);
	CHECK(misuse_silent());
	drop(&s.a);
	CHECK(end(&s));
	return NULL;
}

static const char *unpinned_but_not_pinned(void)
{
	struct resv_pin_cookie none = {.val = 1};
	struct scene s;

	begin(&s);
	take(&s.a);
	resv_lockdep_unpin(&s.a, none);
	drop(&s.a);
	CHECK(end(&s));
	return NULL;
}

static const char *without_a_key(void)
{
	struct scene s;

	begin(&s);
	resv_lockdep_init_map(&s.a, "A", NULL, 0);
	use(&s.a);
	CHECK(end(&s));
	return NULL;
}

static const char *subclass_that_is_none(void)
{
	struct scene s;

	begin(&s);
	resv_lockdep_acquire(&s.a, 8, 0, 0, 1, NULL, 0);
	drop(&s.a);
	CHECK(end(&s));
	return NULL;
}

/* ---- Where less is allowed ---------------------------------------------------------------------------------------------- */

static const char *reserve_under_a_spinlock(void)
{
	struct scene s;

	begin(&s);
	resv_lockdep_init_map_type(&s.a, "A", &key_a, 0, RESV_LD_WAIT_SPIN, RESV_LD_WAIT_SPIN,
				   RESV_LD_LOCK_NORMAL);
	take(&s.a);
	CHECK(misuse_silent());
	CHECK(resv_lock(&s.obj, NULL) == 0);
	resv_unlock(&s.obj);
	drop(&s.a);
	CHECK(end(&s));
	return NULL;
}

static const char *reserve_where_only_trying_is_allowed(void)
{
	struct scene s;

	begin(&s);
	resv_lockdep_no_blocking_begin();
	CHECK(resv_trylock(&s.obj, NULL));
	resv_unlock(&s.obj);
	CHECK(misuse_silent());
	CHECK(resv_lock(&s.obj, NULL) == 0);
	resv_unlock(&s.obj);
	resv_lockdep_no_blocking_end();
	CHECK(end(&s));
	return NULL;
}

static const char *end_of_a_section_that_never_began(void)
{
	struct scene s;

	begin(&s);
	resv_lockdep_no_blocking_end();
	CHECK(end(&s));
	return NULL;
}

static const char *wait_for_a_fence_where_one_is_signaled(void)
{
	struct scene s;
	bool cookie;

	begin(&s);
	cookie = resv_fence_begin_signalling();
	CHECK(misuse_silent());
	resv_fence_might_wait();
	resv_fence_end_signalling(cookie);
	CHECK(end(&s));
	return NULL;
}

static const char *reserve_where_a_fence_is_signaled(void)
{
	struct scene s;
	bool cookie;

	begin(&s);
	CHECK(resv_lockdep_declare_driver_order() == 0);
	cookie = resv_fence_begin_signalling();
	CHECK(misuse_silent());
	CHECK(resv_lock(&s.obj, NULL) == 0);
	resv_unlock(&s.obj);
	resv_fence_end_signalling(cookie);
	CHECK(end(&s));
	return NULL;
}

/* ---- The list ------------------------------------------------------------------------------------------------------------ */

static const struct misuse_case cases[] = {
	HARM(lock_against_wait_for_unreserve, RESV_REPORT_CIRCULAR),
	HARM(lock_against_lock, RESV_REPORT_CIRCULAR),
	HARM(declared_against_order, RESV_REPORT_CIRCULAR),
	HARM(two_of_a_class, RESV_REPORT_RECURSION),

	HARM(interrupt_takes_what_is_held_with_them_on, RESV_REPORT_IRQ_STATE),
	HARM(order_from_interrupts_to_what_is_held_with_them_on, RESV_REPORT_IRQ_ORDER),
	HARM(interrupt_takes_what_comes_before_that, RESV_REPORT_IRQ_INVERSION),

	HARM(released_but_not_held, RESV_REPORT_UNLOCK_BALANCE),
	HARM(freed_but_held, RESV_REPORT_HELD_FREED),
	HARM(nested_in_what_is_not_held, RESV_REPORT_NEST_NOT_HELD),
	HARM(asserted_but_not_held, RESV_REPORT_NOT_HELD),
	HARM(pinned_and_released, RESV_REPORT_PIN),
	HARM(unpinned_but_not_pinned, RESV_REPORT_PIN),
	HARM(without_a_key, RESV_REPORT_BAD_KEY),
	HARM(subclass_that_is_none, RESV_REPORT_BAD_KEY),

	HARM(reserve_under_a_spinlock, RESV_REPORT_WAIT_CONTEXT),
	HARM(reserve_where_only_trying_is_allowed, RESV_REPORT_BLOCKING),
	HARM(end_of_a_section_that_never_began, RESV_REPORT_UNLOCK_BALANCE),
	HARM(wait_for_a_fence_where_one_is_signaled, RESV_REPORT_RECURSION),
	HARM(reserve_where_a_fence_is_signaled, RESV_REPORT_CIRCULAR),
};

const struct misuse_file misuse_annotator = {cases, COUNT(cases)};
