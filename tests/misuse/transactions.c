/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Transactions, and walks of LRUs. None of these reserves an object while it holds another: see outlast_injection(). */
#include "internal.h"

struct scene {
	struct resv_exec exec;
	struct resv_object a, b;
	int other_err;
};

static void begin(struct scene *s)
{
	resv_init(&s->a);
	resv_init(&s->b);
	resv_exec_init(&s->exec, RESV_EXEC_IGNORE_DUPLICATES);
}

static bool end(struct scene *s)
{
	bool all_free;

	resv_exec_fini(&s->exec);
	all_free = !resv_is_locked(&s->a) && !resv_is_locked(&s->b);
	resv_fini(&s->a);
	resv_fini(&s->b);
	return all_free;
}

static const char *exec_locks_after_its_loop(void)
{
	struct scene s;

	begin(&s);
	resv_exec_until_all_locked (&s.exec) {
	}
	CHECK(misuse_silent());
	CHECK(resv_exec_lock_obj(&s.exec, &s.a) == 0);
	CHECK(end(&s));
	return NULL;
}

static const char *exec_of_an_object_that_was_never_made(void)
{
	static struct resv_object never;
	struct resv_object *objs[2] = {&never};
	struct scene s;

	begin(&s);
	objs[1] = &s.a;
	CHECK(resv_exec_reserve(&s.exec, objs, COUNT(objs), 1) == -EINVAL);
	CHECK(!resv_is_locked(&s.a) && !resv_exec_is_contended(&s.exec));
	CHECK(resv_exec_lock_obj(&s.exec, &s.a) == 0); /* it goes on */
	CHECK(end(&s));
	return NULL;
}

static void other_locks(void *data)
{
	struct scene *s = data;

	s->other_err = resv_exec_lock_obj(&s->exec, &s->a);
}

static const char *exec_of_another_task(void)
{
	struct scene s;

	begin(&s);
	lockdep_os_on_other_task(other_locks, &s);
	CHECK(s.other_err == -EINVAL);
	CHECK(!resv_is_locked(&s.a));
	CHECK(end(&s));
	return NULL;
}

/* The two contexts are one bug, and the two objects, neither of which is in the context of the other, are another. */
static const char *exec_within_another(void)
{
	struct resv_exec inner;
	struct scene s;

	begin(&s);
	CHECK(resv_exec_lock_obj(&s.exec, &s.a) == 0);
	CHECK(misuse_silent());
	resv_exec_init(&inner, 0);
	CHECK(resv_exec_lock_obj(&inner, &s.b) == 0);
	resv_exec_fini(&inner);
	CHECK(resv_is_locked(&s.a) && !resv_is_locked(&s.b));
	CHECK(end(&s));
	return NULL;
}

static const char *exec_unlocks_twice(void)
{
	struct scene s;

	begin(&s);
	CHECK(resv_exec_lock_obj(&s.exec, &s.a) == 0);
	resv_exec_unlock_obj(&s.exec, &s.a);
	CHECK(misuse_silent());
	resv_exec_unlock_obj(&s.exec, &s.a);
	CHECK(end(&s));
	return NULL;
}

static const char *exec_waits_for_its_own(void)
{
	struct scene s;

	begin(&s);
	CHECK(resv_exec_lock_obj(&s.exec, &s.a) == 0);
	CHECK(resv_wait_for_unreserve(&s.a, NULL, false) == -EALREADY);
	CHECK(end(&s));
	return NULL;
}

static const char *exec_with_fewer_places_than_fences(void)
{
	struct resv_fence *stub = resv_fence_get_stub();
	struct scene s;

	begin(&s);
	CHECK(resv_exec_prepare_obj(&s.exec, &s.a, 1) == 0);
	CHECK(resv_add_fence(&s.a, stub, RESV_USAGE_READ) == 0);
	CHECK(misuse_silent());
	CHECK(resv_add_fence(&s.a, stub, RESV_USAGE_READ) == -ENOSPC);
	CHECK(end(&s));
	resv_fence_put(stub);
	return NULL;
}

static const char *exec_destroys_what_it_has_reserved(void)
{
	struct scene s;

	begin(&s);
	CHECK(resv_exec_lock_obj(&s.exec, &s.a) == 0);
	resv_fini(&s.a);
	CHECK(end(&s)); /* and destroys it for good */
	return NULL;
}

/* It should only look, and say yes or no: it is asked where only trying is allowed, and with `obj` reserved. */
static int reserve_another(struct resv_lru_entry *entry, struct resv_object *obj, bool reserved, void *data)
{
	struct resv_object *another = data;

	(void)entry, (void)obj, (void)reserved;
	if (resv_lock(another, NULL) == 0)
		resv_unlock(another);
	return 0;
}

static const char *lru_walk_that_reserves_another(void)
{
	struct resv_lru_entry entry = {.next = NULL};
	struct resv_object *obj = NULL;
	static struct resv_lru lru;
	struct scene s;

	begin(&s);
	resv_lru_init(&lru, NULL);
	resv_lru_add(&lru, &entry, &s.a);
	CHECK(resv_lru_reserve_first(&lru, NULL, reserve_another, &s.b, &obj) == -ENOENT);
	CHECK(!obj);
	resv_lru_del(&entry);
	resv_lru_fini(&lru);
	CHECK(end(&s));
	return NULL;
}

static const struct misuse_case cases[] = {
	MISUSE(exec_locks_after_its_loop, RESV_REPORT_LOCK_AFTER_DONE),
	HARM(exec_of_an_object_that_was_never_made, RESV_REPORT_UNINITIALIZED),
	HARM(exec_of_another_task, RESV_REPORT_FOREIGN_CONTEXT),
	MISUSE(exec_within_another, RESV_REPORT_RECURSION, RESV_REPORT_RECURSION),
	MISUSE(exec_unlocks_twice, RESV_REPORT_UNLOCK_FREE),
	MISUSE(exec_waits_for_its_own, RESV_REPORT_SELF_DEADLOCK),
	MISUSE(exec_with_fewer_places_than_fences, RESV_REPORT_NO_FENCE_SLOT),
	MISUSE(exec_destroys_what_it_has_reserved, RESV_REPORT_DESTROY_BUSY),
	HARM(lru_walk_that_reserves_another, RESV_REPORT_BLOCKING, RESV_REPORT_RECURSION),
};

const struct misuse_file misuse_transactions = {cases, COUNT(cases)};
