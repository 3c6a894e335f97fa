// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "lines.hpp"

#include <algorithm>
#include <utility>

namespace resv::vcpu {

duration line::read(unsigned cpu, duration now, duration transfer)
{
	if (has(cpu))
		return now;
	duration done = std::max(now, free_) + transfer;
	if (!shared_) {
		free_ = done;
		if (!sharers_)
			sharers_ = std::make_unique<std::bitset<max_cpus>>();
		else
			sharers_->reset();
		if (owner_ != nobody)
			sharers_->set(owner_);
		shared_ = true;
	}
	sharers_->set(cpu);
	return done;
}

duration line::write(unsigned cpu, duration now, duration transfer)
{
	if (!shared_ && owner_ == cpu)
		return now;
	shared_ = false;
	owner_ = cpu;
	return free_ = std::max(now, free_) + transfer;
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
