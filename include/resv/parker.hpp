// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef RESV_PARKER_HPP
#define RESV_PARKER_HPP

#include <resv/atomic_word.hpp>
#include <resv/port.h>

namespace resv {

class wake_set;

/// One sleeper's mailbox for one kind of message: "look again". A context has one for all its waits, since the wake
/// may come from a lock other than the one it waits for (a wound).
///
///   state    meaning                                                 changed to it by
///   empty    nobody told it anything                                 the owner, when it consumes a token
///   token    told to look again; the next wait() returns at once     a waker
///   parked   empty, and the owner sleeps or is about to              the owner, in wait()
class parker {
public:
	explicit parker(resv_port_task task) : task_(task) {}

	resv_port_task task() const { return task_; }

	/// Consumes the token if one has come. What its sender wrote is seen. For the owner, while it spins.
	bool take_token()
	{
		return state_.load(order::relaxed) == token &&
		       state_.exchange(empty, order::acq_rel) == token;
	}

	/// Sleeps until told, until `deadline_ns`, or until a signal that `mode` admits. Only the owner calls it.
	/// Returns 0 (told; may be stale: check and wait again), -EINTR or -ETIME.
	RESV_NODISCARD int wait(resv_port_park_mode mode, int64_t deadline_ns);

	/// Leaves a token. If the owner sleeps, it is pinned and added to `wakes`, to be woken once locks are dropped.
	/// The caller guarantees that the parker outlives the call; it need not outlive the wake.
	void tell(wake_set &wakes);

private:
	enum state : unsigned { empty, token, parked };

	resv_port_task task_;
	atomic<unsigned> state_{empty};
};

} // namespace resv

#endif // RESV_PARKER_HPP
