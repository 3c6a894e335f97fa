// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef GPU_CONFIG_HPP
#define GPU_CONFIG_HPP

#include <resv/ww_mutex.hpp>

namespace gpu {

struct recorded_client;
struct front_ops;

/// The order in which a job reserves its buffers.
enum class lock_order : unsigned {
	random,
	ascending,
	descending,
	opposite, ///< even clients ascending, odd ones descending
};

/// Who touches the contents of a job's buffers while they are reserved.
enum class executor : unsigned {
	client, ///< the client's own task
	ring,   ///< the ring's task, while the client waits and holds the reservations
	mixed,  ///< one or the other, at random
};

/// What a run does wrong on purpose, to show that it would be noticed.
enum class breakage : unsigned {
	none,
	skip_reservation,  ///< some jobs touch their buffers without reserving them
	hang,              ///< client 0 keeps its reservations until the run is stopped
	blocking_eviction, ///< the evictor waits for a buffer; only the annotator notices
	skip_fences,       ///< some jobs do not wait for the fences of their buffers
	lose_copy,         ///< some moves do not take the contents along
};

/// By resv::ww_algorithm.
inline constexpr const char *algorithm_names[] = {"wound-wait", "wait-die", "adaptive"};

/// One run of the device. What each key of a workload file means is said in workloads/desktop.conf.
struct config {
	unsigned clients = 4;
	unsigned rings = 1;
	unsigned buffers = 64;
	unsigned min_buffers_per_job = 1;
	unsigned max_buffers_per_job = 4;
	unsigned words = 5;      // of a buffer that each access touches, beside its header
	unsigned skew = 0;       // Zipf exponent, in hundredths
	unsigned read_share = 0; // shares are in percent
	unsigned duplicate_share = 0;
	unsigned no_context_share = 0;
	unsigned shared_reservations = 1; // buffers for each reservation
	unsigned signal_rate = 0;         // rates are per second
	unsigned eviction_rate = 0;
	unsigned vram = 0; // pages of each device; 0: all buffers are resident
	unsigned devices = 1;
	unsigned system = 0; // pages; 0: enough for all
	unsigned swapout_rate = 0;
	unsigned recycle_rate = 0;
	unsigned interrupt_every = 0; // so many waits of a client; 0: none
	unsigned jobs = 0;            // of each client; 0: no limit
	unsigned log_mb = 256;        // of all actors; the run ends when one has used up its part
	unsigned trace_events = 0;    // of each actor; 0: do not trace
	unsigned break_share = 10;
	uint64_t seed = 1;
	resv::ww_algorithm algorithm = resv::ww_algorithm::wait_die;
	lock_order order = lock_order::random;
	executor execute = executor::client;
	breakage broken = breakage::none;

	// One for each client, whose jobs are then played instead of made up; the front's. See recording.hpp.
	const recorded_client *recorded = nullptr;
	bool recorded_pace = false; // submitted when they were then; else as soon as possible

	// Users who come and go, and bring buffers and jobs of their own, of which there are `buffers` at most; in place of
	// clients. See session.hpp.
	unsigned sessions = 0;
	bool keep_logs = true;            // what a session's jobs saw; else it is forgotten
	const front_ops *front = nullptr; // of those buffers

	unsigned wait_limit_us = 0; // of each wait of a client for a reservation; 0: none
	// A client calls it before each try of a job, holding nothing: the front's, to get in its way.
	void (*before_try)(void *data, unsigned client, uint32_t job) = nullptr;
	void *before_try_data = nullptr;
};

inline constexpr unsigned max_clients = 256;
inline constexpr unsigned max_sessions = 64;
inline constexpr unsigned max_rings = 16;
inline constexpr unsigned max_devices = 2;
inline constexpr unsigned max_recycled = 65536; // buffers of a run
inline constexpr unsigned max_buffers = 1000000;
inline constexpr unsigned max_buffers_per_job = 4096;
inline constexpr unsigned max_words = 509;

} // namespace gpu

#endif // GPU_CONFIG_HPP
