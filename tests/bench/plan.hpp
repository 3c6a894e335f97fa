// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What is measured beside what. Google Benchmark measures each row; rows that are compared form a group, whose rows
// take turns, round after round, so that both sides of a ratio see the same machine.
#ifndef RESV_BENCH_PLAN_HPP
#define RESV_BENCH_PLAN_HPP

#include "machine.hpp"

#include <benchmark/benchmark.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace bench {

/// Rows that take turns.
struct group {
	std::string name;
	std::vector<std::string> rows;
	int rounds;
	bool contended; // its rounds count only while both CPUs are ours
};

/// `ours` over `theirs`, the median over the rounds: of times or, if the rows have a counter "tput", of throughputs. Of
/// several candidates on either side, the best counts; for another counter, the best is still the one that gets most done.
struct ratio {
	std::string name; // of throughputs: ends in _tput
	std::vector<std::string> ours;
	std::vector<std::string> theirs;
	double bar;               // 0: for information
	std::string counter = {}; // to be compared instead; less is better
};

struct plan {
	std::vector<group> groups;
	std::vector<ratio> ratios;
	std::map<std::string, long *> options; // --NAME=NUMBER
	std::string
		csv_names; // of the parts of a row's name, and of its value; if empty, no table is written

	/// Registers a row with Google Benchmark and adds it to the last group.
	template <typename Function, typename... Args>
	benchmark::internal::Benchmark *row(const std::string &name, Function &&function, Args &&...args)
	{
		groups.back().rows.push_back(name);
		return benchmark::RegisterBenchmark(name.c_str(), std::forward<Function>(function),
						    std::forward<Args>(args)...);
	}
};

/// All that a program measures; each has its own.
void plan_all(plan &);

void plan_uncontended(plan &);
void plan_trylock(plan &);
void plan_hint(plan &);
void plan_lru(plan &);
void plan_fences(plan &);
void plan_lockdep_graph(plan &);

} // namespace bench

#endif // RESV_BENCH_PLAN_HPP
