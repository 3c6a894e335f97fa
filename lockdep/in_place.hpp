// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Makes an object in storage that is there. <new> is the host's; this is all that it would be needed for.
#ifndef RESV_LOCKDEP_IN_PLACE_HPP
#define RESV_LOCKDEP_IN_PLACE_HPP

#include <resv/types.h>

namespace resv {

enum class in_place_tag {};
inline constexpr in_place_tag in_place{};

/// May the object live in the storage?
template <typename Object, typename Storage>
constexpr bool fits()
{
	constexpr bool size = sizeof(Object) <= sizeof(Storage);
	constexpr bool alignment = alignof(Object) <= alignof(Storage);
	return size && alignment;
}

} // namespace resv

inline void *operator new(size_t, void *storage, resv::in_place_tag) noexcept
{
	return storage;
}

#endif // RESV_LOCKDEP_IN_PLACE_HPP
