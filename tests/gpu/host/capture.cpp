// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "capture.hpp"

#include "table.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>

namespace gpu {

namespace {

// Threads of a run.
constexpr size_t max_captured_rings = 64;

// As much of a job's time as can be multiplied by the options' percentage: 106 days.
constexpr int64_t max_busy_ns = INT64_MAX / 1000;

constexpr std::string_view known_events[] = {"amdgpu_bo_list_set", "amdgpu_cs_ioctl", "amdgpu_sched_run_job",
					     "dma_fence_signaled"};

constexpr bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

std::optional<uint64_t> parse_number(std::string_view s, int base = 10)
{
	uint64_t value = 0;
	auto [end, err] = std::from_chars(s.data(), s.data() + s.size(), value, base);
	if (s.empty() || err != std::errc() || end != s.data() + s.size())
		return {};
	return value;
}

std::string_view take_word(std::string_view &s)
{
	s.remove_prefix(std::min(s.find_first_not_of(" \t"), s.size()));
	std::string_view word = s.substr(0, s.find_first_of(" \t"));
	s.remove_prefix(word.size());
	return word;
}

// Seconds with up to 9 decimals, and a colon.
std::optional<int64_t> parse_time(std::string_view s)
{
	size_t point = s.find('.');
	if (!s.ends_with(':') || point == s.npos)
		return {};
	std::string decimals(s.substr(point + 1, s.size() - point - 2));
	if (decimals.empty() || decimals.size() > 9)
		return {};
	decimals.append(9 - decimals.size(), '0');
	auto seconds = parse_number(s.substr(0, point));
	auto nanoseconds = parse_number(decimals);
	if (!seconds || !nanoseconds || *seconds > 1000000000)
		return {};
	return static_cast<int64_t>(*seconds * 1000000000 + *nanoseconds);
}

struct line {
	std::string_view task; // comm-pid
	int64_t time_ns = 0;
	std::string_view event;
	std::string_view fields;
};

// comm-pid [cpu] flags? time: event: fields. A comm may hold anything, so the first "-pid [cpu]" ends it.
bool parse_line(std::string_view text, line &result)
{
	text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
	for (size_t open = text.find('['); open != text.npos; open = text.find('[', open + 1)) {
		size_t close = text.find(']', open);
		if (close == text.npos)
			return false;
		std::string_view task = text.substr(0, open);
		if (size_t paren = task.find_last_of('('); task.find_last_not_of(" \t") != task.npos &&
							   task[task.find_last_not_of(" \t")] == ')' &&
							   paren != task.npos)
			task = task.substr(0, paren); // a thread group
		task = task.substr(0, task.find_last_not_of(" \t") + 1);
		size_t dash = task.find_last_of('-');
		if (dash == task.npos || dash == 0 || !parse_number(task.substr(dash + 1)) ||
		    !parse_number(text.substr(open + 1, close - open - 1)))
			continue;

		std::string_view rest = text.substr(close + 1);
		std::string_view word = take_word(rest);
		auto time = parse_time(word);
		if (!time) // those were flags
			time = parse_time(take_word(rest));
		std::string_view event = take_word(rest);
		if (!time || event.size() < 2 || event.back() != ':')
			return false;
		event.remove_suffix(1);
		rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
		result = {task, *time, event, rest};
		return true;
	}
	return false;
}

// The number in "CPU:3 [204 EVENTS DROPPED]" or "CPU:3 [LOST 204 EVENTS]"; 0: it does not say. Nothing: another line.
std::optional<uint64_t> parse_lost(std::string_view text)
{
	if (!text.starts_with("CPU:") ||
	    (text.find("EVENTS") == text.npos ||
	     (text.find("DROPPED") == text.npos && text.find("LOST") == text.npos)))
		return {};
	size_t first = text.find_first_of("0123456789", std::min(text.find('['), text.size()));
	if (first == text.npos)
		return 0;
	size_t last = first;
	while (last < text.size() && is_digit(text[last]))
		last++;
	return parse_number(text.substr(first, last - first)).value_or(0);
}

// "key=value", where a value ends at one of `ends`.
std::optional<std::string_view> field(std::string_view fields, std::string_view key, std::string_view ends)
{
	const std::string wanted = std::string(key) + "=";
	for (size_t at = fields.find(wanted); at != fields.npos; at = fields.find(wanted, at + 1)) {
		if (at != 0 && fields[at - 1] != ' ')
			continue;
		std::string_view value = fields.substr(at + wanted.size());
		return value.substr(0, value.find_first_of(ends));
	}
	return {};
}

// Those of one capture while it is read.
class reader {
public:
	reader(capture &result, const std::string &file, std::string &error)
		: result_(result), file_(file), error_(error)
	{}

	bool read(std::string_view text);

private:
	using fence_id = std::pair<uint64_t, uint64_t>; // context, seqno

	struct captured_job {
		size_t task, position;
		int64_t begin_ns;
	};
	struct open_list {
		uint64_t address = 0;
		std::vector<use> uses;
		std::set<uint32_t> seen;
		uint64_t events = 0;
	};

	bool complain(const std::string &why);
	bool number(std::string_view fields, std::string_view key, std::string_view ends, int base,
		    uint64_t &value);
	bool fence(std::string_view fields, std::string_view ends, fence_id &id);
	bool read_line(std::string_view text);
	bool add_buffer(const line &l);
	bool add_job(const line &l);
	bool finish();

	capture &result_;
	const std::string &file_;
	std::string &error_;
	unsigned line_ = 0;

	std::map<std::string, open_list, std::less<>> lists_; // of each task
	std::map<std::string, size_t, std::less<>> tasks_, rings_;
	std::map<std::pair<uint64_t, uint64_t>, uint32_t> buffers_; // by address and size
	std::map<fence_id, captured_job> jobs_;
	std::set<fence_id> without_buffers_;
	std::map<fence_id, int64_t> ran_, signaled_;
};

bool reader::complain(const std::string &why)
{
	error_ = file_ + ":" + std::to_string(line_) + ": " + why;
	return false;
}

bool reader::number(std::string_view fields, std::string_view key, std::string_view ends, int base,
		    uint64_t &value)
{
	auto text = field(fields, key, ends);
	if (!text)
		return complain("no " + std::string(key) + "= in '" + std::string(fields) + "'");
	std::string_view digits = *text;
	if (base == 16 && digits.starts_with("0x"))
		digits.remove_prefix(2);
	auto parsed = parse_number(digits, base);
	if (!parsed)
		return complain("got '" + std::string(*text) + "', expected " + std::string(key) +
				"= to be " + (base == 16 ? "an address" : "a number"));
	value = *parsed;
	return true;
}

// context=7, seqno=8; since 6.17 amdgpu prints fence=7:8.
bool reader::fence(std::string_view fields, std::string_view ends, fence_id &id)
{
	auto both = field(fields, "fence", ends);
	if (!both || both->find(':') == both->npos)
		return number(fields, "context", ends, 10, id.first) &&
		       number(fields, "seqno", ends, 10, id.second);
	size_t colon = both->find(':');
	auto context = parse_number(both->substr(0, colon)), seqno = parse_number(both->substr(colon + 1));
	if (!context || !seqno)
		return complain("got '" + std::string(*both) + "', expected fence= to be context:seqno");
	id = {*context, *seqno};
	return true;
}

bool reader::add_buffer(const line &l)
{
	uint64_t list = 0, address = 0, bytes = 0;
	if (!number(l.fields, "list", ", ", 16, list) || !number(l.fields, "bo", ", ", 16, address) ||
	    !number(l.fields, "bo_size", ", ", 10, bytes))
		return false;
	open_list &open = lists_[std::string(l.task)];
	if (open.address != list) { // the ioctl of the last one has failed, or it only made a list
		result_.buffers_without_job += open.events;
		open = {.address = list, .uses = {}, .seen = {}};
	}
	auto [found, is_new] =
		buffers_.emplace(std::pair(address, bytes), static_cast<uint32_t>(result_.buffers.size()));
	if (is_new) {
		if (result_.buffers.size() == max_buffers)
			return complain("more than " + std::to_string(max_buffers) + " buffers");
		result_.buffers.push_back({address, bytes});
	}
	open.events++;
	if (!open.seen.insert(found->second).second)
		return true; // amdgpu, too, takes each once
	if (open.uses.size() == max_buffers_per_job)
		return complain("more than " + std::to_string(max_buffers_per_job) + " buffers in a list");
	open.uses.push_back({.buffer = found->second & 0x7fffffff, .write = 1});
	return true;
}

bool reader::add_job(const line &l)
{
	fence_id id;
	if (!fence(l.fields, ", ", id))
		return false;
	auto ring_name = field(l.fields, "ring_name", ", ");
	if (!ring_name || ring_name->empty())
		return complain("no ring_name= in '" + std::string(l.fields) + "'");
	if (jobs_.contains(id) || without_buffers_.contains(id))
		return complain("context " + std::to_string(id.first) + " submits seqno " +
				std::to_string(id.second) + " again");

	open_list &open = lists_[std::string(l.task)];
	if (open.uses.empty()) {
		result_.jobs_without_buffers++;
		without_buffers_.insert(id);
		return true;
	}
	auto [ring, new_ring] = rings_.emplace(*ring_name, result_.rings.size());
	if (new_ring) {
		if (result_.rings.size() == max_captured_rings)
			return complain("more than " + std::to_string(max_captured_rings) + " rings");
		result_.rings.emplace_back(*ring_name);
	}
	auto [task, new_task] = tasks_.emplace(l.task, result_.tasks.size());
	if (new_task) {
		if (result_.tasks.size() == max_clients)
			return complain("more than " + std::to_string(max_clients) +
					" tasks that submit jobs");
		result_.tasks.push_back({std::string(l.task), {}});
	}
	std::vector<recorded_job> &jobs = result_.tasks[task->second].jobs;
	jobs_[id] = {task->second, jobs.size(), l.time_ns};
	const std::vector<use> &uses =
		result_.lists.emplace_back(std::move(open.uses)); // keeps its elements' places
	jobs.push_back({.uses = uses.data(),
			.count = static_cast<unsigned>(uses.size()),
			.ring = static_cast<unsigned>(ring->second),
			.begin_ns = l.time_ns});
	open = {};
	return true;
}

bool reader::read_line(std::string_view text)
{
	while (!text.empty() && (text.back() == '\r' || text.back() == ' '))
		text.remove_suffix(1);
	if (text.empty() || text.front() == '#' || text.starts_with("cpus=") || text.starts_with("version ="))
		return true;
	if (auto lost = parse_lost(text)) {
		result_.lost_events += *lost;
		result_.losses_unknown += *lost == 0;
		return true;
	}

	line l;
	if (!parse_line(text, l)) {
		for (std::string_view event : known_events)
			if (text.find(" " + std::string(event) + ":") != text.npos)
				return complain("got " + std::string(event) +
						", expected 'comm-pid [cpu] time: ' before it");
		result_.other_lines++;
		return true;
	}
	fence_id id;
	if (l.event == known_events[0])
		return add_buffer(l);
	if (l.event == known_events[1])
		return add_job(l);
	if (l.event == known_events[2]) {
		if (!fence(l.fields, ", ", id))
			return false;
		ran_.emplace(id, l.time_ns);
	} else if (l.event == known_events[3]) {
		if (!fence(l.fields, " ", id))
			return false;
		signaled_.emplace(id, l.time_ns);
	}
	return true;
}

// A ring works at one job at a time, in order: each is at work from when it got there, or the one before it was done.
bool reader::finish()
{
	for (const auto &[id, time] : ran_)
		result_.foreign_jobs += !jobs_.contains(id) && !without_buffers_.contains(id);
	for (const auto &[task, open] : lists_)
		result_.buffers_without_job += open.events;
	if (jobs_.empty())
		return complain("the capture ends without a job: no amdgpu_cs_ioctl that has buffers");

	struct done_job {
		int64_t signaled_ns, ran_ns;
		recorded_job *job;
	};
	std::vector<done_job> done;
	std::vector<int64_t> begins;
	for (const auto &[id, where] : jobs_) {
		begins.push_back(where.begin_ns);
		auto ran = ran_.find(id), signaled = signaled_.find(id);
		if (ran == ran_.end() || signaled == signaled_.end())
			result_.jobs_without_times++;
		else
			done.push_back({signaled->second, ran->second,
					&result_.tasks[where.task].jobs[where.position]});
	}
	std::sort(done.begin(), done.end(),
		  [](const done_job &a, const done_job &b) { return a.signaled_ns < b.signaled_ns; });
	std::vector<int64_t> free_at(result_.rings.size(), 0);
	for (const done_job &d : done) {
		int64_t &free = free_at[d.job->ring];
		d.job->busy_ns = std::max<int64_t>(0, d.signaled_ns - std::max(d.ran_ns, free));
		free = d.signaled_ns;
	}

	std::sort(begins.begin(), begins.end());
	result_.duration_ns = begins.back() - begins.front();
	for (size_t i = 1; i < begins.size(); i++)
		result_.longest_gap_ns = std::max(result_.longest_gap_ns, begins[i] - begins[i - 1]);
	for (capture::task &t : result_.tasks)
		for (recorded_job &j : t.jobs)
			j.begin_ns -= begins.front();
	return true;
}

bool reader::read(std::string_view text)
{
	if (text.starts_with("\x17\x08\x44"
			     "tracing")) {
		line_ = 1;
		return complain("this is trace-cmd's own file, expected the text that `trace-cmd report` "
				"prints of it");
	}
	while (!text.empty()) {
		size_t end = std::min(text.find('\n'), text.size());
		line_++;
		if (!read_line(text.substr(0, end)))
			return false;
		text.remove_prefix(std::min(end + 1, text.size()));
	}
	line_ = std::max(line_, 1u);
	return finish();
}

} // namespace

uint64_t capture::jobs() const
{
	uint64_t sum = 0;
	for (const task &t : tasks)
		sum += t.jobs.size();
	return sum;
}

bool parse_capture(std::string_view text, const std::string &file, capture &result, std::string &error)
{
	return reader(result, file, error).read(text);
}

bool load_capture(const std::string &file, capture &result, std::string &error)
{
	std::error_code err;
	std::ifstream in(file, std::ios::binary);
	if (!std::filesystem::is_regular_file(file, err) || !in) {
		error = "--capture: got '" + file + "', expected a file with the text of a trace-cmd report";
		return false;
	}
	std::string text{std::istreambuf_iterator<char>(in), {}};
	return parse_capture(text, file, result, error);
}

bool make_replay(capture &captured, const std::string &file, const replay &how,
		 const std::vector<std::string> &settings, std::vector<recorded_client> &clients,
		 workload &result, std::string &error)
{
	constexpr std::string_view from_capture[] = {"buffers",          "buffers_per_job", "clients", "jobs",
						     "no_context_share", "rings",           "skew"};
	result = {.name = std::filesystem::path(file).stem().string(), .runs = {}};
	run_spec run;
	run.name = result.name;
	run.file = run.buffers_at = run.vram_at = file;
	run.milliseconds = 0;
	run.stall_seconds = 30 + static_cast<unsigned>(captured.longest_gap_ns / 1000000000);

	config &c = run.config;
	c.clients = static_cast<unsigned>(captured.tasks.size());
	c.rings = static_cast<unsigned>(captured.rings.size());
	c.buffers = static_cast<unsigned>(captured.buffers.size());
	c.min_buffers_per_job = max_buffers_per_job;
	c.max_buffers_per_job = 1;
	c.recorded_pace = how.at_captured_pace;
	size_t words = 0; // of the log that needs most
	clients.clear();
	for (capture::task &t : captured.tasks) {
		size_t own = 0;
		for (recorded_job &j : t.jobs) {
			own += j.count + 1;
			c.min_buffers_per_job = std::min(c.min_buffers_per_job, j.count);
			c.max_buffers_per_job = std::max(c.max_buffers_per_job, j.count);
			j.busy_ns = std::min(j.busy_ns, max_busy_ns) * how.busy_percent / 100;
		}
		words = std::max(words, own);
		clients.push_back({t.jobs.data(), static_cast<unsigned>(t.jobs.size())});
		c.jobs = std::max(c.jobs, clients.back().count);
	}
	c.recorded = clients.data();
	// The evictor gets a part, and no client begins a job unless there is room for the largest.
	words = (words + c.max_buffers_per_job + 1) * c.clients * sizeof(uint64_t);
	c.log_mb = std::max(256u, static_cast<unsigned>(words / 15 * 16 >> 20) + 1);

	for (const std::string &setting : settings) {
		std::string_view text = setting;
		std::string_view key = text.substr(0, text.find('='));
		if (key.size() == text.size()) {
			error = "--set: got '" + setting + "', expected key=value";
			return false;
		}
		if (std::find(std::begin(from_capture), std::end(from_capture), key) !=
		    std::end(from_capture)) {
			error = "--set: got key '" + std::string(key) + "', which a capture decides itself";
			return false;
		}
		if (!set_key(run, key, text.substr(key.size() + 1), "--set " + setting, error))
			return false;
	}
	result.runs.push_back(run);
	return check_run(run, error);
}

std::string describe_capture(const capture &c, const std::string &file)
{
	uint64_t bytes = 0;
	for (const capture::buffer &b : c.buffers)
		bytes += b.bytes;
	std::string text = file + ": " + with_commas(c.jobs()) + " jobs of " +
			   std::to_string(c.tasks.size()) + " tasks on " + std::to_string(c.rings.size()) +
			   " rings in " + format_time(static_cast<uint64_t>(c.duration_ns)) + "; " +
			   with_commas(c.buffers.size()) + " buffers of " + with_commas(bytes >> 10) +
			   " KiB in all\n";
	auto add = [&](uint64_t count, const char *what) {
		if (count != 0)
			text += "  " + with_commas(count) + " " + what + "\n";
	};
	add(c.jobs_without_buffers, "jobs with no buffers, left out");
	add(c.jobs_without_times, "jobs that never ran or never signaled: they keep no ring busy");
	add(c.buffers_without_job, "buffer events that no job followed");
	add(c.foreign_jobs, "jobs that ran but were not submitted in the capture, left out");
	add(c.lost_events, "events lost while it was recorded");
	add(c.losses_unknown, "losses of an unknown number of events");
	add(c.other_lines, "lines that are no events");
	return text;
}

} // namespace gpu
