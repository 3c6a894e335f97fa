// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef GPU_HOST_PROGRESS_HPP
#define GPU_HOST_PROGRESS_HPP

#include "workload.hpp"

#include <cstdio>

namespace gpu {

/// Shows how far a run is: a bar on a terminal, otherwise a line about once a second.
class progress {
public:
	progress(FILE *out, bool terminal, const run_spec &spec) : out_(out), terminal_(terminal), spec_(spec)
	{}
	~progress() { clear(); }
	progress(const progress &) = delete;
	progress &operator=(const progress &) = delete;

	void show(double seconds, uint64_t jobs);

	/// Removes the bar.
	void clear();

private:
	double done(double seconds, uint64_t jobs) const;

	FILE *out_;
	bool terminal_;
	const run_spec &spec_;
	double last_line_ = 0;
	uint64_t last_jobs_ = 0;
	bool bar_shown_ = false;
};

} // namespace gpu

#endif // GPU_HOST_PROGRESS_HPP
