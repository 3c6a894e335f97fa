// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The host port's memory: allocation, read-side sections, and one thread, made when it is first needed, that does what
// was deferred.
//
// Grace periods have numbers. A task that enters its outermost section notes the current one; the worker begins another
// and waits until no task notes an earlier one. Sections cost no fence: the worker has the kernel put one into each
// thread that runs.
//
//   reader                                     worker
//   [W] section = current grace period         pointers to the memory are gone
//   (no fence, only the compiler's)            [W] grace period += 1
//   [R] pointers                               membarrier(): a full fence in every thread, and here
//   use what they point to                     [R] section: earlier than this one? -> look again later
//   [W] section = 0 (release)                  (acquire) free
//
// Where the fence falls before the reader's first line, the reader finds pointers that are gone no more; where it falls
// behind it, the worker finds the section.

#include "task.hpp"

#include <resv_port/atomic.hpp>
#include <resv_port/host.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <utility>

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

using namespace resv::host;

namespace {

constexpr unsigned long max_waiting = RESV_HOST_MAX_WAITING;
constexpr unsigned long hurry_from = max_waiting / 4;
constexpr int64_t millisecond = 1000000;
constexpr int64_t between_grace_periods = millisecond; // but for who is in a hurry: each disturbs all CPUs
constexpr int64_t first_look = millisecond / 50, last_look = millisecond;

// ---- Lists of work -------------------------------------------------------------------------------------------
//
// An entry is a work's address, with a bit for memory to be freed: there, `fn` is the memory. The last asked for is the
// first in the list.

using entry = uintptr_t;
constexpr entry is_memory = 1;
static_assert(alignof(resv_port_work) > is_memory);
using work_list = std::atomic<entry>;

resv_port_work *work_of(entry e)
{
	return reinterpret_cast<resv_port_work *>(e & ~is_memory);
}

entry next_of(entry e)
{
	return reinterpret_cast<entry>(work_of(e)->next);
}

void set_next(entry e, entry next)
{
	work_of(e)->next = reinterpret_cast<resv_port_work *>(next);
}

// Full barrier.
void push(work_list &list, entry e)
{
	entry head = list.load(std::memory_order_relaxed);

	do
		set_next(e, head);
	while (!list.compare_exchange_weak(head, e, std::memory_order_release, std::memory_order_relaxed));
	if constexpr (!resv::rmw_is_full_fence)
		resv::full_fence();
}

// All of it, in the order of asking.
entry take(work_list &list)
{
	entry forward = 0;

	for (entry e = list.exchange(0, std::memory_order_acquire); e != 0;) {
		const entry next = next_of(e);
		set_next(e, forward);
		forward = e;
		e = next;
	}
	return forward;
}

// `freed` is told of memory that was freed, in pieces: at the end, and before any call, so that whoever is told by a call
// that all before it has been done finds it counted as well.
template <typename Freed>
void run(entry e, Freed freed)
{
	unsigned long pieces = 0;

	while (e != 0) {
		const entry next = next_of(e);
		if (e & is_memory) {
			resv_port_free(reinterpret_cast<void *>(work_of(e)->fn));
			pieces++;
		} else {
			if (pieces != 0)
				freed(std::exchange(pieces, 0));
			work_of(e)->fn(work_of(e));
		}
		e = next;
	}
	if (pieces != 0)
		freed(pieces);
}

// ---- The worker ----------------------------------------------------------------------------------------------

// How deep the worker sleeps, which is how urgent that must be which ends its sleep.
//
//   asker                     worker
//   [W] list (full barrier)   [W] sleep, full fence
//   [R] sleep -> wakes it     [R] lists: something? -> does not sleep
enum sleep_depth : uint32_t {
	awake,
	until_next_look, // a section is open: deferred work
	until_due,       // the last grace period was just now: the same, or a hurry
	until_asked,     // anything
};

// Touched by each task that enters a section; written once in a grace period.
alignas(64) constinit std::atomic<uint64_t> grace = 1;

struct {
	alignas(64) work_list deferred = 0;
	work_list after_readers = 0;
	std::atomic<unsigned long> waiting = 0; // pieces of memory to be freed
	std::atomic<unsigned> drains = 0;       // how many are under way
	std::atomic<uint32_t> sleep = awake;
	// For those that wait for room: how often there was more of it, and how many they are.
	std::atomic<uint32_t> rooms = 0;
	std::atomic<unsigned> wanting = 0;
} constinit the;

bool hurried()
{
	return the.drains.load(std::memory_order_relaxed) != 0 ||
	       the.waiting.load(std::memory_order_relaxed) >= hurry_from;
}

template <typename F>
bool any_task(F what)
{
	std::scoped_lock guard(tasks.lock);

	for (task_record *task = tasks.first; task != nullptr; task = task->next)
		if (what(*task))
			return true;
	return false;
}

// Nothing begins before its asker has dropped the spin locks under which it asked: `owed` was set before the entry was
// put into the list. What a task owes later is not waited for.
bool run_deferred()
{
	const entry batch = take(the.deferred);

	if (batch == 0)
		return false;
	any_task([](task_record &task) {
		task.awaited = task.owed.load(std::memory_order_acquire);
		return false;
	});
	for (unsigned turn = 0; any_task([](const task_record &task) {
		     return task.awaited != 0 && task.owed.load(std::memory_order_acquire) == task.awaited;
	     });)
		resv_port_relax(turn++);
	run(batch, [](unsigned long) {}); // there is no memory among them
	return true;
}

// For all that was taken from the list before. Who enters a section from now on, and notes this number, has seen what
// was written before the number was: the pointers are gone for him.
uint64_t begin_grace_period()
{
	const uint64_t number = grace.fetch_add(1, std::memory_order_release) + 1;

	resv::full_fence();
	if (!self().fences && syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0)
		die("resv: membarrier() fails");
	return number;
}

bool has_ended(uint64_t number)
{
	return !any_task([number](const task_record &task) {
		const uint64_t section = task.section.load(std::memory_order_acquire);
		return section != 0 && section < number;
	});
}

void make_room(unsigned long freed)
{
	the.waiting.fetch_sub(freed, std::memory_order_relaxed);
	the.rooms.fetch_add(1, std::memory_order_release);
	resv::full_fence();
	if (the.wanting.load(std::memory_order_relaxed) != 0)
		futex(the.rooms, FUTEX_WAKE, INT_MAX, nullptr);
}

void rest(sleep_depth depth, int64_t until)
{
	const timespec deadline = time_of(until);

	the.sleep.store(depth, std::memory_order_relaxed);
	resv::full_fence();
	if (the.deferred.load(std::memory_order_relaxed) == 0 &&
	    (depth < until_asked || the.after_readers.load(std::memory_order_relaxed) == 0) &&
	    (depth != until_due || !hurried()))
		futex(the.sleep, FUTEX_WAIT_BITSET, depth, depth < until_asked ? &deadline : nullptr);
	the.sleep.store(awake, std::memory_order_relaxed);
}

void *serve(void *)
{
	entry batch = 0; // waits for grace period `number` to end
	uint64_t number = 0;
	int64_t due = 0, look = 0;

	self().serves = true;
	pthread_setname_np(pthread_self(), "resv-worker");
	for (;;) {
		const bool busy = run_deferred();
		const bool asked = the.after_readers.load(std::memory_order_relaxed) != 0;

		if (batch == 0 && asked && (hurried() || resv_port_clock() >= due)) {
			batch = take(the.after_readers);
			number = begin_grace_period();
			look = first_look;
		}
		if (batch != 0 && has_ended(number)) {
			run(batch, make_room);
			batch = 0;
			due = resv_port_clock() + between_grace_periods;
		} else if (batch != 0) {
			rest(until_next_look, resv_port_clock() + look);
			look = std::min(2 * look, last_look);
		} else if (!busy) {
			rest(asked ? until_due : until_asked, due);
		}
	}
}

void create_worker()
{
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_attr_init(&attributes) != 0 ||
	    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) != 0 ||
	    pthread_create(&thread, &attributes, serve, nullptr) != 0)
		die("resv: no thread for deferred work");
	pthread_attr_destroy(&attributes);
	pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

// Full barrier before it: see push().
void wake_worker(sleep_depth from)
{
	static constinit pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, create_worker);
	if (the.sleep.load(std::memory_order_relaxed) >= from &&
	    the.sleep.exchange(awake, std::memory_order_relaxed) != awake)
		futex(the.sleep, FUTEX_WAKE, 1, nullptr);
}

void ask_after_readers(entry e)
{
	push(the.after_readers, e);
	wake_worker(hurried() ? until_due : until_asked);
}

//   who wants room                      worker
//   [W] wanting, full barrier           [W] waiting, rooms, full fence
//   [R] rooms, waiting -> sleeps if     [R] wanting -> wakes
//       rooms is still the same
void wait_for_room()
{
	the.wanting.fetch_add(1, std::memory_order_relaxed);
	resv::full_fence();
	for (;;) {
		const uint32_t rooms = the.rooms.load(std::memory_order_acquire);
		if (the.waiting.load(std::memory_order_relaxed) < max_waiting)
			break;
		futex(the.rooms, FUTEX_WAIT_BITSET, rooms, nullptr);
	}
	the.wanting.fetch_sub(1, std::memory_order_relaxed);
}

} // namespace

// ---- Allocation ----------------------------------------------------------------------------------------------

void *resv_port_alloc(size_t size)
{
	task_record &me = self();
	void *memory = nullptr;

	if (me.allocs_to_failure == 0 || --me.allocs_to_failure != 0)
		memory = calloc(1, size);
	++(memory != nullptr ? me.memory.allocated : me.memory.failed);
	return memory;
}

void resv_port_free(void *memory)
{
	if (memory == nullptr)
		return;
	++self().memory.freed;
	free(memory);
}

void resv_host_fail_alloc(unsigned long skip)
{
	self().allocs_to_failure = skip + 1;
}

bool resv_host_end_fail_alloc(void)
{
	return std::exchange(self().allocs_to_failure, 0) == 0;
}

struct resv_host_allocs resv_host_alloc_stats(void)
{
	std::scoped_lock guard(tasks.lock);
	resv_host_allocs all = {.allocated = tasks.allocated,
				.freed = tasks.freed,
				.failed = tasks.failed,
				.waiting = the.waiting.load(std::memory_order_relaxed)};

	for (const task_record *task = tasks.first; task != nullptr; task = task->next) {
		all.allocated += task->memory.allocated.value();
		all.freed += task->memory.freed.value();
		all.failed += task->memory.failed.value();
	}
	return all;
}

// ---- Read-side sections --------------------------------------------------------------------------------------

// Acquire: with the number comes what was written before it. Release: who finds this section's number knows as well that
// the one before has ended.
void resv_port_read_lock(void)
{
	task_record &me = self();

	if (me.sections++ != 0)
		return;
	me.section.store(grace.load(std::memory_order_acquire), std::memory_order_release);
	if (me.fences) [[unlikely]]
		resv::full_fence();
	std::atomic_signal_fence(std::memory_order_seq_cst);
}

void resv_port_read_unlock(void)
{
	task_record &me = self();

	if (--me.sections == 0)
		me.section.store(0, std::memory_order_release);
	else if (static_cast<int>(me.sections) < 0)
		die("resv: read_unlock() without read_lock()");
}

// ---- Deferred work -------------------------------------------------------------------------------------------

void resv_port_free_after_readers(struct resv_port_work *work, void *memory)
{
	const task_record &me = self();

	if (the.waiting.load(std::memory_order_relaxed) >= max_waiting && me.sections == 0 &&
	    me.spin_locks == 0 && !me.serves)
		wait_for_room();
	the.waiting.fetch_add(1, std::memory_order_relaxed);
	work->fn = reinterpret_cast<void (*)(resv_port_work *)>(memory);
	ask_after_readers(reinterpret_cast<entry>(work) | is_memory);
}

void resv_port_after_readers(struct resv_port_work *work)
{
	ask_after_readers(reinterpret_cast<entry>(work));
}

void resv_port_defer(struct resv_port_work *work)
{
	task_record &me = self();

	if (me.spin_locks != 0 && me.owed.load(std::memory_order_relaxed) == 0) {
		me.debts += me.debts == UINT_MAX ? 2 : 1;
		me.owed.store(me.debts, std::memory_order_relaxed);
	}
	push(the.deferred, reinterpret_cast<entry>(work));
	wake_worker(until_next_look);
}

namespace {

// Work that says when its turn has come, to the task that waits for that.
struct marker {
	resv_port_work work = {.next = nullptr, .fn = reached};
	resv_port_task task = resv_port_current();
	std::atomic<bool> passed = false;

	static void reached(resv_port_work *work)
	{
		auto *self = reinterpret_cast<marker *>(work);
		const resv_port_task task = self->task;

		self->passed.store(true, std::memory_order_release); // its memory may be gone from now on
		resv_port_task_wake(task);
	}
};

void ask_and_wait(void (*ask)(resv_port_work *))
{
	marker mark;

	resv_port_task_pin(mark.task);
	ask(&mark.work);
	for (bool passed = false; !passed;) {
		resv_port_park_prepare(RESV_PARK_UNINTERRUPTIBLE);
		passed = mark.passed.load(std::memory_order_acquire);
		if (!passed) [[maybe_unused]]
			const int zero = resv_port_park(RESV_PARK_UNINTERRUPTIBLE, RESV_WAIT_FOREVER);
		resv_port_park_finish();
	}
}

} // namespace

// Deferred work comes first: what it asks for is waited for as well.
void resv_port_drain(void)
{
	const task_record &me = self();

	if (me.sections != 0 || me.spin_locks != 0 || me.serves)
		die("resv: drain() in a read-side section, with a spin lock held, or by deferred work");
	the.drains.fetch_add(1, std::memory_order_relaxed);
	ask_and_wait(resv_port_defer);
	ask_and_wait(resv_port_after_readers);
	the.drains.fetch_sub(1, std::memory_order_relaxed);
}
