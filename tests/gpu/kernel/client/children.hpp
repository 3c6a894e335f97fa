// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef GPU_KERNEL_CLIENT_CHILDREN_HPP
#define GPU_KERNEL_CLIENT_CHILDREN_HPP

#include <cerrno>
#include <csignal>
#include <vector>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace gpu {

/// Processes, by a number that a later one may have again. They end with who made them.
class children {
public:
	children() = default;
	children(const children &) = delete;
	children &operator=(const children &) = delete;
	~children()
	{
		for (unsigned i = 0; i < pids_.size(); i++)
			kill_and_wait(i);
	}

	/// In it, signals end waits: SIGUSR1 and SIGALRM do nothing else. False: it could not be started.
	template <typename Body>
	bool start(unsigned i, Body body)
	{
		if (i >= pids_.size())
			pids_.resize(i + 1, 0);
		pids_[i] = fork();
		if (pids_[i] != 0)
			return pids_[i] > 0;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		heed_signals();
		_exit(body());
	}

	static void heed_signals()
	{
		struct sigaction action {};
		action.sa_handler = [](int) {};
		sigaction(SIGUSR1, &action, nullptr);
		sigaction(SIGALRM, &action, nullptr);
	}

	bool signal(unsigned i, int number) { return is_there(i) && kill(pids_[i], number) == 0; }

	/// Returns its exit code, -1 if it was killed, or 0 if there is none.
	int wait_for(unsigned i)
	{
		if (!is_there(i))
			return 0;
		int status = 0;
		while (waitpid(pids_[i], &status, 0) < 0 && errno == EINTR)
			;
		pids_[i] = 0;
		return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	}
	int kill_and_wait(unsigned i)
	{
		signal(i, SIGKILL);
		return wait_for(i);
	}

	/// True: it was killed. False: it had ended by itself.
	bool end(unsigned i) { return is_there(i) && kill_and_wait(i) < 0; }

	/// Has any not ended yet?
	bool any_left()
	{
		bool any = false;
		for (pid_t &pid : pids_) {
			if (pid > 0 && waitpid(pid, nullptr, WNOHANG) != 0)
				pid = 0;
			any |= pid > 0;
		}
		return any;
	}

private:
	bool is_there(unsigned i) const { return i < pids_.size() && pids_[i] > 0; }

	std::vector<pid_t> pids_;
};

} // namespace gpu

#endif // GPU_KERNEL_CLIENT_CHILDREN_HPP
