// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What the machine says to people: schedules, names, reports.
#include "machine.hpp"

#include <cstdio>

namespace resv::sim {

std::string machine::schedule() const
{
	std::string text;
	for (size_t i = 0; i < decisions_.size();) {
		uint8_t decision = decisions_[i];
		size_t n = 1;
		if (decision & chosen) {
			text += ':';
			text += static_cast<char>('0' + (decision & ~chosen));
		} else {
			while (i + n < decisions_.size() && decisions_[i + n] == decision)
				n++;
			text += static_cast<char>(is_drain(decision) ? 'A' + decision - max_tasks
								     : 'a' + decision);
			if (n > 1)
				text += std::to_string(n);
		}
		i += n;
	}
	return text;
}

void machine::report(const char *line)
{
	reported_ += line;
	reported_ += '\n';
}

void machine::note(std::string text)
{
	if (keep_remarks_)
		remarks_.push_back({steps_.size(), running_, std::move(text)});
}

void machine::label(const void *address, size_t size, std::string text)
{
	if (keep_remarks_)
		names_.push_back({reinterpret_cast<uintptr_t>(address), size, std::move(text)});
}

std::string machine::name_of(const void *address, bool whole) const
{
	auto at = reinterpret_cast<uintptr_t>(address);
	const named *found = nullptr;
	for (const named &name : names_) {
		bool better = !found || (whole ? name.size >= found->size : name.size <= found->size);
		if (at >= name.begin && at < name.begin + name.size && better)
			found = &name;
	}
	if (found)
		return found->text;
	for (const fiber &t : tasks_) {
		if (address == &t.woken)
			return t.label + ".woken";
		if (address == &t.life)
			return t.label + ".life";
	}
	char hex[24];
	snprintf(hex, sizeof hex, "%p", address);
	return hex;
}

} // namespace resv::sim
