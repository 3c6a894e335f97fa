// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The software GPU: buffers under reservations, clients whose jobs change them, rings, and whoever else gets in the way.
// A front makes one, starts the tasks, and looks at the result:
//
//     device gpu;
//     if (int err = gpu.create(config)) ...
//     in tasks of their own: gpu.run_client(i), gpu.run_ring(i) for all gpu.rings(), and gpu.run_evictor(),
//         gpu.run_swapper(), gpu.run_recycler(), gpu.run_storm() of which the config gives a rate
//     wait for the clients to end, having called gpu.stop() when they should
//     gpu.close(); wait for the other tasks to end
//     gpu.check()
//
// One device at a time: the classes of its locks are static, and so is their tracer.
#ifndef GPU_DEVICE_HPP
#define GPU_DEVICE_HPP

#include "actor.hpp"
#include "config.hpp"
#include "memory.hpp"
#include "ring.hpp"
#include "serial.hpp"

#include <resv/transaction.hpp>

namespace gpu {

class client;
class session;

/// Why a run ended before all jobs were run.
enum class stop_reason : unsigned { none, time, user, log_full, stuck, error };

class device {
public:
	device();
	device(const device &) = delete;
	device &operator=(const device &) = delete;
	~device();

	/// Once only, with a config that is in range. Returns 0 or -ENOMEM.
	[[nodiscard]] int create(const config &config);

	/// The bodies of the tasks. The clients begin when all have been started; each ends once it has run its jobs
	/// or the device was stopped. The others end when it has been closed.
	void run_client(unsigned i);
	void run_ring(unsigned i) { rings_[i].serve(); }
	void run_evictor();
	void run_swapper();
	void run_recycler();
	void run_storm();

	/// A session for somebody who comes, and its end; see session.hpp. nullptr: there are as many as may be, or there is
	/// no memory. Context: task.
	session *open_session();
	void close_session(session &s);

	/// Tells the clients to end after the job they are at. The first reason counts. Context: any.
	void stop(stop_reason reason) { stopped_.compare_exchange(0, static_cast<unsigned>(reason), order_); }
	stop_reason stopped() const { return static_cast<stop_reason>(stopped_.load(order_)); }
	bool running() const { return stopped_.load(order_) == 0; }

	/// Tells the other tasks to end. Context: all clients have ended.
	void close();
	bool closed() const { return closed_.load(order_) != 0; }

	/// Context: all tasks have ended.
	verdict check();
	uint64_t retired() const;
	bool retired_in_order() const;

	const gpu::config &config() const { return config_; }

	/// That of the locks, which begins with the device: its statistics tell of nobody else.
	resv::ww_class &cls() const;

	/// Those who submit jobs: clients, or sessions.
	unsigned users() const { return config_.clients + config_.sessions; }

	/// All who touch buffers: the users, then the evictor; where memory is limited, then the swapper and the
	/// recycler.
	unsigned actors() const { return static_cast<unsigned>(actors_.size()); }
	unsigned evictor_index() const { return users(); }
	unsigned swapper_index() const { return users() + 1; }
	unsigned recycler_index() const { return users() + 2; }
	actor &actor_at(unsigned i) { return actors_[i]; }
	const actor &actor_at(unsigned i) const { return actors_[i]; }

	/// Signals that the storm sent. Context: it has ended.
	uint64_t signals_sent() const { return signals_sent_; }

	page_store &pages() { return pages_; }
	const zipf &popularity() const { return popularity_; }
	ring &ring_at(unsigned i) { return rings_[i]; }

	/// With breakage::hang client 0 stays here, with what it has reserved, until the run is stopped.
	void hang_if_told(const actor &self) const;

	/// Those for jobs, and where memory is limited one for the copies of each device.
	unsigned rings() const { return static_cast<unsigned>(rings_.size()); }

	/// Where memory is limited: the ring and the device that a client always uses.
	unsigned ring_of(unsigned client) const { return client % config_.rings; }
	unsigned device_of(unsigned client) const { return ring_of(client) % config_.devices; }
	gpu::memory &memory() { return memory_; }

	/// The reservation that a buffer is under, and the first of the buffers that are under it.
	resv::reservation_object &reservation_of(uint32_t buffer)
	{
		return reservations_[buffer / config_.shared_reservations];
	}
	/// Where memory is limited, each buffer has one, with the buffer's handle for an index.
	uint32_t index_of(const resv::reservation_object &object) const
	{
		if (config_.vram != 0)
			return buffer::of(object).handle;
		return static_cast<uint32_t>(&object - reservations_.begin());
	}
	unsigned reservations() const
	{
		return config_.vram != 0 ? config_.buffers : static_cast<unsigned>(reservations_.size());
	}

	/// Who holds a reservation: an actor, trace_event::nobody, or holds_without_context. Racy.
	unsigned holder(uint32_t reservation);
	static constexpr unsigned holds_without_context = ~1u;

private:
	static constexpr resv::order order_ = resv::order::relaxed;

	// With the same lock of the wait list held as any tracer of a ww_class.
	static void trace(resv::ww_event, const resv::ww_mutex &, const resv::ww_acquire_ctx &self,
			  const resv::ww_acquire_ctx *other);
	void note(resv::ww_event event, uint32_t reservation, resv_port_task self, resv_port_task other);
	actor *actor_of(resv_port_task task);
	int show_lock_order();
	bool evict_one(actor &self, uint32_t &victim);
	void run_background(unsigned index, unsigned rate, bool (*act)(device &, actor &));
	void leave_rings();
	unsigned holder_of(const resv::reservation_object &object) const;

	gpu::config config_;
	array<resv::reservation_object> reservations_;
	page_store pages_;
	zipf popularity_;
	array<actor> actors_;
	array<ring> rings_;
	gpu::memory memory_; // if limited
	array<client> clients_;
	array<session> sessions_;
	resv::atomic<unsigned> clients_arrived_{0};
	resv::atomic<unsigned> stopped_{0};
	resv::atomic<unsigned> closed_{0};
	resv::atomic<unsigned> submitters_{
		1}; // who may hand something in: the background tasks, and who closes
	uint64_t signals_sent_ = 0;

	static constinit device *traced_;
};

} // namespace gpu

#endif // GPU_DEVICE_HPP
