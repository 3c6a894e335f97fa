// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The C ABI of transactions.
#include "../lockdep/in_place.hpp"
#include "c_api.hpp"

using namespace resv;

namespace {

resv_object *to_c(transaction::iterator at)
{
	return at == transaction::iterator(nullptr) ? nullptr : reinterpret_cast<resv_object *>(&*at);
}

// Objects by pointers, as a range.
struct object_array {
	resv_object *const *first;
	resv_object *const *last;
	resv_object *const *begin() const { return first; }
	resv_object *const *end() const { return last; }
};

reservation_object *as_object(resv_object *obj)
{
	return &resv::of(obj);
}

[[gnu::noinline]] int prepare(resv_exec *e, resv_object *obj, unsigned num_fences)
{
	int err = of(e).prepare_one(of(obj), num_fences);
	return err == -EALREADY && of(e).flags & RESV_EXEC_IGNORE_DUPLICATES ? 0 : err;
}

} // namespace

extern "C" {

void resv_exec_init(resv_exec *e, unsigned flags)
{
	lockdep::caller from(lockdep::return_address());
	new (e, in_place) exec(flags);
}

void resv_exec_fini(resv_exec *e)
{
	lockdep::caller from(lockdep::return_address());
	of(e).~exec();
}

int resv_exec_lock_obj(resv_exec *e, resv_object *obj)
{
	lockdep::caller from(lockdep::return_address());
	return prepare(e, obj, 0);
}

void resv_exec_unlock_obj(resv_exec *e, resv_object *obj)
{
	lockdep::caller from(lockdep::return_address());
	of(e).unreserve(of(obj));
}

bool resv_exec_is_contended(const resv_exec *e)
{
	return of(e).is_contended();
}

bool resv_exec_next_pass_(resv_exec *e)
{
	lockdep::caller from(lockdep::return_address());
	return of(e).next_pass();
}

resv_object *resv_exec_first_(const resv_exec *e)
{
	return to_c(of(e).begin());
}

resv_object *resv_exec_next_(const resv_object *obj)
{
	auto at = transaction::iterator(const_cast<reservation_object *>(&of(obj)));
	return to_c(++at);
}

int resv_exec_prepare_obj(resv_exec *e, resv_object *obj, unsigned num_fences)
{
	lockdep::caller from(lockdep::return_address());
	return prepare(e, obj, num_fences);
}

int resv_exec_prepare_array(resv_exec *e, resv_object *const *objs, unsigned num_objects, unsigned num_fences)
{
	lockdep::caller from(lockdep::return_address());
	for (unsigned i = 0; i < num_objects; i++) {
		int err = prepare(e, objs[i], num_fences);
		if (err != 0)
			return err;
	}
	return 0;
}

int resv_exec_reserve(resv_exec *e, resv_object *const *objs, size_t count, unsigned fences_each)
{
	lockdep::caller from(lockdep::return_address());
	return of(e).prepare(object_array{objs, objs + count}, fences_each, as_object);
}

} // extern "C"
