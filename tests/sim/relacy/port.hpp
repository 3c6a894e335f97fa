// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The port over Relacy. It gives the core what resv/port.h promises, and not more: a wake orders the waker before the
// sleeper and nothing else, and a sleeper may return for no reason.
#ifndef RESV_TESTS_SIM_RELACY_PORT_HPP
#define RESV_TESTS_SIM_RELACY_PORT_HPP

#include <resv_port/atomic.hpp>

#include <resv/port.h>

namespace resv::test {

/// The tasks of one execution. Exists once, from before the tasks begin until they have ended.
class port {
public:
	static constexpr unsigned max_tasks = 4;

	port();
	~port();
	port(const port &) = delete;
	port &operator=(const port &) = delete;

	static port &get() { return *the_port; }

	void prepare();
	int park(resv_port_park_mode mode, int64_t deadline_ns);
	void finish();
	void wake(resv_port_task task);
	void critical(int change);

	/// No task is in a wait or a critical section.
	bool idle() const;

	/// The identity of the n-th task.
	static resv_port_task id(unsigned n) { return resv_port_task{n + 1} << 2; }
	static resv_port_task current() { return id(rl::thread_index()); }

private:
	struct task_state {
		rl::atomic<unsigned> woken; // since prepare
		bool preparing = false;     // the task's own
		int critical = 0;           // the task's own
	};

	task_state &self() { return tasks_[rl::thread_index()]; }

	static port *the_port;

	task_state tasks_[max_tasks];
};

/// Ends the execution as failed.
inline void fail(const char *what)
{
	rl::ctx().fail_test(what, rl::test_result_user_assert_failed, RL_INFO);
}

inline void check(bool good, const char *what)
{
	if (!good)
		fail(what);
}

} // namespace resv::test

#endif // RESV_TESTS_SIM_RELACY_PORT_HPP
