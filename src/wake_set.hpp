// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef RESV_WAKE_SET_HPP
#define RESV_WAKE_SET_HPP

#include <resv/port.h>

namespace resv {

/// Tasks that were told something under a spin bit, pinned there, and are woken once the bit is dropped.
class wake_set {
public:
	wake_set() = default;
	wake_set(const wake_set &) = delete;
	wake_set &operator=(const wake_set &) = delete;
	~wake_set() { fire(); }

	/// Pins `task`. The caller guarantees that it is alive, and that it never adds more than `capacity` between
	/// two fire() calls.
	void add(resv_port_task task)
	{
		resv_port_task_pin(task);
		tasks_[count_++] = task;
	}

	/// Wakes them all. Not under a spin bit.
	void fire()
	{
		while (count_ != 0)
			resv_port_task_wake(tasks_[--count_]);
	}

	/// One spin-bit section tells at most: a holder (wound), a waiter that must look again (die), the first in
	/// line, and one observer.
	static constexpr unsigned capacity = 4;

private:
	unsigned count_ = 0;
	resv_port_task tasks_[capacity];
};

} // namespace resv

#endif // RESV_WAKE_SET_HPP
