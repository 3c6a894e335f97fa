// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The simulated machine: tasks that are fibers, a memory with or without store buffers, and parking. It does one step
// at a time; which one, a `search` decides (search.hpp). So a run is a function of the decisions alone.
//
// A step is one access to an atomic word, one park, wake or task end, or the drain of one entry of a store buffer.
// What a task does between two accesses to atomics belongs to the step before.
//
// Nothing but the task's own code runs on its stack: it asks, and the machine answers from a stack of its own. So what
// lies on the stacks, and in the words that tasks share, is the state of the execution, and equal states look alike.
#ifndef RESV_PORT_SIM_MACHINE_HPP
#define RESV_PORT_SIM_MACHINE_HPP

#include <resv/port.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include <boost/context/detail/fcontext.hpp>

namespace resv::sim {

inline constexpr unsigned max_tasks = 8;
/// Threads: the tasks, then for each task the one that drains its store buffer.
inline constexpr unsigned max_threads = 2 * max_tasks;
inline constexpr unsigned no_thread = max_threads;

using thread_mask = uint32_t;

constexpr thread_mask bit(unsigned thread)
{
	return thread_mask{1} << thread;
}
constexpr bool is_drain(unsigned thread)
{
	return thread >= max_tasks;
}
constexpr unsigned drain_of(unsigned task)
{
	return task + max_tasks;
}

enum class memory_model : unsigned {
	sc,  ///< a store is seen by all at once
	tso, ///< a store waits in the task's buffer, in order, until it is drained; as on x86
	pso, ///< the same, but stores to different words may change places; not with a release after them
};

/// May resv_port_task_running() say yes, no, or either?
enum class running_hint : unsigned { never, always, either };

enum class action : uint8_t {
	load,
	store,
	modify,  ///< a read-modify-write
	add,     ///< before it is done; then it is a modify
	compare, ///< a compare-and-exchange: before it is done, or failed
	fence,
	open, ///< park_prepare
	park, ///< the end of a park
	wake,
	pin,
	die, ///< the end of a word's, or a task's, life
	choice,
};

/// A word that tasks share, as one execution knows it.
struct location {
	void *address = nullptr;
	unsigned size = 0;
	bool alive = true;
	bool is_static = false; // nobody began it
	unsigned life = 0;      // how often it has begun; a buffered store to an earlier life is dropped
	unsigned execution = 0;
	std::vector<unsigned> writes; // steps, in order
	std::vector<unsigned>
		reads; // steps since the last write that depends on them; for a search that wants them
};

/// What happened in a step, or what a thread will do in its next one.
struct step {
	uint8_t thread = no_thread;
	action what = action::choice;
	bool write = false;
	bool fenced = false;  // waits until the task's store buffer is empty
	uint8_t outcomes = 0; // of a choice: how many there were
	uint8_t outcome = 0;  // and which it was
	location *where = nullptr;
	uint64_t before = 0;
	uint64_t after = 0;
	// The step that this one waited for, or that issued the store which this one drains: counted from 1, 0 is none.
	unsigned enabled_by = 0;
	unsigned issued_by = 0;
};

/// Decides. All its functions but next() are called from within an execution.
class search {
public:
	virtual ~search() = default;

	/// Which of these threads goes next? `no_thread` ends the execution: it shows nothing new.
	virtual unsigned pick(thread_mask enabled) = 0;
	/// Which of so many outcomes?
	virtual unsigned choose(unsigned outcomes) = 0;
	/// The step has been done: machine::steps().back(). Its word does not count it yet.
	virtual void done() {}
	/// Prepares for another execution; false if there is none.
	virtual bool next() = 0;
	/// Does it look at location::reads?
	virtual bool wants_reads() const { return false; }
};

enum class verdict : unsigned {
	passed,
	failed,
	redundant, ///< the search cut it short
};

/// A line that a scenario wrote while it ran, before step `at`.
struct remark {
	size_t at;
	unsigned task;
	std::string text;
};

class machine {
public:
	struct options {
		memory_model memory = memory_model::sc;
		running_hint running = running_hint::never;
		unsigned spurious = 0; ///< how often a task's park may end for no reason
		unsigned max_steps = 4000;
		bool reports = false; ///< may an execution bring about reports, and be right?
	};

	machine() : table_(table_size) {}
	machine(const machine &) = delete;

	/// Runs one execution: `begin` sets it up and spawns tasks, `end` checks what they left behind. If a state was
	/// saved, the execution goes on from there, after the steps and decisions that led to it.
	verdict execute(const options &how, search &decisions, const std::function<void()> &begin,
			const std::function<void()> &end);

	/// Why the last execution failed.
	const std::string &failure() const { return failure_; }

	// For searches.
	const std::vector<step> &steps() const { return steps_; }
	/// What the thread, which is enabled, would do.
	step upcoming(unsigned thread) const;
	/// Stands for all that the execution can do from here on: stacks, words, store buffers. Equal states have equal
	/// numbers; that unequal ones have, too, is as likely as with any 64-bit hash.
	uint64_t state();
	/// Keeps the state, on top of those that were saved before, for executions to go on from.
	void save();
	/// Forgets the last that was saved.
	void forget() { saved_count_--; }
	/// Every decision of the execution, as text that replay understands: a letter for a thread (capital: its store
	/// buffer's drain) and how many steps it took, a colon and a digit for the outcome of a choice.
	std::string schedule() const;

	// For whoever draws an execution. Remarks and names are kept only if asked for.
	void keep_remarks(bool on) { keep_remarks_ = on; }
	bool keeps_remarks() const { return keep_remarks_; }
	const std::vector<remark> &remarks() const { return remarks_; }
	const std::string &task_label(unsigned task) const { return tasks_[task].label; }
	unsigned tasks() const { return count_; }
	/// A task's number. If there is none the execution fails, for the reason `who`.
	unsigned task_of(resv_port_task id, const char *who);
	/// The smallest thing of that name that lies there, or the whole of which it is part.
	std::string name_of(const void *address, bool whole = false) const;

	// For scenarios.
	/// A task that calls `body`, whose captures must be few: they lie in the machine, where each execution finds them
	/// at the same place.
	template <typename F>
	void spawn(const std::string &label, F body)
	{
		static_assert(sizeof body <= 2 * sizeof(void *));
		static_assert(std::is_trivially_copyable_v<F>);
		add_task(label, body);
	}
	/// An interrupt that comes to the task at any step at which it lets interrupts in, or never; until it is over the
	/// task does nothing. Needs sequentially consistent memory, and a search that does not reorder steps.
	template <typename F>
	void spawn_interrupt(const std::string &label, unsigned task, F body)
	{
		spawn(label, body);
		interrupt(task);
	}
	/// Memory that tasks share and that is not on their stacks.
	void share(void *address, size_t size);
	/// Does it lie in such memory?
	bool shares(const void *address) const;
	/// May the current task be interrupted while it parks?
	void admit_signals(bool on);
	void label(const void *address, size_t size, std::string text);
	void note(std::string text);
	/// The execution has gone wrong. Does not return to a task; outside of tasks it may.
	void fail(std::string why);
	unsigned current() const { return running_; }
	/// The word, as the current task would see it; no step.
	uint64_t peek(const void *address, unsigned size) const;
	/// Sees each step once it is done; for this execution.
	std::function<void(const step &)> watch;

	// For the port and its atomics. Outside of tasks they act at once.
	uint64_t access(action what, void *address, unsigned size, uint64_t value, uint64_t expected = 0);
	void fence();
	void begin_life(void *address, unsigned size);
	void end_life(void *address, unsigned size);
	void park_prepare();
	int park(resv_port_park_mode mode, bool has_deadline);
	void pin(resv_port_task id);
	void wake(resv_port_task id);
	bool running(resv_port_task id);
	void relax();
	void critical(int change);
	/// Lets no interrupts in (1), or again (-1).
	void interrupts_off(int change);
	/// Opens (1) or ends (-1) a read-side section; true for the outermost.
	bool section(int change);
	void report(const char *line);
	unsigned choose(unsigned outcomes);
	bool in_task() const { return active_ && running_ != no_thread; }
	bool in_interrupt() const { return in_task() && tasks_[running_].host != no_thread; }
	bool are_interrupts_off() const { return in_task() && tasks_[running_].interrupts_off != 0; }
	bool in_critical_section() const { return in_task() && tasks_[running_].critical != 0; }
	bool in_section() const { return in_task() && tasks_[running_].sections != 0; }
	/// The size of the word whose life began at this address and has not ended; 0 if there is none.
	unsigned lives(const void *address) const;
	resv_port_task id_of(unsigned task) const { return (task + 1) << 4; }
	/// The identity of the task that runs, or of the one that the interrupt has come to.
	resv_port_task current_id() const { return id_of(in_interrupt() ? tasks_[running_].host : running_); }

private:
	/// What a task asks of the machine.
	struct request {
		enum class kind : uint8_t { step, choose, begin_life, end_life, fail } what;
		action how;        // of a step
		unsigned size = 0; // of the word; or the number of outcomes
		void *address = nullptr;
		uint64_t value = 0;
		uint64_t expected = 0; // of a compare-and-exchange; of a store: is it a release?
	};

	struct buffered {
		location *where;
		unsigned life;
		action what; // store, die or wake
		uint64_t value;
		unsigned issued_by;
		bool in_order; // comes after all that were buffered before it
	};

	/// Stores of one task that others do not see yet, the oldest first.
	class store_buffer {
	public:
		store_buffer() = default;
		store_buffer(const store_buffer &other) : count_(other.count_)
		{
			std::copy_n(other.entries_, count_, entries_);
		}
		store_buffer &operator=(const store_buffer &other)
		{
			if (this != &other)
				std::copy_n(other.entries_, count_ = other.count_, entries_);
			return *this;
		}
		bool full() const { return count_ == capacity; }
		bool empty() const { return count_ == 0; }
		void push(const buffered &entry) { entries_[count_++] = entry; }
		buffered pop(unsigned n)
		{
			buffered entry = entries_[n];
			std::copy(entries_ + n + 1, entries_ + count_--, entries_ + n);
			return entry;
		}
		const buffered *begin() const { return entries_; }
		const buffered *end() const { return entries_ + count_; }

	private:
		static constexpr unsigned capacity = 16;
		unsigned count_ = 0;
		buffered entries_[capacity];
	};

	/// How far a task has come. With its stack, it is all that there is of it.
	struct progress {
		boost::context::detail::fcontext_t context = nullptr;
		request asked = {};
		uint64_t answer = 0;
		step next;
		bool awaits = false;    // a load that waits until what the last one saw has changed
		bool relaxed = false;   // the next load will, if it is of the same word
		bool may_leave = false; // a park that may end without a wake
		location *last_where = nullptr;
		size_t last_version = 0;
		int critical = 0;
		int sections = 0;
		int interrupts_off = 0;
		int pins = 0;
		unsigned spurious = 0;
		bool signals = false;
		bool dead = false;
		unsigned woken_by = 0; // steps, counted from 1
		unsigned last_step = 0;
		uint32_t woken = 0; // words of the machine's own: what a wake sets, and the task's life
		uint32_t life = 0;
		store_buffer buffer;
	};

	struct fiber : progress {
		std::string label;
		unsigned host = no_thread; // of an interrupt: the task that it comes to
		std::function<void()> body;
		std::unique_ptr<char[]> stack;

		char *top() const { return stack.get() + stack_size; }
	};

	/// What an execution can go on from.
	struct snapshot {
		size_t steps, decisions, changes, statics, reported;
		uint64_t dead;
		progress tasks[max_tasks];
		std::vector<char> memory; // stacks, shared regions, static words
	};

	/// A location as it was before a step.
	struct past {
		location *where;
		bool alive;
		unsigned life;
		unsigned execution;
		size_t writes;
	};

	struct named {
		uintptr_t begin;
		size_t size;
		std::string text;
	};

	void add_task(const std::string &label, std::function<void()> body);
	void interrupt(unsigned task);
	void start(const std::function<void()> &begin);
	void go_back();
	template <typename F>
	void for_memory(size_t statics, F each);
	void about_to_change(location &where);
	size_t place_of(const void *address) const;
	location &find(void *address, unsigned size, bool begins = false);
	static uint64_t seen_by(const fiber &task, const void *address, unsigned size);
	bool ready(unsigned thread) const;
	bool interrupted(unsigned task) const;
	bool is_over(unsigned task) const;
	thread_mask enabled() const;
	uint64_t ask(const request &what);
	void resume(unsigned task);
	bool answer(fiber &self);
	bool announce(fiber &self);
	void perform(fiber &self);
	void issue(fiber &self, location &where);
	unsigned next_drained(unsigned thread);
	void drain(unsigned thread);
	void apply(location &where, action what, uint64_t value);
	void record(const step &s);
	void run(bool anew);
	void run_guarded(bool anew);
	static void crashed(int signal);
	static void enter(boost::context::detail::transfer_t from);

	static constexpr size_t stack_size = 64 * 1024;
	/// So much of a stack tasks use, but for reports; all of it is kept, as a task at fault may use what has ended.
	static constexpr size_t used_stack = 3 * 1024;

	fiber tasks_[max_tasks];
	unsigned count_ = 0;
	unsigned interrupts_ = 0; // of the tasks, so many are interrupts
	unsigned running_ = no_thread;
	boost::context::detail::fcontext_t home_ = nullptr;
	options options_;
	search *search_ = nullptr;
	bool wants_reads_ = false;
	unsigned execution_ = 0;
	bool guarded_ = false; // a crash is a task's fault
	bool active_ = false;  // from the set-up of an execution to its end
	std::vector<step> steps_;
	std::vector<uint8_t> decisions_; // a thread, or `chosen` and an outcome
	static constexpr uint8_t chosen = 0x80;
	static constexpr unsigned max_choices = 10; // a digit in schedules
	verdict verdict_ = verdict::passed;
	std::string failure_;
	std::string reported_;

	// Locations by address: open addressing. Static words get their first value back before each execution.
	static constexpr size_t table_size = 4096;
	std::vector<location> table_;
	struct original {
		void *address;
		unsigned size;
		uint64_t value;
	};
	std::vector<original> statics_;
	struct region {
		void *address;
		size_t size;
	};
	std::vector<region> shared_;
	uint64_t dead_ = 0; // stands for the set of words whose life has ended
	std::vector<past> changes_;
	std::vector<snapshot> saved_; // the first saved_count_; the others keep their memory for the next
	size_t saved_count_ = 0;
	unsigned resumed_ = 0; // how often any task was

	bool keep_remarks_ = false;
	std::vector<remark> remarks_;
	std::vector<named> names_;
};

/// The machine that the port and the atomics talk to.
extern machine only_machine;
inline machine &the_machine()
{
	return only_machine;
}

} // namespace resv::sim

#endif // RESV_PORT_SIM_MACHINE_HPP
