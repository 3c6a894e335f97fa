// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef RESV_LOCKDEP_REPORT_HPP
#define RESV_LOCKDEP_REPORT_HPP

#include <resv/report.h>
#include <resv/types.h>

namespace resv {

/// A place in the code, as reports print it: "name+0xoff/0xsize".
struct place {
	uintptr_t pc;
};

/// One report, in the layout that kernel developers read every day: banner, headline, body, stack backtrace. Written
/// into a static buffer while a spin lock is held, and printed and handed to the handler when it ends. A report that
/// comes up while the same task writes another is dropped.
class report {
public:
	/// `where`: the backtrace begins at the frame of this address, if it is there. `headline`: instead of the kind's.
	[[gnu::cold]] explicit report(resv_report_kind kind, uintptr_t where = 0,
				      const char *headline = nullptr);
	[[gnu::cold]] ~report();
	report(const report &) = delete;
	report &operator=(const report &) = delete;

	/// Body text. Lines end with '\n'.
	[[gnu::cold]] report &operator<<(const char *text);
	[[gnu::cold]] report &operator<<(unsigned long number);
	[[gnu::cold]] report &operator<<(const void *address);
	[[gnu::cold]] report &operator<<(place p);

	/// The calling task's name and number.
	[[gnu::cold]] report &task();

	/// Spaces up to column `n` of the line.
	[[gnu::cold]] report &column(unsigned n);

private:
	resv_report_kind kind_;
	uintptr_t where_;
	unsigned long flags_ = 0;
	bool muted_;
};

} // namespace resv

#endif // RESV_LOCKDEP_REPORT_HPP
