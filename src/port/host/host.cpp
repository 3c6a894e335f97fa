// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The host port: Linux user space. A task is a thread, and it parks on a futex of its own.
//
// There are no interrupts here, so "any context" means any thread; a POSIX signal handler is not among them.

#include "task.hpp"

#include <resv_port/atomic.hpp>
#include <resv_port/host.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <mutex>
#include <new>

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <unistd.h>
#include <unwind.h>
#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#endif

using namespace resv::host;

namespace {

task_record &record_of(resv_port_task task)
{
	return *reinterpret_cast<task_record *>(task);
}

void drop(task_record &record)
{
	if (record.references.fetch_sub(1, std::memory_order_acq_rel) == 1)
		delete &record;
}

// Where the kernel keeps the number of the CPU that the calling thread is on, or was on last; null if it does not.
const uint32_t *rseq_cpu()
{
#if __has_include(<sys/rseq.h>)
	if (__rseq_size != 0) {
		char *area = static_cast<char *>(__builtin_thread_pointer()) + __rseq_offset;
		return &reinterpret_cast<struct rseq *>(area)->cpu_id;
	}
#endif
	return nullptr;
}

// The key's destructor runs after those of all thread_local objects, which may still take locks. Should the destructor
// of another key take one after this has run, then the thread gets a new record and this runs once more.
pthread_key_t thread_end;

void end_thread(void *ended)
{
	auto &record = *static_cast<task_record *>(ended);

	if (record.sections != 0 || record.spin_locks != 0)
		die("resv: a thread ends in a read-side section, or with a spin lock held");
	{
		std::scoped_lock guard(tasks.lock);
		(record.previous != nullptr ? record.previous->next : tasks.first) = record.next;
		if (record.next != nullptr)
			record.next->previous = record.previous;
		tasks.allocated += record.memory.allocated.value();
		tasks.freed += record.memory.freed.value();
		tasks.failed += record.memory.failed.value();
	}
	self_record = nullptr;
	drop(record);
}

constinit bool sections_need_fences = true;

void create_thread_end()
{
	if (pthread_key_create(&thread_end, end_thread) != 0)
		die("resv: no pthread key left");
	// TSan does not know what membarrier() does.
	sections_need_fences = resv::built_with_tsan ||
			       syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0;
}

// Sets a bit of a task's word. One call of the futex is enough, by whoever sets the bit first.
void set_bit(task_record &record, uint32_t bit)
{
	uint32_t word = record.word.fetch_or(bit, std::memory_order_release);
	if ((word & (asleep | bit)) == asleep)
		futex(record.word, FUTEX_WAKE, 1, nullptr);
}

uint32_t admitted_signals(resv_port_park_mode mode)
{
	switch (mode) {
	case RESV_PARK_UNINTERRUPTIBLE:
		return 0;
	case RESV_PARK_INTERRUPTIBLE:
		return signalled | killed;
	case RESV_PARK_KILLABLE:
		return killed;
	}
	die("resv: park in an unknown mode");
}

struct report_sink {
	std::mutex lock;
	resv_host_report_fn fn = nullptr;
	void *data = nullptr;
};

constinit report_sink sink;

struct unwinding {
	uintptr_t *pcs;
	unsigned max, count;
	unsigned long long skip;
};

_Unwind_Reason_Code unwind_frame(struct _Unwind_Context *frame, void *data)
{
	auto &trace = *static_cast<unwinding *>(data);
	uintptr_t pc = _Unwind_GetIP(frame);

	if (pc == 0 || trace.count == trace.max)
		return _URC_END_OF_STACK;
	if (trace.skip > 0)
		--trace.skip;
	else
		trace.pcs[trace.count++] = pc;
	return _URC_NO_REASON;
}

} // namespace

namespace resv::host {

constinit thread_local task_record *self_record = nullptr;
constinit task_list tasks;

[[gnu::noinline, gnu::cold]] task_record &new_record()
{
	static constinit pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, create_thread_end);
	auto *record = new (std::nothrow) task_record;
	if (record == nullptr || pthread_setspecific(thread_end, record) != 0)
		die("resv: no memory for a task record");
	record->cpu = rseq_cpu();
	record->tid = gettid();
	record->fences = sections_need_fences;
	{
		std::scoped_lock guard(tasks.lock);
		record->next = tasks.first;
		if (record->next != nullptr)
			record->next->previous = record;
		tasks.first = record;
	}
	self_record = record;
	return *record;
}

[[noreturn]] void die(const char *why)
{
	resv_port_report(why);
	abort();
}

int futex(std::atomic<uint32_t> &word, int operation, uint32_t value, const timespec *deadline)
{
	const long ret = syscall(SYS_futex, &word, operation | FUTEX_PRIVATE_FLAG, value, deadline, nullptr,
				 FUTEX_BITSET_MATCH_ANY);
	return ret < 0 ? -errno : static_cast<int>(ret);
}

} // namespace resv::host

// ---- Tasks ---------------------------------------------------------------------------------------------------

resv_port_task resv_port_current(void)
{
	return reinterpret_cast<resv_port_task>(&self());
}

// On the caller's own CPU runs the caller, so a task that was last there is preempted. A task on another CPU may be
// preempted or blocked in a system call as well: that is what makes this a hint.
bool resv_port_task_running(resv_port_task task)
{
	const task_record &record = record_of(task);
	const uint32_t *cpu = self().cpu;

	if (record.word.load(std::memory_order_relaxed) & asleep)
		return false;
	return cpu == nullptr ||
	       __atomic_load_n(cpu, __ATOMIC_RELAXED) != __atomic_load_n(record.cpu, __ATOMIC_RELAXED);
}

// ---- Parking -------------------------------------------------------------------------------------------------

void resv_port_park_prepare(enum resv_port_park_mode mode)
{
	task_record &me = self();

	if (me.waiting)
		die("resv: park_prepare() while a wait is open");
	me.waiting = true;
	me.mode = mode;
	me.word.fetch_and(~woken, std::memory_order_seq_cst);
	if constexpr (!resv::rmw_is_full_fence)
		resv::full_fence();
}

int resv_port_park(enum resv_port_park_mode mode, int64_t deadline_ns)
{
	task_record &me = self();
	const uint32_t signals = admitted_signals(mode);
	const timespec deadline =
		time_of(std::max<int64_t>(deadline_ns, 0)); // the futex refuses a negative time
	const timespec *timeout = deadline_ns == RESV_WAIT_FOREVER ? nullptr : &deadline;

	if (!me.waiting || me.mode != mode)
		die("resv: park() without park_prepare() in the same mode");

	uint32_t word = me.word.fetch_or(asleep, std::memory_order_relaxed) | asleep;
	for (int err = 0; (word & (woken | signals)) == 0 && err != -ETIMEDOUT;) {
		err = futex(me.word, FUTEX_WAIT_BITSET, word, timeout);
		word = me.word.load(std::memory_order_relaxed);
	}

	// Whatever was set up to here counts, and a signal that is returned is consumed, in one step.
	word = me.word.fetch_and(~(asleep | (signals & ~killed)), std::memory_order_acquire);
	if (word & signals)
		return -EINTR;
	return word & woken ? 0 : -ETIME;
}

void resv_port_park_finish(void)
{
	task_record &me = self();

	if (!me.waiting)
		die("resv: park_finish() without park_prepare()");
	me.waiting = false;
}

void resv_port_task_pin(resv_port_task task)
{
	record_of(task).references.fetch_add(1, std::memory_order_relaxed);
}

void resv_port_task_wake(resv_port_task task)
{
	set_bit(record_of(task), woken);
	drop(record_of(task));
}

// ---- Signals -------------------------------------------------------------------------------------------------

void resv_host_interrupt(resv_port_task task)
{
	set_bit(record_of(task), signalled);
}

void resv_host_kill(resv_port_task task)
{
	set_bit(record_of(task), killed);
}

bool resv_host_signal_pending(void)
{
	return (self().word.load(std::memory_order_relaxed) & (signalled | killed)) != 0;
}

void resv_host_clear_signals(void)
{
	self().word.fetch_and(~(signalled | killed), std::memory_order_relaxed);
}

// ---- Spinning ------------------------------------------------------------------------------------------------

// Who spins for longer than a short critical section takes waits for a preempted task, most likely: let that run.
void resv_port_relax(unsigned turn)
{
	if (turn >= 64 && turn % 16 == 0) {
		sched_yield();
		return;
	}
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	asm volatile("isb" ::: "memory"); // waits longer than `yield`, which most cores ignore
#else
	asm volatile("" ::: "memory");
#endif
}

void resv_port_stand_back(int64_t until_ns)
{
	for (unsigned turn = 0; resv_port_clock() < until_ns;)
		for (unsigned end = turn + 8; turn != end; turn++)
			resv_port_relax(turn);
}

// User space cannot keep its CPU. The spinners' sched_yield() bounds what a preempted holder costs.
void resv_port_critical_begin(void) {}
void resv_port_critical_end(void) {}

using spin_word = std::atomic_ref<uintptr_t>;
static_assert(spin_word::is_always_lock_free && spin_word::required_alignment <= alignof(resv_port_spinlock));

unsigned long resv_port_spin_lock(struct resv_port_spinlock *lock)
{
	spin_word word(lock->opaque[0]);

	for (unsigned turn = 0; word.exchange(1, std::memory_order_acquire) != 0;) {
		while (word.load(std::memory_order_relaxed) != 0)
			resv_port_relax(turn++);
	}
	self().spin_locks++;
	return 0;
}

void resv_port_spin_unlock(struct resv_port_spinlock *lock, unsigned long)
{
	task_record &me = self();

	spin_word(lock->opaque[0]).store(0, std::memory_order_release);
	// What the task deferred meanwhile may begin. Release: it finds all that the task did under the locks.
	if (--me.spin_locks == 0 && me.owed.load(std::memory_order_relaxed) != 0) [[unlikely]]
		me.owed.store(0, std::memory_order_release);
}

// ---- Time and reports ----------------------------------------------------------------------------------------

int64_t resv_port_clock(void)
{
	timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return int64_t{now.tv_sec} * 1000000000 + now.tv_nsec;
}

void resv_port_report(const char *line)
{
	std::scoped_lock guard(sink.lock);

	if (sink.fn != nullptr) {
		sink.fn(line, sink.data);
		return;
	}
	// One system call, so that lines of several processes do not mix. If it fails there is nobody left to tell.
	char newline = '\n';
	const iovec parts[] = {{const_cast<char *>(line), strlen(line)}, {&newline, 1}};
	[[maybe_unused]] ssize_t written = writev(STDERR_FILENO, parts, 2);
}

void resv_host_set_report_sink(resv_host_report_fn fn, void *data)
{
	std::scoped_lock guard(sink.lock);

	sink.fn = fn;
	sink.data = data;
}

// Who holds a lock may have ended meanwhile: only those in the list have a record that may be looked at.
void resv_port_task_name(resv_port_task task, char *buf, size_t size)
{
	pid_t tid = 0;
	{
		std::scoped_lock guard(tasks.lock);
		for (task_record *record = tasks.first; record != nullptr && tid == 0; record = record->next)
			if (reinterpret_cast<resv_port_task>(record) == task)
				tid = record->tid;
	}
	if (tid == 0) {
		snprintf(buf, size, "a task that has ended");
		return;
	}

	char path[32], name[16] = "?";
	snprintf(path, sizeof(path), "/proc/self/task/%d/comm", tid);
	if (int file = open(path, O_RDONLY | O_CLOEXEC); file >= 0) {
		ssize_t length = read(file, name, sizeof(name));
		if (length > 0)
			name[length - 1] = '\0'; // it ends with a newline
		close(file);
	}
	snprintf(buf, size, "%s/%d", name, tid);
}

void resv_port_system(char *buf, size_t size)
{
	utsname system;

	if (uname(&system) != 0)
		system = {};
	snprintf(buf, size, "%s %s, user space", system.release, system.version);
}

[[gnu::noinline]] unsigned resv_port_stack_trace(uintptr_t *pcs, unsigned max, unsigned skip)
{
	unwinding trace = {.pcs = pcs, .max = max, .count = 0, .skip = skip + 1ull}; // one for this frame

	_Unwind_Backtrace(unwind_frame, &trace);
	return trace.count;
}
