// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "draw.hpp"

#include <algorithm>

namespace resv::sim {

namespace {

constexpr int column = 34;

std::string value_name(const machine &m, uint64_t value)
{
	if (value < 4096)
		return std::to_string(value);
	// An address may carry flags in its low bits.
	std::string flags = value & 7 ? "|" + std::to_string(value & 7) : "";
	return m.name_of(reinterpret_cast<void *>(value & ~uint64_t{7}), true) + flags;
}

std::string text_of(const machine &m, const step &s)
{
	std::string where = s.where ? m.name_of(s.where->address) : "";
	std::string drained = is_drain(s.thread) ? "drained: " : "";
	switch (s.what) {
	case action::load:
		return where + " is " + value_name(m, s.after);
	case action::store:
		return drained + where + " = " + value_name(m, s.after);
	case action::modify:
	case action::add:
		return where + ": " + value_name(m, s.before) + " -> " + value_name(m, s.after);
	case action::compare:
		return where + " is " + value_name(m, s.before) + ", not swapped";
	case action::fence:
		return "full fence";
	case action::open:
		return "prepares to park";
	case action::park:
		return s.after ? "parked, woken" : "parked, not woken";
	case action::wake:
		return drained + "wakes " + where.substr(0, where.find('.'));
	case action::pin:
		return "looks at " + where.substr(0, where.find('.'));
	case action::die:
		return drained + where + " ends";
	case action::choice:
		return "chance: " + std::to_string(s.outcome) + " of " + std::to_string(s.outcomes);
	}
	return "";
}

unsigned task_of(const step &s)
{
	return is_drain(s.thread) ? s.thread - max_tasks : s.thread;
}

std::string quoted(const std::string &text)
{
	std::string result = "\"";
	for (char c : text) {
		if (c == '"' || c == '\\')
			result += '\\';
		result += c;
	}
	return result + '"';
}

} // namespace

void draw(const machine &m, FILE *out)
{
	fprintf(out, "%5s", "step");
	for (unsigned i = 0; i < m.tasks(); i++)
		fprintf(out, "  %-*s", column, m.task_label(i).c_str());
	fprintf(out, "\n");

	auto remark = m.remarks().begin();
	auto say = [&](const std::string &number, unsigned task, const std::string &text) {
		fprintf(out, "%5s%*s%s\n", number.c_str(), 2 + static_cast<int>(task) * (column + 2), "",
			text.c_str());
	};
	for (size_t i = 0; i <= m.steps().size(); i++) {
		for (; remark != m.remarks().end() && remark->at == i; ++remark)
			say("", remark->task, "-- " + remark->text);
		if (i < m.steps().size())
			say(std::to_string(i), task_of(m.steps()[i]), text_of(m, m.steps()[i]));
	}
}

void write_trace(const machine &m, FILE *out)
{
	fprintf(out, "{\"traceEvents\":[\n");
	for (unsigned i = 0; i < m.tasks(); i++)
		fprintf(out,
			"{\"ph\":\"M\",\"pid\":1,\"tid\":%u,\"name\":\"thread_name\",\"args\":{\"name\":%s}},"
			"\n",
			i + 1, quoted(m.task_label(i)).c_str());
	for (const remark &r : m.remarks())
		fprintf(out, "{\"ph\":\"i\",\"s\":\"t\",\"pid\":1,\"tid\":%u,\"ts\":%zu,\"name\":%s},\n",
			r.task + 1, r.at, quoted(r.text).c_str());
	for (size_t i = 0; i < m.steps().size(); i++)
		fprintf(out, "{\"ph\":\"X\",\"pid\":1,\"tid\":%u,\"ts\":%zu,\"dur\":1,\"name\":%s},\n",
			task_of(m.steps()[i]) + 1, i, quoted(text_of(m, m.steps()[i])).c_str());
	fprintf(out, "{\"ph\":\"M\",\"pid\":1,\"name\":\"process_name\",\"args\":{\"name\":\"resv\"}}\n]}\n");
}

} // namespace resv::sim
