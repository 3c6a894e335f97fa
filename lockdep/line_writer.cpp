// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "line_writer.hpp"

#include <resv/port.h>

namespace resv {

void line_writer::put(char c)
{
	if (c == '\n') {
		line_[length_] = '\0';
		emit_(line_, data_);
		length_ = 0;
	} else if (length_ + 1 < sizeof(line_)) {
		line_[length_++] = c;
	}
}

line_writer &line_writer::digits(unsigned long n, unsigned base)
{
	char reversed[20]; // the decimal digits of the largest number
	unsigned count = 0;
	do {
		reversed[count++] = "0123456789abcdef"[n % base];
		n /= base;
	} while (n != 0);
	while (count != 0)
		put(reversed[--count]);
	return *this;
}

line_writer &line_writer::operator<<(const char *s)
{
	for (; *s; s++)
		put(*s);
	return *this;
}

line_writer &line_writer::operator<<(char c)
{
	put(c);
	return *this;
}

line_writer &line_writer::operator<<(unsigned long n)
{
	return digits(n, 10);
}

line_writer &line_writer::operator<<(const void *p)
{
	return (*this << "0x").digits(reinterpret_cast<uintptr_t>(p), 16);
}

line_writer &line_writer::operator<<(place p)
{
	char symbol[128];
	resv_port_symbol(p.pc, symbol, sizeof(symbol));
	return *this << symbol;
}

line_writer &line_writer::operator<<(milliseconds time)
{
	auto us = static_cast<unsigned long>(time.ns / 1000);
	unsigned long fraction = us % 1000;
	*this << us / 1000 << (fraction < 10 ? ".00" : fraction < 100 ? ".0" : ".");
	return *this << fraction << " ms";
}

} // namespace resv
