// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What the driver says to wrong calls, to signals, and to those who go without waiting.
#include "cases.hpp"

#include "../../page.hpp"
#include "children.hpp"
#include "drm_file.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <sstream>
#include <vector>

#include <linux/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

namespace gpu {

namespace {

constexpr unsigned words = 61;

uint64_t address_of(const void *p)
{
	return reinterpret_cast<uintptr_t>(p);
}

// A file with a buffer.
struct rig {
	drm_file file;
	resv_gpu_create made{};
	resv_gpu_use use{};

	explicit rig(expectations &e)
	{
		e.equal("open", file.error(), 0);
		e.equal("create", file.create(made), 0);
		use = {made.handle, RESV_GPU_WRITE};
	}

	uint64_t jobs() const
	{
		resv_gpu_stats s;
		return file.stats(s) == 0 ? s.jobs : ~uint64_t{0};
	}
	resv_gpu_submit good_submit() const
	{
		return {.uses = address_of(&use), .count = 1, .flags = 0, .busy_us = 0, .number = 0};
	}
	// As often as it takes for room.
	int submit(resv_gpu_submit s, uint32_t *number = nullptr) const
	{
		int err;
		while ((err = file.call(DRM_IOCTL_RESV_GPU_SUBMIT, &s)) == -ENOSPC)
			usleep(100);
		if (number)
			*number = s.number;
		return err;
	}
	page_store::snapshot contents() const
	{
		auto *page = static_cast<uint64_t *>(file.map(made.offset, PROT_READ));
		if (!page || file.wait(made.handle, true) != 0)
			return {};
		page_store::snapshot s = page_store::look(page, words);
		munmap(page, buffer_bytes);
		return s;
	}
};

void jobs_write_what_can_be_read(expectations &e)
{
	rig r(e);
	for (int i = 0; i < 10; i++)
		e.equal("submit", r.submit(r.good_submit()), 0);
	page_store::snapshot s = r.contents();
	e.truth("contents are whole", s.intact);
	e.equal("version", s.version, 10);
	std::vector<uint64_t> log;
	e.equal("log", r.file.log(log), 0);
	e.equal("words logged", static_cast<long long>(log.size()), 20);
	e.equal("version seen last", access(log[19]).version(), 9);
}

void wrong_submits_change_nothing(expectations &e)
{
	rig r(e);
	auto wrong = [&](const char *what, int wanted, auto change) {
		resv_gpu_submit s = r.good_submit();
		change(s);
		e.equal(what, r.submit(s), wanted);
	};
	resv_gpu_use bad_flags = {r.made.handle, 2}, no_handle = {0, 0};
	resv_gpu_use half[2] = {r.use, {12345, RESV_GPU_WRITE}};
	wrong("flags", -EINVAL, [](resv_gpu_submit &s) { s.flags = 1; });
	wrong("no buffers", -EINVAL, [](resv_gpu_submit &s) { s.count = 0; });
	wrong("too many buffers", -E2BIG, [](resv_gpu_submit &s) { s.count = 9; });
	wrong("far too many", -E2BIG, [](resv_gpu_submit &s) { s.count = ~0u; });
	wrong("too long", -EINVAL, [](resv_gpu_submit &s) { s.busy_us = RESV_GPU_MAX_BUSY_US + 1; });
	wrong("a null pointer", -EFAULT, [](resv_gpu_submit &s) { s.uses = 0; });
	wrong("a kernel's address", -EFAULT, [](resv_gpu_submit &s) { s.uses = 0xffffffff81000000; });
	wrong("an address that is none", -EFAULT, [](resv_gpu_submit &s) { s.uses = 0x8000000000000000; });
	wrong("flags of a buffer", -EINVAL, [&](resv_gpu_submit &s) { s.uses = address_of(&bad_flags); });
	wrong("no handle", -ENOENT, [&](resv_gpu_submit &s) { s.uses = address_of(&no_handle); });
	wrong("one good handle, one unknown", -ENOENT, [&](resv_gpu_submit &s) {
		s.uses = address_of(half);
		s.count = 2;
	});
	e.equal("jobs", static_cast<long long>(r.jobs()), 0);
	e.equal("version", r.contents().version, 0);
	e.equal("a good one", r.submit(r.good_submit()), 0);
	e.equal("version after that", r.contents().version, 1);
}

void wrong_calls_are_refused(expectations &e)
{
	rig r(e);
	resv_gpu_create create = {.flags = 1, .handle = 0, .offset = 0, .id = 0, .pad = 0};
	e.equal("create: flags", r.file.call(DRM_IOCTL_RESV_GPU_CREATE, &create), -EINVAL);
	create.flags = 0;
	create.pad = 1;
	e.equal("create: pad", r.file.call(DRM_IOCTL_RESV_GPU_CREATE, &create), -EINVAL);
	resv_gpu_wait wait = {.handle = r.made.handle, .flags = 4, .deadline_ns = 0};
	e.equal("wait: flags", r.file.call(DRM_IOCTL_RESV_GPU_WAIT, &wait), -EINVAL);
	e.equal("wait: no handle", r.file.wait(0, false), -ENOENT);
	e.equal("wait: unknown handle", r.file.wait(77, false), -ENOENT);
	resv_gpu_stats stats{};
	stats.flags = 2;
	e.equal("stats: flags", r.file.call(DRM_IOCTL_RESV_GPU_STATS, &stats), -EINVAL);
	resv_gpu_log log = {.words = 8, .first = 0, .count = 10, .flags = 0};
	e.equal("submit", r.submit(r.good_submit()), 0);
	e.equal("log: address", r.file.call(DRM_IOCTL_RESV_GPU_LOG, &log), -EFAULT);
	log.flags = 1;
	e.equal("log: flags", r.file.call(DRM_IOCTL_RESV_GPU_LOG, &log), -EINVAL);
	uint64_t word = 0;
	log = {.words = address_of(&word), .first = ~uint64_t{0}, .count = 1, .flags = 0};
	e.equal("log: beyond its end", r.file.call(DRM_IOCTL_RESV_GPU_LOG, &log), 0);
	e.equal("words of that", log.count, 0);
	e.equal("a bad address", r.file.call(DRM_IOCTL_RESV_GPU_SUBMIT, nullptr), -EFAULT);
	e.equal("an unknown call", r.file.call(_IOWR('d', 0x40 + 6, uint64_t), &word), -EINVAL);
}

void handles_belong_to_files(expectations &e)
{
	rig r(e);
	drm_file other;
	e.equal("another file's", other.submit(&r.use, 1), -ENOENT);
	int descriptor = -1;
	uint32_t imported = 0;
	e.equal("share", r.file.share(r.made.handle, descriptor), 0);
	e.equal("import", other.import(descriptor, imported), 0);
	close(descriptor);
	resv_gpu_use there = {imported, RESV_GPU_WRITE};
	e.equal("shared", other.submit(&there, 1), 0);
	e.equal("version", r.contents().version, 1);
	e.equal("close", r.file.close_handle(r.made.handle), 0);
	e.equal("closed", r.submit(r.good_submit()), -ENOENT);
	e.equal("still the other's", other.submit(&there, 1), 0);
	e.equal("close again", r.file.close_handle(r.made.handle), -EINVAL);
}

void mappings_are_of_one_page_and_shared(expectations &e)
{
	rig r(e);
	drm_file other;
	const auto offset = static_cast<off_t>(r.made.offset);
	auto map = [&](int fd, size_t size, int how) {
		void *at = mmap(nullptr, size, PROT_READ | PROT_WRITE, how, fd, offset);
		return at == MAP_FAILED ? -errno : munmap(at, size);
	};
	e.equal("private", map(r.file.fd(), buffer_bytes, MAP_PRIVATE), -EINVAL);
	e.equal("two pages", map(r.file.fd(), 2 * buffer_bytes, MAP_SHARED), -EINVAL);
	e.equal("by a file without a handle", map(other.fd(), buffer_bytes, MAP_SHARED), -EACCES);
	e.equal("shared", map(r.file.fd(), buffer_bytes, MAP_SHARED), 0);
	int descriptor = -1;
	e.equal("share", r.file.share(r.made.handle, descriptor), 0);
	void *shared = mmap(nullptr, buffer_bytes, PROT_READ, MAP_SHARED, descriptor, 0);
	e.truth("what is shared is mapped by a file that imports it", shared == MAP_FAILED);
	close(descriptor);
	auto *page = static_cast<uint64_t *>(r.file.map(r.made.offset, PROT_READ));
	e.equal("close", r.file.close_handle(r.made.handle), 0);
	e.truth("a mapping outlives the handle", page && page_store::look(page, words).intact);
	e.equal("unload, mapped", unload_module(), -EAGAIN);
	munmap(page, buffer_bytes);
}

// With so little VRAM each job puts out what the one before has brought in.
void mappings_follow_moves(expectations &e)
{
	rig a(e), b(e);
	auto *page = static_cast<volatile uint64_t *>(a.file.map(a.made.offset, PROT_READ | PROT_WRITE));
	e.truth("mapped", page);
	if (!page)
		return;
	e.equal("filled", a.file.wait(a.made.handle, true), 0);
	for (unsigned i = 0; i < 512; i++)
		page[i] = 1000 + i;
	a.use.flags = 0; // so that jobs do not write over it
	for (int round = 0; round < 20; round++) {
		e.equal("a is moved in", a.submit(a.good_submit()), 0);
		e.equal("and out", b.submit(b.good_submit()), 0);
		bool whole = true;
		for (unsigned i = 0; i < 512; i++)
			whole &= page[i] == 1000 + i;
		e.truth("what was written is there", whole);
	}
	resv_gpu_stats s;
	e.equal("stats", a.file.stats(s, true), 0);
	e.truth("it was moved", s.evictions >= 20);
	munmap(const_cast<uint64_t *>(page), buffer_bytes);
}

void there_are_limits(expectations &e)
{
	std::vector<std::unique_ptr<drm_file>> files;
	int err = 0;
	while (files.size() < 100 && err == 0)
		err = files.emplace_back(std::make_unique<drm_file>())->error();
	e.equal("too many files", err, -EMFILE);
	files.pop_back();
	e.equal("as many as may be", static_cast<long long>(files.size()), 64);
	resv_gpu_create made;
	unsigned buffers = 0;
	while (buffers < 100 && (err = files[0]->create(made)) == 0)
		buffers++;
	e.equal("too many buffers", err, -ENOSPC);
	e.equal("as many", buffers, 16);
	files.clear();
	drm_file again;
	e.equal("open again", again.error(), 0);
}

void start_timer(int64_t ns)
{
	itimerval t = {.it_interval = {}, .it_value = {.tv_sec = 0, .tv_usec = ns / 1000}};
	setitimer(ITIMER_REAL, &t, nullptr);
}

// 40 jobs, of 10 ms each.
void be_busy(const rig &r, expectations &e)
{
	resv_gpu_submit s = r.good_submit();
	s.busy_us = RESV_GPU_MAX_BUSY_US;
	for (int i = 0; i < 40; i++)
		e.equal("submit", r.submit(s), 0);
}

void signals_end_waits(expectations &e)
{
	rig r(e);
	children::heed_signals();
	be_busy(r, e);
	e.equal("not yet", r.file.wait(r.made.handle, true, 0), -ETIME);
	e.equal("not soon", r.file.wait(r.made.handle, true, now_ns() + 1000000), -ETIME);
	start_timer(20000000);
	e.equal("a signal", r.file.wait(r.made.handle, true), -EINTR);
	e.equal("to read it", r.file.wait(r.made.handle, false, 0), -ETIME);
	e.equal("in the end", r.file.wait(r.made.handle, true), 0);

	struct sigaction restart {};
	restart.sa_handler = [](int) {};
	restart.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &restart, nullptr);
	be_busy(r, e);
	start_timer(20000000);
	e.equal("begun again", r.file.wait(r.made.handle, true), 0);
}

void clients_can_be_killed(expectations &e)
{
	rig r(e);
	children clients;
	be_busy(r, e);
	clients.start(0, [&] { return r.file.wait(r.made.handle, true); });
	clients.start(1, [&] {
		for (;;)
			r.submit(r.good_submit());
		return 0;
	});
	usleep(50000);
	const int64_t begin = now_ns();
	e.equal("who waits", clients.kill_and_wait(0), -1);
	e.truth("at once", now_ns() - begin < 200000000);
	e.equal("who submits", clients.kill_and_wait(1), -1);
	e.equal("the others go on", r.file.wait(r.made.handle, true), 0);
	e.truth("contents are whole", r.contents().intact);
}

void files_close_with_jobs_under_way(expectations &e)
{
	for (int round = 0; round < 100; round++) {
		rig r(e);
		resv_gpu_submit s = r.good_submit();
		s.busy_us = 1000;
		for (int i = 0; i < 3; i++)
			e.equal("submit", r.submit(s), 0);
	}
	rig r(e);
	e.equal("unload, open", unload_module(), -EAGAIN);
}

// They take turns at its session, so that each job has a number of its own.
void processes_may_share_a_file(expectations &e)
{
	constexpr unsigned processes = 3, jobs = 600;
	rig r(e);
	children clients;
	void *memory = mmap(nullptr, buffer_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	e.truth("memory", memory != MAP_FAILED);
	if (memory == MAP_FAILED)
		return;
	auto *seen = static_cast<volatile unsigned char *>(memory); // by number; all zero, up to 4095
	for (unsigned i = 0; i < processes; i++)
		clients.start(i, [&] {
			uint32_t number = 0;
			for (unsigned n = 0; n < jobs; n++) {
				if (r.submit(r.good_submit(), &number) != 0 || number > processes * jobs ||
				    seen[number] != 0)
					return 1;
				seen[number] = 1;
			}
			return 0;
		});
	for (unsigned i = 0; i < processes; i++)
		e.equal("one of them", clients.wait_for(i), 0);
	e.equal("jobs", static_cast<long long>(r.jobs()), processes * jobs);
	e.equal("version", r.contents().version, processes * jobs);
	munmap(memory, buffer_bytes);
}

// 2.5 s of jobs are to be run when this returns, and then the driver is unloaded.
void unload_with_fences_out(expectations &e)
{
	const int64_t begin = now_ns();
	{
		rig r(e);
		resv_gpu_submit s = r.good_submit();
		s.busy_us = RESV_GPU_MAX_BUSY_US;
		for (int i = 0; i < 250; i++)
			e.equal("submit", r.submit(s), 0);
		e.equal("under way", r.file.wait(r.made.handle, true, 0), -ETIME);
	}
	e.equal("unload", unload_module(), 0);
	e.truth("without waiting for them", now_ns() - begin < 2000000000);
	e.equal("load again", load_module(""), 0);
}

std::string read_debugfs(const char *name)
{
	std::ifstream file(std::string("/sys/kernel/debug/resv_gpu/") + name);
	return {std::istreambuf_iterator<char>(file), {}};
}

void debugfs_tells(expectations &e)
{
	rig r(e);
	be_busy(r, e);
	auto read = read_debugfs;
	const std::string holders = read("holders"), graph = read("lock_graph");
	e.truth("a fence of the ring", holders.find("write fence") != std::string::npos);
	e.truth("its driver", holders.find("resv-gpu") != std::string::npos);
	e.truth("a graph", graph.find("digraph locks {") == 0 && graph.back() == '\n');
	e.truth("the file's lock", graph.find("gpu_file") != std::string::npos);
	e.truth("statistics of locks", read("lock_stat").find("gpu_wait_die_mutex ") != std::string::npos);
	e.truth("of the device", read("stats").find("jobs 40\n") != std::string::npos);
}

std::map<std::string, uint64_t> read_stats()
{
	std::istringstream text(read_debugfs("stats"));
	std::map<std::string, uint64_t> all;
	std::string name;
	for (uint64_t value; text >> name >> value;)
		all[name] = value;
	return all;
}

// Processes whose jobs name two buffers in opposite orders, until one had to give way.
void contention_is_counted(expectations &e)
{
	constexpr unsigned processes = 4, jobs = 1000, most_rounds = 50;
	rig first(e), second(e);
	int shared[2] = {-1, -1};
	e.equal("share", first.file.share(first.made.handle, shared[0]), 0);
	e.equal("share another", second.file.share(second.made.handle, shared[1]), 0);
	auto submit_many = [&](unsigned first_named) {
		drm_file file;
		resv_gpu_use uses[2] = {{0, RESV_GPU_WRITE}, {0, RESV_GPU_WRITE}};
		for (unsigned i = 0; i < 2; i++)
			if (file.import(shared[i], uses[i ^ first_named].handle) != 0)
				return 1;
		for (unsigned n = 0; n < jobs; n++)
			if (file.submit(uses, 2) != 0)
				return 2;
		return file.wait(uses[0].handle, true) == 0 ? 0 : 3;
	};
	auto told = read_stats();
	e.truth("nothing yet", told.count("contended") == 1 && told["contended"] == 0);
	children clients;
	unsigned rounds = 0;
	for (; rounds < most_rounds && told["deaths"] == 0; rounds++) {
		for (unsigned i = 0; i < processes; i++)
			clients.start(i, [&] { return submit_many(i % 2); });
		for (unsigned i = 0; i < processes; i++)
			e.equal("one of them", clients.wait_for(i), 0);
		told = read_stats();
	}
	close(shared[0]);
	close(shared[1]);
	e.truth("jobs", told["jobs"] == uint64_t{rounds} * processes * jobs);
	e.truth("somebody gave way", told["deaths"] > 0);
	e.truth("one context did", told["most_retries"] > 0);
	e.truth("not more often than all did", told["most_retries"] <= told["deaths"]);
	e.truth("then it started over", told["retries"] >= told["deaths"]);
	e.truth("who gives way has met somebody", told["deaths"] <= told["contended"]);
	e.truth("who stays away, too", told["stays"] <= told["contended"]);
	e.truth("who watches does not sleep", told["spins"] + told["waits"] <= told["contended"]);
	e.truth("who sleeps takes time", told["longest_wait_ns"] == 0 || told["waits"] > 0);
	e.truth("nobody is wounded", told.count("wounds") == 1 && told["wounds"] == 0);
	resv_gpu_stats s;
	e.equal("stats", first.file.stats(s), 0);
	e.truth("files are told the same", s.met.contended == told["contended"] &&
						   s.met.bypasses == told["bypasses"] &&
						   s.met.longest_wait_ns == told["longest_wait_ns"]);
}

} // namespace

constexpr const char *few = "vram=8 buffers=16 log_mb=64";

const test_case cases[] = {
	{"jobs write what can be read", few, jobs_write_what_can_be_read},
	{"wrong submits change nothing", few, wrong_submits_change_nothing},
	{"wrong calls are refused", few, wrong_calls_are_refused},
	{"handles belong to files", few, handles_belong_to_files},
	{"mappings are of one page and shared", few, mappings_are_of_one_page_and_shared},
	{"mappings follow moves", "vram=1 buffers=4 words=509", mappings_follow_moves},
	{"there are limits", few, there_are_limits},
	{"signals end waits", few, signals_end_waits},
	{"clients can be killed", few, clients_can_be_killed},
	{"processes may share a file", few, processes_may_share_a_file},
	{"files close with jobs under way", "vram=2 buffers=1024", files_close_with_jobs_under_way},
	{"the driver is unloaded with fences out", few, unload_with_fences_out},
	{"debugfs tells what is going on", few, debugfs_tells},
	{"contention is counted", few, contention_is_counted},
};
const unsigned case_count = std::size(cases);

// In a process of its own, so that nothing of it is left behind.
std::string run_case(const test_case &c)
{
	expectations e;
	children processes;
	int ends[2];
	e.equal("load", load_module(c.parameters), 0);
	if (pipe(ends) != 0)
		return "no pipe\n";
	processes.start(0, [&] {
		expectations found;
		c.run(found);
		const std::string &text = found.wrong();
		return write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()) ? 0 : 1;
	});
	close(ends[1]);
	std::string wrong;
	char part[512];
	for (ssize_t n; (n = read(ends[0], part, sizeof(part))) > 0;)
		wrong.append(part, static_cast<size_t>(n));
	close(ends[0]);
	e.equal("the end of the process", processes.wait_for(0), 0);
	e.equal("unload", unload_module(), 0);
	return wrong + e.wrong();
}

} // namespace gpu
