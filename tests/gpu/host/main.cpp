// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "demo.hpp"
#include "lock_graph.hpp"
#include "options.hpp"
#include "progress.hpp"
#include "table.hpp"
#include "trace_json.hpp"

#include <cerrno>
#include <csignal>
#include <cstring>
#include <memory>
#include <optional>

#include <unistd.h>

namespace {

enum exit_code { ok = 0, wrong = 1, not_started = 2 };

std::atomic<bool> cancelled = false;
static_assert(std::atomic<bool>::is_always_lock_free); // a signal handler writes it

void cancel(int)
{
	cancelled = true;
}

struct close_file {
	void operator()(FILE *file) const { fclose(file); }
};

int fail(const std::string &why)
{
	fprintf(stderr, "resv-gpu: %s\n", why.c_str());
	return not_started;
}

// False: says on stderr why not.
bool draw(const gpu::options &options, gpu::lock_graph_file &lock_graph)
{
	std::string error;
	if (options.lock_graph.empty() || lock_graph.write(error))
		return true;
	fprintf(stderr, "resv-gpu: %s\n", error.c_str());
	return false;
}

int play_demo(const gpu::options &options, gpu::lock_graph_file &lock_graph)
{
	bool good = gpu::play_demo();
	good &= draw(options, lock_graph);
	if (good && !options.lock_graph.empty())
		printf("The picture is in %s.\n", options.lock_graph.c_str());
	return good ? ok : wrong;
}

// What is to be run.
struct plan {
	gpu::workload workload;
	gpu::capture capture; // if it is to be replayed
	std::vector<gpu::recorded_client> clients;

	bool load(const gpu::options &options, std::string &error)
	{
		if (options.capture.empty())
			return gpu::load_workload(options.workload, gpu::workload_directories(),
						  options.settings, workload, error);
		return gpu::load_capture(options.capture, capture, error) &&
		       gpu::make_replay(capture, options.capture, options.how, options.settings, clients,
					workload, error);
	}
};

} // namespace

int main(int argc, char **argv)
{
	gpu::options options;
	plan plan;
	std::string error;
	if (!gpu::parse_options({argv + 1, argv + argc}, options, error))
		return fail(error);
	if (options.help) {
		fputs(gpu::usage, stdout);
		return ok;
	}
	if (!options.demo.empty() && !gpu::find_demo(options.demo, error))
		return fail(error);
	gpu::lock_graph_file lock_graph;
	if (!options.lock_graph.empty() && !lock_graph.open(options.lock_graph, error))
		return fail(error);
	if (!options.demo.empty())
		return play_demo(options, lock_graph);
	if (!plan.load(options, error))
		return fail(error);
	if (!options.capture.empty())
		fputs(gpu::describe_capture(plan.capture, options.capture).c_str(), stdout);

	std::unique_ptr<FILE, close_file> trace_out;
	std::optional<gpu::trace_file> trace;
	if (!options.trace.empty()) {
		trace_out.reset(fopen(options.trace.c_str(), "w"));
		if (!trace_out)
			return fail(options.trace + ": " + strerror(errno));
		trace.emplace(trace_out.get());
	}

	struct sigaction action {};
	action.sa_handler = cancel;
	action.sa_flags = static_cast<int>(SA_RESETHAND); // a second Ctrl-C kills
	sigaction(SIGINT, &action, nullptr);
	sigaction(SIGTERM, &action, nullptr);

	const bool terminal = isatty(STDOUT_FILENO);
	std::vector<gpu::run_result> results;
	bool good = true;
	for (gpu::run_spec &spec : plan.workload.runs) {
		if (cancelled)
			break;
		if (!trace)
			spec.config.trace_events = 0;
		else if (spec.config.trace_events == 0)
			spec.config.trace_events = gpu::trace_file::default_events;

		gpu::progress bar(stdout, terminal, spec);
		gpu::observer watch;
		watch.cancel = &cancelled;
		watch.progress = [&](double seconds, uint64_t jobs) { bar.show(seconds, jobs); };
		if (trace)
			watch.finished = [&](const gpu::run_spec &run, const gpu::device &gpu) {
				trace->add_run(run.name, gpu);
			};
		if (!gpu::run_workload(spec, watch, results.emplace_back()))
			return fail("no memory for run '" + spec.name + "'");
		good &= !results.back().violated() && results.back().lock_order_reports == 0;
	}
	fputs(gpu::format_table(plan.workload.name, results).c_str(), stdout);
	if (trace && !trace->finish()) {
		fprintf(stderr, "resv-gpu: %s: could not be written\n", options.trace.c_str());
		good = false;
	}
	good &= draw(options, lock_graph);
	return good ? ok : wrong;
}
