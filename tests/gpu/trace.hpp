// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef GPU_TRACE_HPP
#define GPU_TRACE_HPP

#include "os.hpp"

namespace gpu {

enum class trace_kind : unsigned {
	wait,      ///< from a job's first reserve until it has all of its reservations
	hold,      ///< from then until it lets go
	held,      ///< the same, once for each reservation
	wound,     ///< at `begin`: the actor, waiting for `reservation`, wounds `other`, which holds it
	die,       ///< at `begin`: the actor backs off; `other` holds `reservation`
	interrupt, ///< at `begin`: a signal ends the actor's wait
};

struct trace_event {
	static constexpr unsigned nobody = ~0u;

	trace_kind kind;
	unsigned actor; // whom the event is about; it may be recorded by another
	unsigned other = nobody;
	uint32_t reservation = 0;
	uint32_t job = 0; // the actor's number for it
	int64_t begin = 0;
	int64_t end = 0;
};

/// What one task recorded: the first events that found room.
class trace_buffer {
public:
	[[nodiscard]] bool create(unsigned events) { return events_.create_zeroed(events); }

	bool enabled() const { return events_.size() != 0; }

	/// Context: the task that owns the buffer, in any state: takes no lock.
	void record(const trace_event &event)
	{
		if (used_ < events_.size())
			events_[used_++] = event;
		else
			dropped_++;
	}

	const trace_event *begin() const { return events_.begin(); }
	const trace_event *end() const { return events_.begin() + used_; }
	uint64_t dropped() const { return dropped_; }

private:
	array<trace_event> events_;
	size_t used_ = 0;
	uint64_t dropped_ = 0;
};

} // namespace gpu

#endif // GPU_TRACE_HPP
