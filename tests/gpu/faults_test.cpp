// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Small runs of each kind of workload, with one fault in each, at each place in its turn: a reserve that returns -EDEADLK,
// -EINTR or -ETIME, and an allocation that fails. Each time all jobs are run, the contents are right, and nothing is held,
// leaked or reported.
//
// But for the last test, where a fault comes is no matter of chance: there is one client, in this task. For a reserve it is a job and a
// buffer: while the client is at that job, somebody older holds that buffer, until the fault has come of it.
#include "host/run.hpp"
#include "host/table.hpp"

#include <tests/helpers.hpp>

namespace resv::test {
namespace {

constexpr unsigned jobs = 8, buffers = 6;

/// What comes of a buffer that is held by somebody older.
enum class fault { deadlk, interrupt, timeout };

std::string name_of(fault f)
{
	return f == fault::deadlk ? "deadlk" : f == fault::interrupt ? "interrupt" : "timeout";
}

struct kind {
	const char *name;
	void (*set)(gpu::config &c);
};

void PrintTo(const kind &k, std::ostream *out)
{
	*out << k.name;
}

void limit_memory(gpu::config &c)
{
	c.execute = gpu::executor::ring;
	c.vram = 3;
	c.system = 4;
	c.rings = c.devices = 2;
}

const kind kinds[] = {
	{"client", [](gpu::config &) {}},
	{"shared",
	 [](gpu::config &c) {
		 c.shared_reservations = 2;
		 c.duplicate_share = 50;
	 }},
	{"no_context", [](gpu::config &c) { c.no_context_share = 100; }},
	{"ring", [](gpu::config &c) { c.execute = gpu::executor::ring; }},
	{"limited_memory", limit_memory},
};

/// A device with one client, which is run by the calling task.
class rig {
public:
	explicit rig(gpu::config c) : config_(c)
	{
		config_.clients = 1;
		config_.jobs = jobs;
		config_.buffers = buffers;
		config_.min_buffers_per_job = 1;
		config_.max_buffers_per_job = 3;
		config_.read_share = 40;
		config_.log_mb = 1;
	}

	/// Plays the run; `before_try` is called before each try of a job. Tests that all of it went well.
	template <typename Prepare, typename BeforeTry>
	void play(Prepare prepare, BeforeTry before_try)
	{
		config_.before_try = [](void *data, unsigned, uint32_t job) {
			(*static_cast<BeforeTry *>(data))(job);
		};
		config_.before_try_data = &before_try;
		ASSERT_EQ(gpu.create(config_), 0);
		prepare();
		std::vector<std::thread> rings;
		for (unsigned i = 0; i < gpu.rings(); i++)
			rings.emplace_back([this, i] { gpu.run_ring(i); });
		gpu.run_client(0);
		before_try(jobs);
		gpu.close();
		for (std::thread &t : rings)
			t.join();
		look();
	}

	const gpu::counters &stats() { return gpu.actor_at(0).stats; }

	gpu::device gpu;

private:
	void look()
	{
		EXPECT_EQ(stats().jobs, jobs);
		EXPECT_EQ(stats().errors, 0u) << stats().last_error;
		EXPECT_EQ(gpu.stopped(), gpu::stop_reason::none);
		EXPECT_EQ(gpu.retired(), jobs);
		EXPECT_TRUE(gpu.retired_in_order());
		EXPECT_EQ(gpu.check().what, gpu::violation::none);
		for (unsigned i = 0; i < gpu.reservations(); i++)
			EXPECT_EQ(gpu.holder(i), gpu::trace_event::nobody);
		std::string held;
		resv_lockdep_dump_held(
			[](const char *line, void *text) { *static_cast<std::string *>(text) += line; },
			&held);
		EXPECT_TRUE(held.empty() || held.starts_with("0 locks held")) << held;
	}

	gpu::config config_;
};

/// Sees to it that a run gives back all that it has asked for.
class gpu_faults : public fixture {
protected:
	~gpu_faults() override
	{
		resv_port_drain();
		const resv_host_allocs now = resv_host_alloc_stats();
		EXPECT_EQ(now.allocated - before_.allocated, now.freed - before_.freed);
		EXPECT_FALSE(resv_host_signal_pending());
	}

private:
	const resv_host_allocs before_ = resv_host_alloc_stats();
};

// ---- Reserves --------------------------------------------------------------------------------------------------------

/// Who is older, and holds a buffer while the client is at a job.
class older {
public:
	older(gpu::device &gpu, fault what, uint32_t job, uint32_t reservation)
		: limited_(gpu.config().vram != 0), what_(what), job_(job), me_(gpu.cls())
	{
		for (uint32_t i = 0; i < gpu.reservations(); i++) {
			if (limited_)
				kept_.push_back(&gpu.memory().get(i));
			objects_.push_back(
				limited_ ? &kept_.back()->object
					 : &gpu.reservation_of(i * gpu.config().shared_reservations));
		}
		wanted_ = &lock_of(*objects_[reservation]);
		me_.run([this] { ww_test_access::give_stamp(me_.ctx()); });
	}
	~older()
	{
		for (gpu::buffer *b : kept_)
			gpu::memory::put(*b);
	}
	older(const older &) = delete;
	older &operator=(const older &) = delete;

	/// The client is about to try this job.
	void before_try(uint32_t job)
	{
		tries_++;
		if (job == job_ && !holds_) {
			holds_ = true;
			EXPECT_TRUE(me_.trylock(*wanted_));
			me_.start([this, first = tries_.load()] { hold(first); });
		}
		if (job > job_) {
			over_ = true;
			me_.finish();
		}
	}

	/// Has the client waited for it?
	bool met() const { return met_; }

private:
	// Until the client waits for it, has got its fault, and has been made to give way; or is over with the job.
	void hold(unsigned first)
	{
		while (!over_) {
			if (queue(*wanted_).empty()) {
				std::this_thread::yield();
				continue;
			}
			met_ = true;
			if (what_ == fault::deadlk || tries_ != first) {
				give_way();
				break;
			}
			if (what_ == fault::interrupt && first_sleeps(*wanted_))
				resv_host_interrupt(client_);
			EXPECT_TRUE(eventually([&] { return tries_ != first; }));
		}
		me_.ctx().unlock_all();
	}

	// Who waits with others in hand gets -EDEADLK at once with wait-die, and with wound-wait when one of them is
	// wanted by somebody older.
	void give_way()
	{
		for (reservation_object *object : objects_) {
			ww_mutex &lock = lock_of(*object);
			if (!lock.is_locked() || &lock == wanted_)
				continue;
			EXPECT_EQ(lock.lock(&me_.ctx()), 0);
			break;
		}
	}

	const bool limited_;
	const fault what_;
	const uint32_t job_;
	const resv_port_task client_ = resv_port_current();
	std::vector<gpu::buffer *> kept_;
	std::vector<reservation_object *> objects_;
	ww_mutex *wanted_ = nullptr;
	bool holds_ = false;
	std::atomic<bool> over_ = false, met_ = false;
	std::atomic<unsigned> tries_ = 0;
	party me_; // the first to end
};

class gpu_faults_of_reserves : public gpu_faults,
			       public testing::WithParamInterface<std::tuple<kind, ww_algorithm, fault>> {};

INSTANTIATE_TEST_SUITE_P(each, gpu_faults_of_reserves,
			 testing::Combine(testing::ValuesIn(kinds), testing::ValuesIn(all_algorithms),
					  testing::Values(fault::deadlk, fault::interrupt, fault::timeout)),
			 [](const auto &each) {
				 return std::string(std::get<0>(each.param).name) + "_" +
					test::name_of(std::get<1>(each.param)) + "_" +
					name_of(std::get<2>(each.param));
			 });

/// How a job used a reservation.
enum class place { none, first, later };

place place_of(const gpu::job_log &log, uint32_t job, uint32_t reservation, unsigned share)
{
	size_t at = 0;
	for (; job != 0; job--)
		at += log.count_at(at) + 1;
	const unsigned count = log.count_at(at);
	for (unsigned i = 0; i < count; i++)
		if (log.at(at, i).buffer() / share == reservation)
			return log.at(at, 0).buffer() / share == reservation ? place::first : place::later;
	return place::none;
}

TEST_P(gpu_faults_of_reserves, leave_nothing_behind)
{
	const auto &[kind, algorithm, chosen] = GetParam();
	const fault what = chosen;
	gpu::config c;
	c.algorithm = algorithm;
	if (what == fault::interrupt)
		c.interrupt_every = ~0u; // none of these, but waits are such as may be
	if (what == fault::timeout)
		c.wait_limit_us = 100;
	kind.set(c);
	unsigned later = 0, by_eviction = 0;
	for (uint32_t job = 0; job < jobs; job++) {
		for (uint32_t reservation = 0; reservation < buffers / c.shared_reservations; reservation++) {
			SCOPED_TRACE("job " + std::to_string(job) + ", reservation " +
				     std::to_string(reservation));
			rig r(c);
			std::optional<older> someone;
			r.play([&] { someone.emplace(r.gpu, what, job, reservation); },
			       [&](uint32_t at) { someone->before_try(at); });
			if (HasFatalFailure())
				return;

			const place used =
				place_of(r.gpu.actor_at(0).log, job, reservation, c.shared_reservations);
			const bool met = someone->met();
			later += used == place::later;
			by_eviction += met && used == place::none;
			EXPECT_TRUE(met || used == place::none);
			EXPECT_TRUE(!met || used != place::none || c.vram != 0);
			EXPECT_EQ(r.stats().interrupted, what == fault::interrupt && met ? 1u : 0u);
			EXPECT_GE(r.stats().timed_out, what == fault::timeout && met ? 1u : 0u);
			// With wound-wait it may run out of time before it is wounded.
			const bool dies = met && used == place::later &&
					  (what != fault::timeout || algorithm == ww_algorithm::wait_die);
			EXPECT_GE(r.gpu.cls().statistics().deaths, dies ? 1u : 0u);
		}
	}
	EXPECT_EQ(later != 0, c.no_context_share == 0);
	EXPECT_EQ(by_eviction != 0, c.vram != 0);
}

// ---- Memory ----------------------------------------------------------------------------------------------------------

class gpu_faults_of_memory : public gpu_faults,
			     public testing::WithParamInterface<std::tuple<kind, ww_algorithm>> {};

INSTANTIATE_TEST_SUITE_P(each, gpu_faults_of_memory,
			 testing::Combine(testing::ValuesIn(kinds), testing::ValuesIn(all_algorithms)),
			 [](const auto &each) {
				 return std::string(std::get<0>(each.param).name) + "_" +
					test::name_of(std::get<1>(each.param));
			 });

// All who ask for memory do so in this task, one after the other, and each time that one does is the one that fails. Where
// memory is not limited nobody asks: reservations need none.
TEST_P(gpu_faults_of_memory, leave_nothing_behind)
{
	const auto &[kind, algorithm] = GetParam();
	gpu::config c;
	c.algorithm = algorithm;
	kind.set(c);
	uint64_t clients_had_none = 0;
	for (unsigned long fails = 0;; fails++) {
		SCOPED_TRACE(fails);
		rig r(c);
		gpu::device &gpu = r.gpu;
		r.play([&] { resv_host_fail_alloc(fails); },
		       [&](uint32_t) {
			       if (c.vram == 0)
				       return;
			       gpu.memory().evict(0, gpu.actor_at(gpu.evictor_index()));
			       gpu.memory().swap_out(gpu.actor_at(gpu.swapper_index()));
			       gpu.memory().recycle(gpu.actor_at(gpu.recycler_index()));
		       });
		if (HasFatalFailure())
			return;
		clients_had_none += r.stats().no_memory;
		if (resv_host_end_fail_alloc())
			continue;
		EXPECT_EQ(fails != 0, c.vram != 0);
		if (c.vram != 0) {
			EXPECT_GT(r.stats().bytes_moved, 0u);
			EXPECT_GT(gpu.actor_at(gpu.evictor_index()).stats.evictions, 0u);
			EXPECT_GT(gpu.actor_at(gpu.swapper_index()).stats.swapouts, 0u);
			EXPECT_GT(gpu.actor_at(gpu.recycler_index()).stats.recycled, 0u);
			EXPECT_GT(clients_had_none, jobs); // for each job, and for some moves
		}
		break;
	}
}

TEST_F(gpu_faults, no_memory_for_a_device)
{
	for (unsigned long fails = 0;; fails++) {
		gpu::config c;
		limit_memory(c);
		c.buffers = buffers;
		c.log_mb = 1;
		auto gpu = std::make_unique<gpu::device>();
		resv_host_fail_alloc(fails);
		int err = gpu->create(c);
		if (!resv_host_end_fail_alloc()) {
			EXPECT_EQ(err, 0);
			EXPECT_GE(fails, buffers);
			break;
		}
		EXPECT_EQ(err, -ENOMEM) << fails;
	}
}

// ---- All at once -----------------------------------------------------------------------------------------------------

// Clients that get into each other's way by themselves, and all who make it worse: where a fault comes is left to chance.
TEST_F(gpu_faults, of_all_kinds_at_once_leave_nothing_behind)
{
	for (const char *algorithm : {"algorithm=wait-die", "algorithm=wound-wait", "algorithm=adaptive"}) {
		gpu::workload workload;
		std::string error;
		ASSERT_TRUE(gpu::parse_workload(
			"clients = 4\nbuffers = 12\nbuffers_per_job = 1-6\nseconds = 0\n"
			"jobs = 700\nlog_mb = 16\nexecute = ring\nvram = 7\ndevices = 2\n"
			"rings = 3\nsystem = 3\neviction_rate = 5000\nswapout_rate = 5000\n"
			"recycle_rate = 5000\ninterrupt_every = 5\nsignal_rate = 5000\n",
			"test", {algorithm}, workload, error))
			<< error;
		gpu::run_spec spec = workload.runs.at(0);
		spec.config.wait_limit_us = 5;
		spec.config.before_try = [](void *, unsigned, uint32_t) {
			constexpr unsigned more_than_a_try_makes = 16;
			thread_local unsigned tries = 0;
			resv_host_fail_alloc(tries++ % more_than_a_try_makes);
		};
		gpu::run_result r;
		ASSERT_TRUE(gpu::run_workload(spec, {}, r));
		EXPECT_FALSE(r.violated()) << gpu::describe_violation(r);
		EXPECT_EQ(r.total.jobs, 2800u);
		EXPECT_EQ(r.stopped, gpu::stop_reason::none);
		EXPECT_GT(r.total.retries, 0u);
		EXPECT_GT(r.total.interrupted, 0u);
		EXPECT_GT(r.total.timed_out, 0u);
		EXPECT_GT(r.total.no_memory, 0u);
	}
}

} // namespace
} // namespace resv::test
