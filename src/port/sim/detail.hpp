// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What the machine's own files share.
#ifndef RESV_PORT_SIM_DETAIL_HPP
#define RESV_PORT_SIM_DETAIL_HPP

#include <boost/context/detail/fcontext.hpp>

#include <cstdint>
#include <cstring>

namespace resv::sim {

namespace context = boost::context::detail;

/// A word of 1 to 8 bytes, on a little-endian machine.
inline uint64_t read_word(const void *address, unsigned size)
{
	uint64_t value = 0;
	memcpy(&value, address, size);
	return value;
}

/// Not all that a task at fault took for a word can be written.
inline void put_back(void *to, const void *from, size_t size)
{
	if (memcmp(to, from, size) != 0)
		memcpy(to, from, size);
}

/// Called with what jump_fcontext() returned: notes where whoever jumped here can be resumed.
inline void land(context::transfer_t from)
{
	*static_cast<context::fcontext_t *>(from.data) = from.fctx;
}

/// A step of a 64-bit hash.
inline uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t x = (a ^ (b + 0x9e3779b97f4a7c15)) * 0xff51afd7ed558ccd;
	return (x ^ (x >> 32)) * 0xc4ceb9fe1a85ec53;
}

} // namespace resv::sim

#endif // RESV_PORT_SIM_DETAIL_HPP
