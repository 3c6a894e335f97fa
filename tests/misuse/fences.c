/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Fences, the fences of objects, LRUs, and the release of buffers. Most of it is checked in every build. */
#include "internal.h"

static struct resv_fence *new_fence(void)
{
	struct resv_fence *fence = resv_port_alloc(sizeof(*fence));

	if (fence)
		resv_fence_init(fence, NULL, NULL, resv_fence_context_alloc(1), 1);
	return fence;
}

/* ---- Fences ------------------------------------------------------------------------------------------------------ */

struct awaited {
	struct resv_fence_cb cb;
	int status; /* of the fence, when it was called */
};

static void note_status(struct resv_fence *fence, struct resv_fence_cb *cb)
{
	((struct awaited *)cb)->status = resv_fence_get_status(fence);
}

static const char *fence_abandoned(void)
{
	struct resv_fence *fence = new_fence();
	struct awaited awaited = {.status = 0};

	CHECK(fence);
	CHECK(resv_fence_add_callback(fence, &awaited.cb, note_status) == 0);
	resv_fence_put(fence);
	CHECK(awaited.status == -EDEADLK);
	return NULL;
}

/* What is not freed with its last reference, so that others can be dropped. */
static unsigned releases;

static void count_release(struct resv_fence *fence)
{
	(void)fence;
	releases++;
}

static const char *name(struct resv_fence *fence)
{
	(void)fence;
	return "misused";
}

static const struct resv_fence_ops kept_ops = {
	.get_driver_name = name, .get_timeline_name = name, .release = count_release};

static const char *fence_put_twice(void)
{
	struct resv_fence fence;

	releases = 0;
	resv_fence_init(&fence, &kept_ops, NULL, 1, 1);
	resv_fence_put(&fence);
	CHECK(misuse_silent());
	for (int i = 0; i < 10; i++) { /* said once */
		resv_fence_put(&fence);
		CHECK(resv_fence_get(&fence) == &fence);
	}
	CHECK(releases == 1);
	return NULL;
}

static const char *fence_get_after_put(void)
{
	struct resv_fence fence;

	releases = 0;
	resv_fence_init(&fence, &kept_ops, NULL, 1, 1);
	resv_fence_put(&fence);
	CHECK(misuse_silent());
	CHECK(resv_fence_get(&fence) == &fence);
	resv_fence_put(&fence);
	resv_fence_put(&fence);
	CHECK(releases == 1);
	return NULL;
}

static const char *fence_error_after_signal(void)
{
	struct resv_fence *fence = new_fence();

	CHECK(fence);
	CHECK(resv_fence_signal(fence) == 0);
	resv_fence_set_error(fence, -EIO);
	CHECK(resv_fence_get_status(fence) == 1);
	resv_fence_put(fence);
	return NULL;
}

static const char *fence_error(int error)
{
	struct resv_fence *fence = new_fence();

	CHECK(fence);
	resv_fence_set_error(fence, error);
	CHECK(resv_fence_signal(fence) == 0);
	CHECK(resv_fence_get_status(fence) == 1);
	resv_fence_put(fence);
	return NULL;
}

static const char *fence_error_of_zero(void)
{
	return fence_error(0);
}

static const char *fence_error_that_is_positive(void)
{
	return fence_error(EIO);
}

static const char *fence_error_that_is_too_low(void)
{
	return fence_error(-4096);
}

static const char *fence_error_that_is_the_lowest(void)
{
	return fence_error(-2147483647 - 1);
}

static const char *fence_timelines_compared(void)
{
	struct resv_fence *a = new_fence(), *b = new_fence();

	CHECK(a && b);
	CHECK(!resv_fence_is_later(a, b));
	resv_fence_put(a);
	resv_fence_put(b);
	return NULL;
}

/* An array of one; NULL, and what it would have taken over is dropped, if it cannot be made. */
static struct resv_fence *array_of(struct resv_fence *fence)
{
	struct resv_fence **list = resv_port_alloc(sizeof(*list)), *array = NULL;

	if (list) {
		list[0] = fence;
		array = resv_fence_array_create(1, list, resv_fence_context_alloc(1), 1, false);
	}
	if (!array) {
		resv_port_free(list);
		resv_fence_put(fence);
	}
	return array;
}

static const char *fence_array_of_an_array(void)
{
	struct resv_fence *array = array_of(new_fence());

	CHECK(array && misuse_silent());
	CHECK(!array_of(array));
	return NULL;
}

/* A link behind nothing, or NULL. */
static struct resv_fence *link_of(struct resv_fence *fence)
{
	struct resv_fence_chain *link = resv_fence_chain_alloc();

	if (!link)
		return NULL;
	resv_fence_chain_init(link, NULL, fence, 1);
	return &link->base;
}

static const char *fence_array_of_a_chain(void)
{
	struct resv_fence *link = link_of(new_fence());

	CHECK(link && misuse_silent());
	CHECK(!array_of(link));
	return NULL;
}

static const char *fence_chain_of_a_chain(void)
{
	struct resv_fence *fence = new_fence(), *inner = link_of(resv_fence_get(fence)), *outer;

	CHECK(fence && inner && misuse_silent());
	outer = link_of(inner);
	CHECK(outer);
	CHECK(!resv_fence_is_signaled(outer));
	CHECK(resv_fence_signal(fence) == 0);
	CHECK(resv_fence_is_signaled(outer));
	resv_fence_put(outer);
	resv_fence_put(fence);
	return NULL;
}

/* ---- The fences of an object -------------------------------------------------------------------------------------- */

/* Returns what adding a fence does; `places` have been promised. */
static int add_with(unsigned places, bool reserved, struct resv_fence *fence)
{
	struct resv_object obj;
	int err = 0;

	resv_init(&obj);
	if (resv_lock(&obj, NULL))
		return -EIO;
	if (places)
		err = resv_reserve_fences(&obj, places);
	if (!reserved)
		resv_unlock(&obj);
	if (!err)
		err = resv_add_fence(&obj, fence, RESV_USAGE_READ);
	if (reserved)
		resv_unlock(&obj);
	resv_fini(&obj);
	resv_fence_put(fence);
	return err;
}

static const char *add_fence_without_a_place(void)
{
	CHECK(add_with(0, true, new_fence()) == -ENOSPC);
	return NULL;
}

/* The reservation's end voids what was promised. */
static const char *add_fence_unreserved(void)
{
	CHECK(add_with(1, false, new_fence()) == CHECKED(-EINVAL, -ENOSPC));
	return NULL;
}

static const char *add_fence_that_is_an_array(void)
{
	CHECK(add_with(1, true, array_of(new_fence())) == 0);
	return NULL;
}

static const char *add_fence_that_is_a_chain(void)
{
	CHECK(add_with(1, true, link_of(new_fence())) == 0);
	return NULL;
}

static const char *reserve_no_fences(void)
{
	struct resv_object obj;

	resv_init(&obj);
	CHECK(resv_lock(&obj, NULL) == 0);
	CHECK(resv_reserve_fences(&obj, 0) == -EINVAL);
	resv_unlock(&obj);
	resv_fini(&obj);
	return NULL;
}

static const char *reserve_fences_unreserved(void)
{
	struct resv_object obj;

	resv_init(&obj);
	CHECK(resv_reserve_fences(&obj, 1) == -EINVAL);
	resv_fini(&obj);
	return NULL;
}

static const char *replace_fences_unreserved(void)
{
	struct resv_fence *fence = new_fence();
	struct resv_object obj;

	CHECK(fence);
	resv_init(&obj);
	resv_replace_fences(&obj, fence->context, fence, RESV_USAGE_READ);
	resv_fini(&obj);
	resv_fence_put(fence);
	return NULL;
}

static const char *copy_fences_unreserved(void)
{
	struct resv_object from, to;

	resv_init(&from);
	resv_init(&to);
	CHECK(resv_copy_fences(&to, &from) == -EINVAL);
	resv_fini(&from);
	resv_fini(&to);
	return NULL;
}

/* ---- LRUs ----------------------------------------------------------------------------------------------------------- */

struct listed {
	struct resv_lru lru, other;
	struct resv_lru_entry entry;
	struct resv_object obj;
};

static void begin_listed(struct listed *l)
{
	*l = (struct listed){.entry = {.next = NULL}};
	resv_lru_init(&l->lru, NULL);
	resv_lru_init(&l->other, NULL);
	resv_init(&l->obj);
	resv_lru_add(&l->lru, &l->entry, &l->obj);
}

static void end_listed(struct listed *l)
{
	resv_lru_del(&l->entry);
	resv_fini(&l->obj);
	resv_lru_fini(&l->other);
	resv_lru_fini(&l->lru);
}

static const char *lru_entry_added_twice(void)
{
	static struct listed l;

	begin_listed(&l);
	CHECK(misuse_silent());
	resv_lru_add(&l.lru, &l.entry, &l.obj);
	CHECK(resv_lru_count(&l.lru) == 1);
	end_listed(&l);
	return NULL;
}

static const char *lru_entry_added_to_another(void)
{
	static struct listed l;

	begin_listed(&l);
	resv_lru_add(&l.other, &l.entry, &l.obj);
	CHECK(resv_lru_count(&l.lru) == 1 && resv_lru_count(&l.other) == 0);
	end_listed(&l);
	return NULL;
}

static const char *lru_entry_in_range_of_another(void)
{
	static struct listed l;
	struct resv_lru_bulk range;

	begin_listed(&l);
	resv_lru_bulk_init(&range, &l.other);
	resv_lru_bulk_add(&range, &l.entry);
	resv_lru_bulk_move_tail(&range); /* of nothing */
	resv_lru_bulk_fini(&range);
	CHECK(resv_lru_count(&l.lru) == 1);
	end_listed(&l);
	return NULL;
}

static const char *lru_entry_of_none_in_range(void)
{
	static struct listed l;
	struct resv_lru_bulk range;

	begin_listed(&l);
	resv_lru_del(&l.entry);
	resv_lru_bulk_init(&range, &l.lru);
	resv_lru_bulk_add(&range, &l.entry);
	resv_lru_bulk_move_tail(&range);
	resv_lru_bulk_fini(&range);
	CHECK(resv_lru_count(&l.lru) == 0);
	end_listed(&l);
	return NULL;
}

static const char *lru_destroyed_with_an_entry(void)
{
	static struct listed l;

	begin_listed(&l);
	resv_lru_fini(&l.lru);
	CHECK(resv_lru_count(&l.lru) == 0);
	resv_lru_init(&l.lru, NULL);
	resv_lru_add(&l.lru, &l.entry, &l.obj); /* it was taken off */
	CHECK(resv_lru_count(&l.lru) == 1);
	end_listed(&l);
	return NULL;
}

/* ---- The end of a buffer ------------------------------------------------------------------------------------------- */

static struct buffer {
	struct resv_release release; /* the first */
	struct resv_object own, used;
	bool freed; /* by another task, at any time */
} buffer;

static void free_buffer(struct resv_release *release)
{
	__atomic_store_n(&((struct buffer *)release)->freed, true, __ATOMIC_RELEASE);
}

static bool is_freed(void)
{
	return __atomic_load_n(&buffer.freed, __ATOMIC_ACQUIRE);
}

static const char *release_of_a_reserved_buffer(void)
{
	buffer = (struct buffer){.freed = false};
	resv_init(&buffer.own);
	resv_init(&buffer.used);
	CHECK(resv_lock(&buffer.own, NULL) == 0);
	resv_release_buffer(&buffer.release, &buffer.used, &buffer.own, NULL, 0, free_buffer);
	resv_port_drain();
	CHECK(!is_freed());
	resv_unlock(&buffer.own);
	for (int i = 0; i < 1000 && !is_freed(); i++)
		resv_port_drain();
	CHECK(is_freed());
	resv_fini(&buffer.own);
	resv_fini(&buffer.used);
	return NULL;
}

/* ---- The list ------------------------------------------------------------------------------------------------------- */

static const struct misuse_case cases[] = {
	MISUSE(fence_abandoned, RESV_REPORT_FENCE_ABANDONED),
	MISUSE(fence_put_twice, RESV_REPORT_FENCE_REFERENCES),
	MISUSE(fence_get_after_put, RESV_REPORT_FENCE_REFERENCES),
	MISUSE(fence_error_after_signal, RESV_REPORT_FENCE_ERROR),
	MISUSE(fence_error_of_zero, RESV_REPORT_FENCE_ERROR),
	MISUSE(fence_error_that_is_positive, RESV_REPORT_FENCE_ERROR),
	MISUSE(fence_error_that_is_too_low, RESV_REPORT_FENCE_ERROR),
	MISUSE(fence_error_that_is_the_lowest, RESV_REPORT_FENCE_ERROR),
	MISUSE(fence_timelines_compared, RESV_REPORT_FENCE_TIMELINES),
	MISUSE(fence_array_of_an_array, RESV_REPORT_FENCE_NESTED),
	MISUSE(fence_array_of_a_chain, RESV_REPORT_FENCE_NESTED),
	MISUSE(fence_chain_of_a_chain, RESV_REPORT_FENCE_NESTED),

	MISUSE(add_fence_without_a_place, RESV_REPORT_NO_FENCE_SLOT),
	HARM(add_fence_unreserved, RESV_REPORT_NOT_HELD),
	MISUSE(add_fence_that_is_an_array, RESV_REPORT_FENCE_CONTAINER),
	MISUSE(add_fence_that_is_a_chain, RESV_REPORT_FENCE_CONTAINER),
	MISUSE(reserve_no_fences, RESV_REPORT_NO_FENCES),
	HARM(reserve_fences_unreserved, RESV_REPORT_NOT_HELD),
	HARM(replace_fences_unreserved, RESV_REPORT_NOT_HELD),
	HARM(copy_fences_unreserved, RESV_REPORT_NOT_HELD),

	MISUSE(lru_entry_added_twice, RESV_REPORT_LRU_PLACE),
	MISUSE(lru_entry_added_to_another, RESV_REPORT_LRU_PLACE),
	MISUSE(lru_entry_in_range_of_another, RESV_REPORT_LRU_PLACE),
	MISUSE(lru_entry_of_none_in_range, RESV_REPORT_LRU_PLACE),
	MISUSE(lru_destroyed_with_an_entry, RESV_REPORT_LRU_NOT_EMPTY),

	MISUSE(release_of_a_reserved_buffer, RESV_REPORT_RELEASE_BUSY),
};

const struct misuse_file misuse_fences = {cases, COUNT(cases)};
