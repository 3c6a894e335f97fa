// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Captures: what `trace-cmd report` prints of a machine with an amdgpu, to be replayed. How to record one is said in
// captures/README.md. Four events are read, in the formats of Linux 6.1 to 6.17, and all others ignored:
//
//     amdgpu_bo_list_set    a buffer of a task's next job
//     amdgpu_cs_ioctl       the task submits the job
//     amdgpu_sched_run_job  its ring gets it
//     dma_fence_signaled    it is done
#ifndef GPU_HOST_CAPTURE_HPP
#define GPU_HOST_CAPTURE_HPP

#include "../recording.hpp"
#include "workload.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace gpu {

/// How a capture is replayed.
struct replay {
	bool at_captured_pace = true; // else each task submits as fast as it can
	unsigned busy_percent = 100;  // of the time that a job really took
};

/// What a capture holds. Not to be copied: the jobs point to its buffer lists.
struct capture {
	capture() = default;
	capture(const capture &) = delete;
	capture &operator=(const capture &) = delete;

	struct buffer {
		uint64_t address =
			0; // the kernel's; buffers of another size at the same address are other buffers
		uint64_t bytes = 0;
	};
	struct task {
		std::string name; // comm-pid
		std::vector<recorded_job> jobs;
	};

	std::vector<task> tasks;
	std::vector<std::string> rings;
	std::vector<buffer> buffers;
	std::vector<std::vector<use>> lists; // of buffers, one for each job
	int64_t duration_ns = 0;             // from the first submission to the last
	int64_t longest_gap_ns = 0;          // between submissions

	// What cannot be replayed, or only in part.
	uint64_t jobs_without_buffers = 0; // left out
	uint64_t jobs_without_times = 0;   // that never ran or never signaled: they keep no ring busy
	uint64_t buffers_without_job = 0;  // events of lists that no job followed
	uint64_t foreign_jobs = 0;         // of the kernel itself, or submitted before the capture began
	uint64_t lost_events = 0;
	uint64_t losses_unknown = 0; // lines that say that events were lost, but not how many
	uint64_t other_lines = 0;    // that are no events

	uint64_t jobs() const;
};

/// Parses the text of `file`. False: `error` is "file:line: reason".
bool parse_capture(std::string_view text, const std::string &file, capture &result, std::string &error);

/// Reads and parses a file.
bool load_capture(const std::string &file, capture &result, std::string &error);

/// The run that replays it: `clients` gets what its config refers to, and `settings` ("key=value") are applied. Both
/// `captured` and `clients` must outlive the run.
bool make_replay(capture &captured, const std::string &file, const replay &how,
		 const std::vector<std::string> &settings, std::vector<recorded_client> &clients,
		 workload &result, std::string &error);

/// What it holds and what was left out, in a few lines.
std::string describe_capture(const capture &captured, const std::string &file);

} // namespace gpu

#endif // GPU_HOST_CAPTURE_HPP
