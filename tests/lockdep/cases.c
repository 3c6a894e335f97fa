/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Which cases there are, how one is run, and what it takes to pass. */
#include "cases.h"

#include "cases_internal.h"
#include "cases_os.h"

#include <string.h>

static const struct lockdep_family *const families[] = {
	&lockdep_chains,  &lockdep_read,   &lockdep_irq,       &lockdep_wait_context,
	&lockdep_reclaim, &lockdep_rules,  &lockdep_irq_rules, &lockdep_false_negatives,
	&lockdep_reserve, &lockdep_many,   &lockdep_sections,  &lockdep_api,
	&lockdep_tasks,   &lockdep_memory, &lockdep_limits,
};

const char *const lockdep_orders_2[2] = {"12", "21"};
const char *const lockdep_orders_3[6] = {"123", "132", "213", "231", "312", "321"};

/* ---- Texts ----------------------------------------------------------------------------------------------------- */

struct text {
	char *at;
	char *end; /* the last byte, for the NUL */
};

static void put(struct text *t, const char *s)
{
	while (*s && t->at != t->end)
		*t->at++ = *s++;
	*t->at = '\0';
}

static void put_part(struct text *t, const char *part)
{
	put(t, "_");
	put(t, part);
}

/* ---- Reports --------------------------------------------------------------------------------------------------- */

static const struct {
	enum resv_report_kind kind;
	char letter; /* in the `reports` of rows, or 0 */
	const char *name;
} report_kinds[] = {
	{RESV_REPORT_CIRCULAR, 'C', "CIRCULAR"},
	{RESV_REPORT_RECURSION, 'R', "RECURSION"},
	{RESV_REPORT_IRQ_ORDER, 'O', "IRQ_ORDER"},
	{RESV_REPORT_IRQ_INVERSION, 'V', "IRQ_INVERSION"},
	{RESV_REPORT_IRQ_STATE, 'T', "IRQ_STATE"},
	{RESV_REPORT_UNLOCK_BALANCE, 'U', "UNLOCK_BALANCE"},
	{RESV_REPORT_HELD_FREED, 'F', "HELD_FREED"},
	{RESV_REPORT_NEST_NOT_HELD, 'N', "NEST_NOT_HELD"},
	{RESV_REPORT_WAIT_CONTEXT, 'W', "WAIT_CONTEXT"},
	{RESV_REPORT_BAD_KEY, 'K', "BAD_KEY"},
	{RESV_REPORT_BLOCKING, 0, "BLOCKING"},
	{RESV_REPORT_PIN, 0, "PIN"},
	{RESV_REPORT_UNINITIALIZED, 0, "UNINITIALIZED"},
	{RESV_REPORT_WRONG_CLASS, 0, "WRONG_CLASS"},
	{RESV_REPORT_FOREIGN_CONTEXT, 0, "FOREIGN_CONTEXT"},
	{RESV_REPORT_LOCK_AFTER_DONE, 0, "LOCK_AFTER_DONE"},
	{RESV_REPORT_DONE_TWICE, 0, "DONE_TWICE"},
	{RESV_REPORT_STILL_HOLDING, 0, "STILL_HOLDING"},
	{RESV_REPORT_WRONG_LOCK, 0, "WRONG_LOCK"},
	{RESV_REPORT_DEADLK_IGNORED, 0, "DEADLK_IGNORED"},
	{RESV_REPORT_SLOW_WITHOUT_DEADLK, 0, "SLOW_WITHOUT_DEADLK"},
	{RESV_REPORT_SLOW_FAILED, 0, "SLOW_FAILED"},
	{RESV_REPORT_UNLOCK_FREE, 0, "UNLOCK_FREE"},
	{RESV_REPORT_UNLOCK_FOREIGN, 0, "UNLOCK_FOREIGN"},
	{RESV_REPORT_FINI_HOLDING, 0, "FINI_HOLDING"},
	{RESV_REPORT_DESTROY_BUSY, 0, "DESTROY_BUSY"},
	{RESV_REPORT_SELF_DEADLOCK, 0, "SELF_DEADLOCK"},
	{RESV_REPORT_NOT_HELD, 0, "NOT_HELD"},
	{RESV_REPORT_WAIT_WHILE_HOLDING, 0, "WAIT_WHILE_HOLDING"},
	{RESV_REPORT_CORRUPT_WAIT_LIST, 0, "CORRUPT_WAIT_LIST"},
	{RESV_REPORT_LRU_NOT_EMPTY, 0, "LRU_NOT_EMPTY"},
	{RESV_REPORT_LRU_PLACE, 0, "LRU_PLACE"},
	{RESV_REPORT_RELEASE_BUSY, 0, "RELEASE_BUSY"},
};

#define MAX_REPORTS 128

static enum resv_report_kind reports[MAX_REPORTS]; /* since the case began; written under the report's lock */
static unsigned report_count;
static unsigned looked_at; /* of them, by lockdep_reported_() */

static void note_report(enum resv_report_kind kind, const char *text, void *data)
{
	(void)data;
	if (report_count < MAX_REPORTS)
		reports[report_count] = kind;
	report_count++;
	lockdep_os_saw(kind, text);
}

unsigned lockdep_report_count(void)
{
	return report_count;
}

void lockdep_forget_reports(void)
{
	looked_at = report_count;
}

bool lockdep_reported_(const enum resv_report_kind *kinds, unsigned count)
{
	if (report_count - looked_at != count || (count != 0 && report_count > MAX_REPORTS))
		return false;
	for (unsigned i = 0; i < count; i++)
		if (reports[looked_at + i] != kinds[i])
			return false;
	looked_at = report_count;
	return true;
}

/* The same for a row's letters. */
static bool reported_letters(const char *letters)
{
	enum resv_report_kind wanted[8];
	unsigned count = 0;

	for (; *letters && count < COUNT(wanted); letters++)
		for (unsigned i = 0; i < COUNT(report_kinds); i++)
			if (report_kinds[i].letter == *letters)
				wanted[count++] = report_kinds[i].kind;
	return lockdep_reported_(wanted, count);
}

const char *lockdep_failed(const char *what)
{
	static char buffer[1024];
	struct text t = {buffer, buffer + sizeof(buffer) - 1};

	put(&t, what);
	put(&t, "; reports:");
	for (unsigned i = 0; i < report_count && i < MAX_REPORTS; i++) {
		for (unsigned k = 0; k < COUNT(report_kinds); k++) {
			if (report_kinds[k].kind == reports[i]) {
				put(&t, i < looked_at ? " (" : " ");
				put(&t, report_kinds[k].name);
				put(&t, i < looked_at ? ")" : "");
			}
		}
	}
	put(&t, report_count == 0 ? " none" : "");
	return buffer;
}

/* ---- The list -------------------------------------------------------------------------------------------------- */

static unsigned length_or_one(const char *s)
{
	return s ? (unsigned)strlen(s) : 1;
}

static bool has_three_events(const struct lockdep_row *row)
{
	const char *bar = strchr(row->script, '|');

	return bar && strchr(bar + 1, '|');
}

static unsigned orders_of(const struct lockdep_row *row)
{
	if (!row->permute)
		return 1;
	return has_three_events(row) ? COUNT(lockdep_orders_3) : COUNT(lockdep_orders_2);
}

static unsigned cases_of(const struct lockdep_row *row)
{
	return length_or_one(row->kinds) * length_or_one(row->levels) * orders_of(row);
}

static unsigned cases_in(const struct lockdep_family *family)
{
	unsigned count = family->function_count;

	for (unsigned i = 0; i < family->row_count; i++)
		count += cases_of(&family->rows[i]);
	return count;
}

unsigned lockdep_case_count(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < COUNT(families); i++)
		count += cases_in(families[i]);
	return RESV_PROVE_LOCKING ? count : 0;
}

static const char *kind_name(char kind)
{
	switch (kind) {
	case 's':
		return "spin";
	case 'w':
		return "wlock";
	case 'r':
		return "rlock";
	case 'm':
		return "mutex";
	case 'e':
		return "wsem";
	case 'h':
		return "rsem";
	case 't':
		return "rtmutex";
	case 'p':
		return "raw_spin";
	case 'c':
		return "rcu";
	}
	return "unnamed";
}

static void get_row(const struct lockdep_row *row, unsigned index, struct lockdep_case *out)
{
	struct text name = {out->name, out->name + sizeof(out->name) - 1};
	unsigned order = index % orders_of(row);
	unsigned level = index / orders_of(row) % length_or_one(row->levels);
	unsigned kind = index / orders_of(row) / length_or_one(row->levels);

	out->row = row;
	put(&name, row->name);
	if (row->levels) {
		out->level = row->levels[level];
		put_part(&name, out->level == 'h' ? "hard" : "soft");
	}
	if (row->kinds) {
		out->kind = row->kinds[kind];
		put_part(&name, kind_name(out->kind));
	}
	if (row->permute) {
		strcpy(out->events,
		       has_three_events(row) ? lockdep_orders_3[order] : lockdep_orders_2[order]);
		put_part(&name, out->events);
	}
	out->reports = row->reports[1] ? row->reports[order] : row->reports[0];
	if (row->silent && out->kind && strchr(row->silent, out->kind))
		out->reports = NONE;
	out->reported = out->reports[0] != '\0';
}

void lockdep_case_get(unsigned index, struct lockdep_case *out)
{
	const struct lockdep_family *family = families[0];

	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; index >= cases_in(family); family = families[++i])
		index -= cases_in(family);
	out->family = family->name;
	for (unsigned i = 0; i < family->row_count; i++) {
		if (index < cases_of(&family->rows[i])) {
			get_row(&family->rows[i], index, out);
			return;
		}
		index -= cases_of(&family->rows[i]);
	}
	out->function = &family->functions[index];
	out->reported = out->function->reported;
	out->messages = out->function->messages;
	strncpy(out->name, out->function->name, sizeof(out->name) - 1);
}

/* ---- Running one ----------------------------------------------------------------------------------------------- */

/*
 * A row is played twice: what was reported once is known then. That holds for orders; the rest is an error of that very
 * moment, each time.
 */
static const char *run_row(const struct lockdep_case *c)
{
	const char *failure = lockdep_script_run(c);

	if (failure)
		return failure;
	if (!reported_letters(c->reports)) {
		char wanted[64];
		struct text t = {wanted, wanted + sizeof(wanted) - 1};

		put(&t, "expected: ");
		put(&t, c->reports[0] ? c->reports : "none");
		return lockdep_failed(wanted);
	}
	if (strspn(c->reports, "CROVT") != strlen(c->reports))
		return NULL;
	failure = lockdep_script_run(c);
	if (failure)
		return failure;
	return NO_REPORT() ? NULL : lockdep_failed("played once more");
}

/* Whatever happened: the next bug is found. */
static bool next_bug_is_found(void)
{
	static struct resv_lock_class_key key_a, key_b;
	struct resv_lockdep_map a, b;

	resv_lockdep_init_map(&a, "next bug, A", &key_a, 0);
	resv_lockdep_init_map(&b, "next bug, B", &key_b, 0);
	for (int turn = 0; turn < 2; turn++) {
		resv_lockdep_acquire(turn == 0 ? &a : &b, 0, 0, 0, 1, NULL, 0);
		if (!NO_REPORT())
			return false;
		resv_lockdep_acquire(turn == 0 ? &b : &a, 0, 0, 0, 1, NULL, 0);
		resv_lockdep_release(&b, 0);
		resv_lockdep_release(&a, 0);
	}
	return REPORTED(RESV_REPORT_CIRCULAR);
}

const char *lockdep_case_run(const struct lockdep_case *c)
{
	const char *failure;
	bool reported;

	lockdep_script_init();
	resv_lockdep_reset();
	report_count = looked_at = 0;
	resv_lockdep_set_report_handler(note_report, NULL);
	failure = c->row ? run_row(c) : c->function->run();
	reported = report_count != 0;
	if (!failure && !NO_REPORT())
		failure = lockdep_failed("reports that nobody looked at");
	if (!failure && reported != c->reported)
		failure = lockdep_failed("the list says otherwise");
	if (!failure && !lockdep_script_idle())
		failure = lockdep_failed("a lock is still held");
	if (!failure && !next_bug_is_found())
		failure = lockdep_failed("the next bug is not found");
	resv_lockdep_set_report_handler(NULL, NULL);
	return failure;
}
