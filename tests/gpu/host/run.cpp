// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "run.hpp"

#include "crew.hpp"

#include <resv/lockdep.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>

#include <unistd.h>

namespace gpu {

namespace {

using clock = std::chrono::steady_clock;
using std::chrono::duration;
using std::chrono::milliseconds;

constexpr auto look_interval = milliseconds(50);
constexpr auto grace = std::chrono::seconds(5); // for a stuck run's threads to end

std::string actor_name(const device &gpu, unsigned i)
{
	const unsigned clients = gpu.config().clients;
	const char *const others[] = {"the evictor", "the swapper", "the recycler"};
	return i >= clients ? others[i - clients] : "client " + std::to_string(i);
}

std::string describe_stuck(const run_spec &spec, device &gpu)
{
	std::string text = "no job completed for " + std::to_string(spec.stall_seconds) + " s:\n";
	for (unsigned i = 0; i < gpu.actors(); i++) {
		uint32_t what = gpu.actor_at(i).waits_for.load(resv::order::relaxed);
		uint32_t done = gpu.actor_at(i).completed.load(resv::order::relaxed);
		text += "  " + actor_name(gpu, i) + ", after " + std::to_string(done) + " jobs, ";
		if (what == actor::nothing) {
			text += "waits for nothing\n";
			continue;
		}
		if (what == actor::the_ring) {
			text += "waits for its ring\n";
			continue;
		}
		uint32_t first = what * spec.config.shared_reservations;
		uint32_t last = std::min(first + spec.config.shared_reservations, spec.config.buffers) - 1;
		text += "waits for buffer " + std::to_string(first);
		if (last != first)
			text += ".." + std::to_string(last);
		unsigned holder = gpu.holder(what);
		if (holder == trace_event::nobody)
			text += ", which is free\n";
		else if (holder == device::holds_without_context)
			text += ", held without a context\n";
		else
			text += ", held by " + actor_name(gpu, holder) + "\n";
	}
	return text;
}

uint64_t jobs_so_far(device &gpu)
{
	uint64_t jobs = 0;
	for (unsigned i = 0; i < gpu.config().clients; i++)
		jobs += gpu.actor_at(i).completed.load(resv::order::relaxed);
	return jobs;
}

// All that the annotator has found so far.
uint64_t lock_order_reports()
{
	struct resv_lockdep_stats stats {};
	resv_lockdep_stats(&stats);
	return stats.reports + stats.lost_reports;
}

// Until all clients have ended.
void supervise(crew &threads, device &gpu, const observer &watch, run_result &result)
{
	const run_spec &spec = result.spec;
	const auto start = clock::now();
	auto last_progress = start;
	uint64_t last_jobs = 0;

	while (!threads.wait_for_counted(look_interval)) {
		const auto now = clock::now();
		const uint64_t jobs = jobs_so_far(gpu);
		if (jobs != last_jobs) {
			last_jobs = jobs;
			last_progress = now;
		}
		if (watch.progress)
			watch.progress(duration<double>(now - start).count(), jobs);
		if (spec.milliseconds != 0 && now - start >= milliseconds(spec.milliseconds))
			gpu.stop(stop_reason::time);
		if (watch.cancel && *watch.cancel)
			gpu.stop(stop_reason::user);
		if (now - last_progress < std::chrono::seconds(spec.stall_seconds))
			continue;
		result.stuck = describe_stuck(spec, gpu);
		gpu.stop(stop_reason::stuck);
		if (threads.wait_for_counted(grace))
			break;
		fprintf(stderr, "run %s is stuck: %sits threads do not end\n", spec.name.c_str(),
			result.stuck.c_str());
		fflush(nullptr);
		_exit(1);
	}
	result.seconds = duration<double>(clock::now() - start).count();
}

} // namespace

bool run_result::violated() const
{
	return serial.what != violation::none || !stuck.empty() || total.errors != 0 || !retired_in_order ||
	       retired != total.jobs;
}

bool run_workload(const run_spec &spec, const observer &watch, run_result &result)
{
	result = run_result();
	result.spec = spec;
	const uint64_t reports = lock_order_reports();
	auto gpu = std::make_unique<device>();
	if (gpu->create(spec.config) != 0)
		return false;

	crew threads;
	for (unsigned i = 0; i < gpu->rings(); i++)
		threads.start("ring " + std::to_string(i), false, [&gpu, i] { gpu->run_ring(i); });
	if (spec.config.eviction_rate != 0)
		threads.start("evictor", false, [&gpu] { gpu->run_evictor(); });
	if (spec.config.vram != 0 && spec.config.swapout_rate != 0)
		threads.start("swapper", false, [&gpu] { gpu->run_swapper(); });
	if (spec.config.vram != 0 && spec.config.recycle_rate != 0)
		threads.start("recycler", false, [&gpu] { gpu->run_recycler(); });
	if (spec.config.signal_rate != 0)
		threads.start("storm", false, [&gpu] { gpu->run_storm(); });
	for (unsigned i = 0; i < spec.config.clients; i++)
		threads.start("client " + std::to_string(i), true, [&gpu, i] { gpu->run_client(i); });
	supervise(threads, *gpu, watch, result);
	gpu->close();
	threads.join();

	for (unsigned i = 0; i < gpu->actors(); i++) {
		const actor &a = gpu->actor_at(i);
		result.total.merge(a.stats);
		if (i < spec.config.clients)
			result.jobs_of_clients.push_back(a.stats.jobs);
		result.trace_events += static_cast<uint64_t>(a.trace.end() - a.trace.begin());
		result.trace_dropped += a.trace.dropped();
	}
	result.met = gpu->cls().statistics();
	result.signals_sent = gpu->signals_sent();
	result.retired = gpu->retired();
	result.retired_in_order = gpu->retired_in_order();
	result.stopped = gpu->stopped();
	result.serial = gpu->check();
	result.lock_order_reports = lock_order_reports() - reports;
	if (watch.finished)
		watch.finished(spec, *gpu);
	return true;
}

} // namespace gpu
