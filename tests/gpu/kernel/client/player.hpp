// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// One run of a workload on the driver, while that is loaded: the processes, and who watches them.
#ifndef GPU_KERNEL_CLIENT_PLAYER_HPP
#define GPU_KERNEL_CLIENT_PLAYER_HPP

#include "children.hpp"
#include "drm_file.hpp"
#include "play.hpp"

#include <atomic>
#include <cstring>
#include <memory>

#include <sys/mman.h>

namespace gpu {

// A client's part of what it shares with who started it.
struct client_state {
	std::atomic<uint32_t> jobs; // by all who played it
	std::atomic<pid_t> pid;     // of who does now, or 0
	std::atomic<int> error;     // the last that it did not expect
	std::atomic<bool> log_full;
};

struct run_state {
	std::atomic<bool> stopped;
	std::atomic<uint64_t> signals; // sent
	client_state clients[max_sessions];
};

// Memory for all processes that are started from now on.
class shared_state {
public:
	shared_state()
		: at_(mmap(nullptr, sizeof(run_state), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
			   0))
	{
		if (at_ != MAP_FAILED)
			new (place{at_}) run_state{};
	}
	~shared_state() { munmap(at_, sizeof(run_state)); }
	shared_state(const shared_state &) = delete;
	shared_state &operator=(const shared_state &) = delete;
	explicit operator bool() const { return at_ != MAP_FAILED; }
	run_state &operator*() const { return *static_cast<run_state *>(at_); }

private:
	void *at_;
};

// Processes beside the clients, which do not end by themselves unless something is wrong.
enum other : unsigned { visitor, storm, onlooker, curious };

class player {
public:
	player(const run_spec &spec, const trouble &trouble, run_result &result, std::string &error)
		: spec_(spec), trouble_(trouble), result_(result), error_(error)
	{}

	bool play() { return make_buffers() && supervise() && collect(); }

private:
	bool fail(const std::string &what, int err)
	{
		error_ = what + ": " + strerror(-err);
		return false;
	}

	bool make_buffers();
	bool share(uint32_t handle);
	bool supervise();
	void start_client(children &clients, unsigned i);
	void start_others(children &others);
	bool end_other(children &others, unsigned which);
	void kill_someone(children &clients, children &others);
	bool collect();
	bool read_logs();
	bool read_stats();

	int be_client(unsigned index, uint64_t seed);
	int be_visitor(uint64_t seed);
	int be_storm(unsigned rate);
	int be_onlooker(uint64_t seed);
	int be_curious();

	const run_spec &spec_;
	const trouble &trouble_;
	run_result &result_;
	std::string &error_;

	shared_state state_;
	std::vector<std::unique_ptr<drm_file>> files_; // of the clients, and then of who makes the buffers
	std::vector<std::vector<uint32_t>> handles_;   // by client and buffer
	std::vector<uint32_t> own_handles_;
	std::vector<const uint64_t *> pages_; // mapped
	array<job_log> logs_;                 // of the clients
	random_source random_{mix(1)};
	uint64_t started_ = 0; // processes: each has a seed of its own
	int64_t next_kill_ = 0;
};

} // namespace gpu

#endif // GPU_KERNEL_CLIENT_PLAYER_HPP
