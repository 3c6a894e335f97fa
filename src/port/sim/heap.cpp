// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The port's memory. Each task allocates from a part of its own, where nothing is used twice: so the address of what it
// gets depends on its own history alone. Atomics in freed memory have ended, and the rest is spoilt.
//
// Whoever runs deferred work has the word `runs`: so the order is kept. Who does not get it leaves his to the task that
// has it, which looks once more after it has given it back.
#include "heap.hpp"
#include "machine.hpp"

#include <resv/port.h>
#include <resv_port/atomic.hpp>

#include <cstring>

namespace resv::sim {

namespace {

struct block {
	size_t size;
	uint64_t used;
};

// Of a task; the last is that of the scenario, when no task runs.
struct part {
	size_t used;
	alignas(16) char memory[heap_of_task];
};

struct heap {
	// Words that the tasks share, and change in steps: how many sections are open, what is asked for, the last first.
	uint64_t open, deferred, after_readers;
	uint64_t runs;    // does a task run deferred work?
	uint64_t pending; // how much was asked for and has not been done
	part parts[max_tasks + 1];
};

heap the_heap;

constexpr uint64_t is_memory = 1; // in an entry of a list: `fn` is memory to be freed
constexpr char spoilt = static_cast<char>(0xa5);

word word_of(uint64_t &in_heap)
{
	return {&in_heap, sizeof in_heap};
}

void need_heap()
{
	if (!the_machine().shares(&the_heap))
		the_machine().fail("a task wants memory, and the scenario shares no heap");
}

part &own_part()
{
	need_heap();
	unsigned task = the_machine().current();
	return the_heap.parts[task < max_tasks ? task : max_tasks];
}

resv_port_work *work_of(uint64_t entry)
{
	return reinterpret_cast<resv_port_work *>(entry & ~is_memory);
}

uint64_t next_of(uint64_t entry)
{
	return reinterpret_cast<uint64_t>(work_of(entry)->next);
}

void set_next(uint64_t entry, uint64_t next)
{
	work_of(entry)->next = reinterpret_cast<resv_port_work *>(next);
}

// Puts a whole list, from `first` to `last`, on top of another.
void push(uint64_t &list, uint64_t first, uint64_t last)
{
	for (;;) {
		uint64_t top = load(word_of(list));
		set_next(last, top);
		if (compare_exchange(word_of(list), top, first))
			return;
	}
}

void ask(uint64_t &list, uint64_t entry)
{
	need_heap();
	fetch_add(word_of(the_heap.pending), 1);
	push(list, entry, entry);
}

void run(uint64_t list)
{
	uint64_t forward = 0;
	while (list != 0) {
		uint64_t next = next_of(list);
		set_next(list, forward);
		forward = list;
		list = next;
	}
	while (forward != 0) {
		uint64_t entry = forward;
		forward = next_of(entry);
		if (entry & is_memory)
			resv_port_free(reinterpret_cast<void *>(work_of(entry)->fn));
		else
			work_of(entry)->fn(work_of(entry));
		fetch_add(word_of(the_heap.pending), ~uint64_t{0});
	}
}

// What is in the list was asked for before it was taken: if no section is open after that, then none is that was open
// when it was asked for.
void run_after_readers()
{
	uint64_t list = exchange(word_of(the_heap.after_readers), 0);
	if (list == 0)
		return;
	if (load(word_of(the_heap.open)) == 0)
		return run(list);
	uint64_t last = list;
	while (next_of(last) != 0)
		last = next_of(last);
	push(the_heap.after_readers, list, last);
}

} // namespace

void share_heap()
{
	memset(&the_heap, 0, sizeof the_heap);
	the_machine().share(&the_heap, sizeof the_heap);
	the_machine().label(&the_heap, sizeof the_heap, "heap");
	the_machine().label(&the_heap.open, sizeof the_heap.open, "sections");
	the_machine().label(&the_heap.deferred, sizeof the_heap.deferred, "deferred");
	the_machine().label(&the_heap.after_readers, sizeof the_heap.after_readers, "after readers");
	the_machine().label(&the_heap.runs, sizeof the_heap.runs, "runs deferred");
	the_machine().label(&the_heap.pending, sizeof the_heap.pending, "pending");
}

void run_deferred()
{
	if (!the_machine().shares(&the_heap))
		return;
	while (load(word_of(the_heap.deferred)) != 0 ||
	       (load(word_of(the_heap.after_readers)) != 0 && load(word_of(the_heap.open)) == 0)) {
		if (!compare_exchange(word_of(the_heap.runs), 0, 1))
			return;
		run(exchange(word_of(the_heap.deferred), 0));
		run_after_readers();
		exchange(word_of(the_heap.runs), 0);
	}
}

size_t piece_size(size_t size)
{
	return sizeof(block) + (size + 15) / 16 * 16;
}

unsigned pieces_in_use()
{
	unsigned count = 0;
	for (const part &p : the_heap.parts) {
		for (size_t at = 0; at < p.used;) {
			auto *b = reinterpret_cast<const block *>(p.memory + at);
			count += b->used != 0;
			at += piece_size(b->size);
		}
	}
	return count;
}

} // namespace resv::sim

using namespace resv::sim;

void *resv_port_alloc(size_t size)
{
	part &own = own_part();
	size_t whole = piece_size(size);
	if (whole > sizeof own.memory - own.used) {
		the_machine().fail("a task allocates more than the heap has");
		return nullptr;
	}
	auto *b = reinterpret_cast<block *>(own.memory + own.used);
	*b = {size, 1};
	own.used += whole;
	return b + 1;
}

void resv_port_free(void *memory)
{
	if (memory == nullptr)
		return;
	block *b = static_cast<block *>(memory) - 1;
	if (b->used != 1)
		return the_machine().fail("something is freed that was not allocated");
	b->used = 0;
	char *bytes = static_cast<char *>(memory);
	for (size_t at = 0; at < b->size; at += alignof(uint32_t))
		if (unsigned word_size = the_machine().lives(bytes + at))
			end_life({bytes + at, word_size});
	memset(bytes, spoilt, b->size);
}

void resv_port_read_lock()
{
	need_heap();
	if (the_machine().section(1))
		fetch_add(word_of(the_heap.open), 1);
}

void resv_port_read_unlock()
{
	if (!the_machine().section(-1))
		return;
	fetch_add(word_of(the_heap.open), ~uint64_t{0});
	if (!the_machine().in_critical_section())
		run_deferred();
}

void resv_port_free_after_readers(resv_port_work *work, void *memory)
{
	work->fn = reinterpret_cast<void (*)(resv_port_work *)>(memory);
	ask(the_heap.after_readers, reinterpret_cast<uint64_t>(work) | is_memory);
}

void resv_port_after_readers(resv_port_work *work)
{
	ask(the_heap.after_readers, reinterpret_cast<uint64_t>(work));
}

void resv_port_defer(resv_port_work *work)
{
	ask(the_heap.deferred, reinterpret_cast<uint64_t>(work));
}

// Waits for all that is asked for meanwhile, too.
void resv_port_drain()
{
	if (the_machine().in_section())
		the_machine().fail("a task drains in a read-side section");
	run_deferred();
	if (!the_machine().in_task()) {
		if (the_heap.pending != 0)
			the_machine().fail("deferred work is left, and a section is open");
		return;
	}
	resv_port_critical_begin();
	while (load(word_of(the_heap.pending)) != 0)
		resv_port_relax(0);
	resv_port_critical_end();
}
