// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Who has which cache line, and when it can go to somebody else.
#ifndef RESV_PORT_VCPU_LINES_HPP
#define RESV_PORT_VCPU_LINES_HPP

#include "costs.hpp"

#include <bitset>
#include <memory>
#include <vector>

namespace resv::vcpu {

inline constexpr unsigned max_cpus = 1024;

/// What a CPU wants of a line.
struct wish {
	unsigned cpu;
	duration now;   // when the access would be done if the CPU had the line
	duration asked; // since when it asks for it; not after `now`
};

/// What it gets.
struct arrival {
	duration begin; // the line sets out, with what is in it then
	duration end;   // it is there
};

/// A line is had by one CPU alone, which may write it, or by any number, which may read it, or by none. It moves from one
/// owner to the next at one time only: who comes meanwhile waits. Copies of a line that nobody has alone go out side by side.
class line {
public:
	arrival read(const wish &w, duration transfer);
	arrival write(const wish &w, duration transfer);

	/// Until then nobody else gets the line.
	void keep(duration until) { free_ = until; }

private:
	bool has(unsigned cpu) const { return shared_ ? sharers_ && sharers_->test(cpu) : owner_ == cpu; }

	static constexpr unsigned nobody = max_cpus;

	duration free_ = 0;
	duration read_ = 0;        // when the last copy was made
	unsigned reader_ = nobody; // and for whom
	unsigned owner_ = nobody;  // unless it is shared
	bool shared_ = false;
	std::unique_ptr<std::bitset<max_cpus>> sharers_; // all that have it, if it is shared
};

/// The lines that have been used, by address. Open addressing.
class line_table {
public:
	line_table() { clear(); }

	line &at(const void *address)
	{
		uintptr_t number = number_of(address);
		size_t i = place_of(number);
		if (entries_[i].number == 0) [[unlikely]]
			return add(number);
		return entries_[i].contents;
	}
	void clear();

	static constexpr uintptr_t size = 64;
	/// Not 0.
	static uintptr_t number_of(const void *address)
	{
		return reinterpret_cast<uintptr_t>(address) / size;
	}

private:
	struct entry {
		uintptr_t number = 0;
		line contents;
	};

	size_t place_of(uintptr_t number) const
	{
		size_t i = (number * 0x9e3779b97f4a7c15u) >> shift_;
		while (entries_[i].number != 0 && entries_[i].number != number)
			i = (i + 1) & (entries_.size() - 1);
		return i;
	}
	line &add(uintptr_t number);

	std::vector<entry> entries_;
	unsigned shift_ = 0;
	size_t used_ = 0;
};

} // namespace resv::vcpu

#endif // RESV_PORT_VCPU_LINES_HPP
