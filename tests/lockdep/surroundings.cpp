// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "surroundings.hpp"

#include <cstdlib>

namespace resv::test {
namespace {

lockdep_surroundings *current;

resv_host_irq host_irq(lockdep_os_irq level)
{
	switch (level) {
	case LOCKDEP_OS_HARDIRQ:
		return RESV_HOST_HARDIRQ;
	case LOCKDEP_OS_HARDIRQ_THREADED:
		return RESV_HOST_HARDIRQ_THREADED;
	case LOCKDEP_OS_SOFTIRQ:
		return RESV_HOST_SOFTIRQ;
	}
	abort();
}

} // namespace

lockdep_surroundings::lockdep_surroundings()
{
	current = this;
	resv_host_set_report_sink(
		[](const char *line, void *data) {
			static_cast<lockdep_surroundings *>(data)->lines.push_back(line);
		},
		this);
}

lockdep_surroundings::~lockdep_surroundings()
{
	resv_host_set_report_sink(nullptr, nullptr);
	current = nullptr;
}

} // namespace resv::test

using resv::test::current;

extern "C" {

void lockdep_os_irq_enter(lockdep_os_irq level)
{
	resv_host_irq_enter(resv::test::host_irq(level));
}

void lockdep_os_irq_exit()
{
	resv_host_irq_exit();
}

bool lockdep_os_hardirqs(bool on)
{
	return resv_host_hardirqs(on);
}

bool lockdep_os_softirqs(bool on)
{
	return resv_host_softirqs(on);
}

void lockdep_os_on_other_task(void (*function)(void *), void *data)
{
	if (!current->other)
		current->other.emplace();
	current->other->run([=] { function(data); });
}

void *lockdep_os_alloc(size_t size)
{
	return calloc(1, size);
}

void lockdep_os_free(void *memory)
{
	free(memory);
}

// Its lines have just been printed.
void lockdep_os_saw(resv_report_kind, const char *text)
{
	for (const char *end = text; *end; end++)
		if (*end == '\n' && !current->lines.empty())
			current->lines.pop_back();
	current->reports += text;
}

} // extern "C"
