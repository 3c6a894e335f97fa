// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "table.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace gpu {

namespace {

template <typename... Args>
std::string print(const char *format, Args... args)
{
	char text[160];
	snprintf(text, sizeof(text), format, args...);
	return text;
}

std::string name_of(const run_result &result, job_id job)
{
	if (job.actor == result.spec.config.clients)
		return "eviction " + std::to_string(job.number);
	return "client " + std::to_string(job.actor) + " job " + std::to_string(job.number);
}

std::string describe(const run_result &result, const verdict &v)
{
	const std::string buffer = "buffer " + std::to_string(v.buffer);
	const std::string version = "version " + std::to_string(v.version);
	const std::string first = name_of(result, v.jobs[0]);
	const std::string second = name_of(result, v.jobs[1]);
	std::string text;
	switch (v.what) {
	case violation::none:
		return "";
	case violation::lost_update:
		return buffer + ": " + first + " and " + second + " both wrote " + version + " (lost update)";
	case violation::torn_read:
		text = buffer + ": " + first + " found torn contents at " + version;
		return v.job_count > 1 ? text + ", which " + second + " wrote" : text;
	case violation::unwritten_version:
		return buffer + ": " + first + " saw or wrote " + version +
		       ", which the writes on record do not reach";
	case violation::cycle:
		for (unsigned i = 0; i < v.job_count; i++)
			text += name_of(result, v.jobs[i]) + " comes before, over buffer " +
				std::to_string(v.over[i]) + ", ";
		return "cycle: " + text + name_of(result, v.jobs[0]) + " or an earlier job of its client";
	case violation::wrong_contents:
		text = buffer + ": ends at " + version + " with other contents than a serial run leaves";
		return v.jobs[0].number ? text + "; last written by " + first : text;
	case violation::not_freed:
		return std::to_string(v.version) + " buffers were destroyed, but not freed";
	case violation::no_memory:
		return "no memory for the check";
	}
	return "unknown";
}

std::string ended_by(const run_result &r)
{
	switch (r.stopped) {
	case stop_reason::none:
		return "all jobs run";
	case stop_reason::time:
		return "time";
	case stop_reason::user:
		return "the user";
	case stop_reason::log_full:
		return "log capacity";
	case stop_reason::stuck:
		return "the watchdog";
	case stop_reason::error:
		return "an error";
	}
	return "?";
}

// Jain's index: 1 if all clients got the same, 1/n if one got everything.
double fairness(const std::vector<uint64_t> &jobs)
{
	double sum = 0, squares = 0;
	for (uint64_t n : jobs) {
		sum += static_cast<double>(n);
		squares += static_cast<double>(n) * static_cast<double>(n);
	}
	return squares > 0 ? sum * sum / (squares * static_cast<double>(jobs.size())) : 1;
}

std::string jobs_of_clients(const run_result &r)
{
	const std::vector<uint64_t> &jobs = r.jobs_of_clients;
	if (jobs.empty())
		return "-";
	auto [min, max] = std::minmax_element(jobs.begin(), jobs.end());
	return with_commas(*min) + " / " + with_commas(r.total.jobs / jobs.size()) + " / " +
	       with_commas(*max);
}

std::string rate(uint64_t count, double seconds)
{
	return with_commas(seconds > 0 ? static_cast<uint64_t>(static_cast<double>(count) / seconds) : 0);
}

struct row {
	const char *name;
	std::string (*cell)(const run_result &);
	bool (*shown)(const config &); // in a table where it is so for any run; null: always
};

bool has_limited_memory(const config &c)
{
	return c.vram != 0;
}

bool is_counted(const config &)
{
	return !resv::config::steady;
}

constexpr row rows[] = {
	{"algorithm",
	 [](const run_result &r) -> std::string {
		 return algorithm_names[static_cast<size_t>(r.spec.config.algorithm)];
	 },
	 nullptr},
	{"clients, rings",
	 [](const run_result &r) {
		 return std::to_string(r.spec.config.clients) + ", " + std::to_string(r.spec.config.rings);
	 },
	 nullptr},
	{"buffers, per job",
	 [](const run_result &r) {
		 const config &c = r.spec.config;
		 std::string text = with_commas(c.buffers) + ", " + std::to_string(c.min_buffers_per_job);
		 return c.max_buffers_per_job == c.min_buffers_per_job
				? text
				: text + "-" + std::to_string(c.max_buffers_per_job);
	 },
	 nullptr},
	{"jobs, seconds",
	 [](const run_result &r) { return with_commas(r.total.jobs) + ", " + print("%.2f", r.seconds); },
	 nullptr},
	{"jobs/s", [](const run_result &r) { return rate(r.total.jobs, r.seconds); }, nullptr},
	{"wait p50", [](const run_result &r) { return format_time(r.total.wait.percentile(50)); }, nullptr},
	{"wait p99", [](const run_result &r) { return format_time(r.total.wait.percentile(99)); }, nullptr},
	{"wait max", [](const run_result &r) { return format_time(r.total.wait.max()); }, nullptr},
	{"contended waits", [](const run_result &r) { return with_commas(r.met.contended); }, is_counted},
	{"had by watching", [](const run_result &r) { return with_commas(r.met.spins); }, is_counted},
	{"stayed away", [](const run_result &r) { return with_commas(r.met.stays); }, is_counted},
	{"slept in line", [](const run_result &r) { return with_commas(r.met.waits); }, is_counted},
	{"longest sleep", [](const run_result &r) { return format_time(r.met.longest_wait_ns); }, is_counted},
	{"taken out of turn", [](const run_result &r) { return with_commas(r.met.bypasses); }, is_counted},
	{"wounds", [](const run_result &r) { return with_commas(r.met.wounds); }, is_counted},
	{"deaths", [](const run_result &r) { return with_commas(r.met.deaths); }, is_counted},
	{"longest retry chain", [](const run_result &r) { return with_commas(r.met.most_retries); },
	 is_counted},
	{"retries", [](const run_result &r) { return with_commas(r.total.retries); }, nullptr},
	{"jobs/client min/mean/max", jobs_of_clients, nullptr},
	{"fairness (Jain)", [](const run_result &r) { return print("%.4f", fairness(r.jobs_of_clients)); },
	 nullptr},
	{"without a context", [](const run_result &r) { return with_commas(r.total.jobs_without_context); },
	 [](const config &c) { return c.no_context_share != 0; }},
	{"run by a ring", [](const run_result &r) { return with_commas(r.total.jobs_by_ring); },
	 [](const config &c) { return c.execute != executor::client; }},
	{"signals, interrupted",
	 [](const run_result &r) {
		 return with_commas(r.signals_sent) + ", " + with_commas(r.total.interrupted);
	 },
	 [](const config &c) { return c.signal_rate != 0 || c.interrupt_every != 0; }},
	{"evictions, all busy, waits",
	 [](const run_result &r) {
		 return with_commas(r.total.evictions) + ", " + with_commas(r.total.evictions_busy) + ", " +
			with_commas(r.total.waits_for_unreserve);
	 },
	 [](const config &c) { return c.eviction_rate != 0 && c.vram == 0; }},
	{"VRAM pages, devices",
	 [](const run_result &r) {
		 return with_commas(r.spec.config.vram) + ", " + std::to_string(r.spec.config.devices);
	 },
	 has_limited_memory},
	{"evictions", [](const run_result &r) { return with_commas(r.total.evictions); }, has_limited_memory},
	{"skipped as busy, all busy",
	 [](const run_result &r) {
		 return with_commas(r.total.evictions_passed) + ", " + with_commas(r.total.evictions_busy);
	 },
	 has_limited_memory},
	{"-ENOSPC", [](const run_result &r) { return with_commas(r.total.no_space); }, has_limited_memory},
	{"bytes moved", [](const run_result &r) { return with_commas(r.total.bytes_moved); },
	 has_limited_memory},
	{"swapouts, recycled buffers",
	 [](const run_result &r) {
		 return with_commas(r.total.swapouts) + ", " + with_commas(r.total.recycled);
	 },
	 has_limited_memory},
	{"unreserved on purpose", [](const run_result &r) { return with_commas(r.total.jobs_unreserved); },
	 [](const config &c) { return c.broken == breakage::skip_reservation; }},
	{"trace events, dropped",
	 [](const run_result &r) {
		 return with_commas(r.trace_events) + ", " + with_commas(r.trace_dropped);
	 },
	 [](const config &c) { return c.trace_events != 0; }},
	{"lock-order reports", [](const run_result &r) { return with_commas(r.lock_order_reports); },
	 [](const config &) { return bool{RESV_PROVE_LOCKING}; }},
	{"ended by", ended_by, nullptr},
	{"serializable", [](const run_result &r) -> std::string { return r.violated() ? "VIOLATED" : "yes"; },
	 nullptr},
};

std::string pad_left(const std::string &text, size_t width)
{
	return std::string(width - std::min(width, text.size()), ' ') + text;
}

} // namespace

std::string with_commas(uint64_t n)
{
	std::string text = std::to_string(n);
	for (size_t i = text.size(); i > 3; i -= 3)
		text.insert(i - 3, ",");
	return text;
}

std::string format_time(uint64_t ns)
{
	if (ns < 1000)
		return print("%u ns", static_cast<unsigned>(ns));
	double value = static_cast<double>(ns) / 1000;
	if (value < 1000)
		return print("%.1f us", value);
	value /= 1000;
	return value < 1000 ? print("%.2f ms", value) : print("%.2f s", value / 1000);
}

std::string describe_violation(const run_result &result)
{
	std::string text;
	auto add = [&](const std::string &what) { text += result.spec.name + ": VIOLATED: " + what + "\n"; };
	if (result.serial.what != violation::none)
		add(describe(result, result.serial));
	if (result.total.errors != 0)
		add("a reserve returned " + std::to_string(result.total.last_error) + " (" +
		    strerror(-result.total.last_error) + ")");
	if (!result.retired_in_order || result.retired != result.total.jobs)
		add("the rings retired " + with_commas(result.retired) + " of " +
		    with_commas(result.total.jobs) + " jobs" +
		    (result.retired_in_order ? "" : ", not in order"));
	if (!result.stuck.empty())
		add(result.stuck.substr(0, result.stuck.size() - 1));
	return text;
}

std::string format_table(const std::string &workload, const std::vector<run_result> &results)
{
	std::vector<std::vector<std::string>> lines{{workload}};
	for (const run_result &r : results)
		lines[0].push_back(r.spec.name == workload ? "" : r.spec.name);
	for (const row &row : rows) {
		auto wanted = [&](const run_result &r) { return !row.shown || row.shown(r.spec.config); };
		if (std::none_of(results.begin(), results.end(), wanted))
			continue;
		std::vector<std::string> &line = lines.emplace_back(1, row.name);
		for (const run_result &r : results)
			line.push_back(wanted(r) ? row.cell(r) : "-");
	}

	std::vector<size_t> widths(results.size() + 1, 0);
	for (const auto &line : lines)
		for (size_t i = 0; i < line.size(); i++)
			widths[i] = std::max(widths[i], line[i].size());
	std::string text;
	for (const auto &line : lines) {
		text += line[0] + std::string(widths[0] - line[0].size(), ' ');
		for (size_t i = 1; i < line.size(); i++)
			text += "  " + pad_left(line[i], widths[i]);
		text.erase(text.find_last_not_of(' ') + 1);
		text += "\n";
	}
	for (const run_result &r : results)
		text += describe_violation(r);
	return text;
}

} // namespace gpu
