// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "play.hpp"

#include "../../job_source.hpp"
#include "children.hpp"
#include "drm_file.hpp"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>

#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

namespace gpu {

namespace {

constexpr int64_t second = 1000000000;
constexpr unsigned log_mb = 512; // of 64 sessions

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

// ---- In processes of their own ----

int player::be_client(unsigned index, uint64_t seed)
{
	const config &c = spec_.config;
	client_state &state = (*state_).clients[index];
	auto self = std::make_unique<actor>();
	zipf popularity;
	job_source source(c, popularity);
	state.pid = getpid();
	self->index = index;
	self->random = random_source(seed);
	if (!popularity.create(c.buffers, c.skew) || !source.create(*self))
		return 1;
	std::vector<resv_gpu_use> uses;
	job_plan plan;
	while (!(*state_).stopped && (c.jobs == 0 || state.jobs < c.jobs) && source.next(plan)) {
		uses.clear();
		for (unsigned i = 0; i < plan.count; i++)
			uses.push_back({handles_[index][plan.uses[i].buffer],
					plan.uses[i].write ? RESV_GPU_WRITE : 0u});
		if (plan.twice < plan.count && uses.size() < c.max_buffers_per_job)
			uses.push_back({uses[plan.twice].handle, 0});
		int err;
		while ((err = files_[index]->submit(uses.data(), uses.size())) == -EINTR || err == -ENOSPC) {
			if ((*state_).stopped)
				return 0;
			if (err == -ENOSPC)
				usleep(20 + self->random.below(500));
		}
		state.log_full = err == -EBUSY;
		if (err == -EBUSY)
			break;
		if (err != 0) {
			state.error = err;
			break;
		}
		state.jobs++;
	}
	return 0;
}

// Makes buffers, has jobs write them, looks at them, and destroys them while jobs are under way. Never ends.
int player::be_visitor(uint64_t seed)
{
	random_source random(seed);
	drm_file file;
	if (file.error())
		return 1;
	for (;;) {
		resv_gpu_create made[4];
		resv_gpu_use uses[4];
		unsigned count = 0;
		const unsigned wanted = 1 + random.below(std::min(4u, spec_.config.vram));
		while (count < wanted && file.create(made[count]) == 0) {
			uses[count] = {made[count].handle, RESV_GPU_WRITE};
			count++;
		}
		for (unsigned jobs = random.below(4); count != 0 && jobs > 0; jobs--)
			file.submit(uses, count, random.below(300));
		for (unsigned i = 0; i < count; i++) {
			void *page = file.map(made[i].offset, PROT_READ);
			if (page && random.percent(50) && file.wait(made[i].handle, true) == 0 &&
			    !page_store::look(static_cast<uint64_t *>(page), spec_.config.words).intact)
				return 2;
			if (page && random.percent(50))
				*static_cast<volatile uint64_t *>(page); // whatever is under way
			if (page)
				munmap(page, buffer_bytes);
			file.close_handle(made[i].handle);
		}
	}
}

// Signals for the clients. Never ends.
int player::be_storm(unsigned rate)
{
	random_source random(mix(rate));
	for (;;) {
		const pid_t pid = (*state_).clients[random.below(spec_.config.clients)].pid;
		(*state_).signals += pid != 0 && kill(pid, SIGUSR1) == 0;
		usleep(1000000 / rate);
	}
}

// Looks at all buffers, whatever jobs do with them: contents may be torn then, but no place is seen that has been left.
int player::be_onlooker(uint64_t seed)
{
	random_source random(seed);
	for (;;) {
		const volatile uint64_t *page = pages_[random.below(static_cast<unsigned>(pages_.size()))];
		for (unsigned i = 0; i < spec_.config.words + 3; i++)
			if (page[i] == page_store::poisoned)
				return 3;
	}
}

// Reads what the driver tells in debugfs.
int player::be_curious()
{
	for (;;) {
		for (const char *name : {"stats", "holders", "lock_stat", "lock_graph"}) {
			std::ifstream file(std::string("/sys/kernel/debug/resv_gpu/") + name);
			if (std::string(std::istreambuf_iterator<char>(file), {}).empty())
				return 4;
		}
		usleep(50000);
	}
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
		total.waits += s.waits;
		total.wounds += s.wounds;
		total.deaths += s.deaths;
		total.retries += s.retries;
		total.longest_chain = std::max(total.longest_chain, s.longest_chain);
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

} // namespace

void adapt(run_spec &spec)
{
	config &c = spec.config;
	c.execute = executor::ring;
	c.shared_reservations = 1;
	c.no_context_share = 0;
	c.clients = std::min(c.clients, max_sessions - 2);
	c.trace_events = 0;
	c.recycle_rate = 0;
	if (c.vram == 0)
		c.vram = c.buffers;
}

bool play(const run_spec &spec, const trouble &trouble, run_result &result, std::string &error)
{
	const config &c = spec.config;
	result = {};
	result.spec = spec;
	std::string parameters;
	auto add = [&](const char *name, unsigned value) {
		parameters += std::string(name) + "=" + std::to_string(value) + " ";
	};
	add("wound_wait", c.algorithm == resv::ww_algorithm::wound_wait);
	add("rings", c.rings);
	add("devices", c.devices);
	add("vram", c.vram);
	add("system", c.system);
	add("buffers", c.buffers + 64);
	add("words", c.words);
	add("eviction_rate", c.eviction_rate);
	add("swapout_rate", c.swapout_rate);
	add("interrupt_every", c.interrupt_every);
	add("log_mb", log_mb);
	add("broken", c.broken == breakage::skip_fences ? 1 : c.broken == breakage::lose_copy ? 2 : 0);
	int err = load_module(parameters.c_str());
	if (err != 0) {
		error = std::string("loading resv_gpu.ko: ") + strerror(-err);
		return false;
	}
	bool good = player(spec, trouble, result, error).play();
	err = unload_module();
	if (err != 0) {
		error += std::string(error.empty() ? "" : "; ") + "unloading it: " + strerror(-err);
		good = false;
	}
	return good;
}

} // namespace gpu
