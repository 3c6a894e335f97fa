/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What a task may ask of a lock that it holds, and change about it. */
#include "cases_internal.h"
#include "cases_os.h"

#define HELD     RESV_LOCK_STATE_HELD
#define NOT_HELD RESV_LOCK_STATE_NOT_HELD

/* ---- Is it held? ----------------------------------------------------------------------------------------------- */

static const char *is_held(void)
{
	CHECK(state("mA") == NOT_HELD);
	CHECK(play("LmA TmB KmC"));
	CHECK(state("mA") == HELD && state("mB") == HELD && state("mC") == HELD && state("mD") == NOT_HELD);
	CHECK(play("UmA"));
	CHECK(state("mA") == NOT_HELD && state("mB") == HELD && state("mC") == HELD);
	CHECK(play("UmC UmB SmA"));
	CHECK(state("mA") == NOT_HELD && state("mB") == NOT_HELD && state("mC") == NOT_HELD);
	return NULL;
}

static const char *is_held_by_instance(void)
{
	CHECK(play("LmX1"));
	CHECK(state("mX1") == HELD && state("mX2") == NOT_HELD);
	CHECK(play("UmX1"));
	return NULL;
}

static int held_as(const char *name, int read)
{
	return resv_lockdep_is_held_type(named(name), read);
}

static const char *is_held_type(void)
{
	CHECK(play("LhB LwA LrC"));
	CHECK(state("hB") == HELD && state("wA") == HELD && state("rC") == HELD);
	CHECK(held_as("wA", -1) == HELD && held_as("wA", 0) == HELD && held_as("wA", 1) == NOT_HELD);
	CHECK(held_as("hB", -1) == HELD && held_as("hB", 0) == NOT_HELD && held_as("hB", 1) == HELD);
	CHECK(held_as("rC", -1) == HELD && held_as("rC", 0) == NOT_HELD && held_as("rC", 2) == HELD);
	CHECK(held_as("wD", -1) == NOT_HELD && held_as("wD", 0) == NOT_HELD && held_as("wD", 1) == NOT_HELD);
	CHECK(play("UrC UwA UhB"));
	return NULL;
}

/* Nothing is held because others of its class, or in its context, are. */
static const char *is_held_in_context(void)
{
	CHECK(play("LgA LmX1^gA LmX2^gA"));
	CHECK(state("mX1") == HELD && state("mX2") == HELD && state("mX0") == NOT_HELD);
	CHECK(held_as("mX0", 0) == NOT_HELD);
	CHECK(play("UmX1"));
	CHECK(state("mX1") == NOT_HELD && state("mX2") == HELD && state("mX0") == NOT_HELD);
	CHECK(NO_REPORT());
	CHECK(play("UmX0"));
	CHECK(REPORTED(RESV_REPORT_UNLOCK_BALANCE));
	CHECK(state("mX2") == HELD);
	CHECK(play("UmX2 UgA"));
	return NULL;
}

static const char *assert_held(void)
{
	CHECK(play("LmX1 LgA LmY1^gA"));
	resv_lockdep_assert_held(named("mX1"));
	resv_lockdep_assert_held(named("gA"));
	resv_lockdep_assert_held(named("mY1"));
	CHECK(NO_REPORT());
	resv_lockdep_assert_held(named("mX2"));
	CHECK(REPORTED(RESV_REPORT_NOT_HELD));
	resv_lockdep_assert_held(named("mY2"));
	CHECK(REPORTED(RESV_REPORT_NOT_HELD));
	CHECK(play("UmY1"));
	resv_lockdep_assert_held(named("mY1"));
	CHECK(REPORTED(RESV_REPORT_NOT_HELD));
	CHECK(play("UgA UmX1"));
	return NULL;
}

static const char *assert_held_of_a_reservation(void)
{
	struct resv_object obj;
	struct resv_ww_mutex lock;

	resv_init(&obj);
	resv_ww_mutex_init(&lock, &resv_reservation_ww_class);
	CHECK(resv_trylock(&obj, NULL));
	resv_lockdep_assert_held(&obj);
	CHECK(NO_REPORT());
	resv_lockdep_assert_held(&lock);
	CHECK(REPORTED(RESV_REPORT_NOT_HELD));
	CHECK(resv_ww_mutex_trylock(&lock, NULL));
	resv_unlock(&obj);
	resv_lockdep_assert_held(&lock);
	CHECK(NO_REPORT());
	resv_lockdep_assert_held(&obj);
	CHECK(REPORTED(RESV_REPORT_NOT_HELD));
	resv_ww_mutex_unlock(&lock);
	return NULL;
}

struct answer {
	struct resv_lockdep_map *map;
	int state;
};

static void other_asks(void *data)
{
	struct answer *a = data;

	a->state = resv_lockdep_is_held(a->map);
}

static int held_by_other(const char *name)
{
	struct answer a = {named(name), RESV_LOCK_STATE_UNKNOWN};

	lockdep_os_on_other_task(other_asks, &a);
	return a.state;
}

static const char *is_held_by_task(void)
{
	CHECK(play("LmA LgA LmX1^gA LmX2^gA"));
	CHECK(held_by_other("mA") == NOT_HELD && held_by_other("gA") == NOT_HELD);
	CHECK(held_by_other("mX1") == NOT_HELD && held_by_other("mX2") == NOT_HELD);
	CHECK(play("UmX2 UmX1 UgA UmA"));
	return NULL;
}

static void other_releases(void *data)
{
	drop(data);
}

static const char *release_by_another_task_in_context(void)
{
	CHECK(play("LgA LmX1^gA LmX2^gA"));
	lockdep_os_on_other_task(other_releases, named("mX1"));
	CHECK(REPORTED(RESV_REPORT_UNLOCK_BALANCE));
	CHECK(state("mX1") == HELD && state("mX2") == HELD);
	CHECK(play("UmX1 UmX2 UgA"));
	return NULL;
}

/* ---- Pins ------------------------------------------------------------------------------------------------------ */

static const char *pin_and_unpin(void)
{
	struct resv_pin_cookie cookie;

	CHECK(play("LmA LmB"));
	cookie = resv_lockdep_pin(named("mA"));
	CHECK(play("UmB"));
	resv_lockdep_unpin(named("mA"), cookie);
	CHECK(play("UmA"));
	return NULL;
}

static const char *pin_and_release(void)
{
	struct resv_pin_cookie cookie;

	CHECK(play("LmA"));
	cookie = resv_lockdep_pin(named("mA"));
	CHECK(NO_REPORT());
	CHECK(play("UmA"));
	CHECK(REPORTED(RESV_REPORT_PIN));
	CHECK(state("mA") == NOT_HELD);
	CHECK(play("LmA UmA LsB UsB"));
	CHECK(NO_REPORT());
	resv_lockdep_unpin(named("mA"), cookie);
	CHECK(REPORTED(RESV_REPORT_PIN));
	return NULL;
}

static const char *pin_and_release_of_a_known_lock(void)
{
	struct resv_pin_cookie cookie;

	CHECK(play("LuA UuA LuA UuA LuA"));
	cookie = resv_lockdep_pin(named("uA"));
	CHECK(cookie.val != 0);
	CHECK(NO_REPORT());
	CHECK(play("UuA"));
	CHECK(REPORTED(RESV_REPORT_PIN));
	CHECK(play("LsB UsB LuA UuA"));
	return NULL;
}

/* None is 0, and what undoes one pin is not what undoes another. */
static const char *pins_have_cookies_of_their_own(void)
{
	struct resv_pin_cookie cookies[16];

	CHECK(play("LmA"));
	for (unsigned i = 0; i < COUNT(cookies); i++) {
		cookies[i] = resv_lockdep_pin(named("mA"));
		CHECK(cookies[i].val != 0);
		for (unsigned j = 0; j < i; j++)
			CHECK(cookies[j].val != cookies[i].val);
	}
	for (unsigned i = 0; i < COUNT(cookies); i++)
		resv_lockdep_unpin(named("mA"), cookies[i]);
	CHECK(play("UmA"));
	return NULL;
}

static const char *pin_twice(void)
{
	struct resv_pin_cookie first, second;

	CHECK(play("LmA"));
	first = resv_lockdep_pin(named("mA"));
	second = resv_lockdep_pin(named("mA"));
	resv_lockdep_unpin(named("mA"), first);
	CHECK(NO_REPORT());
	resv_lockdep_unpin(named("mA"), second);
	CHECK(play("UmA"));
	return NULL;
}

static const char *pin_twice_and_unpin_once(void)
{
	struct resv_pin_cookie first, second;

	CHECK(play("LmA"));
	first = resv_lockdep_pin(named("mA"));
	second = resv_lockdep_pin(named("mA"));
	resv_lockdep_unpin(named("mA"), first);
	CHECK(second.val != 0);
	CHECK(NO_REPORT());
	CHECK(play("UmA"));
	CHECK(REPORTED(RESV_REPORT_PIN));
	return NULL;
}

static const char *pin_and_repin(void)
{
	struct resv_pin_cookie cookie;

	CHECK(play("LmA"));
	cookie = resv_lockdep_pin(named("mA"));
	resv_lockdep_unpin(named("mA"), cookie);
	CHECK(play("UmA LmA"));
	resv_lockdep_repin(named("mA"), cookie);
	CHECK(NO_REPORT());
	resv_lockdep_unpin(named("mA"), cookie);
	CHECK(play("UmA"));
	return NULL;
}

static const char *repin_and_release(void)
{
	struct resv_pin_cookie cookie;

	CHECK(play("LmA"));
	cookie = resv_lockdep_pin(named("mA"));
	resv_lockdep_unpin(named("mA"), cookie);
	resv_lockdep_repin(named("mA"), cookie);
	CHECK(NO_REPORT());
	CHECK(play("UmA"));
	CHECK(REPORTED(RESV_REPORT_PIN));
	return NULL;
}

static const char *unpin_with_another_cookie(void)
{
	struct resv_pin_cookie cookie, wrong;

	CHECK(play("LmA"));
	cookie = resv_lockdep_pin(named("mA"));
	CHECK(NO_REPORT());
	wrong.val = cookie.val + 1;
	resv_lockdep_unpin(named("mA"), wrong);
	CHECK(REPORTED(RESV_REPORT_PIN));
	CHECK(play("UmA"));
	return NULL;
}

static const char *unpin_what_is_not_pinned(void)
{
	struct resv_pin_cookie cookie = {1};

	CHECK(play("LmA"));
	resv_lockdep_unpin(named("mA"), cookie);
	CHECK(REPORTED(RESV_REPORT_PIN));
	CHECK(play("UmA"));
	return NULL;
}

static const char *pin_what_is_not_held(void)
{
	struct resv_pin_cookie cookie = resv_lockdep_pin(named("mA"));

	CHECK(REPORTED(RESV_REPORT_PIN));
	CHECK(cookie.val == 0);
	resv_lockdep_repin(named("mA"), cookie); /* there is nothing to undo */
	resv_lockdep_unpin(named("mA"), cookie);
	CHECK(NO_REPORT());
	CHECK(play("LmA UmA"));
	return NULL;
}

/* ---- Another class --------------------------------------------------------------------------------------------- */

static struct resv_lock_class_key key_p, key_q;
static struct resv_lockdep_map p, p2, q, q2;

static void init_p_and_q(void)
{
	resv_lockdep_init_map(&p, "P", &key_p, 0);
	resv_lockdep_init_map(&p2, "P", &key_p, 0);
	resv_lockdep_init_map(&q, "Q", &key_q, 0);
	resv_lockdep_init_map(&q2, "Q", &key_q, 0);
}

/* What comes after it has an order with the new class, and none with the old one. */
static const char *set_class_while_held(void)
{
	init_p_and_q();
	take(&p);
	resv_lockdep_set_class(&p, "Q", &key_q, 0, 0);
	CHECK(resv_lockdep_is_held(&p) == HELD);
	CHECK(play("LmA UmA"));
	drop(&p);
	take(named("mA"));
	take(&p2);
	CHECK(NO_REPORT());
	drop(&p2);
	take(&q);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	drop(&q);
	drop(named("mA"));
	return NULL;
}

/* A held lock of the new class is in its place among those that were taken before and after. */
static const char *set_class_is_checked(void)
{
	init_p_and_q();
	take_two(&q, named("mA"));
	take(named("mA"));
	take(&p);
	CHECK(NO_REPORT());
	resv_lockdep_set_class(&p, "Q", &key_q, 0, 0);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	drop(&p);
	drop(named("mA"));
	return NULL;
}

static const char *set_class_is_checked_above(void)
{
	init_p_and_q();
	take_two(named("mA"), &q);
	take(&p);
	take(named("mA"));
	CHECK(NO_REPORT());
	resv_lockdep_set_class(&p, "Q", &key_q, 0, 0);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	drop(named("mA"));
	drop(&p);
	return NULL;
}

static const char *set_class_to_one_that_is_held(void)
{
	init_p_and_q();
	take(&q);
	take(&p);
	CHECK(NO_REPORT());
	resv_lockdep_set_class(&p, "Q", &key_q, 0, 0);
	CHECK(REPORTED(RESV_REPORT_RECURSION));
	drop(&p);
	drop(&q);
	return NULL;
}

static const char *set_class_while_free(void)
{
	init_p_and_q();
	take_two(&p, named("mA"));
	resv_lockdep_set_class(&p, "Q", &key_q, 0, 0);
	take_two(&p, named("mB"));
	/* what it did as P stays with P */
	take(named("mA"));
	take(&p);
	CHECK(NO_REPORT());
	drop(&p);
	take(&p2);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	drop(&p2);
	drop(named("mA"));
	take(named("mB"));
	take(&q);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	drop(&q);
	drop(named("mB"));
	return NULL;
}

static const char *set_class_to_subclass(void)
{
	init_p_and_q();
	resv_lockdep_init_map(&q, "P", &key_p, 1);
	take(&p);
	resv_lockdep_set_class(&p, "P", &key_p, 1, 0);
	take(&p2);
	CHECK(NO_REPORT());
	drop(&p2);
	drop(&p);
	take_two(&p2, &q);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	return NULL;
}

/* It stays what it was taken as: here by a reader that stops at writers only, so that what comes above it has an order
 * from what lies below. */
static const char *set_class_of_a_recursive_reader(void)
{
	init_p_and_q();
	CHECK(play("LmA"));
	resv_lockdep_acquire(&p, 0, 0, 2, 1, NULL, 0);
	resv_lockdep_set_class(&p, "Q", &key_q, 0, 0);
	CHECK(resv_lockdep_is_held_type(&p, 0) == NOT_HELD && resv_lockdep_is_held_type(&p, 2) == HELD);
	CHECK(play("LmB UmB"));
	drop(&p);
	CHECK(play("UmA LmB"));
	CHECK(NO_REPORT());
	CHECK(play("LmA"));
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	CHECK(play("UmA UmB"));
	return NULL;
}

/* Nor has it waited because its class is another. */
static const char *set_class_of_what_was_tried_or_unchecked(void)
{
	init_p_and_q();
	take_two(&q, named("mA"));
	take(named("mA"));
	resv_lockdep_acquire(&p, 0, 1, 0, 1, NULL, 0);
	resv_lockdep_set_class(&p, "Q", &key_q, 0, 0);
	drop(&p);
	init_p_and_q();
	resv_lockdep_acquire(&p, 0, 0, 0, 0, NULL, 0);
	resv_lockdep_set_class(&p, "Q", &key_q, 0, 0);
	drop(&p);
	drop(named("mA"));
	return NULL;
}

/* The order from A to Q is refused: what comes above Q has one of its own from A. */
static const char *set_class_is_passed_if_refused(void)
{
	init_p_and_q();
	take_two(&q, named("mA"));
	CHECK(play("LmA"));
	take(&p);
	resv_lockdep_set_class(&p, "Q", &key_q, 0, 0);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	CHECK(play("LmB UmB"));
	drop(&p);
	CHECK(play("UmA LmB"));
	CHECK(NO_REPORT());
	CHECK(play("LmA"));
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	CHECK(play("UmA UmB"));
	return NULL;
}

/* It is held with interrupts on, even if they are off when it is released. */
static const char *set_class_with_interrupts_on(void)
{
	init_p_and_q();
	take(&p);
	resv_lockdep_set_class(&p, "Q", &key_q, 0, 0);
	lockdep_os_hardirqs(false);
	drop(&p);
	lockdep_os_irq_enter(LOCKDEP_OS_HARDIRQ);
	CHECK(NO_REPORT());
	take(&q);
	CHECK(REPORTED(RESV_REPORT_IRQ_STATE));
	drop(&q);
	lockdep_os_irq_exit();
	lockdep_os_hardirqs(true);
	return NULL;
}

static const char *set_class_of_a_pinned_lock(void)
{
	init_p_and_q();
	take(&p);
	resv_lockdep_pin(&p);
	resv_lockdep_set_class(&p, "Q", &key_q, 0, 0);
	CHECK(NO_REPORT());
	drop(&p);
	CHECK(REPORTED(RESV_REPORT_PIN));
	return NULL;
}

/* It is held as what it was. */
static const char *set_class_without_a_key(void)
{
	init_p_and_q();
	take(&p);
	CHECK(NO_REPORT());
	resv_lockdep_set_class(&p, "P", NULL, 0, 0);
	CHECK(REPORTED(RESV_REPORT_BAD_KEY));
	CHECK(play("LmA UmA"));
	drop(&p);
	CHECK(play("LmA"));
	CHECK(NO_REPORT());
	take(&p2);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	drop(&p2);
	CHECK(play("UmA"));
	return NULL;
}

/* A reader's order stops at another reader, a writer's does not. */
static const char *downgrade(void)
{
	CHECK(play("LwA"));
	CHECK(held_as("wA", 0) == HELD);
	resv_lockdep_downgrade(named("wA"), 0);
	CHECK(held_as("wA", 0) == NOT_HELD && held_as("wA", 1) == HELD);
	CHECK(play("LsB UsB UrA | LsB LrA UrA UsB"));
	return NULL;
}

static const char *no_downgrade(void)
{
	CHECK(play("LwA LsB UsB UwA | LsB LrA UrA UsB"));
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	return NULL;
}

static int by_address(const struct resv_lockdep_map *a, const struct resv_lockdep_map *b);

/* Now a reader above a writer of its class: what comes above both has an order from the writer, too. */
static const char *downgrade_above_a_writer(void)
{
	resv_lockdep_set_cmp_fn(named("wX0"), by_address);
	CHECK(play("LwX0 LwX1"));
	resv_lockdep_downgrade(named("wX1"), 0);
	CHECK(play("LsA UsA UwX1 UwX0 LsA"));
	CHECK(NO_REPORT());
	CHECK(play("LrX2"));
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	CHECK(play("UrX2 UsA"));
	return NULL;
}

static const char *downgrade_what_is_not_held(void)
{
	resv_lockdep_downgrade(named("wA"), 0);
	CHECK(REPORTED(RESV_REPORT_UNLOCK_BALANCE));
	CHECK(state("wA") == NOT_HELD);
	return NULL;
}

/* ---- A class with an order of its own -------------------------------------------------------------------------- */

static int by_address(const struct resv_lockdep_map *a, const struct resv_lockdep_map *b)
{
	uintptr_t address_a = (uintptr_t)a, address_b = (uintptr_t)b;

	return address_a < address_b ? -1 : address_a > address_b;
}

static int all_equal(const struct resv_lockdep_map *a, const struct resv_lockdep_map *b)
{
	(void)a, (void)b;
	return 0;
}

static const char *cmp_fn_upward(void)
{
	resv_lockdep_set_cmp_fn(named("mX0"), by_address);
	CHECK(play("LmX0 LmX1 LmX2 UmX1 UmX0 UmX2"));
	CHECK(play("LmX0 SmX2 UmX0"));
	return NULL;
}

/* What is taken between them has its order with both. */
static const char *cmp_fn_and_other_locks(void)
{
	resv_lockdep_set_cmp_fn(named("mX0"), by_address);
	CHECK(play("LmX0 LmA"));
	CHECK(NO_REPORT());
	CHECK(play("LmX1"));
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	CHECK(play("UmX1 UmA UmX0"));
	return NULL;
}

static const char *cmp_fn_downward(void)
{
	resv_lockdep_set_cmp_fn(named("mX0"), by_address);
	CHECK(play("LmX1 LmX0"));
	CHECK(REPORTED(RESV_REPORT_RECURSION));
	CHECK(play("UmX0 UmX1"));
	return NULL;
}

static const char *cmp_fn_with_itself(void)
{
	resv_lockdep_set_cmp_fn(named("mX0"), by_address);
	CHECK(play("LmX1 LmX1"));
	CHECK(REPORTED(RESV_REPORT_RECURSION));
	CHECK(play("UmX1 UmX1"));
	return NULL;
}

static const char *cmp_fn_all_equal(void)
{
	resv_lockdep_set_cmp_fn(named("mX0"), all_equal);
	CHECK(play("LmX0 LmX1"));
	CHECK(REPORTED(RESV_REPORT_RECURSION));
	CHECK(play("UmX1 UmX0"));
	return NULL;
}

/* Each one that is held counts, not just the last. */
static const char *cmp_fn_with_all_that_are_held(void)
{
	resv_lockdep_set_cmp_fn(named("mX0"), by_address);
	CHECK(play("TmX2 TmX0"));
	CHECK(NO_REPORT());
	CHECK(play("LmX1"));
	CHECK(REPORTED(RESV_REPORT_RECURSION));
	CHECK(play("UmX0 UmX1 UmX2"));
	return NULL;
}

static const char *cmp_fn_of_another_class(void)
{
	resv_lockdep_set_cmp_fn(named("mX0"), by_address);
	CHECK(play("LmY0 LmY1"));
	CHECK(REPORTED(RESV_REPORT_RECURSION));
	CHECK(play("UmY1 UmY0"));
	return NULL;
}

static const char *cmp_fn_taken_away(void)
{
	resv_lockdep_set_cmp_fn(named("mX0"), by_address);
	resv_lockdep_set_cmp_fn(named("mX0"), NULL);
	CHECK(play("LmX0 LmX1"));
	CHECK(REPORTED(RESV_REPORT_RECURSION));
	CHECK(play("UmX1 UmX0"));
	return NULL;
}

/* ---- The list -------------------------------------------------------------------------------------------------- */

static const struct lockdep_function api_functions[] = {
	SILENT(is_held),
	SILENT(is_held_by_instance),
	SILENT(is_held_type),
	REPORTS(is_held_in_context),
	REPORTS(assert_held),
	REPORTS(assert_held_of_a_reservation),
	SILENT(is_held_by_task),
	REPORTS(release_by_another_task_in_context),

	SILENT(pin_and_unpin),
	REPORTS(pin_and_release),
	REPORTS(pin_and_release_of_a_known_lock),
	SILENT(pins_have_cookies_of_their_own),
	SILENT(pin_twice),
	REPORTS(pin_twice_and_unpin_once),
	SILENT(pin_and_repin),
	REPORTS(repin_and_release),
	REPORTS(unpin_with_another_cookie),
	REPORTS(unpin_what_is_not_pinned),
	REPORTS(pin_what_is_not_held),

	REPORTS(set_class_while_held),
	REPORTS(set_class_is_checked),
	REPORTS(set_class_is_checked_above),
	REPORTS(set_class_to_one_that_is_held),
	REPORTS(set_class_while_free),
	REPORTS(set_class_to_subclass),
	REPORTS(set_class_of_a_recursive_reader),
	SILENT(set_class_of_what_was_tried_or_unchecked),
	REPORTS(set_class_is_passed_if_refused),
	REPORTS(set_class_with_interrupts_on),
	REPORTS(set_class_of_a_pinned_lock),
	REPORTS(set_class_without_a_key),
	SILENT(downgrade),
	REPORTS(no_downgrade),
	REPORTS(downgrade_above_a_writer),
	REPORTS(downgrade_what_is_not_held),

	SILENT(cmp_fn_upward),
	REPORTS(cmp_fn_and_other_locks),
	REPORTS(cmp_fn_downward),
	REPORTS(cmp_fn_with_itself),
	REPORTS(cmp_fn_all_equal),
	REPORTS(cmp_fn_with_all_that_are_held),
	REPORTS(cmp_fn_of_another_class),
	REPORTS(cmp_fn_taken_away),
};

const struct lockdep_family lockdep_api = {"api", NULL, 0, api_functions, COUNT(api_functions)};
