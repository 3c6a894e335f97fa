// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// A task that crashes, or runs on without a step, has failed like any other: there is a schedule that leads to it.
#include "machine.hpp"

#include <csetjmp>
#include <csignal>
#include <cstring>

#include <sys/time.h>

namespace resv::sim {

namespace {

sigjmp_buf before_tasks;

// A task's stack may be what is broken, hence a stack of their own; and whoever jumps out of a handler does not return
// from it, so that nothing must be blocked meanwhile.
void install(void (*handler)(int))
{
	static char stack[64 * 1024];
	stack_t other = {};
	other.ss_sp = stack;
	other.ss_size = sizeof stack;
	sigaltstack(&other, nullptr);

	struct sigaction how = {};
	how.sa_handler = handler;
	how.sa_flags = SA_ONSTACK | SA_NODEFER | SA_RESTART;
	for (int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGVTALRM})
		sigaction(signal, &how, nullptr);

	// In time that the program itself has run.
	itimerval second = {{1, 0}, {1, 0}};
	setitimer(ITIMER_VIRTUAL, &second, nullptr);
}

} // namespace

void machine::crashed(int signal)
{
	static unsigned last_resumed;
	machine &m = only_machine;
	if (signal == SIGVTALRM && (!m.guarded_ || m.resumed_ != last_resumed)) {
		last_resumed = m.resumed_;
		return;
	}
	if (!m.guarded_) {
		struct sigaction how = {};
		how.sa_handler = SIG_DFL;
		sigaction(signal, &how, nullptr);
		raise(signal);
	}
	siglongjmp(before_tasks, signal);
}

void machine::run_guarded(bool anew)
{
	static const bool installed = (install(crashed), true);
	(void)installed;
	int signal = sigsetjmp(before_tasks, 0);
	guarded_ = signal == 0;
	if (signal == 0) {
		run(anew);
		guarded_ = false;
		return;
	}
	// The machine itself crashes where it follows a task's pointer.
	unsigned task = running_ != no_thread ? running_ : decisions_.back() % max_tasks;
	running_ = no_thread;
	if (signal == SIGVTALRM)
		fail(tasks_[task].label + " runs on without a step");
	else
		fail(tasks_[task].label + " crashes: " + strsignal(signal));
}

} // namespace resv::sim
