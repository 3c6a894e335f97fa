// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Traces as Chrome's trace-event JSON, which Perfetto opens: each run is a process; each actor is a thread of it, with
// a span for waiting and one for holding; each reservation is an asynchronous track that shows who held it; a wound is
// an arrow from who dealt it to who got it.
#ifndef GPU_HOST_TRACE_JSON_HPP
#define GPU_HOST_TRACE_JSON_HPP

#include "../device.hpp"

#include <cstdio>
#include <string>

namespace gpu {

class trace_file {
public:
	/// Events in a buffer, unless the workload says otherwise.
	static constexpr unsigned default_events = 20000;

	explicit trace_file(FILE *out);
	trace_file(const trace_file &) = delete;
	trace_file &operator=(const trace_file &) = delete;

	/// Context: all of the device's tasks have ended.
	void add_run(const std::string &name, const device &gpu);

	/// Completes the file. False: something could not be written.
	bool finish();

private:
	void name_track(const char *kind, unsigned thread, const std::string &name);
	void add(const trace_event &event, const device &gpu);

	__attribute__((format(printf, 2, 3))) void put(const char *format, ...);

	FILE *out_;
	unsigned run_ = 0;
	unsigned long arrows_ = 0;
	int64_t epoch_ = 0; // of the run
	bool first_ = true;
};

} // namespace gpu

#endif // GPU_HOST_TRACE_JSON_HPP
