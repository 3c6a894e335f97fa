// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "trace_json.hpp"

#include <algorithm>
#include <cinttypes>
#include <cstdarg>

namespace gpu {

namespace {

std::string escape(const std::string &text)
{
	std::string result;
	for (char c : text) {
		if (c == '"' || c == '\\')
			result += '\\';
		result += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
	}
	return result;
}

// Microseconds, as the format wants them.
struct timestamp {
	char text[32];
	explicit timestamp(int64_t ns)
	{
		snprintf(text, sizeof(text), "%" PRId64 ".%03" PRId64, ns / 1000, ns % 1000);
	}
};

std::string actor_name(const device &gpu, unsigned i)
{
	if (i == trace_event::nobody)
		return "nobody with a context";
	return i == gpu.evictor_index() ? "evictor" : "client " + std::to_string(i);
}

} // namespace

trace_file::trace_file(FILE *out) : out_(out)
{
	fputs("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[", out_);
}

bool trace_file::finish()
{
	fputs("\n]}\n", out_);
	return fflush(out_) == 0 && !ferror(out_);
}

// One event: the process, then what `format` makes.
void trace_file::put(const char *format, ...)
{
	fprintf(out_, "%s\n{\"pid\":%u,", first_ ? "" : ",", run_);
	first_ = false;
	va_list args;
	va_start(args, format);
	vfprintf(out_, format, args);
	va_end(args);
	fputc('}', out_);
}

void trace_file::name_track(const char *kind, unsigned thread, const std::string &name)
{
	put("\"ph\":\"M\",\"tid\":%u,\"name\":\"%s\",\"args\":{\"name\":\"%s\"}", thread, kind,
	    escape(name).c_str());
}

void trace_file::add_run(const std::string &name, const device &gpu)
{
	run_++;
	epoch_ = INT64_MAX;
	name_track("process_name", 0, name);
	for (unsigned i = 0; i < gpu.actors(); i++) {
		name_track("thread_name", i + 1, actor_name(gpu, i));
		for (const trace_event &event : gpu.actor_at(i).trace)
			epoch_ = std::min(epoch_, event.begin);
	}
	for (unsigned i = 0; i < gpu.actors(); i++)
		for (const trace_event &event : gpu.actor_at(i).trace)
			add(event, gpu);
}

void trace_file::add(const trace_event &event, const device &gpu)
{
	const unsigned thread = event.actor + 1;
	const timestamp begin(event.begin - epoch_);
	const timestamp end(event.end - epoch_);
	const timestamp length(event.end - event.begin);
	const std::string actor = actor_name(gpu, event.actor);
	const std::string other = actor_name(gpu, event.other);

	switch (event.kind) {
	case trace_kind::wait:
	case trace_kind::hold:
		put("\"ph\":\"X\",\"cat\":\"job\",\"name\":\"%s\",\"tid\":%u,\"ts\":%s,\"dur\":%s,"
		    "\"args\":{\"job\":%" PRIu32 "}",
		    event.kind == trace_kind::wait ? "wait" : "hold", thread, begin.text, length.text,
		    event.job);
		break;
	case trace_kind::held:
		// The id makes the track: one for each reservation of each run.
		put("\"ph\":\"b\",\"cat\":\"reservation\",\"name\":\"reservation %" PRIu32
		    "\",\"id\":\"%u.%" PRIu32
		    "\",\"tid\":%u,\"ts\":%s,\"args\":{\"holder\":\"%s\",\"job\":%" PRIu32 "}",
		    event.reservation, run_, event.reservation, thread, begin.text, actor.c_str(), event.job);
		put("\"ph\":\"e\",\"cat\":\"reservation\",\"name\":\"reservation %" PRIu32
		    "\",\"id\":\"%u.%" PRIu32 "\",\"tid\":%u,\"ts\":%s",
		    event.reservation, run_, event.reservation, thread, end.text);
		break;
	case trace_kind::wound:
		put("\"ph\":\"i\",\"s\":\"t\",\"cat\":\"contention\",\"name\":\"wound\",\"tid\":%u,\"ts\":%s,"
		    "\"args\":{\"victim\":\"%s\",\"reservation\":%" PRIu32 "}",
		    thread, begin.text, other.c_str(), event.reservation);
		if (event.other == trace_event::nobody)
			break;
		arrows_++;
		put("\"ph\":\"s\",\"cat\":\"wound\",\"name\":\"wound\",\"id\":%lu,\"tid\":%u,\"ts\":%s",
		    arrows_, thread, begin.text);
		put("\"ph\":\"f\",\"bp\":\"e\",\"cat\":\"wound\",\"name\":\"wound\",\"id\":%lu,\"tid\":%u,"
		    "\"ts\":%s",
		    arrows_, event.other + 1, begin.text);
		break;
	case trace_kind::die:
		put("\"ph\":\"i\",\"s\":\"t\",\"cat\":\"contention\",\"name\":\"die\",\"tid\":%u,\"ts\":%s,"
		    "\"args\":{\"holder\":\"%s\",\"reservation\":%" PRIu32 "}",
		    thread, begin.text, other.c_str(), event.reservation);
		break;
	case trace_kind::interrupt:
		put("\"ph\":\"i\",\"s\":\"t\",\"cat\":\"contention\",\"name\":\"interrupt\",\"tid\":%u,"
		    "\"ts\":%s,"
		    "\"args\":{\"job\":%" PRIu32 "}",
		    thread, begin.text, event.job);
		break;
	}
}

} // namespace gpu
