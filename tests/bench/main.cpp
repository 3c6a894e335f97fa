// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// resv-bench [--out=DIR] [Google Benchmark's own flags]: measures every row in rounds and prints the ratios; with
// --benchmark_filter=REGEX, those of the groups whose name matches. Writes
// DIR/results.json (Google Benchmark's format, a run for each round) and DIR/ratios.json (name -> ratio). Built with
// PROVE_LOCKING it measures the annotator; without, the locks.
#include "plan.hpp"

#include <resv/config.h>

#include <absl/synchronization/mutex.h>

#include <algorithm>
#include <cmath>
#include <condition_variable>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <mutex>
#include <regex>
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

void play_group(const group &g, recorder &reporter, rounds &all)
{
	int counted = 0;
	int disturbed = 0;
	for (int round = 0; counted < g.rounds; round++) {
		std::map<std::string, result> results;
		// On a machine that is never quiet, a disturbed round is better than none.
		if (!play_round(g, round, reporter, results) && disturbed < 2 * g.rounds) {
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
	for (const std::string &row : g.rows) {
		std::vector<double> values, retries;
		for (const result &r : all[row]) {
			values.push_back(r.value);
			if (auto it = r.counters.find("retries_per_txn"); it != r.counters.end())
				retries.push_back(it->second);
		}
		if (!all[row].front().counters.count("tput"))
			std::printf("  %-44s %12.2f ns\n", row.c_str(), median(values));
		else if (retries.empty())
			std::printf("  %-44s %12.0f /s\n", row.c_str(), median(values));
		else
			std::printf("  %-44s %12.0f /s  %8.3f retries each\n", row.c_str(), median(values),
				    median(retries));
	}
	std::fflush(stdout);
}

double ratio_of(const rounds &all, const std::string &ours, const std::string &theirs)
{
	std::vector<double> ratios;
	const auto &a = all.at(ours);
	const auto &b = all.at(theirs);
	for (size_t i = 0; i < a.size(); i++)
		ratios.push_back(a[i].value / b[i].value);
	return median(ratios);
}

bool is_client(const std::string &counter)
{
	return counter.compare(0, 6, "client") == 0;
}

bool has_clients(const rounds &all, const std::string &row)
{
	const auto &counters = all.at(row).front().counters;
	return std::any_of(counters.begin(), counters.end(),
			   [](const auto &it) { return is_client(it.first); });
}

// How far the clients of a row are from their mean, over all rounds: the larger of most/mean and mean/least.
double unfairness(const rounds &all, const std::string &row)
{
	std::map<std::string, double> clients;
	for (const result &r : all.at(row))
		for (const auto &[name, value] : r.counters)
			if (is_client(name))
				clients[name] += value;
	double sum = 0, most = 0, least = INFINITY;
	for (const auto &[name, value] : clients) {
		sum += value;
		most = std::max(most, value);
		least = std::min(least, value);
	}
	double mean = sum / static_cast<double>(clients.size());
	return std::max(most / mean, mean / least);
}

bool is_throughput(const ratio &r)
{
	return r.name.size() > 5 && r.name.compare(r.name.size() - 5, 5, "_tput") == 0;
}

std::vector<std::pair<std::string, double>> report(const plan &p, const rounds &all)
{
	std::vector<std::pair<std::string, double>> written;
	std::printf("\n%-40s %8s %10s\n", "ratio (ours / theirs)", "", "bar");
	for (const ratio &r : p.ratios) {
		if (!all.count(r.theirs))
			continue;
		bool tput = is_throughput(r);
		const std::string *best = nullptr;
		double value = 0;
		for (const std::string &ours : r.ours) {
			double candidate = ratio_of(all, ours, r.theirs);
			if (!best || (tput ? candidate > value : candidate < value)) {
				best = &ours;
				value = candidate;
			}
		}
		written.emplace_back(r.name, value);
		std::printf("%-40s %8.3f", r.name.c_str(), value);
		if (r.bar > 0)
			std::printf(" %2s %7.2f  %s", tput ? ">=" : "<=", r.bar,
				    (tput ? value >= r.bar : value <= r.bar) ? "reached" : "NOT reached");
		std::printf("\n");
		if (!tput || !has_clients(all, *best))
			continue;
		std::string name = "fairness" + r.name.substr(5, r.name.size() - 10);
		double off = unfairness(all, *best);
		written.emplace_back(name, off);
		std::printf("%-40s %8.3f", name.c_str(), off);
		if (r.bar > 0)
			std::printf(" <= %7.2f  %s", 2.0, off <= 2 ? "reached" : "NOT reached");
		std::printf("  (%s; the peer: %.2f)\n", best->substr(best->rfind('/') + 1).c_str(),
			    unfairness(all, r.theirs));
	}
	return written;
}

} // namespace

int main(int argc, char **argv)
{
	std::string out = ".";
	std::string quick = "--benchmark_min_time=0.02";
	std::vector<char *> args{argv[0], quick.data()};
	for (int i = 1; i < argc; i++) {
		if (std::strncmp(argv[i], "--out=", 6) == 0)
			out = argv[i] + 6;
		else
			args.push_back(argv[i]);
	}
	int count = static_cast<int>(args.size());
	benchmark::Initialize(&count, args.data());
	if (benchmark::ReportUnrecognizedArguments(count, args.data()))
		return 2;
	absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore); // or absl pays for a detector

	std::ofstream results(out + "/results.json");
	std::ofstream ratios(out + "/ratios.json");
	if (!results || !ratios) {
		std::fprintf(stderr, "resv-bench: cannot write to %s\n", out.c_str());
		return 2;
	}

	plan p;
#if RESV_PROVE_LOCKING
	plan_lockdep(p);
	plan_lockdep_graph(p);
#else
	plan_uncontended(p);
	plan_trylock(p);
	plan_hint(p);
	plan_lru(p);
	plan_multi(p);
	plan_fences(p);
#endif

	parked_thread second;
	recorder reporter(results);
	rounds all;
	const std::regex wanted(benchmark::GetBenchmarkFilter());
	for (const group &g : p.groups)
		if (std::regex_search(g.name, wanted))
			play_group(g, reporter, all);
	reporter.close();
	for (const auto &[row, runs] : all)
		for (const result &r : runs)
			if (r.failed) {
				std::fprintf(stderr, "resv-bench: %s failed\n", row.c_str());
				return 1;
			}

	const char *separator = "{";
	for (const auto &[name, value] : report(p, all)) {
		ratios << separator << "\n  \"" << name << "\": " << value;
		separator = ",";
	}
	ratios << "\n}\n";
	return ratios.flush() && results.flush() ? 0 : 1;
}
