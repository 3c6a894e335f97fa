// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Was it all as if one job had run after the other? Decided after a run, from what the jobs logged.
//
// Versions order the accesses of each buffer: who wrote version v comes before all who only read it (WR), these come
// before whoever wrote version v + 1 (RW), and so does the writer of v (WW). The jobs of one actor come in the order
// in which it ran them. A run is strictly serializable if these orders together have no cycle; and then the same jobs,
// run again one by one in an order that keeps them all, must leave the same contents.
#ifndef GPU_SERIAL_HPP
#define GPU_SERIAL_HPP

#include "page.hpp"

namespace gpu {

enum class violation : unsigned {
	none,
	lost_update,       ///< jobs[0] and jobs[1] both wrote `version` of `buffer`
	torn_read,         ///< jobs[0] found `buffer` torn at `version`, which jobs[1] (if known) wrote
	unwritten_version, ///< jobs[0] saw or wrote `version` of `buffer`, but the writes on record do not reach it
	cycle,             ///< each of jobs[] must come before the one after it, the last before the first
	wrong_contents, ///< `buffer` ends with other contents than a serial run leaves; jobs[0] wrote it last
	not_freed,      ///< so many (`version`) buffers were destroyed, but still exist
	no_memory,      ///< the check could not be made
};

struct verdict {
	static constexpr unsigned max_jobs = 8;

	violation what = violation::none;
	uint32_t buffer = 0;
	uint32_t version = 0;
	unsigned job_count = 0;
	job_id jobs[max_jobs]{};
	uint32_t over[max_jobs]{}; // cycle: the buffer because of which jobs[i] comes before the next
	uint64_t jobs_checked = 0;
	uint64_t accesses_checked = 0;
};

/// Judges a finished run: the logs of all actors, and the contents they left. May sleep (it allocates). Context: task.
verdict check_serial(const job_log *const *logs, unsigned actors, const page_store &pages);

/// The same, where `left` is what each of the `buffers` held at its end.
verdict check_serial(const job_log *const *logs, unsigned actors, const page_store::snapshot *left,
		     unsigned buffers);

} // namespace gpu

#endif // GPU_SERIAL_HPP
