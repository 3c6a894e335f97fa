/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Plays scripts: see cases_internal.h. The locks are fake, and tell the annotator what real ones would. */
#include "cases_internal.h"
#include "cases_os.h"

/* Kinds of one group are ways to take the same locks. */
struct lock_group {
	const char *name;
	enum resv_lockdep_wait_type inner;
	enum resv_lockdep_wait_type outer;
	enum resv_lockdep_lock_type type;
};

enum {
	SPIN,
	RWLOCK,
	MUTEX,
	RWSEM,
	RT_MUTEX,
	RAW_SPIN,
	RCU,
	RCU_BH,
	RCU_SCHED,
	LOCAL,
	CONTEXT,
	OVERRIDE,
	UNTYPED,
	GROUPS
};

static const struct lock_group groups[GROUPS] = {
	[SPIN] = {"spin", RESV_LD_WAIT_CONFIG, RESV_LD_WAIT_INV, RESV_LD_LOCK_NORMAL},
	[RWLOCK] = {"rwlock", RESV_LD_WAIT_CONFIG, RESV_LD_WAIT_INV, RESV_LD_LOCK_NORMAL},
	[MUTEX] = {"mutex", RESV_LD_WAIT_SLEEP, RESV_LD_WAIT_INV, RESV_LD_LOCK_NORMAL},
	[RWSEM] = {"rwsem", RESV_LD_WAIT_SLEEP, RESV_LD_WAIT_INV, RESV_LD_LOCK_NORMAL},
	[RT_MUTEX] = {"rtmutex", RESV_LD_WAIT_SLEEP, RESV_LD_WAIT_INV, RESV_LD_LOCK_NORMAL},
	[RAW_SPIN] = {"raw", RESV_LD_WAIT_SPIN, RESV_LD_WAIT_INV, RESV_LD_LOCK_NORMAL},
	[RCU] = {"rcu", RESV_LD_WAIT_CONFIG, RESV_LD_WAIT_FREE, RESV_LD_LOCK_NORMAL},
	[RCU_BH] = {"rcu_bh", RESV_LD_WAIT_CONFIG, RESV_LD_WAIT_FREE, RESV_LD_LOCK_NORMAL},
	[RCU_SCHED] = {"rcu_sched", RESV_LD_WAIT_SPIN, RESV_LD_WAIT_FREE, RESV_LD_LOCK_NORMAL},
	[LOCAL] = {"local", RESV_LD_WAIT_CONFIG, RESV_LD_WAIT_INV, RESV_LD_LOCK_NORMAL},
	[CONTEXT] = {"context", RESV_LD_WAIT_INV, RESV_LD_WAIT_INV, RESV_LD_LOCK_CONTEXT},
	[OVERRIDE] = {"override", RESV_LD_WAIT_CONFIG, RESV_LD_WAIT_INV, RESV_LD_LOCK_WAIT_OVERRIDE},
	[UNTYPED] = {"untyped", RESV_LD_WAIT_INV, RESV_LD_WAIT_INV, RESV_LD_LOCK_NORMAL},
};

struct lock_kind {
	char letter;
	unsigned char group;
	unsigned char read;
	bool never_waits; /* L is T */
	bool unchecked;   /* L is K */
};

static const struct lock_kind kinds[] = {
	{'s', SPIN, 0, false, false},
	{'w', RWLOCK, 0, false, false},
	{'r', RWLOCK, 2, false, false},
	{'q', RWLOCK, 1, false, false}, /* 2 in interrupts */
	{'m', MUTEX, 0, false, false},
	{'e', RWSEM, 0, false, false},
	{'h', RWSEM, 1, false, false},
	{'t', RT_MUTEX, 0, false, false},
	{'p', RAW_SPIN, 0, false, false},
	{'c', RCU, 2, false, true},
	{'b', RCU_BH, 2, false, true},
	{'k', RCU_SCHED, 2, false, true},
	/* Where it is no lock but an end to preemption, nobody waits for it. */
	{'l', LOCAL, 0, true, false},
	{'g', CONTEXT, 0, false, false},
	{'v', OVERRIDE, 0, true, false},
	{'u', UNTYPED, 0, false, false},
	{'o', UNTYPED, 1, false, false},
	{'n', UNTYPED, 2, false, false},
};

#define LETTERS   8
#define INSTANCES 3
#define MAX_HELD  16

static struct resv_lock_class_key keys[GROUPS][LETTERS];
static struct resv_lockdep_map maps[GROUPS][LETTERS][INSTANCES];
static char names[GROUPS][LETTERS][16];

static int letter_index(char c)
{
	if (c >= 'A' && c <= 'D')
		return c - 'A';
	if (c >= 'W' && c <= 'Z')
		return c - 'W' + 4;
	return -1;
}

static void init_lock(unsigned group, unsigned letter, unsigned instance)
{
	const struct lock_group *g = &groups[group];

	resv_lockdep_init_map_type(&maps[group][letter][instance], names[group][letter], &keys[group][letter],
				   0, g->inner, g->outer, g->type);
}

/* The maps live on from case to case, as static locks do. */
void lockdep_script_init(void)
{
	static bool done;

	if (done)
		return;
	for (unsigned group = 0; group < GROUPS; group++) {
		for (unsigned letter = 0; letter < LETTERS; letter++) {
			char *name = names[group][letter];

			for (const char *s = groups[group].name; *s; s++)
				*name++ = *s;
			*name++ = '_';
			*name++ = "ABCDWXYZ"[letter];
			for (unsigned i = 0; i < INSTANCES; i++)
				init_lock(group, letter, i);
		}
	}
	done = true;
}

bool lockdep_script_idle(void)
{
	for (unsigned group = 0; group < GROUPS; group++)
		for (unsigned letter = 0; letter < LETTERS; letter++)
			for (unsigned i = 0; i < INSTANCES; i++)
				if (resv_lockdep_is_held(&maps[group][letter][i]) != RESV_LOCK_STATE_NOT_HELD)
					return false;
	return true;
}

/* ---- The player ------------------------------------------------------------------------------------------------ */

struct player {
	char kind; /* for locks without one */
	char level;
	unsigned interrupts; /* entered */
	int off;             /* how often interrupts have been turned off */
	unsigned held_count;
	struct {
		struct resv_lockdep_map *map;
		unsigned interrupts;
	} held[MAX_HELD];
};

struct named_lock {
	const struct lock_kind *kind;
	unsigned letter;
	unsigned instance;
	struct resv_lockdep_map *map;
};

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

/* Reads a lock's name, and moves behind it. */
static bool read_lock_name(const char **at, char kind, struct named_lock *out)
{
	int letter;

	if (is_lower(**at))
		kind = *(*at)++;
	out->kind = NULL;
	for (unsigned i = 0; i < COUNT(kinds); i++)
		if (kinds[i].letter == kind)
			out->kind = &kinds[i];
	letter = letter_index(**at);
	if (!out->kind || letter < 0)
		return false;
	++*at;
	out->letter = (unsigned)letter;
	out->instance = 0;
	if (**at >= '0' && **at < '0' + INSTANCES)
		out->instance = (unsigned)(*(*at)++ - '0');
	out->map = &maps[out->kind->group][out->letter][out->instance];
	return true;
}

struct resv_lockdep_map *named(const char *name)
{
	struct named_lock lock;

	return read_lock_name(&name, 0, &lock) ? lock.map : NULL;
}

static bool note_held(struct player *p, struct resv_lockdep_map *map)
{
	if (p->held_count == MAX_HELD)
		return false;
	p->held[p->held_count].map = map;
	p->held[p->held_count++].interrupts = p->interrupts;
	return true;
}

static void note_released(struct player *p, const struct resv_lockdep_map *map)
{
	unsigned i = p->held_count;

	while (i != 0 && p->held[i - 1].map != map)
		i--;
	if (i == 0)
		return; /* one that is not held: the annotator shall see that */
	for (p->held_count--; i <= p->held_count; i++)
		p->held[i - 1] = p->held[i];
}

static unsigned long here(void)
{
	return (unsigned long)(uintptr_t)__builtin_return_address(0);
}

/* A step that takes a lock, waits for it or makes it anew; `at` is behind the lock's name. */
static bool use_lock(struct player *p, char step, const struct named_lock *lock, const char **at)
{
	const struct lock_kind *kind = lock->kind;
	int read = kind->letter == 'q' && p->interrupts != 0 ? 2 : kind->read;
	int try = step == 'T' || kind->never_waits;
	int check = step != 'K' && !kind->unchecked;
	unsigned subclass = 0;
	struct named_lock nest = {NULL, 0, 0, NULL};

	if (**at == '.') {
		subclass = (unsigned)((*at)[1] - '0');
		*at += 2;
	}
	if (**at == '^') {
		++*at;
		if (!read_lock_name(at, kind->letter, &nest))
			return false;
	}
	switch (step) {
	case 'L':
	case 'T':
	case 'K':
		resv_lockdep_acquire(lock->map, subclass, try, read, check, nest.map, here());
		return note_held(p, lock->map);
	case 'S':
		resv_lockdep_sync(lock->map, subclass, read, check, nest.map, here());
		return true;
	case 'U':
		resv_lockdep_release(lock->map, here());
		note_released(p, lock->map);
		return true;
	case 'I':
		resv_lockdep_free(lock->map, sizeof(*lock->map));
		init_lock(kind->group, lock->letter, lock->instance);
		return true;
	}
	return false;
}

static bool enter_interrupt(struct player *p, char level)
{
	switch (level) {
	case 'h':
		lockdep_os_irq_enter(LOCKDEP_OS_HARDIRQ_THREADED);
		break;
	case 'u':
		lockdep_os_irq_enter(LOCKDEP_OS_HARDIRQ);
		break;
	case 's':
		lockdep_os_irq_enter(LOCKDEP_OS_SOFTIRQ);
		break;
	default:
		return false;
	}
	p->interrupts++;
	return true;
}

/* Nothing that a handler took may outlive it. */
static bool leave_interrupt(struct player *p)
{
	if (p->interrupts == 0 || (p->held_count && p->held[p->held_count - 1].interrupts == p->interrupts))
		return false;
	p->interrupts--;
	lockdep_os_irq_exit();
	return true;
}

static bool switch_interrupts(struct player *p, char level, bool on)
{
	p->off += on ? -1 : 1;
	if (level == 'h')
		return lockdep_os_hardirqs(on) == !on;
	return level == 's' && lockdep_os_softirqs(on) == !on;
}

/* Plays up to the end of an event. */
static bool play_event(struct player *p, const char *at)
{
	while (*at && *at != '|') {
		char step = *at++;
		char level = p->level;
		struct named_lock lock;
		bool ok;

		if (step == ' ')
			continue;
		if ((step == '(' || step == ')' || step == '[' || step == ']') && is_lower(*at))
			level = *at++;
		if (step == '(')
			ok = enter_interrupt(p, level);
		else if (step == ')')
			ok = leave_interrupt(p);
		else if (step == '[' || step == ']')
			ok = switch_interrupts(p, level, step == ']');
		else
			ok = read_lock_name(&at, p->kind, &lock) && use_lock(p, step, &lock, &at);
		if (!ok || (*at && *at != ' '))
			return false;
	}
	return true;
}

static const char *next_event(const char *at)
{
	while (*at && *at != '|')
		at++;
	return *at ? at + 1 : NULL;
}

bool play(const char *script)
{
	struct player p = {0};

	for (const char *event = script; event; event = next_event(event))
		if (!play_event(&p, event))
			return false;
	return true;
}

const char *lockdep_script_run(const struct lockdep_case *c)
{
	struct player p = {.kind = c->kind, .level = c->level};
	const char *events[3] = {NULL, NULL, NULL};

	if (c->events[0] == '\0') {
		for (const char *event = c->row->script; event; event = next_event(event))
			CHECK(play_event(&p, event));
	} else {
		const char *event = c->row->script;

		for (unsigned i = 0; i < COUNT(events) && event; i++, event = next_event(event))
			events[i] = event;
		CHECK(event == NULL);
		for (const char *number = c->events; *number; number++) {
			CHECK(events[*number - '1']);
			CHECK(play_event(&p, events[*number - '1']));
		}
	}
	CHECK(p.interrupts == 0 && p.off == 0);
	while (p.held_count)
		resv_lockdep_release(p.held[--p.held_count].map, here());
	return NULL;
}
