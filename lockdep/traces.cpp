// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "traces.hpp"

#include <resv/port.h>

namespace resv::lockdep {

current_frames::current_frames(uintptr_t where, unsigned skip)
	: count_(resv_port_stack_trace(pcs_, depth + own_depth, skip))
{
	for (unsigned i = 0; i < count_ && i < own_depth; i++)
		if (pcs_[i] == where)
			skip_ = i;
	if (count_ > skip_ + depth)
		count_ = skip_ + depth;
}

namespace {

unsigned hash_of(const frames &trace, unsigned bits)
{
	uint64_t h = trace.count;
	for (unsigned i = 0; i < trace.count; i++)
		h = (h ^ trace.pcs[i]) * 0x9e3779b97f4a7c15u;
	return static_cast<unsigned>(h >> (64 - bits));
}

bool same(const frames &a, const frames &b)
{
	if (a.count != b.count)
		return false;
	for (unsigned i = 0; i < a.count; i++)
		if (a.pcs[i] != b.pcs[i])
			return false;
	return true;
}

} // namespace

uint32_t trace_store::keep(const frames &trace)
{
	if (trace.count == 0)
		return 0;
	uint32_t &slot = slots_[hash_of(trace, slot_bits)];
	for (uint32_t number = slot; number != 0; number = static_cast<uint32_t>(words_[number - 1]))
		if (same(get(number), trace))
			return number;
	if (trace.count + 2 > capacity - used_) {
		lost_++;
		return 0;
	}
	uintptr_t *at = words_ + used_;
	at[0] = slot;
	at[1] = trace.count;
	for (unsigned i = 0; i < trace.count; i++)
		at[2 + i] = trace.pcs[i];
	slot = used_ + 1;
	used_ += trace.count + 2;
	return slot;
}

frames trace_store::get(uint32_t number) const
{
	if (number == 0)
		return {};
	return {words_ + number + 1, static_cast<unsigned>(words_[number])};
}

void trace_store::reset()
{
	for (unsigned at = 0; at < used_; at += 2 + static_cast<unsigned>(words_[at + 1]))
		slots_[hash_of(get(at + 1), slot_bits)] = 0;
	used_ = 0;
	lost_ = 0;
}

} // namespace resv::lockdep
