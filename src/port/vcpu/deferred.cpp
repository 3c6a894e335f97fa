// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The port's memory, read-side sections, and what is done later. All of it is free of charge. Sections and requests are
// numbered in one order: what waits for readers is due once no open section has a smaller number.
#include "deferred.hpp"
#include "machine.hpp"

#include <resv/port.h>

#include <cstdlib>
#include <map>

namespace resv::vcpu {

namespace {

constexpr size_t most_waiting = 16384; // beyond it, whoever has memory freed waits if he may

struct section {
	unsigned depth = 0;
	uint64_t number = 0;
};

struct request {
	resv_port_work *work;
	void *memory; // to be freed; null: work->fn is to be called
	uint64_t number;
};

std::map<resv_port_task, section> sections; // that are open, by task
std::deque<request> for_now, for_later;
uint64_t last_number;
bool runs; // a task runs deferred work, and looks again before it stops

bool is_due(const request &r)
{
	for (const auto &[task, s] : sections)
		if (s.number < r.number)
			return false;
	return true;
}

bool may_wait()
{
	return !the_machine().in_critical_section() && !sections.contains(resv_port_current());
}

// The next request that may be carried out.
bool take(request &r)
{
	std::deque<request> *from = !for_now.empty()                                  ? &for_now
				    : !for_later.empty() && is_due(for_later.front()) ? &for_later
										      : nullptr;
	if (!from)
		return false;
	r = from->front();
	from->pop_front();
	return true;
}

} // namespace

void run_deferred()
{
	if (runs || the_machine().in_critical_section())
		return;
	runs = true;
	request r;
	while (take(r)) {
		if (r.memory)
			resv_port_free(r.memory);
		else
			r.work->fn(r.work);
	}
	runs = false;
}

} // namespace resv::vcpu

using namespace resv::vcpu;

void *resv_port_alloc(size_t size)
{
	return calloc(1, size);
}

void resv_port_free(void *memory)
{
	free(memory);
}

void resv_port_read_lock()
{
	section &own = sections[resv_port_current()];
	if (own.depth++ == 0)
		own.number = ++last_number;
}

void resv_port_read_unlock()
{
	auto own = sections.find(resv_port_current());
	if (--own->second.depth != 0)
		return;
	sections.erase(own);
	run_deferred();
}

void resv_port_free_after_readers(resv_port_work *work, void *memory)
{
	for_later.push_back({work, memory, ++last_number});
	if (for_later.size() > most_waiting && may_wait())
		resv_port_drain();
}

void resv_port_after_readers(resv_port_work *work)
{
	for_later.push_back({work, nullptr, ++last_number});
}

void resv_port_defer(resv_port_work *work)
{
	for_now.push_back({work, nullptr, ++last_number});
}

// Waits for all that is asked for meanwhile, too.
void resv_port_drain()
{
	run_deferred();
	while (runs || !for_now.empty() || !for_later.empty()) {
		resv_port_relax(0);
		the_machine().fence(); // a turn for the others
		run_deferred();
	}
}
