// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "player.hpp"

#include <algorithm>
#include <cstring>

#include <unistd.h>

namespace gpu {

namespace {
constexpr int64_t second = 1000000000;
}

bool player::make_buffers()
{
	const config &c = spec_.config;
	if (!state_ || !logs_.create(c.clients))
		return fail("memory", -ENOMEM);
	for (unsigned i = 0; i <= c.clients; i++) {
		auto &file = *files_.emplace_back(std::make_unique<drm_file>());
		resv_gpu_info info{};
		int err = file.error() ? file.error() : file.info(info);
		if (err != 0)
			return fail("opening the device", err);
		if (info.session != i)
			return fail("session " + std::to_string(info.session) + " for file " +
					    std::to_string(i),
				    -EINVAL);
	}
	handles_.resize(c.clients);
	for (unsigned i = 0; i < c.buffers; i++) {
		resv_gpu_create made;
		int err = files_.back()->create(made);
		if (err != 0)
			return fail("making a buffer", err);
		if (made.id != i) // the check goes by that
			return fail("a buffer's id", -EINVAL);
		void *page = files_.back()->map(made.offset, PROT_READ);
		if (!page)
			return fail("mapping a buffer", -errno);
		pages_.push_back(static_cast<const uint64_t *>(page));
		own_handles_.push_back(made.handle);
		if (!share(made.handle))
			return false;
	}
	return true;
}

bool player::share(uint32_t handle)
{
	int descriptor;
	int err = files_.back()->share(handle, descriptor);
	if (err != 0)
		return fail("sharing a buffer", err);
	for (unsigned i = 0; i < handles_.size() && err == 0; i++)
		err = files_[i]->import(descriptor, handles_[i].emplace_back());
	close(descriptor);
	return err == 0 || fail("importing a buffer", err);
}

// ---- While they run ----

void player::start_client(children &clients, unsigned i)
{
	clients.start(i, [this, i] { return be_client(i, mix(started_ + spec_.config.seed)); });
}

void player::start_others(children &others)
{
	if (trouble_.visitors)
		others.start(visitor, [this] { return be_visitor(mix(started_)); });
	if (const unsigned rate = std::max(trouble_.signal_rate, spec_.config.signal_rate))
		others.start(storm, [this, rate] { return be_storm(rate); });
	if (trouble_.onlookers) {
		others.start(onlooker, [this] { return be_onlooker(mix(started_)); });
		others.start(curious, [this] { return be_curious(); });
	}
}

// False: it had ended by itself.
bool player::end_other(children &others, unsigned which)
{
	constexpr const char *names[] = {"the visitor", "the storm", "the onlooker", "the curious"};
	const int status = others.kill_and_wait(which);
	if (status <= 0)
		return true;
	(*state_).clients[0].error = -EIO;
	result_.stuck += std::string(names[which]) + " ended with " + std::to_string(status) + "\n";
	return false;
}

void player::kill_someone(children &clients, children &others)
{
	const int64_t now = now_ns();
	if (trouble_.kill_rate == 0 || now < next_kill_)
		return;
	next_kill_ = now + second / trouble_.kill_rate;
	const unsigned victim = random_.below(spec_.config.clients);
	started_++;
	(*state_).clients[victim].pid = 0;
	if (clients.end(victim))
		start_client(clients, victim);
	if (trouble_.visitors && end_other(others, visitor))
		others.start(visitor, [this] { return be_visitor(mix(started_)); });
}

bool player::supervise()
{
	children clients, others;
	const int64_t start = now_ns();
	const int64_t end =
		spec_.milliseconds == 0 ? INT64_MAX : start + spec_.milliseconds * (second / 1000);
	for (unsigned i = 0; i < spec_.config.clients; i++, started_++)
		start_client(clients, i);
	start_others(others);
	int64_t last_progress = start;
	uint64_t last_jobs = 0;
	while (clients.any_left()) {
		const int64_t now = now_ns();
		uint64_t jobs = 0;
		for (const client_state &c : (*state_).clients)
			jobs += c.jobs;
		if (jobs != last_jobs)
			last_progress = now;
		last_jobs = jobs;
		if (now >= end && result_.stopped == stop_reason::none)
			result_.stopped = stop_reason::time;
		for (const client_state &c : (*state_).clients) {
			if (c.log_full)
				result_.stopped = stop_reason::log_full;
			if (c.error != 0)
				result_.stopped = stop_reason::error;
		}
		if (now - last_progress > spec_.stall_seconds * second) {
			result_.stuck =
				"no job was submitted for " + std::to_string(spec_.stall_seconds) + " s\n";
			return fail("the run is stuck", -ETIME);
		}
		if (result_.stopped != stop_reason::none)
			(*state_).stopped = true;
		else
			kill_someone(clients, others);
		usleep(500);
	}
	result_.seconds = static_cast<double>(now_ns() - start) / second;
	for (client_state &c : (*state_).clients)
		c.pid = 0;
	for (unsigned i = visitor; i <= curious; i++)
		end_other(others, i);
	result_.signals_sent = (*state_).signals;
	return true;
}

// ---- Afterwards ----

bool player::read_logs()
{
	for (unsigned i = 0; i < spec_.config.clients; i++) {
		std::vector<uint64_t> words;
		int err = files_[i]->log(words);
		if (err == 0 && !logs_[i].create(words.size() + 1))
			err = -ENOMEM;
		if (err != 0)
			return fail("reading a log", err);
		for (size_t at = 0; at < words.size(); at += words[at] + 1) {
			const auto count = static_cast<unsigned>(words[at]);
			if (count >= words.size() - at)
				return fail("a log that is cut off", -EINVAL);
			std::copy_n(&words[at + 1], count, logs_[i].begin(count));
			logs_[i].commit();
		}
		result_.retired += logs_[i].jobs();
	}
	return true;
}

bool player::read_stats()
{
	counters &total = result_.total;
	resv_gpu_stats s;
	for (unsigned i = 0; i < spec_.config.clients; i++) {
		int err = files_[i]->stats(s);
		if (err != 0)
			return fail("statistics", err);
		result_.jobs_of_clients.push_back(s.jobs);
		total.jobs += s.jobs;
		total.jobs_by_ring += s.jobs;
		total.retries += s.retries;
		total.interrupted += s.interrupted;
		total.no_space += s.no_space;
		total.wait.merge(s.wait, s.longest_wait_ns);
		total.errors += (*state_).clients[i].error != 0;
		if ((*state_).clients[i].error != 0)
			total.last_error = (*state_).clients[i].error;
	}
	int err = files_[0]->stats(s, true);
	if (err != 0)
		return fail("the device's statistics", err);
	total.evictions = s.evictions;
	total.evictions_busy = s.evictions_busy;
	total.evictions_passed = s.evictions_passed;
	total.bytes_moved = s.bytes_moved;
	total.swapouts = s.swapouts;
	result_.lock_order_reports = s.lock_order_reports;
	result_.met = {.contended = s.met.contended,
		       .spins = s.met.spins,
		       .stays = s.met.stays,
		       .waits = s.met.waits,
		       .bypasses = s.met.bypasses,
		       .wounds = s.met.wounds,
		       .deaths = s.met.deaths,
		       .most_retries = s.met.most_retries,
		       .longest_wait_ns = s.met.longest_wait_ns};
	return true;
}

bool player::collect()
{
	if (!read_logs() || !read_stats())
		return false;
	std::vector<page_store::snapshot> left;
	for (size_t i = 0; i < pages_.size(); i++) {
		int err = files_.back()->wait(own_handles_[i], true);
		if (err != 0)
			return fail("waiting for a buffer", err);
		left.push_back(page_store::look(pages_[i], spec_.config.words));
		munmap(const_cast<uint64_t *>(pages_[i]), buffer_bytes);
	}
	std::vector<const job_log *> logs;
	for (const job_log &l : logs_)
		logs.push_back(&l);
	result_.serial = check_serial(logs.data(), spec_.config.clients, left.data(),
				      static_cast<unsigned>(left.size()));
	return true;
}

} // namespace gpu
