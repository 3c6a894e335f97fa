// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// resv-gpu-client: loads resv_gpu.ko, lets processes use /dev/dri/renderD128, and unloads it.
//
//   resv-gpu-client test [SEED]                       everything, in KTAP; the seed is that of the second fuzzing
//   resv-gpu-client fuzz SEED CALLS                   calls at random, as many
//   resv-gpu-client play WORKLOAD [key=value...]      a workload, with the table of `make run`
#include "../../host/table.hpp"
#include "cases.hpp"
#include "drm_file.hpp"
#include "play.hpp"

#include <cstdlib>
#include <cstring>

#include <sys/random.h>

namespace {

enum exit_code { ok = 0, wrong = 1, not_started = 2 };

bool load(const char *name, const std::vector<std::string> &settings, gpu::workload &workload)
{
	std::string error;
	if (gpu::load_workload(name, {"/"}, settings, workload, error))
		return true;
	fprintf(stderr, "resv-gpu-client: %s\n", error.c_str());
	return false;
}

// What is wrong, in lines; `table` gets the results.
std::string play(gpu::workload &workload, const gpu::trouble &trouble, std::string &table)
{
	std::vector<gpu::run_result> results;
	std::string error;
	for (gpu::run_spec &spec : workload.runs) {
		gpu::adapt(spec);
		gpu::run_result &r = results.emplace_back();
		if (!gpu::play(spec, trouble, r, error))
			return spec.name + ": " + error + "\n";
		error += gpu::describe_violation(r);
		if (r.lock_order_reports != 0)
			error += spec.name + ": the order of locks was broken\n";
		if (r.total.jobs == 0)
			error += spec.name + ": no job was run\n";
	}
	table = gpu::format_table(workload.name, results);
	return error;
}

int play_workload(const char *name, const std::vector<std::string> &settings)
{
	gpu::workload workload;
	if (!load(name, settings, workload))
		return not_started;
	std::string table;
	const std::string error = play(workload, {}, table);
	fputs(table.c_str(), stdout);
	fputs(error.c_str(), stderr);
	return error.empty() ? ok : wrong;
}

constexpr const char *workloads[] = {"desktop", "thrash", "tiny-vram"};
constexpr const char *breakages[] = {"skip-fences", "lose-copy"};
constexpr gpu::trouble all_trouble = {
	.signal_rate = 1000, .kill_rate = 10, .visitors = true, .onlookers = true};
constexpr unsigned fuzz_calls = 60000;

std::string fuzz(uint64_t seed, unsigned calls)
{
	gpu::expectations e;
	e.equal("load",
		gpu::load_module("vram=4 system=4 buffers=64 log_mb=64 swapout_rate=100 eviction_rate=100"),
		0);
	gpu::fuzz(seed, calls, e);
	e.equal("unload", gpu::unload_module(), 0);
	return e.wrong();
}

int test(uint64_t seed)
{
	const unsigned played = static_cast<unsigned>(std::size(workloads) + std::size(breakages));
	gpu::ktap out(gpu::case_count + played + 2);
	for (unsigned i = 0; i < gpu::case_count; i++)
		out.result(gpu::cases[i].name, gpu::run_case(gpu::cases[i]));
	for (const char *name : workloads) {
		gpu::workload workload;
		std::string table, error = "it could not be read\n";
		if (load(name, {"seconds=2"}, workload))
			error = play(workload, all_trouble, table);
		out.note(table);
		out.result(std::string("workload ") + name, error);
	}
	for (const char *breakage : breakages) {
		gpu::workload workload;
		std::string table, error;
		if (load("tiny-vram", {"seconds=2", std::string("break=") + breakage}, workload))
			error = play(workload, {}, table);
		out.result(std::string(breakage) + " is noticed",
			   table.find("VIOLATED") != table.npos ? "" : "it is not\n" + error);
	}
	out.result("fuzzing with seed 1", fuzz(1, fuzz_calls));
	out.result("fuzzing with seed " + std::to_string(seed), fuzz(seed, fuzz_calls));
	return out.good() ? ok : wrong;
}

} // namespace

int main(int argc, char **argv)
{
	const std::string what = argc > 1 ? argv[1] : "";
	if (what == "play" && argc > 2)
		return play_workload(argv[2], {argv + 3, argv + argc});
	if (what == "fuzz" && argc == 4) {
		gpu::ktap out(1);
		out.result(std::string("fuzzing with seed ") + argv[2],
			   fuzz(strtoul(argv[2], nullptr, 0),
				static_cast<unsigned>(strtoul(argv[3], nullptr, 0))));
		return out.good() ? ok : wrong;
	}
	if (what == "test" && argc <= 3) {
		uint32_t seed = 0;
		if (argc == 3)
			seed = static_cast<uint32_t>(strtoul(argv[2], nullptr, 0));
		else if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
			return not_started;
		return test(seed);
	}
	fputs("usage: resv-gpu-client test [SEED] | fuzz SEED CALLS | play WORKLOAD [key=value...]\n",
	      stderr);
	return not_started;
}
