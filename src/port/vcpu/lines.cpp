// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "lines.hpp"

#include <algorithm>
#include <utility>

namespace resv::vcpu {

namespace {

// Both are over by now if the line was asked for early enough.
arrival at(const wish &w, duration begin, duration end)
{
	return {std::max(w.now, begin), std::max(w.now, end)};
}

} // namespace

arrival line::read(const wish &w, duration transfer)
{
	if (has(w.cpu))
		return {w.now, w.now};
	duration begin = std::max(w.asked, free_);
	duration end = begin + transfer;
	if (!shared_) {
		free_ = end;
		if (!sharers_)
			sharers_ = std::make_unique<std::bitset<max_cpus>>();
		else
			sharers_->reset();
		if (owner_ != nobody)
			sharers_->set(owner_);
		shared_ = true;
	}
	sharers_->set(w.cpu);
	reader_ = w.cpu;
	read_ = end;
	return at(w, begin, end);
}

// Who reads a line and writes it at once has asked for all of it by then, if it sees ahead.
arrival line::write(const wish &w, duration transfer)
{
	bool had_it = shared_ ? reader_ == w.cpu && read_ >= w.asked : owner_ == w.cpu;
	shared_ = false;
	owner_ = w.cpu;
	if (had_it)
		return {w.now, w.now};
	duration begin = std::max(w.asked, free_);
	free_ = begin + transfer;
	return at(w, begin, free_);
}

void line_table::clear()
{
	constexpr unsigned bits = 12;
	entries_ = std::vector<entry>(size_t{1} << bits);
	shift_ = 64 - bits;
	used_ = 0;
}

line &line_table::add(uintptr_t number)
{
	if (++used_ > entries_.size() / 2) {
		std::vector<entry> old(entries_.size() * 2);
		old.swap(entries_);
		shift_--;
		for (entry &e : old)
			if (e.number != 0)
				entries_[place_of(e.number)] = std::move(e);
	}
	entry &e = entries_[place_of(number)];
	e.number = number;
	return e.contents;
}

} // namespace resv::vcpu
