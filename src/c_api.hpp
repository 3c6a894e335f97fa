// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What the files of the C ABI share: from opaque storage to the object that lives there.
#ifndef RESV_C_API_HPP
#define RESV_C_API_HPP

#include <resv/resv.h>
#include <resv/transaction.hpp>

namespace resv {

// What resv_exec adds to a transaction.
struct exec : transaction {
	explicit exec(unsigned f)
		: transaction(reservation_class,
			      f & RESV_EXEC_INTERRUPTIBLE_WAIT ? interruptible : wait_request{}),
		  flags(f)
	{}
	unsigned flags;
};

template <typename Object, typename Storage>
Object &in(Storage *storage)
{
	static_assert(sizeof(Object) == sizeof(Storage) && alignof(Object) <= alignof(Storage));
	return *reinterpret_cast<Object *>(storage);
}

inline reservation_object &of(resv_object *obj)
{
	return in<reservation_object>(obj);
}
inline const reservation_object &of(const resv_object *obj)
{
	return in<const reservation_object>(obj);
}
inline ww_acquire_ctx *of(resv_ww_acquire_ctx *ctx)
{
	return ctx ? &in<ww_acquire_ctx>(ctx) : nullptr;
}
inline ww_mutex &of(resv_ww_mutex *lock)
{
	return in<ww_mutex>(lock);
}
inline usage of(resv_usage u)
{
	return static_cast<usage>(u);
}
inline resv_ww_acquire_ctx *to_c(ww_acquire_ctx *ctx)
{
	return reinterpret_cast<resv_ww_acquire_ctx *>(ctx);
}
inline exec &of(resv_exec *e)
{
	return in<exec>(e);
}
inline const exec &of(const resv_exec *e)
{
	return in<const exec>(e);
}

} // namespace resv

#endif // RESV_C_API_HPP
