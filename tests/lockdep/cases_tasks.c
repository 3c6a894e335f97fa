/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Locks that are handed from task to task, and orders that are declared before anybody keeps them. */
#include "cases_internal.h"
#include "cases_os.h"

#define HELD     RESV_LOCK_STATE_HELD
#define NOT_HELD RESV_LOCK_STATE_NOT_HELD

/* ---- From task to task ----------------------------------------------------------------------------------------- */

struct hand_over {
	struct resv_lockdep_map *map;
	int state_before, state_between, state_after;
	bool takes_x;
};

static void other_takes_over(void *data)
{
	struct hand_over *h = data;

	h->state_before = resv_lockdep_is_held(h->map);
	resv_lockdep_handoff_in(h->map, 0);
	h->state_between = resv_lockdep_is_held(h->map);
	if (h->takes_x)
		take(named("mX"));
	if (h->takes_x)
		drop(named("mX"));
	drop(h->map);
	h->state_after = resv_lockdep_is_held(h->map);
}

static const char *hand_over(void)
{
	struct hand_over h = {.map = named("mA")};

	CHECK(play("LmA"));
	resv_lockdep_handoff_out(h.map, 0);
	CHECK(state("mA") == NOT_HELD);
	lockdep_os_on_other_task(other_takes_over, &h);
	CHECK(h.state_before == NOT_HELD && h.state_between == HELD && h.state_after == NOT_HELD);
	CHECK(state("mA") == NOT_HELD);
	CHECK(play("LmA UmA"));
	return NULL;
}

static const char *hand_over_below_others(void)
{
	struct hand_over h = {.map = named("mA")};

	CHECK(play("LmA LmB"));
	resv_lockdep_handoff_out(h.map, 0);
	lockdep_os_on_other_task(other_takes_over, &h);
	CHECK(state("mB") == HELD);
	CHECK(play("UmB"));
	return NULL;
}

static void other_releases(void *data)
{
	drop(data);
}

static const char *hand_over_without_giving(void)
{
	CHECK(play("LmA"));
	lockdep_os_on_other_task(other_releases, named("mA"));
	CHECK(REPORTED(RESV_REPORT_UNLOCK_BALANCE));
	CHECK(state("mA") == HELD);
	CHECK(play("UmA"));
	return NULL;
}

static const char *hand_over_what_is_not_held(void)
{
	resv_lockdep_handoff_out(named("mA"), 0);
	CHECK(REPORTED(RESV_REPORT_UNLOCK_BALANCE));
	return NULL;
}

static const char *release_after_hand_over(void)
{
	struct hand_over h = {.map = named("mA")};

	CHECK(play("LmA"));
	resv_lockdep_handoff_out(h.map, 0);
	lockdep_os_on_other_task(other_takes_over, &h);
	CHECK(NO_REPORT());
	CHECK(play("UmA"));
	CHECK(REPORTED(RESV_REPORT_UNLOCK_BALANCE));
	return NULL;
}

/* What the receiver takes while he has the lock comes after it. */
static const char *hand_over_is_a_source(void)
{
	struct hand_over h = {.map = named("mA"), .takes_x = true};

	CHECK(play("LmA"));
	resv_lockdep_handoff_out(h.map, 0);
	lockdep_os_on_other_task(other_takes_over, &h);
	CHECK(NO_REPORT());
	CHECK(play("LmX LmA"));
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	CHECK(play("UmA UmX"));
	return NULL;
}

static void other_takes_over_with_x(void *data)
{
	take(named("mX"));
	other_takes_over(data);
	drop(named("mX"));
}

/* But to receive it is no wait, whatever is held. */
static const char *hand_over_waits_for_nobody(void)
{
	struct hand_over h = {.map = named("mA")};

	CHECK(play("LmA LmX UmX"));
	resv_lockdep_handoff_out(h.map, 0);
	lockdep_os_on_other_task(other_takes_over_with_x, &h);
	CHECK(h.state_between == HELD);
	return NULL;
}

/* Handed over, and back. */
static const char *hand_over_to_oneself(void)
{
	CHECK(play("LmA LmB"));
	resv_lockdep_handoff_out(named("mA"), 0);
	resv_lockdep_handoff_in(named("mA"), 0);
	CHECK(state("mA") == HELD);
	CHECK(play("UmB UmA"));
	return NULL;
}

static const char *hand_over_of_a_reader(void)
{
	struct hand_over h = {.map = named("hA")};

	CHECK(play("LhA"));
	resv_lockdep_handoff_out(h.map, 0);
	lockdep_os_on_other_task(other_takes_over, &h);
	CHECK(h.state_between == HELD && h.state_after == NOT_HELD);
	return NULL;
}

/* ---- Orders that are declared ---------------------------------------------------------------------------------- */

static const char *declare_and_keep(void)
{
	CHECK(resv_lockdep_declare_order(named("mA"), named("mB")) == 0);
	CHECK(resv_lockdep_declare_order(named("mA"), named("mB")) == 0);
	CHECK(state("mA") == NOT_HELD && state("mB") == NOT_HELD);
	CHECK(play("LmA LmB UmB UmA | LmB UmB LmA UmA"));
	return NULL;
}

static const char *declare_and_break(void)
{
	CHECK(resv_lockdep_declare_order(named("mA"), named("mB")) == 0);
	CHECK(NO_REPORT());
	CHECK(play("LmB LmA"));
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	CHECK(play("UmA UmB"));
	return NULL;
}

static const char *declare_what_has_been_seen(void)
{
	CHECK(play("LmA LmB UmB UmA"));
	CHECK(resv_lockdep_declare_order(named("mA"), named("mB")) == 0);
	return NULL;
}

static const char *declare_what_has_been_broken(void)
{
	CHECK(play("LmB LmA UmA UmB"));
	CHECK(NO_REPORT());
	CHECK(resv_lockdep_declare_order(named("mA"), named("mB")) == -EDEADLK);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	CHECK(resv_lockdep_declare_order(named("mA"), named("mB")) == -EDEADLK);
	CHECK(NO_REPORT());
	CHECK(play("LmB LmA UmA UmB | LmA LmB UmB UmA"));
	return NULL;
}

static const char *declare_a_circle(void)
{
	CHECK(resv_lockdep_declare_order(named("mA"), named("mB")) == 0);
	CHECK(resv_lockdep_declare_order(named("mB"), named("mC")) == 0);
	CHECK(NO_REPORT());
	CHECK(resv_lockdep_declare_order(named("mC"), named("mA")) == -EDEADLK);
	CHECK(REPORTED(RESV_REPORT_CIRCULAR));
	return NULL;
}

/* None of these is an order. */
static const char *declare_what_is_none(void)
{
	static struct resv_lockdep_map keyless;
	struct resv_lockdep_stats before = {0}, after = {0};

	resv_lockdep_init_map(&keyless, "keyless", NULL, 0);
	resv_lockdep_stats(&before);
	CHECK(resv_lockdep_declare_order(named("mX1"), named("mX2")) == 0);
	CHECK(NO_REPORT());
	CHECK(resv_lockdep_declare_order(named("mA"), &keyless) == 0);
	CHECK(resv_lockdep_declare_order(&keyless, named("mA")) == 0);
	CHECK(REPORTED(RESV_REPORT_BAD_KEY, RESV_REPORT_BAD_KEY));
	resv_lockdep_stats(&after);
	CHECK(after.edges == before.edges);
	return NULL;
}

static const char *declare_says_nothing_of_interrupts(void)
{
	CHECK(resv_lockdep_declare_order(named("sA"), named("sB")) == 0);
	CHECK(play("(h LsA UsA )h"));
	return NULL;
}

/* ---- The list -------------------------------------------------------------------------------------------------- */

static const struct lockdep_function tasks_functions[] = {
	SILENT(hand_over),
	SILENT(hand_over_below_others),
	REPORTS(hand_over_without_giving),
	REPORTS(hand_over_what_is_not_held),
	REPORTS(release_after_hand_over),
	REPORTS(hand_over_is_a_source),
	SILENT(hand_over_waits_for_nobody),
	SILENT(hand_over_to_oneself),
	SILENT(hand_over_of_a_reader),

	SILENT(declare_and_keep),
	REPORTS(declare_and_break),
	SILENT(declare_what_has_been_seen),
	REPORTS(declare_what_has_been_broken),
	REPORTS(declare_a_circle),
	REPORTS(declare_what_is_none),
	SILENT(declare_says_nothing_of_interrupts),
};

const struct lockdep_family lockdep_tasks = {"tasks", NULL, 0, tasks_functions, COUNT(tasks_functions)};
