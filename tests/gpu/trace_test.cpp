// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// A run's trace, read back: it is JSON, its spans fit together, and no reservation has two holders at a time.
#include "host/run.hpp"
#include "host/trace_json.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <map>

namespace {

// A JSON value: as much of it as a trace needs. Reading stops at the first thing that is not JSON.
struct json {
	std::string text; // of a string, or a number as it stands
	std::vector<json> elements;
	std::map<std::string, json> members;

	const json &operator[](const std::string &name) const
	{
		static const json none;
		auto found = members.find(name);
		return found == members.end() ? none : found->second;
	}
	double number() const { return std::strtod(text.c_str(), nullptr); }
};

class json_reader {
public:
	explicit json_reader(const std::string &text) : at_(text.c_str()) {}

	bool read_all(json &value)
	{
		bool good = read(value);
		skip_space();
		return good && *at_ == '\0';
	}

private:
	void skip_space() { at_ += strspn(at_, " \t\n\r"); }

	bool next_is(char c)
	{
		skip_space();
		if (*at_ != c)
			return false;
		at_++;
		return true;
	}

	bool read(json &value)
	{
		skip_space();
		if (*at_ == '"')
			return read_string(value.text);
		if (next_is('['))
			return read_list(']', [&] { return read(value.elements.emplace_back()); });
		if (next_is('{'))
			return read_list('}', [&] {
				std::string name;
				skip_space();
				return read_string(name) && next_is(':') && value.members.count(name) == 0 &&
				       read(value.members[name]);
			});
		size_t length = strspn(at_, "+-.eE0123456789");
		char *end = nullptr;
		std::strtod(at_, &end);
		if (length == 0 || end != at_ + length)
			return false;
		value.text.assign(at_, length);
		at_ = end;
		return true;
	}

	template <typename Read>
	bool read_list(char end, const Read &read_one)
	{
		if (next_is(end))
			return true;
		do
			if (!read_one())
				return false;
		while (next_is(','));
		return next_is(end);
	}

	bool read_string(std::string &text)
	{
		if (*at_++ != '"')
			return false;
		for (; *at_ != '"'; at_++) {
			if (*at_ == '\\')
				at_++;
			if (static_cast<unsigned char>(*at_) < ' ')
				return false;
			text += *at_;
		}
		at_++;
		return true;
	}

	const char *at_;
};

bool is_json(const std::string &text)
{
	json value;
	return json_reader(text).read_all(value);
}

TEST(gpu_json_reader, knows_json)
{
	for (const char *good :
	     {"1", "-1.5e3", "\"a\\\"b\"", "[]", "{}", "[1, [2], {\"a\": {}}]", " {\"a\":1,\"b\":[]}\n"})
		EXPECT_TRUE(is_json(good)) << good;
	for (const char *bad : {"", "1.2.3", "\"a", "[1,]", "[1 2]", "{\"a\"}", "{\"a\":1,}",
				"{\"a\":1,\"a\":2}", "[", "{}x", "{a:1}", "\"\n\""})
		EXPECT_FALSE(is_json(bad)) << bad;
}

struct traced {
	json root;
	std::string text;
	gpu::run_result result;
	std::vector<json> events; // those with a time
};

traced trace(const std::string &keys, const std::string &name = "test")
{
	traced t;
	gpu::workload workload;
	std::string error;
	EXPECT_TRUE(gpu::parse_workload(keys + "\nclients = 4\nseconds = 0\nlog_mb = 16\n", name, {},
					workload, error))
		<< error;

	char *text = nullptr;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	{
		gpu::trace_file file(out);
		gpu::observer watch;
		watch.finished = [&](const gpu::run_spec &run, const gpu::device &gpu) {
			file.add_run(run.name, gpu);
		};
		EXPECT_TRUE(gpu::run_workload(workload.runs.at(0), watch, t.result));
		EXPECT_TRUE(file.finish());
	}
	fclose(out);
	t.text.assign(text, size);
	free(text);
	EXPECT_TRUE(json_reader(t.text).read_all(t.root)) << t.text.substr(0, 1000);
	for (const json &event : t.root["traceEvents"].elements)
		if (event["ph"].text != "M")
			t.events.push_back(event);
	return t;
}

// Spans that must not overlap, by what they are on. The times have three decimals, all of which count.
class tracks {
public:
	void add(const std::string &track, double begin, double end)
	{
		spans_[track].push_back({begin, end});
	}

	void expect_disjoint()
	{
		for (auto &[track, spans] : spans_) {
			std::sort(spans.begin(), spans.end());
			for (size_t i = 0; i < spans.size(); i++) {
				double before = i == 0 ? 0 : spans[i - 1].second;
				EXPECT_LE(before, spans[i].first + 0.0001) << track;
				EXPECT_LE(spans[i].first, spans[i].second) << track;
			}
		}
	}

	size_t count() const
	{
		size_t n = 0;
		for (const auto &[track, spans] : spans_)
			n += spans.size();
		return n;
	}

private:
	std::map<std::string, std::vector<std::pair<double, double>>> spans_;
};

class gpu_trace : public testing::TestWithParam<std::string> {};

void expect_spans_to_fit(const traced &t)
{
	EXPECT_FALSE(t.result.violated());
	EXPECT_EQ(t.result.trace_dropped, 0u);

	tracks threads, reservations;
	std::map<std::string, double> open; // async spans and arrows that have begun
	std::map<std::string, unsigned> seen;
	for (const json &event : t.events) {
		const std::string &phase = event["ph"].text;
		const double time = event["ts"].number();
		const std::string id = event["cat"].text + event["id"].text;
		EXPECT_EQ(event["pid"].text, "1");
		EXPECT_FALSE(event["tid"].text.empty());
		EXPECT_GE(time, 0);
		seen[phase + " " + event["name"].text.substr(0, 11)]++;
		if (phase == "X") {
			threads.add(event["tid"].text, time, time + event["dur"].number());
		} else if (phase == "b" || phase == "s") {
			EXPECT_TRUE(open.emplace(id, time).second) << id << " begins twice";
		} else if (phase == "e" || phase == "f") {
			ASSERT_EQ(open.count(id), 1u) << id << " ends but has not begun";
			if (phase == "e")
				reservations.add(id, open[id], time);
			open.erase(id);
		} else {
			EXPECT_EQ(phase, "i");
		}
	}
	EXPECT_TRUE(open.empty());
	threads.expect_disjoint();
	reservations.expect_disjoint();

	EXPECT_EQ(threads.count(), 2 * t.result.total.jobs); // a wait and a hold for each
	EXPECT_EQ(seen["X wait"], t.result.total.jobs);
	EXPECT_EQ(seen["X hold"], t.result.total.jobs);
	EXPECT_GE(reservations.count(), t.result.total.jobs + t.result.total.evictions);
	EXPECT_EQ(seen["i wound"], t.result.met.wounds);
	EXPECT_EQ(seen["s wound"], t.result.met.wounds);
	EXPECT_EQ(seen["i die"], t.result.met.deaths);
	EXPECT_EQ(seen["i interrupt"], t.result.total.interrupted);
}

// Whether anybody gets in another's way is a matter of chance, which a run in which nobody did leaves open.
TEST_P(gpu_trace, spans_fit_together)
{
	const std::string keys = "buffers = 6\nbuffers_per_job = 2-6\njobs = 200\ntrace_events = 100000\n"
				 "execute = mixed\nno_context_share = 10\nshared_reservations = 2\n"
				 "eviction_rate = 2000\nsignal_rate = 2000\nalgorithm = ";
	unsigned long deaths = 0;
	for (int run = 0; run < 20 && deaths == 0; run++) {
		traced t = trace(keys + GetParam());
		expect_spans_to_fit(t);
		deaths = t.result.met.deaths;
	}
	EXPECT_GT(deaths, 0u);
}

INSTANTIATE_TEST_SUITE_P(algorithms, gpu_trace, testing::Values("wound-wait", "wait-die"),
			 [](const auto &test) {
				 return std::string(test.param == "wait-die" ? "wait_die" : "wound_wait");
			 });

TEST(gpu_trace_file, full_buffers_drop_events_and_count_them)
{
	traced t = trace("jobs = 100\ntrace_events = 50");
	EXPECT_EQ(t.result.trace_events, 4u * 50);
	EXPECT_GE(t.result.trace_dropped,
		  4u * (300 - 50)); // a wait, a hold, and a held at least for each job
	size_t halves =
		static_cast<size_t>(std::count_if(t.events.begin(), t.events.end(), [](const json &event) {
			return event["ph"].text == "e" || event["ph"].text == "s" || event["ph"].text == "f";
		}));
	EXPECT_EQ(t.events.size() - halves, 200u);
}

TEST(gpu_trace_file, names_are_escaped)
{
	traced t = trace("[a \"b\\]\njobs = 1\ntrace_events = 10");
	EXPECT_EQ(t.root["traceEvents"].elements.at(0)["args"]["name"].text, "a \"b\\");
	EXPECT_EQ(t.root["traceEvents"].elements.at(1)["args"]["name"].text, "client 0");
}

TEST(gpu_trace_file, off_unless_asked_for)
{
	traced t = trace("jobs = 10");
	EXPECT_TRUE(t.events.empty());
	EXPECT_EQ(t.result.trace_dropped, 0u);
}

} // namespace
