// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef RESV_LOCKDEP_LINE_WRITER_HPP
#define RESV_LOCKDEP_LINE_WRITER_HPP

#include "report.hpp"

#include <resv/port.h>

namespace resv {

/// A time to be shown in milliseconds.
struct milliseconds {
	int64_t ns;
};

/// Hands lines to somebody's callback; takes what a report takes. What is longer than a line may be is cut.
class line_writer {
public:
	line_writer(void (*emit)(const char *, void *), void *data) : emit_(emit), data_(data) {}

	line_writer &operator<<(const char *s)
	{
		for (; *s; s++)
			put(*s);
		return *this;
	}
	line_writer &operator<<(char c)
	{
		put(c);
		return *this;
	}
	line_writer &operator<<(unsigned long n) { return digits(n, 10); }
	line_writer &operator<<(const void *p)
	{
		return (*this << "0x").digits(reinterpret_cast<uintptr_t>(p), 16);
	}
	line_writer &operator<<(place p)
	{
		char symbol[128];
		resv_port_symbol(p.pc, symbol, sizeof(symbol));
		return *this << symbol;
	}

	line_writer &operator<<(milliseconds time)
	{
		auto us = static_cast<unsigned long>(time.ns / 1000);
		unsigned long fraction = us % 1000;
		*this << us / 1000 << (fraction < 10 ? ".00" : fraction < 100 ? ".0" : ".");
		return *this << fraction << " ms";
	}

private:
	void put(char c)
	{
		if (c == '\n') {
			line_[length_] = '\0';
			emit_(line_, data_);
			length_ = 0;
		} else if (length_ + 1 < sizeof(line_)) {
			line_[length_++] = c;
		}
	}
	line_writer &digits(unsigned long n, unsigned base)
	{
		if (n >= base)
			digits(n / base, base);
		put("0123456789abcdef"[n % base]);
		return *this;
	}

	void (*emit_)(const char *, void *);
	void *data_;
	char line_[256];
	unsigned length_ = 0;
};

} // namespace resv

#endif // RESV_LOCKDEP_LINE_WRITER_HPP
