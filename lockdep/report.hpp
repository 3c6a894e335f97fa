// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef RESV_LOCKDEP_REPORT_HPP
#define RESV_LOCKDEP_REPORT_HPP

#include <resv/report.h>
#include <resv/types.h>

namespace resv {

/// One report, in the layout that kernel developers read every day: banner, headline, body, stack backtrace. Written
/// into a static buffer while a spin lock is held, and printed and handed to the handler when it ends. A report that
/// comes up while the same task writes another is dropped.
class report {
public:
	explicit report(resv_report_kind kind);
	~report();
	report(const report &) = delete;
	report &operator=(const report &) = delete;

	/// Body text. Lines end with '\n'.
	report &operator<<(const char *text);
	report &operator<<(unsigned long number);
	report &operator<<(const void *address);

private:
	resv_report_kind kind_;
	unsigned long flags_ = 0;
	bool muted_;
};

} // namespace resv

#endif // RESV_LOCKDEP_REPORT_HPP
