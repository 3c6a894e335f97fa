// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// resv-sim [OPTION...] SCENARIO: goes through the executions of a scenario, each variant in turn, and says how many
// there were. A failure is drawn, with the command that plays it again.
#include "scenario.hpp"

#include "src/port/sim/draw.hpp"
#include "src/port/sim/search.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>

using namespace resv::sim;

namespace {

using settings = std::map<std::string, std::string>;

constexpr const char *usage =
	"usage: resv-sim [OPTION...] SCENARIO\n"
	"       resv-sim --list\n"
	"  --memory=sc|tso|pso sequentially consistent (default), or with store buffers: that of x86, or one "
	"whose\n"
	"                      stores change places, but for --search=orders\n"
	"  --search=states     every state, once (default); with --bound=N, those within N preemptions\n"
	"  --search=orders     every order of steps that depend on each other\n"
	"  --search=random     --runs=N executions (default 100000), by chance\n"
	"  --search=pct        the same, by chance priorities that change --bound=N times (default 3)\n"
	"  --seed=N            for the last two (default 1)\n"
	"  --variant=N         only this variant\n"
	"  --limit=N           at most so many executions of a variant\n"
	"  --replay=SCHEDULE   the one execution that a failure printed; needs --variant\n"
	"  --trace=FILE        writes a failure, or what was replayed, as Chrome trace JSON\n"
	"  --expect-failure    succeeds if, and only if, there is a failure\n";

[[noreturn]] void die(const std::string &why)
{
	fprintf(stderr, "resv-sim: %s\n%s", why.c_str(), usage);
	exit(2);
}

uint64_t number(const settings &given, const char *name, uint64_t otherwise)
{
	auto at = given.find(name);
	if (at == given.end() || at->second.empty())
		return otherwise;
	char *end;
	uint64_t value = strtoull(at->second.c_str(), &end, 0);
	if (*end != '\0')
		die(std::string("--") + name + " wants a number, not '" + at->second + "'");
	return value;
}

std::string option_of(const settings &given, const char *name, const char *otherwise = "")
{
	auto at = given.find(name);
	return at == given.end() || at->second.empty() ? otherwise : at->second;
}

std::unique_ptr<search> make_search(const settings &given)
{
	machine &m = the_machine();
	std::string how = option_of(given, "search", "states");
	uint64_t seed = number(given, "seed", 1);
	uint64_t runs = number(given, "runs", 100000);
	if (how == "states")
		return std::make_unique<states>(
			m, static_cast<unsigned>(number(given, "bound", states::unbounded)));
	if (how == "orders")
		return std::make_unique<orders>(m);
	if (how == "random")
		return std::make_unique<resv::sim::random>(seed, runs);
	if (how == "pct")
		return std::make_unique<pct>(m, static_cast<unsigned>(number(given, "bound", 3)) + 1, seed,
					     runs);
	die("no search is called '" + how + "'");
}

struct counts {
	uint64_t executions = 0; // all of them different, but for those by chance
	uint64_t complete = 0;   // that came to the end, the others to a state or an order that was known
	uint64_t states = 0;
};

/// Plays an execution again, with names and remarks.
verdict play(const scenario &s, const machine::options &how, unsigned variant, const std::string &schedule)
{
	machine &m = the_machine();
	replay again(m, schedule);
	m.keep_remarks(true);
	verdict v = m.execute(
		how, again, [&] { s.begin(variant); }, s.end);
	m.keep_remarks(false);
	return v;
}

void write_trace(const std::string &file)
{
	if (file.empty())
		return;
	FILE *out = fopen(file.c_str(), "w");
	if (!out)
		die("cannot write " + file);
	write_trace(the_machine(), out);
	fclose(out);
}

} // namespace

int main(int argc, char **argv)
{
	settings given;
	std::string name;
	for (int i = 1; i < argc; i++) {
		std::string argument = argv[i];
		if (argument.compare(0, 2, "--") != 0) {
			name = argument;
			continue;
		}
		size_t equals = argument.find('=');
		std::string key = argument.substr(2, equals == std::string::npos ? equals : equals - 2);
		static const char *const known[] = {"memory", "search",         "bound", "runs",
						    "seed",   "variant",        "limit", "replay",
						    "trace",  "expect-failure", "list"};
		bool found = false;
		for (const char *k : known)
			found |= key == k;
		if (!found)
			die("no option is called --" + key);
		given[key] = equals == std::string::npos ? "" : argument.substr(equals + 1);
	}
	if (given.contains("list")) {
		for (const scenario &s : scenarios())
			printf("%-12s %3u variants  %s\n", s.name.c_str(), s.variants, s.summary.c_str());
		return 0;
	}
	const scenario *s = nullptr;
	for (const scenario &each : scenarios())
		if (each.name == name)
			s = &each;
	if (!s)
		die("no scenario is called '" + name + "'; --list tells which there are");

	machine &m = the_machine();
	machine::options how = s->options;
	std::string memory = option_of(given, "memory", "sc");
	if (memory != "sc" && memory != "tso" && memory != "pso")
		die("no memory is called '" + memory + "'");
	how.memory = memory == "pso"   ? memory_model::pso
		     : memory == "tso" ? memory_model::tso
				       : memory_model::sc;
	if (memory == "pso" && option_of(given, "search") == "orders")
		die("--search=orders does not know which store of a buffer comes next");
	uint64_t limit = number(given, "limit", UINT64_MAX);
	bool expect_failure = given.contains("expect-failure");
	auto first = static_cast<unsigned>(number(given, "variant", 0));
	unsigned end =
		given.contains("variant") && !option_of(given, "variant").empty() ? first + 1 : s->variants;
	if (end > s->variants)
		die("the scenario has " + std::to_string(s->variants) + " variants");

	std::string schedule = option_of(given, "replay");
	if (!schedule.empty()) {
		verdict v = play(*s, how, first, schedule);
		draw(m, stdout);
		write_trace(option_of(given, "trace"));
		printf("\n%s\n", v == verdict::failed ? m.failure().c_str() : "no failure");
		return v == verdict::failed ? 1 : 0;
	}

	counts sum;
	auto start = std::chrono::steady_clock::now();
	bool failed = false;
	unsigned variant = first;
	for (; variant < end && !failed; variant++) {
		std::unique_ptr<search> decisions = make_search(given);
		uint64_t left = limit;
		do {
			verdict v = m.execute(
				how, *decisions, [&] { s->begin(variant); }, s->end);
			sum.executions++;
			sum.complete += v == verdict::passed;
			failed = v == verdict::failed;
		} while (!failed && --left != 0 && decisions->next());
		if (auto *all = dynamic_cast<states *>(decisions.get()))
			sum.states += all->seen();
	}
	double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
	std::string title = s->name + (resv::config::debug_ww_slowpath ? "/debug" : "");
	printf("%-13s %-3s %-6s %3u variants %10llu schedules %9llu states %7.1f s: ", title.c_str(),
	       memory.c_str(), option_of(given, "search", "states").c_str(), variant - first,
	       static_cast<unsigned long long>(sum.executions), static_cast<unsigned long long>(sum.states),
	       seconds);
	if (!failed) {
		printf("%s\n", expect_failure ? "no failure, though one was expected" : "passed");
		return expect_failure ? 1 : 0;
	}

	std::string why = m.failure();
	schedule = m.schedule();
	printf("%s\n", why.substr(0, why.find('\n')).c_str());
	variant--;
	std::string command = std::string(argv[0]) + " --memory=" + memory +
			      " --variant=" + std::to_string(variant) + " --replay=" + schedule + " " +
			      s->name;
	if (play(*s, how, variant, schedule) != verdict::failed) {
		printf("the failure cannot be played again: %s\n", command.c_str());
		return 2;
	}
	write_trace(option_of(given, "trace"));
	if (!expect_failure) {
		draw(m, stdout);
		printf("\n%s\n", m.failure().c_str());
	}
	printf("  %s\n", command.c_str());
	return expect_failure ? 0 : 1;
}
