// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "report.hpp"

#include <resv/atomic_word.hpp>
#include <resv/port.h>

namespace resv {

namespace {

constexpr unsigned text_size = 4096;
constexpr unsigned max_frames = 16;
constexpr const char *rule = "============================================\n";
constexpr const char *thin_rule = "--------------------------------------------\n";

constinit resv_port_spinlock lock{};
constinit atomic<resv_port_task> writer{0};
constinit resv_report_handler handler = nullptr;
constinit void *handler_data = nullptr;

// Guarded by `lock`.
constinit char text[text_size]{};
constinit unsigned length = 0;

const char *headline(resv_report_kind kind)
{
	switch (kind) {
	case RESV_REPORT_UNINITIALIZED:
		return "lock or context is not initialised, or has ended";
	case RESV_REPORT_WRONG_CLASS:
		return "lock and acquire context are of different classes";
	case RESV_REPORT_FOREIGN_CONTEXT:
		return "acquire context used by a task that did not open it";
	case RESV_REPORT_LOCK_AFTER_DONE:
		return "lock taken after the context was done";
	case RESV_REPORT_DONE_TWICE:
		return "acquire context done twice";
	case RESV_REPORT_STILL_HOLDING:
		return "lock taken after -EDEADLK while others are still held";
	case RESV_REPORT_WRONG_LOCK:
		return "after -EDEADLK, another lock than the contended one was taken";
	case RESV_REPORT_DEADLK_IGNORED:
		return "second -EDEADLK while the first is unresolved";
	case RESV_REPORT_SLOW_WITHOUT_DEADLK:
		return "lock_slow() without a preceding -EDEADLK";
	case RESV_REPORT_SLOW_FAILED:
		return "lock_slow() could not take the lock";
	case RESV_REPORT_UNLOCK_FREE:
		return "unlock of a lock that is not held";
	case RESV_REPORT_UNLOCK_FOREIGN:
		return "unlock of a lock that another task holds";
	case RESV_REPORT_FINI_HOLDING:
		return "acquire context ended while it holds locks";
	case RESV_REPORT_DESTROY_BUSY:
		return "lock destroyed while held or waited for";
	case RESV_REPORT_SELF_DEADLOCK:
		return "task waits for a lock that it holds itself";
	case RESV_REPORT_NOT_HELD:
		return "lock should be held by this task, but is not";
	case RESV_REPORT_WAIT_WHILE_HOLDING:
		return "wait for an unreserve while holding reservations";
	case RESV_REPORT_CORRUPT_WAIT_LIST:
		return "wait list is corrupt";
	}
	return "unknown rule";
}

// Text that does not fit is cut; the last byte stays NUL.
void put(char c)
{
	if (length + 1 < text_size)
		text[length++] = c;
}

void put(const char *s)
{
	while (*s)
		put(*s++);
}

void put(unsigned long value, unsigned base)
{
	char digits[24];
	unsigned n = 0;
	do {
		digits[n++] = "0123456789abcdef"[value % base];
		value /= base;
	} while (value != 0);
	while (n != 0)
		put(digits[--n]);
}

void put_backtrace()
{
	uintptr_t pcs[max_frames];
	unsigned n = resv_port_stack_trace(pcs, max_frames, 2);
	put("\nstack backtrace:\n");
	for (unsigned i = 0; i < n; i++) {
		char symbol[128];
		resv_port_symbol(pcs[i], symbol, sizeof(symbol));
		put(' ');
		put(symbol);
		put('\n');
	}
}

void print()
{
	for (unsigned start = 0; start < length;) {
		unsigned end = start;
		while (end < length && text[end] != '\n')
			end++;
		text[end] = '\0';
		resv_port_report(text + start);
		text[end] = end < length ? '\n' : '\0';
		start = end + 1;
	}
}

} // namespace

report::report(resv_report_kind kind) : kind_(kind)
{
	muted_ = writer.load(order::relaxed) == resv_port_current();
	if (muted_)
		return;
	flags_ = resv_port_spin_lock(&lock);
	writer.store(resv_port_current(), order::relaxed);
	length = 0;
	char name[32];
	resv_port_task_name(name, sizeof(name));
	*this << "\n" << rule << "WARNING: " << headline(kind) << "\n" << thin_rule << name << " ";
}

report::~report()
{
	if (muted_)
		return;
	put_backtrace();
	text[length] = '\0';
	print();
	if (handler)
		handler(kind_, text, handler_data);
	writer.store(0, order::relaxed);
	resv_port_spin_unlock(&lock, flags_);
}

report &report::operator<<(const char *s)
{
	if (!muted_)
		put(s);
	return *this;
}

report &report::operator<<(unsigned long number)
{
	if (!muted_)
		put(number, 10);
	return *this;
}

report &report::operator<<(const void *address)
{
	if (!muted_) {
		put("0x");
		put(reinterpret_cast<uintptr_t>(address), 16);
	}
	return *this;
}

} // namespace resv

void resv_lockdep_set_report_handler(resv_report_handler fn, void *data)
{
	resv::handler = fn;
	resv::handler_data = data;
}
