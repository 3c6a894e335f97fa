// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The C ABI of LRUs: each function hands its storage to the C++ object that lives there. No behaviour of its own.
#include "../lockdep/in_place.hpp"

#include <resv/lru.hpp>
#include <resv/resv.h>

namespace resv {

struct lru_abi_check {
#define SAME(ours, field, theirs, name) static_assert(offsetof(ours, field) == offsetof(theirs, name))
	SAME(lru_entry, next_, resv_lru_entry, next);
	SAME(lru_entry, prev_, resv_lru_entry, prev);
	SAME(lru_entry, lru_, resv_lru_entry, lru);
	SAME(lru_entry, object_, resv_lru_entry, object);
	SAME(lru_entry, bulk_, resv_lru_entry, bulk);
	SAME(lru_entry, ahead_, resv_lru_entry, ahead);
	SAME(lru_entry, ahead_object_, resv_lru_entry, ahead_object);
	SAME(lru_bulk, lru_, resv_lru_bulk, lru);
	SAME(lru_bulk, first_, resv_lru_bulk, first);
	SAME(lru_bulk, last_, resv_lru_bulk, last);
	SAME(lru_cursor, mark_, resv_lru_cursor, mark);
	SAME(lru, lock_, resv_lru, lock);
	SAME(lru, head_, resv_lru, head);
	SAME(lru, cursors_, resv_lru, cursors);
	SAME(lru, ops_, resv_lru, ops);
	SAME(lru, count_, resv_lru, count);
	SAME(lru, at_, resv_lru, at);
	SAME(lru, newest_, resv_lru, newest);
#undef SAME
	static_assert(sizeof(lru_entry) == sizeof(resv_lru_entry));
	static_assert(sizeof(lru_bulk) == sizeof(resv_lru_bulk));
	static_assert(sizeof(lru_cursor) == sizeof(resv_lru_cursor));
	static_assert(sizeof(lru) == sizeof(resv_lru));
};

} // namespace resv

using namespace resv;

namespace {

lru &of(resv_lru *l)
{
	return *reinterpret_cast<lru *>(l);
}
lru_entry &of(resv_lru_entry *entry)
{
	return *reinterpret_cast<lru_entry *>(entry);
}
lru_bulk &of(resv_lru_bulk *bulk)
{
	return *reinterpret_cast<lru_bulk *>(bulk);
}
lru_cursor &of(resv_lru_cursor *cursor)
{
	return *reinterpret_cast<lru_cursor *>(cursor);
}
reservation_object &of(resv_object *obj)
{
	return *reinterpret_cast<reservation_object *>(obj);
}
ww_acquire_ctx *of(resv_ww_acquire_ctx *ctx)
{
	return reinterpret_cast<ww_acquire_ctx *>(ctx);
}
transaction &of(resv_exec *exec)
{
	return *reinterpret_cast<transaction *>(exec); // the first part of it: see c_api.cpp
}

} // namespace

extern "C" {

void resv_lru_init(resv_lru *l, const resv_lru_ops *ops)
{
	new (l, in_place) lru(ops);
}

void resv_lru_fini(resv_lru *l)
{
	of(l).destroy();
}

void resv_lru_add(resv_lru *l, resv_lru_entry *entry, resv_object *obj)
{
	of(l).add(of(entry), of(obj));
}

void resv_lru_del(resv_lru_entry *entry)
{
	lru::del(of(entry));
}

void resv_lru_move_tail(resv_lru_entry *entry)
{
	lru::move_tail(of(entry));
}

void resv_lru_set_object(resv_lru_entry *entry, resv_object *obj)
{
	lru::set_object(of(entry), of(obj));
}

unsigned long resv_lru_count(resv_lru *l)
{
	return of(l).count();
}

void resv_lru_bulk_init(resv_lru_bulk *bulk, resv_lru *l)
{
	new (bulk, in_place) lru_bulk(of(l));
}

void resv_lru_bulk_fini(resv_lru_bulk *bulk)
{
	of(bulk).destroy();
}

void resv_lru_bulk_add(resv_lru_bulk *bulk, resv_lru_entry *entry)
{
	of(bulk).add(of(entry));
}

void resv_lru_bulk_del(resv_lru_entry *entry)
{
	lru_bulk::del(of(entry));
}

void resv_lru_bulk_move_tail(resv_lru_bulk *bulk)
{
	of(bulk).move_tail();
}

void resv_lru_cursor_begin(resv_lru_cursor *cursor, resv_lru *l)
{
	new (cursor, in_place) lru_cursor(of(l));
}

resv_lru_entry *resv_lru_cursor_next(resv_lru_cursor *cursor)
{
	return reinterpret_cast<resv_lru_entry *>(of(cursor).next());
}

void resv_lru_cursor_end(resv_lru_cursor *cursor)
{
	of(cursor).~lru_cursor();
}

int resv_lru_reserve_first(resv_lru *l, resv_ww_acquire_ctx *ctx, resv_lru_accept_fn accept, void *data,
			   resv_object **obj)
{
	lockdep::caller from(lockdep::return_address());
	reservation_object *object = nullptr;
	int err = of(l).try_first(of(ctx), accept, data, object);
	*obj = reinterpret_cast<resv_object *>(object);
	return err;
}

int resv_lru_reserve_wait(resv_lru *l, resv_exec *exec, resv_lru_accept_fn accept, void *data,
			  unsigned retries, resv_object **obj)
{
	lockdep::caller from(lockdep::return_address());
	reservation_object *object = nullptr;
	int err = of(l).wait_first(of(exec), accept, data, retries, object);
	*obj = reinterpret_cast<resv_object *>(object);
	return err;
}

} // extern "C"
