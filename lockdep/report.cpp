// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "report.hpp"

#include "traces.hpp"

#include <resv/atomic_word.hpp>
#include <resv/config.h>
#include <resv/port.h>

namespace resv {

namespace {

// A cycle of many locks has a stack trace for each.
constexpr unsigned text_size = RESV_PROVE_LOCKING ? 32768 : 4096;
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
	case RESV_REPORT_LRU_NOT_EMPTY:
		return "LRU destroyed with entries on it";
	case RESV_REPORT_LRU_PLACE:
		return "LRU entry put where it cannot be";
	case RESV_REPORT_RELEASE_BUSY:
		return "own object of a released buffer is reserved";
	case RESV_REPORT_CIRCULAR:
		return "possible circular locking dependency detected";
	case RESV_REPORT_RECURSION:
		return "possible recursive locking detected";
	case RESV_REPORT_IRQ_ORDER:
		return "HARDIRQ-safe -> HARDIRQ-unsafe lock order detected";
	case RESV_REPORT_IRQ_INVERSION:
		return "possible irq lock inversion dependency detected";
	case RESV_REPORT_IRQ_STATE:
		return "inconsistent lock state";
	case RESV_REPORT_UNLOCK_BALANCE:
		return "bad unlock balance detected!";
	case RESV_REPORT_HELD_FREED:
		return "held lock freed!";
	case RESV_REPORT_NEST_NOT_HELD:
		return "Nested lock was not taken";
	case RESV_REPORT_WAIT_CONTEXT:
		return "[ BUG: Invalid wait context ]";
	case RESV_REPORT_BLOCKING:
		return "blocking reserve where only trying is allowed";
	case RESV_REPORT_PIN:
		return "pins of a lock do not match";
	case RESV_REPORT_BAD_KEY:
		return "lock class key or subclass cannot be one";
	case RESV_REPORT_FENCE_ABANDONED:
		return "fence released before its signal, for which somebody waits";
	case RESV_REPORT_FENCE_REFERENCES:
		return "fence has been referenced too often, or not any more";
	case RESV_REPORT_FENCE_ERROR:
		return "fence's error set after its signal, or no error";
	case RESV_REPORT_FENCE_TIMELINES:
		return "fences of different timelines compared";
	case RESV_REPORT_FENCE_NESTED:
		return "fence made of fences where that cannot be";
	case RESV_REPORT_NO_FENCE_SLOT:
		return "fence added without a place that reserve_fences() promised";
	case RESV_REPORT_NO_FENCES:
		return "reserve_fences() for no fence";
	case RESV_REPORT_FENCE_CONTAINER:
		return "fence made of fences added to a reservation object";
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

void put(place p)
{
	char symbol[128];
	resv_port_symbol(p.pc, symbol, sizeof(symbol));
	put(symbol);
}

void put_backtrace(uintptr_t where)
{
	lockdep::current_frames trace(where, 3); // this function, and whose end this is
	put("\nstack backtrace:\n");
	for (unsigned i = 0; i < trace.get().count; i++) {
		put(' ');
		put(place{trace.get().pcs[i]});
		put('\n');
	}
}

void print()
{
	for (unsigned start = 0; start < length;) {
		unsigned end = start;
		while (text[end] != '\n' && text[end] != '\0')
			end++;
		text[end] = '\0';
		resv_port_report(text + start);
		text[end] = end < length ? '\n' : '\0';
		start = end + 1;
	}
}

} // namespace

report::report(resv_report_kind kind, uintptr_t where, const char *special) : kind_(kind), where_(where)
{
	muted_ = writer.load(order::relaxed) == resv_port_current();
	if (muted_)
		return;
	flags_ = resv_port_spin_lock(&lock);
	writer.store(resv_port_current(), order::relaxed);
	length = 0;
	const char *line = special ? special : headline(kind);
	char system[128];
	resv_port_system(system, sizeof(system));
	*this << "\n"
	      << rule << (*line == '[' ? "" : "WARNING: ") << line << "\n"
	      << system << "\n"
	      << thin_rule;
}

report::~report()
{
	if (muted_)
		return;
	put_backtrace(where_);
	text[length] = '\0';
	print();
	if (handler)
		handler(kind_, text, handler_data);
	writer.store(0, order::relaxed);
	resv_port_spin_unlock(&lock, flags_);
	if constexpr (RESV_PANIC_ON_REPORT)
		resv_port_panic("resv: a report, and CONFIG_RESV_PANIC_ON_REPORT");
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

report &report::task()
{
	char name[32];
	resv_port_task_name(resv_port_current(), name, sizeof(name));
	return *this << name;
}

report &report::operator<<(place p)
{
	if (!muted_)
		put(p);
	return *this;
}

report &report::column(unsigned n)
{
	unsigned begin = length;
	while (begin != 0 && text[begin - 1] != '\n')
		begin--;
	if (!muted_)
		while (length < begin + n && length + 1 < text_size)
			text[length++] = ' ';
	return *this;
}

} // namespace resv

void resv_lockdep_set_report_handler(resv_report_handler fn, void *data)
{
	resv::handler = fn;
	resv::handler_data = data;
}
