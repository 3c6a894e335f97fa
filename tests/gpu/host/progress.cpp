// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "progress.hpp"

#include "table.hpp"

#include <algorithm>

namespace gpu {

// The part of the run that is over: of its time or of its jobs, whichever ends it.
double progress::done(double seconds, uint64_t jobs) const
{
	double part = 0;
	if (spec_.milliseconds != 0)
		part = seconds * 1000 / spec_.milliseconds;
	if (spec_.config.jobs != 0)
		part = std::max(part, static_cast<double>(jobs) / (static_cast<double>(spec_.config.jobs) *
								   spec_.config.clients));
	return std::clamp(part, 0.0, 1.0);
}

void progress::show(double seconds, uint64_t jobs)
{
	if (!terminal_) {
		if (seconds - last_line_ < 1)
			return;
		double rate = static_cast<double>(jobs - last_jobs_) / (seconds - last_line_);
		fprintf(out_, "%s: %.0f s, %s jobs, %s jobs/s\n", spec_.name.c_str(), seconds,
			with_commas(jobs).c_str(), with_commas(static_cast<uint64_t>(rate)).c_str());
		fflush(out_);
		last_line_ = seconds;
		last_jobs_ = jobs;
		return;
	}
	constexpr int width = 30;
	int full = static_cast<int>(done(seconds, jobs) * width);
	fprintf(out_, "\r%s [%s%s] %.1f s, %s jobs\033[K", spec_.name.c_str(),
		std::string(static_cast<size_t>(full), '#').c_str(),
		std::string(static_cast<size_t>(width - full), '.').c_str(), seconds,
		with_commas(jobs).c_str());
	fflush(out_);
	bar_shown_ = true;
}

void progress::clear()
{
	if (bar_shown_)
		fputs("\r\033[K", out_);
	fflush(out_);
	bar_shown_ = false;
}

} // namespace gpu
