// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Stack traces, each kept once. They tell where an order was first seen.
#ifndef RESV_LOCKDEP_TRACES_HPP
#define RESV_LOCKDEP_TRACES_HPP

#include "graph.hpp"

#include <resv/config.h>

namespace resv::lockdep {

/// A stack trace, innermost frame first.
struct frames {
	const uintptr_t *pcs = nullptr;
	unsigned count = 0;
};

/// Takes the calling task's trace, and leaves out the frames inside of the frame that contains `where`, if it is there.
class current_frames {
public:
	/// `skip`: how many of the innermost ones are the annotator's in any case.
	explicit current_frames(uintptr_t where, unsigned skip = 1);
	frames get() const { return {pcs_ + skip_, count_ - skip_}; }

private:
	static constexpr unsigned own_depth = 12; // what lies inside of the caller's frame, at most
	static constexpr unsigned depth = 16;

	uintptr_t pcs_[depth + own_depth];
	unsigned count_;
	unsigned skip_ = 0;
};

/// Used under the annotator's lock.
class trace_store {
public:
	static constexpr unsigned capacity = RESV_LOCKDEP_TRACES;

	/// Keeps a trace; returns its number, or 0 if there is no room for it.
	uint32_t keep(const frames &trace);

	/// The trace of that number; empty for 0.
	frames get(uint32_t number) const;

	unsigned used() const { return used_; }
	unsigned long lost() const { return lost_; }
	void reset();

private:
	static constexpr unsigned slot_bits = bits_for(capacity / 8);

	uintptr_t words_
		[capacity]{}; // of each trace: the one that was kept before in its slot, the count, the frames
	uint32_t slots_[1u << slot_bits]{}; // by hash: the trace that was kept last
	unsigned used_ = 0;
	unsigned long lost_ = 0;
};

} // namespace resv::lockdep

#endif // RESV_LOCKDEP_TRACES_HPP
