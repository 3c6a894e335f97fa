// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "workload.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <optional>
#include <set>
#include <thread>

namespace gpu {

namespace {

std::string_view trim(std::string_view s)
{
	constexpr std::string_view space = " \t\r";
	size_t first = s.find_first_not_of(space);
	if (first == s.npos)
		return {};
	return s.substr(first, s.find_last_not_of(space) - first + 1);
}

std::optional<unsigned> parse_number(std::string_view s, unsigned min, unsigned max)
{
	unsigned value = 0;
	auto [end, err] = std::from_chars(s.data(), s.data() + s.size(), value);
	if (err != std::errc() || end != s.data() + s.size() || value < min || value > max)
		return {};
	return value;
}

// A number with at most `decimals` of them, times 10^decimals.
std::optional<unsigned> parse_decimal(std::string_view s, unsigned decimals, unsigned max)
{
	std::string digits(s);
	size_t point = digits.find('.');
	size_t have = 0;
	if (point != digits.npos) {
		have = digits.size() - point - 1;
		digits.erase(point, 1);
		if (point == 0 || have == 0 || have > decimals)
			return {};
	}
	return parse_number(digits.append(decimals - have, '0'), 0, max);
}

struct key {
	std::string name;
	std::string expected;
	std::function<bool(run_spec &, std::string_view)> set;
};

key number(const char *name, unsigned config::*field, unsigned min, unsigned max)
{
	return {name, "a number from " + std::to_string(min) + " to " + std::to_string(max),
		[=](run_spec &run, std::string_view value) {
			auto parsed = parse_number(value, min, max);
			if (parsed)
				run.config.*field = *parsed;
			return parsed.has_value();
		}};
}

key share(const char *name, unsigned config::*field)
{
	return number(name, field, 0, 100);
}

template <typename Enum>
key choice(const char *name, Enum config::*field, std::vector<std::pair<std::string, Enum>> choices)
{
	std::string expected;
	for (size_t i = 0; i < choices.size(); i++)
		expected += (i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ") + choices[i].first;
	return {name, expected, [=](run_spec &run, std::string_view value) {
			for (const auto &[text, meaning] : choices) {
				if (text != value)
					continue;
				run.config.*field = meaning;
				return true;
			}
			return false;
		}};
}

bool set_clients(run_spec &run, std::string_view value)
{
	unsigned cores = std::max(1u, std::thread::hardware_concurrency());
	auto parsed = value == "auto" ? std::clamp(2 * cores, 4u, max_clients)
				      : parse_number(value, 1, max_clients);
	run.config.clients = parsed.value_or(0);
	return parsed.has_value();
}

bool set_buffers_per_job(run_spec &run, std::string_view value)
{
	size_t dash = value.find('-');
	auto min = parse_number(trim(value.substr(0, dash)), 1, max_buffers_per_job);
	auto max =
		dash == value.npos ? min : parse_number(trim(value.substr(dash + 1)), 1, max_buffers_per_job);
	if (!min || !max || *max < *min)
		return false;
	run.config.min_buffers_per_job = *min;
	run.config.max_buffers_per_job = *max;
	return true;
}

bool set_skew(run_spec &run, std::string_view value)
{
	auto parsed = parse_decimal(value, 2, 400);
	run.config.skew = parsed.value_or(0);
	return parsed.has_value();
}

bool set_seconds(run_spec &run, std::string_view value)
{
	auto parsed = parse_decimal(value, 3, 86400 * 1000);
	run.milliseconds = parsed.value_or(0);
	return parsed.has_value();
}

bool set_stall_seconds(run_spec &run, std::string_view value)
{
	auto parsed = parse_number(value, 1, 3600);
	run.stall_seconds = parsed.value_or(0);
	return parsed.has_value();
}

bool set_seed(run_spec &run, std::string_view value)
{
	auto parsed = parse_number(value, 0, UINT32_MAX);
	run.config.seed = parsed.value_or(0);
	return parsed.has_value();
}

const std::vector<key> &keys()
{
	using resv::ww_algorithm;
	static const std::vector<key> all = {
		choice("algorithm", &config::algorithm,
		       {{algorithm_names[0], ww_algorithm::wound_wait},
			{algorithm_names[1], ww_algorithm::wait_die},
			{algorithm_names[2], ww_algorithm::adaptive}}),
		choice("break", &config::broken,
		       {{"none", breakage::none},
			{"skip-reservation", breakage::skip_reservation},
			{"hang", breakage::hang},
			{"blocking-eviction", breakage::blocking_eviction},
			{"skip-fences", breakage::skip_fences},
			{"lose-copy", breakage::lose_copy}}),
		share("break_share", &config::break_share),
		number("buffers", &config::buffers, 1, max_buffers),
		{"buffers_per_job",
		 "a number or a range N-M, from 1 to " + std::to_string(max_buffers_per_job),
		 set_buffers_per_job},
		{"clients", "a number from 1 to " + std::to_string(max_clients) + ", or auto", set_clients},
		number("devices", &config::devices, 1, max_devices),
		share("duplicate_share", &config::duplicate_share),
		number("eviction_rate", &config::eviction_rate, 0, 1000000),
		choice("execute", &config::execute,
		       {{"client", executor::client}, {"ring", executor::ring}, {"mixed", executor::mixed}}),
		number("interrupt_every", &config::interrupt_every, 0, 1000000),
		number("jobs", &config::jobs, 0, 1000000000),
		number("log_mb", &config::log_mb, 1, 4096),
		share("no_context_share", &config::no_context_share),
		choice("order", &config::order,
		       {{"random", lock_order::random},
			{"ascending", lock_order::ascending},
			{"descending", lock_order::descending},
			{"opposite", lock_order::opposite}}),
		share("read_share", &config::read_share),
		number("recycle_rate", &config::recycle_rate, 0, 1000000),
		number("rings", &config::rings, 1, max_rings),
		{"seconds", "a number from 0 to 86400 with at most 3 decimals", set_seconds},
		{"seed", "a number from 0 to 4294967295", set_seed},
		number("shared_reservations", &config::shared_reservations, 1, 64),
		number("signal_rate", &config::signal_rate, 0, 1000000),
		{"skew", "a number from 0 to 4 with at most 2 decimals", set_skew},
		number("swapout_rate", &config::swapout_rate, 0, 1000000),
		number("system", &config::system, 0, max_buffers),
		{"stall_seconds", "a number from 1 to 3600", set_stall_seconds},
		number("trace_events", &config::trace_events, 0, 10000000),
		number("vram", &config::vram, 0, max_buffers),
		number("words", &config::words, 1, max_words),
	};
	return all;
}

bool complain(std::string &error, const std::string &where, const std::string &got,
	      const std::string &expected)
{
	error = where + ": got " + got + ", expected " + expected;
	return false;
}

std::string quote(std::string_view s)
{
	return "'" + std::string(s) + "'";
}

template <typename Strings>
std::string join(const Strings &strings)
{
	std::string all;
	for (const std::string &s : strings)
		all += (all.empty() ? "" : ", ") + s;
	return all;
}

// Splits "key = value". False: there is no '='.
bool split(std::string_view line, std::string_view &key, std::string_view &value)
{
	size_t equals = line.find('=');
	if (equals == line.npos)
		return false;
	key = trim(line.substr(0, equals));
	value = trim(line.substr(equals + 1));
	return true;
}

} // namespace

namespace {

bool concerns_memory(std::string_view name)
{
	constexpr std::string_view names[] = {"break",
					      "buffers_per_job",
					      "devices",
					      "execute",
					      "no_context_share",
					      "recycle_rate",
					      "rings",
					      "shared_reservations",
					      "system",
					      "swapout_rate",
					      "vram"};
	return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

} // namespace

bool set_key(run_spec &run, std::string_view name, std::string_view value, const std::string &where,
	     std::string &error)
{
	auto found = std::find_if(keys().begin(), keys().end(), [&](const key &k) { return k.name == name; });
	if (found == keys().end()) {
		std::vector<std::string> names;
		for (const key &k : keys())
			names.push_back(k.name);
		return complain(error, where, "key " + quote(name), "one of: " + join(names));
	}
	if (!found->set(run, value))
		return complain(error, where, quote(value), quote(name) + " to be " + found->expected);
	if (name == "buffers_per_job" || name == "buffers")
		run.buffers_at = where;
	if (concerns_memory(name))
		run.vram_at = where;
	return true;
}

namespace {

// What goes with memory of limited size, and what does not.
bool check_memory(const run_spec &run, std::string &error)
{
	const config &c = run.config;
	const std::string in_run = " in run " + quote(run.name);
	auto fail = [&](const std::string &got, const std::string &expected) {
		return complain(error, run.vram_at, got + in_run, expected);
	};
	if (c.vram == 0) {
		if (c.devices != 1 || c.system != 0 || c.swapout_rate != 0 || c.recycle_rate != 0)
			return fail("'devices', 'system', 'swapout_rate' or 'recycle_rate' without 'vram'",
				    "a number of pages for 'vram'");
		if (c.broken == breakage::skip_fences || c.broken == breakage::lose_copy)
			return fail("a 'break' of fences or copies without 'vram'",
				    "a number of pages for 'vram'");
		return true;
	}
	if (c.max_buffers_per_job > c.vram)
		return fail(std::to_string(c.max_buffers_per_job) + " buffers per job",
			    "no more than its " + std::to_string(c.vram) + " pages of 'vram'");
	if (c.execute != executor::ring)
		return fail("'vram' without 'execute = ring'", "that the rings run all jobs");
	if (c.shared_reservations != 1 || c.no_context_share != 0 || c.broken == breakage::skip_reservation)
		return fail(
			"'vram' with 'shared_reservations', 'no_context_share' or 'break = skip-reservation'",
			"none of them");
	if (c.devices > c.rings)
		return fail(std::to_string(c.devices) + " devices",
			    "no more than its " + std::to_string(c.rings) + " rings");
	return true;
}

} // namespace

bool check_run(const run_spec &run, std::string &error)
{
	const config &c = run.config;
	if (c.max_buffers_per_job > c.buffers)
		return complain(error, run.buffers_at,
				std::to_string(c.max_buffers_per_job) + " buffers per job in run " +
					quote(run.name),
				"no more than its " + std::to_string(c.buffers) + " buffers");
	if (run.milliseconds == 0 && c.jobs == 0)
		return complain(error, run.file,
				"neither 'seconds' nor 'jobs' above 0 in run " + quote(run.name),
				"one of them");
	return check_memory(run, error);
}

bool parse_workload(std::string_view text, const std::string &file, const std::vector<std::string> &settings,
		    workload &result, std::string &error)
{
	result = {.name = std::filesystem::path(file).stem().string(), .runs = {}};
	run_spec top;
	top.name = result.name;
	top.file = top.buffers_at = top.vram_at = file;
	run_spec *run = &top;
	std::set<std::string, std::less<>> seen; // keys of this section
	std::set<std::string> names;

	unsigned number = 0;
	while (!text.empty()) {
		size_t end = std::min(text.find('\n'), text.size());
		std::string_view line = trim(text.substr(0, std::min(end, text.find('#'))));
		text.remove_prefix(std::min(end + 1, text.size()));
		std::string where = file + ":" + std::to_string(++number);
		if (line.empty())
			continue;
		if (line.front() == '[') {
			std::string name(line.back() == ']' ? trim(line.substr(1, line.size() - 2)) : "");
			if (name.empty() || !names.insert(name).second)
				return complain(error, where, quote(line), "'[name]' with a name of its own");
			run = &result.runs.emplace_back(top);
			run->name = name;
			seen.clear();
			continue;
		}
		std::string_view key, value;
		if (!split(line, key, value))
			return complain(error, where, quote(line), "'key = value' or '[name]'");
		if (!seen.emplace(key).second)
			return complain(error, where, quote(key) + " again", "each key once in a section");
		if (!set_key(*run, key, value, where, error))
			return false;
	}
	if (result.runs.empty())
		result.runs.push_back(top);

	for (run_spec &r : result.runs) {
		for (const std::string &setting : settings) {
			std::string_view key, value;
			if (!split(setting, key, value))
				return complain(error, "--set", quote(setting), "key=value");
			if (!set_key(r, key, value, "--set " + setting, error))
				return false;
		}
		if (!check_run(r, error))
			return false;
	}
	return true;
}

bool load_workload(const std::string &name_or_path, const std::vector<std::string> &directories,
		   const std::vector<std::string> &settings, workload &result, std::string &error)
{
	namespace fs = std::filesystem;
	std::set<std::string> known;
	std::string path = name_or_path;
	std::error_code err;
	for (const std::string &directory : directories) {
		for (const auto &entry : fs::directory_iterator(directory, err)) {
			if (entry.path().extension() != ".conf")
				continue;
			known.insert(entry.path().stem().string());
			if (entry.path().stem() == name_or_path && path == name_or_path)
				path = entry.path().string();
		}
	}
	std::ifstream in(path);
	if (!fs::is_regular_file(path, err) || !in)
		return complain(error, "--workload", quote(name_or_path),
				"a workload file, or one of: " + join(known));
	std::string text{std::istreambuf_iterator<char>(in), {}};
	return parse_workload(text, path, settings, result, error);
}

std::vector<std::string> workload_directories()
{
	namespace fs = std::filesystem;
	const fs::path below = "tests/gpu/workloads";
	std::vector<std::string> directories{below.string()};
	std::error_code err;
	fs::path program = fs::read_symlink("/proc/self/exe", err);
	for (fs::path tree = program; tree.has_relative_path(); tree = tree.parent_path())
		if (fs::is_directory(tree.parent_path() / below, err))
			directories.push_back((tree.parent_path() / below).string());
	return directories;
}

} // namespace gpu
