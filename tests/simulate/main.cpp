// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// resv-simulate [OPTION...]: plays workloads on virtual CPUs, and prints a line for each point. Or compares the model with
// what was measured, or sees that a large transaction does not starve.
#include "play.hpp"
#include "starvation.hpp"

#include "src/port/vcpu/lines.hpp"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <sstream>

using namespace simulate;

namespace {

constexpr const char *usage =
	"usage: resv-simulate [OPTION...]\n"
	"  --costs=FILE        what things cost (default tests/simulate/costs)\n"
	"  --workload=NAME,... 2of64, 8of64, 32of64, 8of1024, 2of1m, 16of1m-zipf, 800of100k; all\n"
	"                      by default\n"
	"  --class=NAME,...    wound-wait, wait-die, which are the default; adaptive\n"
	"  --stamps=HOW,...    lazy, eager; both by default\n"
	"  --cpus=N,...        default 1,2,4,16,64,256,1024\n"
	"  --tasks=N           for each CPU (default 1)\n"
	"  --transactions=N    instead of as many as say enough\n"
	"  --seed=N            for what is drawn (default 1)\n"
	"  --csv               comma-separated values, without a head\n"
	"  --part=I/N          of all points, only those whose number is I modulo N\n"
	"  --compare           instead: the model beside what the costs' file says was measured\n"
	"  --starvation        instead: a large transaction gets through, with 4, 16, 64 and 256 CPUs\n"
	"  --expect-failure    succeeds if, and only if, it does not\n";

[[noreturn]] void die(const std::string &why)
{
	fprintf(stderr, "resv-simulate: %s\n%s", why.c_str(), usage);
	exit(2);
}

using settings = std::map<std::string, std::string>;

settings parse(int argc, char **argv)
{
	settings given = {{"costs", "tests/simulate/costs"},
			  {"workload", ""},
			  {"class", ""},
			  {"stamps", "lazy,eager"},
			  {"cpus", "1,2,4,16,64,256,1024"},
			  {"tasks", "1"},
			  {"transactions", "0"},
			  {"seed", "1"},
			  {"csv", "no"},
			  {"part", "0/1"},
			  {"compare", "no"},
			  {"starvation", "no"},
			  {"expect-failure", "no"}};
	for (const workload &w : workloads)
		given["workload"] += std::string(given["workload"].empty() ? "" : ",") + w.name;
	for (int i = 1; i < argc; i++) {
		std::string argument = argv[i];
		size_t equals = argument.find('=');
		std::string key = argument.substr(0, equals);
		if (key.compare(0, 2, "--") != 0 || !given.contains(key.substr(2)))
			die("no option is called " + key);
		given[key.substr(2)] = equals == std::string::npos ? "yes" : argument.substr(equals + 1);
	}
	if (given["class"].empty())
		given["class"] =
			given["starvation"] == "yes" ? "wound-wait,wait-die,adaptive" : "wound-wait,wait-die";
	return given;
}

uint64_t number(const std::string &text, uint64_t least, uint64_t most)
{
	char *end;
	uint64_t value = strtoull(text.c_str(), &end, 10);
	if (*end != '\0' || text.empty() || value < least || value > most)
		die("a number from " + std::to_string(least) + " to " + std::to_string(most) +
		    " is wanted, not '" + text + "'");
	return value;
}

std::vector<std::string> list(const std::string &text)
{
	std::vector<std::string> all;
	std::istringstream in(text);
	for (std::string one; std::getline(in, one, ',');)
		all.push_back(one);
	return all;
}

template <typename T, size_t count>
const T &named(const T (&all)[count], const std::string &name)
{
	const T *found = find(all, name);
	if (!found)
		die("nothing is called '" + name + "'");
	return *found;
}

bool is_eager(const std::string &stamps)
{
	if (stamps != "lazy" && stamps != "eager")
		die("stamps are lazy or eager, not '" + stamps + "'");
	return stamps == "eager";
}

std::vector<point> points_of(const settings &given)
{
	std::string part = given.at("part");
	size_t slash = part.find('/');
	uint64_t parts = slash == std::string::npos ? 0 : number(part.substr(slash + 1), 1, 1000);
	uint64_t own = parts ? number(part.substr(0, slash), 0, parts - 1) : 0;
	if (!parts)
		die("--part wants I/N, not '" + part + "'");
	uint64_t each = number(given.at("tasks"), 1, 64);
	uint64_t transactions = number(given.at("transactions"), 0, UINT64_MAX);
	std::vector<point> all;
	uint64_t count = 0;
	for (const std::string &name : list(given.at("workload")))
		for (const std::string &cls : list(given.at("class")))
			for (const std::string &cpus : list(given.at("cpus")))
				for (const std::string &stamps : list(given.at("stamps"))) {
					point p;
					p.what = &named(workloads, name);
					p.how = &named(algorithms, cls);
					p.eager = is_eager(stamps);
					p.cpus = static_cast<unsigned>(number(cpus, 1, resv::vcpu::max_cpus));
					p.tasks = p.cpus * static_cast<unsigned>(each);
					p.transactions =
						transactions ? transactions : enough(*p.what, p.tasks);
					p.seed = static_cast<unsigned>(number(given.at("seed"), 0, 1000000));
					if (count++ % parts == own)
						all.push_back(p);
				}
	return all;
}

int play_points(const settings &given, const calibration &costs)
{
	bool csv = given.at("csv") == "yes";
	if (!csv)
		printf("%-12s %-10s %-6s %5s %12s %10s %14s %8s %8s %8s\n", "workload", "class", "stamps",
		       "CPUs", "per second", "rollbacks", "longest wait", "stamps", "time", "sleeps");
	for (const point &p : points_of(given)) {
		outcome o = play(p, costs);
		if (o.hangs) {
			fprintf(stderr, "%s, %s: tasks sleep for ever\n", p.what->name, p.how->name);
			return 1;
		}
		printf(csv ? "%s,%s,%s,%u,%.0f,%.4f,%.9f,%.4f,%.6f,%.4f\n"
			   : "%-12s %-10s %-6s %5u %12.0f %10.3f %12.6f s %8.3f %8.5f %8.3f\n",
		       p.what->name, p.how->name, p.eager ? "eager" : "lazy", p.cpus, o.per_second,
		       o.rollbacks, o.longest_wait, o.stamps, o.stamp_time, o.sleeps);
		fflush(stdout);
	}
	return 0;
}

int compare(const calibration &costs)
{
	printf("a line from CPU to CPU and back: %.1f ns\n", static_cast<double>(round_trip(costs)) / 1000);
	printf("%-12s %-10s %7s %12s %12s %8s\n", "workload", "class", "threads", "model", "measured",
	       "ratio");
	for (const measurement &m : costs.measured) {
		point p;
		p.what = &named(workloads, m.workload);
		p.how = &named(algorithms, m.algorithm);
		p.cpus = p.tasks = m.threads;
		p.transactions = enough(*p.what, p.tasks);
		double model = play(p, costs).per_second;
		printf("%-12s %-10s %7u %12.0f %12.0f %8.2f\n", m.workload.c_str(), m.algorithm.c_str(),
		       m.threads, model, m.per_second, model / m.per_second);
	}
	return 0;
}

/// The hardest of several times; or one that failed.
survival starve_again_and_again(flood f, const calibration &costs)
{
	constexpr unsigned times = 4;
	survival worst;
	for (unsigned i = 0; i < times && worst.failure.empty(); i++, f.seed++) {
		survival s = starve(f, costs);
		if (i == 0 || !s.failure.empty() || s.retries > worst.retries)
			worst = s;
	}
	return worst;
}

int check_starvation(const settings &given, const calibration &costs)
{
	unsigned passed = 0, failed = 0;
	auto seed = static_cast<unsigned>(number(given.at("seed"), 0, 1000000));
	printf("%-10s %-6s %5s %10s %8s %8s %8s %10s\n", "class", "stamps", "CPUs", "others", "retries",
	       "elders", "bound", "time");
	for (const std::string &cls : list(given.at("class")))
		for (const std::string &stamps : list(given.at("stamps")))
			for (unsigned cpus : {4u, 16u, 64u, 256u}) {
				survival s = starve_again_and_again(
					{&named(algorithms, cls), is_eager(stamps), cpus, seed}, costs);
				printf("%-10s %-6s %5u %10llu %8u %8u %8llu %8.6f s%s%s\n", cls.c_str(),
				       stamps.c_str(), cpus, static_cast<unsigned long long>(s.small),
				       s.retries, s.elders, static_cast<unsigned long long>(s.bound),
				       s.seconds, s.failure.empty() ? "" : "  FAILED: ", s.failure.c_str());
				fflush(stdout);
				(s.failure.empty() ? passed : failed)++;
			}
	printf("%u passed, %u failed\n", passed, failed);
	return (failed != 0) != (given.at("expect-failure") == "yes");
}

} // namespace

int main(int argc, char **argv)
{
	if (argc == 2 && std::string(argv[1]) == "--help")
		return fputs(usage, stdout) < 0;
	settings given = parse(argc, argv);
	calibration costs;
	if (std::string why = read_calibration(given["costs"], costs); !why.empty())
		die(why);
	if (given["compare"] == "yes")
		return compare(costs);
	if (given["starvation"] == "yes")
		return check_starvation(given, costs);
	return play_points(given, costs);
}
