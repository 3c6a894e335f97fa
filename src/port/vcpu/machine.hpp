// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// A machine of virtual CPUs, for what no machine at hand has enough CPUs for. Tasks are fibers; each has a CPU, which has a
// clock. Each access to an atomic word waits until no other CPU's clock is behind, so accesses come in the order of virtual
// time, and then moves the clock on by what it costs. So a run depends on nothing but the tasks and the costs.
//
// A store goes to the CPU's store buffer, which costs it nothing but a hit; others see it when the CPU has the line, and fences
// and read-modify-writes wait for that. So memory orders no less than x86's does. A CPU sees ahead, as one that executes out of
// order: it asks for a line some time before its turn. It does not see past the begin of a contended path, a spin, a wake-up or
// a change of tasks.
#ifndef RESV_PORT_VCPU_MACHINE_HPP
#define RESV_PORT_VCPU_MACHINE_HPP

#include "lines.hpp"

#include <resv/port.h>
#include <resv_port/atomic.hpp>

#include <deque>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include <boost/context/detail/fcontext.hpp>

namespace resv::vcpu {

/// What one cache line was asked for, and the time that CPUs waited for it.
struct traffic {
	uint64_t accesses = 0;
	duration lost = 0;
};

class machine {
public:
	machine() = default;
	machine(const machine &) = delete;
	~machine();

	/// Begins anew with so many CPUs, 1 to max_cpus, whose caches are empty.
	void reset(const costs &what, unsigned cpus);

	/// Adds a task, which takes the CPU after the one that the task before it got.
	void spawn(std::function<void()> body);

	/// Runs until all tasks have ended. False if those that are left sleep for ever.
	bool run();

	/// Counts what is done with the line that `address` lies in, and with no other.
	void watch(const void *address) { watched_ = line_table::number_of(address), watched_traffic_ = {}; }
	const traffic &watched() const { return watched_traffic_; }

	/// How many lines have moved, and how often tasks went to sleep.
	uint64_t transfers() const { return transfers_; }
	uint64_t sleeps() const { return sleeps_; }

	/// The time on the calling task's CPU; out of tasks, that of the last access.
	duration now() const { return in_task() ? own_cpu().clock : last_; }

	bool in_task() const { return current_ != nullptr; }
	unsigned current_cpu() const { return current_->cpu; }

	// What tasks do. Out of tasks, memory is free.
	uint64_t load(word w);
	void store(word w, uint64_t value);
	void modify(const void *address);
	void fence();
	void end_life(word w);
	/// Reads and writes a word that no other CPU wants now.
	void touch(const void *address);
	void work(duration time) { own_cpu().clock += time; }
	/// What the task does from here on, its CPU could not foresee.
	void lose_sight() { own_cpu().blind = own_cpu().clock; }

	// For the port.
	resv_port_task current_id() const { return in_task() ? id_of(*current_) : no_task; }
	bool running(resv_port_task id);
	void park_prepare();
	int park(duration deadline);
	void pin(resv_port_task id) { modify(&of(id)); }
	void wake(resv_port_task id);
	void relax(unsigned turns);
	void critical(int change);
	bool in_critical_section() const { return in_task() && current_->critical != 0; }
	resv_port_held *held();
	/// From 1 on; 0 for whoever sets the machine up.
	unsigned number_of(resv_port_task id) const { return id == no_task ? 0 : of(id).number + 1; }

	static constexpr duration never = INT64_MAX;

private:
	// Aligned, because it is memory that others write who wake it.
	struct alignas(line_table::size) task {
		boost::context::detail::fcontext_t context = nullptr;
		unsigned number = 0;
		unsigned cpu = 0;
		duration ready_at = 0;
		duration deadline = never;
		bool woken = false;
		bool asleep = false;
		int critical = 0;
		std::function<void()> body;
		char *stack = nullptr;
		std::unique_ptr<resv_port_held> held;
	};

	/// A store that others do not see before `time`.
	struct buffered {
		duration time;
		word where;
		uint64_t value;
	};

	struct cpu {
		duration clock = 0;
		duration stored = 0;    // when the store buffer is empty
		duration blind = 0;     // what comes then could not be foreseen before
		duration slice_end = 0; // others that are ready have their turn then
		task *running = nullptr;
		std::deque<task *> ready; // by ready_at
		std::deque<buffered> stores;
		bool scheduled = false; // is in turns_
	};

	/// What comes at `time`: a CPU, or the oldest store in its buffer.
	struct turn {
		duration time;
		unsigned cpu;
		bool is_store;
		bool operator>(const turn &other) const
		{
			if (time != other.time)
				return time > other.time;
			return is_store != other.is_store ? other.is_store : cpu > other.cpu;
		}
	};

	static resv_port_task id_of(const task &t) { return reinterpret_cast<resv_port_task>(&t); }
	static task &of(resv_port_task id) { return *reinterpret_cast<task *>(id); }
	static constexpr resv_port_task no_task = 16; // the identity of whoever sets the machine up

	cpu &own_cpu() { return cpus_[current_->cpu]; }
	const cpu &own_cpu() const { return cpus_[current_->cpu]; }
	void in_turn();
	wish wish_at(duration time) const;
	void note(const void *address, duration before, duration after);
	void wait_for_line(const void *address, const arrival &line);
	void drain(unsigned number, duration time);
	/// A CPU that is farther has to wait for it: at one time, stores come first.
	static duration due(const turn &t) { return t.is_store ? t.time - 1 : t.time; }
	void come(const turn &t);
	void schedule(unsigned number, duration time);
	void schedule_idle(unsigned number);
	void make_ready(task &t, duration time);
	void give_way();
	void end_sleeps(duration time);
	task *next_task();
	void go_on(boost::context::detail::fcontext_t &from);
	static void enter(boost::context::detail::transfer_t from);
	char *new_stack();

	costs costs_ = {};
	std::vector<cpu> cpus_;
	std::deque<task> tasks_;
	std::vector<char *> stacks_; // of all tasks that there have been at a time
	task *current_ = nullptr;
	unsigned alive_ = 0;
	duration last_ = 0;
	boost::context::detail::fcontext_t home_ = nullptr;

	std::vector<turn> turns_; // of stores, and of CPUs but the current one; a heap, the first is the next
	std::set<std::pair<duration, unsigned>> deadlines_; // of tasks, by number
	duration next_ = never;                             // the next turn or deadline

	line_table lines_;
	uintptr_t watched_ = 0;
	traffic watched_traffic_;
	uint64_t transfers_ = 0;
	uint64_t sleeps_ = 0;
};

/// The machine that the port and the atomics talk to.
extern machine only_machine;
inline machine &the_machine()
{
	return only_machine;
}

} // namespace resv::vcpu

#endif // RESV_PORT_VCPU_MACHINE_HPP
