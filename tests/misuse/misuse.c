/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Which cases there are, how one is played, and what it takes to pass. */
#include "internal.h"

#include <string.h>

static const struct misuse_file *const files[] = {
	&misuse_selftest, &misuse_objects, &misuse_transactions, &misuse_fences, &misuse_annotator,
};

/* ---- Kinds of reports ------------------------------------------------------------------------------------------- */

/* Who adds a kind is told here by the compiler, and then by misuse_missing(). */
const char *misuse_kind_name(unsigned kind)
{
#define KIND(name)               \
	case RESV_REPORT_##name: \
		return #name
	switch ((enum resv_report_kind)kind) {
		KIND(UNINITIALIZED);
		KIND(WRONG_CLASS);
		KIND(FOREIGN_CONTEXT);
		KIND(LOCK_AFTER_DONE);
		KIND(DONE_TWICE);
		KIND(STILL_HOLDING);
		KIND(WRONG_LOCK);
		KIND(DEADLK_IGNORED);
		KIND(SLOW_WITHOUT_DEADLK);
		KIND(SLOW_FAILED);
		KIND(UNLOCK_FREE);
		KIND(UNLOCK_FOREIGN);
		KIND(FINI_HOLDING);
		KIND(DESTROY_BUSY);
		KIND(SELF_DEADLOCK);
		KIND(NOT_HELD);
		KIND(WAIT_WHILE_HOLDING);
		KIND(CORRUPT_WAIT_LIST);
		KIND(LRU_NOT_EMPTY);
		KIND(LRU_PLACE);
		KIND(RELEASE_BUSY);
		KIND(CIRCULAR);
		KIND(RECURSION);
		KIND(IRQ_ORDER);
		KIND(IRQ_INVERSION);
		KIND(IRQ_STATE);
		KIND(UNLOCK_BALANCE);
		KIND(HELD_FREED);
		KIND(NEST_NOT_HELD);
		KIND(WAIT_CONTEXT);
		KIND(BLOCKING);
		KIND(PIN);
		KIND(BAD_KEY);
		KIND(FENCE_ABANDONED);
		KIND(FENCE_REFERENCES);
		KIND(FENCE_ERROR);
		KIND(FENCE_TIMELINES);
		KIND(FENCE_NESTED);
		KIND(NO_FENCE_SLOT);
		KIND(NO_FENCES);
		KIND(FENCE_CONTAINER);
	}
#undef KIND
	return NULL;
}

/* Kinds that no caller can cause, and why. */
static bool has_no_case(unsigned kind)
{
	/* Links of a wait list contradict each other after a stray write only: tests/ww_debug_test.cpp makes one. */
	return kind == RESV_REPORT_CORRUPT_WAIT_LIST;
}

bool misuse_is_made(enum resv_report_kind kind)
{
	if (kind >= RESV_REPORT_CIRCULAR && kind <= RESV_REPORT_BAD_KEY)
		return RESV_PROVE_LOCKING;
	return RESV_DEBUG_WW_MUTEXES || kind > RESV_REPORT_BAD_KEY || kind == RESV_REPORT_SLOW_FAILED ||
	       (kind >= RESV_REPORT_LRU_NOT_EMPTY && kind <= RESV_REPORT_RELEASE_BUSY);
}

static bool expects(const struct misuse_case *c, unsigned kind)
{
	for (unsigned i = 0; i < c->count; i++)
		if (c->reports[i] == kind)
			return true;
	return false;
}

static bool is_expected(unsigned kind)
{
	for (unsigned f = 0; f < COUNT(files); f++)
		for (unsigned i = 0; i < files[f]->count; i++)
			if (expects(&files[f]->cases[i], kind))
				return true;
	return false;
}

const char *misuse_missing(void)
{
	for (unsigned kind = 0; misuse_kind_name(kind); kind++)
		if (is_expected(kind) == has_no_case(kind))
			return misuse_kind_name(kind);
	return NULL;
}

/* ---- The list --------------------------------------------------------------------------------------------------- */

static bool is_played(const struct misuse_case *c)
{
	return c->harmless || misuse_is_made(c->reports[0]);
}

unsigned misuse_case_count(void)
{
	unsigned count = 0;

	for (unsigned f = 0; f < COUNT(files); f++)
		for (unsigned i = 0; i < files[f]->count; i++)
			count += is_played(&files[f]->cases[i]);
	return count;
}

const struct misuse_case *misuse_case_get(unsigned index)
{
	for (unsigned f = 0; f < COUNT(files); f++)
		for (unsigned i = 0; i < files[f]->count; i++)
			if (is_played(&files[f]->cases[i]) && index-- == 0)
				return &files[f]->cases[i];
	return NULL;
}

/* ---- Reports ---------------------------------------------------------------------------------------------------- */

static enum resv_report_kind reports[8]; /* since the case began; written under the report's lock */
static unsigned report_count;

static void note_report(enum resv_report_kind kind, const char *text, void *data)
{
	(void)data;
	if (report_count < COUNT(reports))
		reports[report_count] = kind;
	report_count++;
	lockdep_os_saw(kind, text);
}

bool misuse_silent(void)
{
	return report_count == 0;
}

/* Appends as much as there is room for. */
static void put(char *text, size_t size, const char *more)
{
	strncat(text, more, size - strlen(text) - 1);
}

/* NULL, or what came instead of what the case expects. */
static const char *wrong_reports(const struct misuse_case *c)
{
	static char text[256];
	unsigned wanted = 0;
	bool right = true;

	strcpy(text, "reported:");
	for (unsigned i = 0; i < report_count && i < COUNT(reports); i++) {
		put(text, sizeof(text), " ");
		put(text, sizeof(text), misuse_kind_name(reports[i]));
	}
	put(text, sizeof(text), "; expected:");
	for (unsigned i = 0; i < c->count; i++) {
		if (!misuse_is_made(c->reports[i]))
			continue;
		put(text, sizeof(text), " ");
		put(text, sizeof(text), misuse_kind_name(c->reports[i]));
		right &= wanted < report_count && reports[wanted] == c->reports[i];
		wanted++;
	}
	return right && wanted == report_count ? NULL : text;
}

/* ---- All goes on ------------------------------------------------------------------------------------------------ */

struct awaited {
	struct resv_fence_cb cb;
	unsigned calls;
};

static void count_call(struct resv_fence *fence, struct resv_fence_cb *cb)
{
	(void)fence;
	((struct awaited *)cb)->calls++;
}

/* Reserves a few, one of them twice, and leaves a fence in each, which is signaled. */
static const char *transaction_and_fence(void)
{
	struct resv_fence *fence = resv_port_alloc(sizeof(*fence));
	struct resv_object objs[3], *const wanted[] = {&objs[2], &objs[0], &objs[2], &objs[1]};
	struct awaited awaited = {.calls = 0};
	struct resv_exec exec;
	struct resv_object *obj;
	unsigned count;

	CHECK(fence);
	resv_fence_init(fence, NULL, NULL, resv_fence_context_alloc(1), 1);
	for (unsigned i = 0; i < COUNT(objs); i++)
		resv_init(&objs[i]);
	resv_exec_init(&exec, RESV_EXEC_IGNORE_DUPLICATES);
	CHECK(resv_exec_reserve(&exec, wanted, COUNT(wanted), 1) == 0);
	resv_exec_for_each_locked_object (&exec, count, obj)
		CHECK(resv_add_fence(obj, fence, RESV_USAGE_WRITE) == 0);
	CHECK(count == COUNT(objs));
	resv_exec_fini(&exec);

	CHECK(resv_fence_add_callback(fence, &awaited.cb, count_call) == 0);
	CHECK(!resv_test_signaled(&objs[0], RESV_USAGE_WRITE));
	CHECK(resv_fence_signal(fence) == 0);
	CHECK(awaited.calls == 1);
	for (unsigned i = 0; i < COUNT(objs); i++) {
		CHECK(resv_wait_timeout(&objs[i], RESV_USAGE_READ, false, 0) == 1);
		CHECK(resv_wait_for_unreserve(&objs[i], NULL, false) == 0);
		CHECK(!resv_is_locked(&objs[i]));
		resv_fini(&objs[i]);
	}
	resv_fence_put(fence);
	return NULL;
}

static const char *annotated_lock(void)
{
	__attribute__((unused)) static struct resv_lock_class_key key;
	struct resv_lockdep_map map;

	resv_lockdep_init_map(&map, "afterwards", &key, 0);
	resv_lockdep_acquire(&map, 0, 0, 0, 1, NULL, 0);
	CHECK(resv_lockdep_is_held(&map) ==
	      (RESV_PROVE_LOCKING ? RESV_LOCK_STATE_HELD : RESV_LOCK_STATE_UNKNOWN));
	resv_lockdep_release(&map, 0);
	CHECK(resv_lockdep_is_held(&map) ==
	      (RESV_PROVE_LOCKING ? RESV_LOCK_STATE_NOT_HELD : RESV_LOCK_STATE_UNKNOWN));
	return NULL;
}

static void look_for_locks(const char *line, void *data)
{
	*(bool *)data |= strstr(line, " #0: ") != NULL;
}

static const char *goes_on(void)
{
	bool held = false;
	const char *failure = transaction_and_fence();

	if (!failure)
		failure = annotated_lock();
	resv_lockdep_dump_held(look_for_locks, &held);
	if (!failure && held)
		failure = "a lock is still held";
	return failure;
}

const char *misuse_case_run(const struct misuse_case *c)
{
	const char *failure, *wrong;

	resv_lockdep_reset();
	report_count = 0;
	resv_lockdep_set_report_handler(note_report, NULL);
	failure = c->run();
	wrong = wrong_reports(c);
	failure = failure ? failure : wrong;
	report_count = 0;
	if (!failure)
		failure = goes_on();
	if (!failure && report_count != 0)
		failure = "a report comes afterwards";
	resv_lockdep_set_report_handler(NULL, NULL);
	return failure;
}
