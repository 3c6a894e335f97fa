// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What the host port's files share: a thread's record, and how to sleep.
#ifndef RESV_PORT_HOST_TASK_HPP
#define RESV_PORT_HOST_TASK_HPP

#include <resv/port.h>

#include <atomic>
#include <cstdint>
#include <ctime>
#include <mutex>

#include <sys/types.h>

namespace resv::host {

// A task's word is the futex that it parks on: whatever may end a park sets a bit in it.
//
//   bit        set by               cleared by                    meaning
//   woken      wake                 prepare                       the park that follows prepare returns 0
//   asleep     park, on entry       park, on return               who sets another bit calls the futex as well
//   signalled  resv_host_interrupt  an interruptible park's       ends an interruptible park
//                                   -EINTR, or the task
//   killed     resv_host_kill       the task                      ends an interruptible or a killable park
//
// The word is changed by read-modify-writes only: each acquires what all the earlier ones released.
inline constexpr uint32_t woken = 1;
inline constexpr uint32_t asleep = 2;
inline constexpr uint32_t signalled = 4;
inline constexpr uint32_t killed = 8;

// Something that only its own task adds to, and others may read.
class tally {
public:
	void operator++() { count_.store(value() + 1, std::memory_order_relaxed); }
	unsigned long value() const { return count_.load(std::memory_order_relaxed); }

private:
	std::atomic<unsigned long> count_ = 0;
};

// What a task, or all that have ended, did with memory.
struct memory_counts {
	tally allocated, freed, failed;
};

// A task's identity is the address of its record. The thread and each pin hold one reference.
struct alignas(64) task_record {
	std::atomic<uint32_t> word = 0;
	std::atomic<uint32_t> references = 1;
	const uint32_t *cpu = nullptr; // see rseq_cpu(); dangles once the thread has ended
	pid_t tid = 0;
	// The open wait. Only the task itself looks at these.
	bool waiting = false;
	resv_port_park_mode mode = RESV_PARK_UNINTERRUPTIBLE;
	// In the list of live tasks.
	task_record *next = nullptr, *previous = nullptr;

	// For memory.cpp, on a line that others seldom touch. Only `section` and `owed` are for others to read.
	alignas(64) unsigned sections = 0;   // how many read-side sections are open
	bool fences = true;                  // must the outermost be entered with a full fence?
	bool serves = false;                 // the worker: nobody else would make room for it
	std::atomic<uint64_t> section = 0;   // the grace period in which the outermost was entered; 0 outside
	unsigned spin_locks = 0;             // how many are held
	unsigned debts = 0;                  // how often spin locks were held while work was deferred
	std::atomic<unsigned> owed = 0;      // which time this is; 0 once the locks are dropped
	unsigned awaited = 0;                // the worker's: what was owed when it looked first
	unsigned long allocs_to_failure = 0; // the allocation, counted from 1, that is to fail; 0 for none
	memory_counts memory;
};
static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t) &&
	      std::atomic<uint32_t>::is_always_lock_free); // it is a futex

extern __attribute__((tls_model("initial-exec"))) constinit thread_local task_record *self_record;

task_record &new_record();

inline task_record &self()
{
	if (self_record != nullptr) [[likely]]
		return *self_record;
	return new_record();
}

[[noreturn]] void die(const char *why);

// The tasks that live, and what those did that have ended. No task begins or ends while the lock is held.
struct task_list {
	std::mutex lock;
	task_record *first = nullptr;
	unsigned long allocated = 0, freed = 0, failed = 0;
};
extern constinit task_list tasks;

// The operation's result, or minus the errno. The deadline is of the monotonic clock; null for none.
int futex(std::atomic<uint32_t> &word, int operation, uint32_t value, const timespec *deadline);

inline timespec time_of(int64_t ns)
{
	return {.tv_sec = static_cast<time_t>(ns / 1000000000),
		.tv_nsec = static_cast<long>(ns % 1000000000)};
}

} // namespace resv::host

#endif // RESV_PORT_HOST_TASK_HPP
