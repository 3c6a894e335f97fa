// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// resv-bench [--out=DIR] [--rounds=N] [options of the plan's] [Google Benchmark's own flags]: measures every row in
// rounds and prints the ratios; with --benchmark_filter=REGEX, those of the groups whose name matches. Writes
// DIR/results.json (Google Benchmark's format, a run for each round), DIR/ratios.json (name -> ratio) and, if the plan
// names the columns, DIR/rows.csv (a line for each row). What is measured is the plan of the program.
#include "plan.hpp"

#include <absl/synchronization/mutex.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <regex>
#include <set>
#include <thread>

using namespace bench;

namespace {

struct result {
	double value = 0; // ns for each iteration, or the counter "tput"
	std::map<std::string, double> counters;
	bool failed = false;
};

// Keeps the run that was measured last, and passes it on to the JSON file.
class recorder : public benchmark::BenchmarkReporter {
public:
	explicit recorder(std::ostream &out)
	{
		json_.SetOutputStream(&out);
		json_.SetErrorStream(&out);
	}

	bool ReportContext(const Context &context) override
	{
		return std::exchange(opened_, true) || json_.ReportContext(context);
	}
	void ReportRuns(const std::vector<Run> &runs) override
	{
		for (const Run &run : runs) {
			last = {run.GetAdjustedRealTime(), {}, run.error_occurred};
			for (const auto &[name, counter] : run.counters)
				last.counters[name] = counter.value;
			if (last.counters.count("tput"))
				last.value = last.counters["tput"];
		}
		json_.ReportRuns(runs);
	}
	void close() { json_.Finalize(); }

	result last;

private:
	benchmark::JSONReporter json_;
	bool opened_ = false;
};

// A second thread, without which glibc leaves out its atomic instructions.
class parked_thread {
public:
	~parked_thread()
	{
		{
			std::lock_guard guard(mutex_);
			over_ = true;
		}
		changed_.notify_one();
		thread_.join();
	}

private:
	std::mutex mutex_;
	std::condition_variable changed_;
	bool over_ = false;
	std::thread thread_{[this] {
		std::unique_lock lock(mutex_);
		changed_.wait(lock, [this] { return over_; });
	}};
};

double median(std::vector<double> values)
{
	if (values.empty())
		return 0;
	std::sort(values.begin(), values.end());
	size_t half = values.size() / 2;
	return values.size() % 2 ? values[half] : (values[half - 1] + values[half]) / 2;
}

using rounds = std::map<std::string, std::vector<result>>; // row -> one result for each round that counts

// Do two CPUs get twice as much done as one? Not while they are one core's, or while one of them is slowed down.
bool are_alike()
{
	double cpus = two_cpus();
	return cpus > 1.75 && cpus < 2.25;
}

// One round: each row of the group once. Returns whether the machine was ours and the same all the time.
bool play_round(const group &g, int round, recorder &reporter, std::map<std::string, result> &results)
{
	double before = g.contended ? round_trip() : 0;
	bool alike = !g.contended || are_alike();
	double others = others_cpu_time();
	auto begin = std::chrono::steady_clock::now();
	pin(0);
	for (size_t i = 0; i < g.rows.size(); i++) {
		const std::string &row = g.rows[(i + static_cast<size_t>(round)) % g.rows.size()];
		benchmark::RunSpecifiedBenchmarks(&reporter, nullptr, "^" + row + "(/.*)?$");
		results[row] = reporter.last;
	}
	double took = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
	others = others_cpu_time() - others;
	if (!g.contended)
		return true;
	double after = round_trip();
	return others < 0.1 * took && std::max(before, after) < 1.5 * std::min(before, after) && alike &&
	       are_alike();
}

double median_of(const std::vector<result> &runs, const std::string &counter = {})
{
	std::vector<double> values;
	for (const result &r : runs)
		values.push_back(counter.empty() ? r.value : r.counters.at(counter));
	return median(values);
}

bool is_client(const std::string &counter)
{
	return counter.compare(0, 6, "client") == 0;
}

// How far the slowest client of a row is from their mean, over all rounds: 1 if they are alike, 0 if it gets nothing done.
// Of fewer than two clients there is nothing to say.
double fairness(const std::vector<result> &runs)
{
	std::map<std::string, double> clients;
	for (const result &r : runs)
		for (const auto &[name, value] : r.counters)
			if (is_client(name))
				clients[name] += value;
	if (clients.size() < 2)
		return NAN;
	double sum = 0, least = INFINITY;
	for (const auto &[name, value] : clients) {
		sum += value;
		least = std::min(least, value);
	}
	return least / (sum / static_cast<double>(clients.size()));
}

// What there is to tell of a row beside its time or throughput.
std::map<std::string, double> details(const std::vector<result> &runs)
{
	std::map<std::string, double> all;
	for (const auto &[name, value] : runs.front().counters)
		if (name != "tput" && !is_client(name))
			all[name] = median_of(runs, name);
	double fair = fairness(runs);
	if (!std::isnan(fair))
		all["fairness"] = fair;
	return all;
}

void print_row(const std::string &row, const std::vector<result> &runs)
{
	bool tput = runs.front().counters.count("tput") > 0;
	std::printf("  %-44s %12.*f %s", row.c_str(), tput ? 0 : 2, median_of(runs), tput ? "/s" : "ns");
	for (const auto &[name, value] : details(runs))
		std::printf("  %9.*f %s", value < 10 ? 3 : 0, value, name.c_str());
	std::printf("\n");
}

void play_group(const group &g, int rounds_wanted, recorder &reporter, rounds &all)
{
	int counted = 0;
	int disturbed = 0;
	for (int round = 0; counted < rounds_wanted; round++) {
		std::map<std::string, result> results;
		// On a machine that is never quiet, a disturbed round is better than none.
		if (!play_round(g, round, reporter, results) && disturbed < 2 * rounds_wanted) {
			disturbed++;
			continue;
		}
		for (const auto &[row, r] : results)
			all[row].push_back(r);
		counted++;
	}
	std::printf("%s: %d rounds", g.name.c_str(), counted);
	if (disturbed)
		std::printf(", %d more discarded (others used a CPU, or the two were not alike all the time)",
			    disturbed);
	std::printf("\n");
	for (const std::string &row : g.rows)
		print_row(row, all.at(row));
	std::fflush(stdout);
}

double ratio_of(const rounds &all, const std::string &ours, const std::string &theirs,
		const std::string &counter)
{
	std::vector<double> ratios;
	const auto &a = all.at(ours);
	const auto &b = all.at(theirs);
	for (size_t i = 0; i < a.size(); i++)
		ratios.push_back(counter.empty() ? a[i].value / b[i].value
						 : a[i].counters.at(counter) / b[i].counters.at(counter));
	return median(ratios);
}

// The row that gets most done.
const std::string &best_of(const rounds &all, const std::vector<std::string> &rows)
{
	bool tput = all.at(rows.front()).front().counters.count("tput") > 0;
	return *std::max_element(rows.begin(), rows.end(), [&](const auto &a, const auto &b) {
		double less = median_of(all.at(a));
		double more = median_of(all.at(b));
		return tput ? less < more : more < less;
	});
}

bool is_throughput(const ratio &r)
{
	return r.name.size() > 5 && r.name.compare(r.name.size() - 5, 5, "_tput") == 0;
}

std::string scheme_of(const std::string &row)
{
	return row.substr(row.rfind('/') + 1);
}

void print_ratio(const std::string &name, double value, bool more_is_better, double bar)
{
	std::printf("%-40s %8.3f", name.c_str(), value);
	if (bar > 0)
		std::printf(" %2s %7.2f  %s", more_is_better ? ">=" : "<=", bar,
			    (more_is_better ? value >= bar : value <= bar) ? "reached" : "NOT reached");
}

std::vector<std::pair<std::string, double>> report(const plan &p, const rounds &all)
{
	std::vector<std::pair<std::string, double>> written;
	std::printf("\n%-40s %8s %10s\n", "ratio (ours / theirs)", "", "bar");
	for (const ratio &r : p.ratios) {
		if (!all.count(r.theirs.front()))
			continue;
		const std::string &ours = best_of(all, r.ours);
		const std::string &theirs = best_of(all, r.theirs);
		double value = ratio_of(all, ours, theirs, r.counter);
		written.emplace_back(r.name, value);
		print_ratio(r.name, value, is_throughput(r), r.bar);
		if (r.ours.size() > 1 || r.theirs.size() > 1)
			std::printf("  (%s / %s)", scheme_of(ours).c_str(), scheme_of(theirs).c_str());
		std::printf("\n");
		double fair = fairness(all.at(ours));
		if (!is_throughput(r) || std::isnan(fair))
			continue;
		std::string name =
			"fairness" + r.name.substr(r.name.find('_'), r.name.rfind('_') - r.name.find('_'));
		written.emplace_back(name, fair);
		print_ratio(name, fair, true, 0.5);
		std::printf("  (%s; %s: %.2f)\n", scheme_of(ours).c_str(), scheme_of(theirs).c_str(),
			    fairness(all.at(theirs)));
	}
	return written;
}

// A line for each row: the parts of its name, its time or throughput, and the details.
void write_csv(std::ostream &out, const plan &p, const rounds &all)
{
	std::set<std::string> columns;
	for (const auto &[row, runs] : all)
		for (const auto &[name, value] : details(runs))
			columns.insert(name);
	out << p.csv_names;
	for (const std::string &name : columns)
		out << ',' << name;
	out << '\n';
	for (const group &g : p.groups)
		for (std::string row : g.rows) {
			if (!all.count(row))
				continue;
			const auto &runs = all.at(row);
			std::replace(row.begin(), row.end(), '/', ',');
			out << row << ',' << median_of(runs, "");
			auto values = details(runs);
			for (const std::string &name : columns) {
				out << ',';
				if (auto it = values.find(name); it != values.end())
					out << it->second;
			}
			out << '\n';
		}
}

// --NAME=NUMBER, where the plan has such an option.
bool take_option(const plan &p, const char *arg)
{
	const char *equals = std::strchr(arg, '=');
	if (!equals || std::strncmp(arg, "--", 2) != 0)
		return false;
	auto it = p.options.find(std::string(arg + 2, equals));
	char *end = nullptr;
	long value = std::strtol(equals + 1, &end, 10);
	if (it == p.options.end() || end == equals + 1 || *end || value <= 0)
		return false;
	*it->second = value;
	return true;
}

} // namespace

int main(int argc, char **argv)
{
	plan p;
	plan_all(p);
	long rounds_wanted = 0;
	p.options["rounds"] = &rounds_wanted;

	std::string out = ".";
	std::string quick = "--benchmark_min_time=0.02";
	std::vector<char *> args{argv[0], quick.data()};
	for (int i = 1; i < argc; i++) {
		if (std::strncmp(argv[i], "--out=", 6) == 0)
			out = argv[i] + 6;
		else if (!take_option(p, argv[i]))
			args.push_back(argv[i]);
	}
	int count = static_cast<int>(args.size());
	benchmark::Initialize(&count, args.data());
	if (benchmark::ReportUnrecognizedArguments(count, args.data()))
		return 2;
	absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore); // or absl pays for a detector

	std::ofstream results(out + "/results.json");
	std::ofstream ratios(out + "/ratios.json");
	std::ofstream csv;
	if (!p.csv_names.empty())
		csv.open(out + "/rows.csv");
	if (!results || !ratios || !csv) {
		std::fprintf(stderr, "resv-bench: cannot write to %s\n", out.c_str());
		return 2;
	}

	parked_thread second;
	recorder reporter(results);
	rounds all;
	const std::regex wanted(benchmark::GetBenchmarkFilter());
	for (const group &g : p.groups)
		if (std::regex_search(g.name, wanted))
			play_group(g, rounds_wanted > 0 ? static_cast<int>(rounds_wanted) : g.rounds,
				   reporter, all);
	reporter.close();
	for (const auto &[row, runs] : all)
		for (const result &r : runs)
			if (r.failed) {
				std::fprintf(stderr, "resv-bench: %s failed\n", row.c_str());
				return 1;
			}

	const char *separator = "";
	ratios << '{';
	for (const auto &[name, value] : report(p, all)) {
		ratios << separator << "\n  \"" << name << "\": " << value;
		separator = ",";
	}
	ratios << "\n}\n";
	if (!p.csv_names.empty())
		write_csv(csv, p, all);
	return ratios.flush() && results.flush() && csv.flush() ? 0 : 1;
}
