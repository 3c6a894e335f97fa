/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * LRUs as a driver in C uses them. The functions return 0, or the line that failed.
 */
#include "lru_c_test.h"

#include <stdio.h>
#include <string.h>

#define CHECK(condition)                 \
	do {                             \
		if (!(condition))        \
			return __LINE__; \
	} while (0)

struct bo {
	struct resv_lru_entry lru;
	struct resv_object resv;
	int references;
	bool wanted;
};

static struct bo *bo_of(struct resv_lru_entry *entry)
{
	return (struct bo *)entry; /* its first member */
}

static bool get(struct resv_lru_entry *entry)
{
	return bo_of(entry)->references++ != 0;
}

static void put(struct resv_lru_entry *entry)
{
	bo_of(entry)->references--;
}

static const struct resv_lru_ops ops = {.get = get, .put = put};

static int accept(struct resv_lru_entry *entry, struct resv_object *obj, bool reserved, void *data)
{
	int *asked = data;

	(void)reserved;
	(*asked)++;
	return obj == &bo_of(entry)->resv && bo_of(entry)->wanted;
}

static struct bo bos[3];

static void setup(struct resv_lru *lru)
{
	resv_lru_init(lru, &ops);
	for (int i = 0; i < 3; i++) {
		bos[i] = (struct bo){.references = 1, .wanted = i != 0};
		resv_init(&bos[i].resv);
		resv_lru_add(lru, &bos[i].lru, &bos[i].resv);
	}
}

static void teardown(struct resv_lru *lru)
{
	for (int i = 0; i < 3; i++) {
		resv_lru_del(&bos[i].lru);
		resv_fini(&bos[i].resv);
	}
	resv_lru_fini(lru);
}

static bool in_order(struct resv_lru *lru, int first, int second, int third)
{
	const int expected[] = {first, second, third};
	struct resv_lru_cursor cursor;
	struct resv_lru_entry *entry;
	bool same = true;

	resv_lru_cursor_begin(&cursor, lru);
	for (int i = 0; i < 3 && same; i++) {
		entry = resv_lru_cursor_next(&cursor);
		same = entry == &bos[expected[i]].lru;
		if (entry)
			put(entry);
	}
	same = same && !resv_lru_cursor_next(&cursor);
	resv_lru_cursor_end(&cursor);
	return same;
}

int lru_c_order(void)
{
	struct resv_lru lru;
	struct resv_lru_cursor cursor;
	struct resv_lru_bulk bulk;

	setup(&lru);
	CHECK(resv_lru_count(&lru) == 3);
	CHECK(in_order(&lru, 0, 1, 2));
	resv_lru_bulk_init(&bulk, &lru);
	resv_lru_bulk_add(&bulk, &bos[0].lru);
	resv_lru_bulk_add(&bulk, &bos[2].lru);
	resv_lru_bulk_move_tail(&bulk);
	CHECK(in_order(&lru, 1, 0, 2));
	resv_lru_bulk_del(&bos[2].lru);
	resv_lru_bulk_move_tail(&bulk);
	CHECK(in_order(&lru, 1, 2, 0));
	resv_lru_bulk_fini(&bulk);
	resv_lru_move_tail(&bos[1].lru);
	resv_lru_move_tail(&bos[0].lru); /* in a range it would stay where the range is */
	CHECK(in_order(&lru, 2, 1, 0));

	resv_lru_cursor_begin(&cursor, &lru);
	CHECK(resv_lru_cursor_next(&cursor) == &bos[2].lru);
	CHECK(bos[2].references == 2);
	put(&bos[2].lru);
	resv_lru_cursor_end(&cursor);
	memset(&cursor, 0, sizeof(cursor)); /* its memory is the caller's again */
	CHECK(in_order(&lru, 2, 1, 0));
	teardown(&lru);
	return 0;
}

int lru_c_try(void)
{
	struct resv_lru lru;
	struct resv_ww_acquire_ctx ctx;
	struct resv_object *obj;
	struct resv_object other;
	int asked = 0;

	setup(&lru);
	resv_ww_acquire_init(&ctx, &resv_reservation_ww_class);
	CHECK(resv_lru_reserve_first(&lru, &ctx, accept, &asked, &obj) == 0);
	CHECK(obj == &bos[1].resv && asked == 2);
	CHECK(resv_lru_reserve_first(&lru, NULL, accept, &asked, &obj) == 0);
	CHECK(obj == &bos[2].resv);
	CHECK(resv_lru_reserve_first(&lru, NULL, accept, &asked, &obj) == -EBUSY);
	CHECK(!obj);
	resv_unlock(&bos[2].resv);
	resv_init(&other);
	resv_lru_set_object(&bos[2].lru, &other);
	CHECK(resv_lru_reserve_first(&lru, &ctx, accept, &asked, &obj) == -ENOENT);
	resv_unlock(&bos[1].resv);
	resv_ww_acquire_fini(&ctx);
	teardown(&lru);
	resv_fini(&other);
	return 0;
}

int lru_c_wait(void)
{
	struct resv_lru lru;
	struct resv_exec exec;
	struct resv_object *obj;
	int asked = 0, err = 0;

	setup(&lru);
	resv_exec_init(&exec, RESV_EXEC_INTERRUPTIBLE_WAIT);
	resv_exec_until_all_locked (&exec) {
		err = resv_exec_lock_obj(&exec, &bos[0].resv);
		resv_exec_retry_on_contention(&exec);
		if (err)
			break;
		err = resv_lru_reserve_wait(&lru, &exec, accept, &asked, 2, &obj);
		resv_exec_retry_on_contention(&exec);
		if (err)
			break;
	}
	CHECK(err == 0 && obj == &bos[1].resv);
	CHECK(resv_is_locked(&bos[0].resv) && resv_is_locked(&bos[1].resv));
	resv_exec_fini(&exec);
	CHECK(!resv_is_locked(&bos[1].resv));
	teardown(&lru);
	return 0;
}

struct told {
	unsigned locks, held;
	char last[128];
};

static void hear(const char *line, void *data)
{
	struct told *told = data;

	told->locks += strncmp(line, "lock at ", 8) == 0;
	told->held += strstr(line, ": held by ") != NULL;
	snprintf(told->last, sizeof(told->last), "%s", line);
}

/* Two devices; one object is on both. */
int lru_c_describe(void)
{
	struct resv_lru lru, other;
	struct resv_lru_entry import = {0};
	struct told here = {0}, there = {0};

	setup(&lru);
	resv_lru_init(&other, NULL);
	resv_lru_add(&other, &import, &bos[1].resv);
	CHECK(resv_lock(&bos[1].resv, NULL) == 0);
	resv_lru_describe(&lru, hear, &here);
	CHECK(here.locks == 3 && here.held == 1);
	CHECK(strcmp(here.last, "3 on the LRU, 1 reserved, 0 with fences to come") == 0);
	for (int i = 0; i < 3; i++)
		CHECK(bos[i].references == 1);
	resv_lru_describe(&other, hear, &there);
	CHECK(there.locks == 1 && there.held == 1);
	CHECK(strcmp(there.last, "1 on the LRU, 1 reserved, 0 with fences to come") == 0);
	resv_unlock(&bos[1].resv);
	resv_lru_del(&import);
	resv_lru_fini(&other);
	teardown(&lru);
	return 0;
}
