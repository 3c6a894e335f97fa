// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef RESV_LOCKDEP_LINE_WRITER_HPP
#define RESV_LOCKDEP_LINE_WRITER_HPP

#include "report.hpp"

namespace resv {

/// A time to be shown in milliseconds.
struct milliseconds {
	int64_t ns;
};

/// Hands lines to somebody's callback; takes what a report takes. What is longer than a line may be is cut.
class line_writer {
public:
	line_writer(void (*emit)(const char *, void *), void *data) : emit_(emit), data_(data) {}

	line_writer &operator<<(const char *s);
	line_writer &operator<<(char c);
	line_writer &operator<<(unsigned long n);
	line_writer &operator<<(const void *p);
	line_writer &operator<<(place p);
	line_writer &operator<<(milliseconds time);

private:
	void put(char c);
	line_writer &digits(unsigned long n, unsigned base);

	void (*emit_)(const char *, void *);
	void *data_;
	char line_[256];
	unsigned length_ = 0;
};

} // namespace resv

#endif // RESV_LOCKDEP_LINE_WRITER_HPP
