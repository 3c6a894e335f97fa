// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What the processes of a run do.
#include "../../job_source.hpp"
#include "player.hpp"

#include <fstream>
#include <iterator>

#include <unistd.h>

namespace gpu {

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

} // namespace gpu
