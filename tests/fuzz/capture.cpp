// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Captures, and the settings and options of their replay. What is taken is what the device can play, and what is not taken
// is said with its line.
#include "gpu_config.hpp"

#include <tests/gpu/host/capture.hpp>

#include <set>

using namespace resv::fuzz;

namespace {

const std::string file = "a.txt";
constexpr unsigned max_captured_rings = 64;

void check_job(const gpu::capture &c, const gpu::recorded_job &j)
{
	std::set<uint32_t> buffers;
	for (unsigned i = 0; i < j.count; i++) {
		check(j.uses[i].buffer < c.buffers.size(), "a job uses a buffer that is not there");
		check(buffers.insert(j.uses[i].buffer).second, "a job uses a buffer twice");
	}
	check(j.count >= 1 && j.count <= gpu::max_buffers_per_job, "a job of too few or too many buffers");
	check(j.ring < c.rings.size(), "a job is for a ring that is not there");
	check(j.begin_ns >= 0 && j.begin_ns <= c.duration_ns, "a job begins outside of the capture");
	check(j.busy_ns >= 0, "a job takes less than no time");
}

void check_capture(const gpu::capture &c)
{
	uint64_t jobs = 0;
	for (const gpu::capture::task &t : c.tasks) {
		check(!t.jobs.empty() && !t.name.empty(), "a task without jobs or name");
		for (const gpu::recorded_job &j : t.jobs)
			check_job(c, j);
		jobs += t.jobs.size();
	}
	check(jobs != 0 && jobs == c.jobs() && jobs == c.lists.size(),
	      "the jobs are not as many as they are");
	check(c.longest_gap_ns >= 0 && c.longest_gap_ns <= c.duration_ns, "a gap longer than the capture");
	check(gpu::describe_capture(c, file).starts_with(file + ": "), "no description");
}

} // namespace

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	// The first bytes are options.
	input options(data, size < 2 ? size : 2);
	const gpu::replay how = {.at_captured_pace = options.below(2) == 0,
				 .busy_percent = 1000u * options.byte() / 255};
	const file_input in(data + (size < 2 ? size : 2), size < 2 ? 0 : size - 2);
	gpu::capture c;
	std::string error;

	if (!gpu::parse_capture(in.text, file, c, error)) {
		check_place(error, file, in.text, true);
		return 0;
	}
	check_capture(c);
	std::vector<gpu::recorded_client> clients;
	gpu::workload replay;
	if (gpu::make_replay(c, file, how, in.settings, clients, replay, error)) {
		check(clients.size() == c.tasks.size() && replay.runs.size() == 1,
		      "not all tasks are clients");
		check_run(replay.runs[0], max_captured_rings);
		check_capture(c);
	} else {
		check(!error.empty(), "refused for no reason");
	}
	return 0;
}
