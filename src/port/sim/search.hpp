// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Ways to go through the executions of a scenario.
//
//   orders       an execution of each class of executions that differ only in the order of independent steps; for
//                scenarios in which no task can try for ever
//   states       every step from every state that can be reached, with as many preemptions as allowed
//   random       each step any thread that is ready
//   pct          random priorities that change a few times: finds a bug of depth d with a known probability
//   replay       the one execution that a failure printed
#ifndef RESV_PORT_SIM_SEARCH_HPP
#define RESV_PORT_SIM_SEARCH_HPP

#include "machine.hpp"

#include <random>

namespace resv::sim {

/// Depth first, with source sets and sleep sets (Abdulla, Aronis, Jonsson, Sagonas: Optimal Dynamic Partial Order
/// Reduction, POPL 2014). Two steps depend on each other if they access one word and one of them writes.
class orders final : public search {
public:
	explicit orders(const machine &m) : machine_(m) {}

	unsigned pick(thread_mask enabled) override;
	unsigned choose(unsigned outcomes) override;
	void done() override;
	bool next() override;
	bool wants_reads() const override { return true; }

private:
	// The last step of each thread that happened before, counted from 1.
	struct clock {
		uint16_t at[max_threads] = {};
		void join(const clock &other)
		{
			for (unsigned i = 0; i < max_threads; i++)
				if (other.at[i] > at[i])
					at[i] = other.at[i];
		}
	};

	struct frame {
		uint8_t thread = no_thread;
		uint8_t outcomes = 0; // of a choice, which is not a thread's turn
		uint8_t outcome = 0;
		thread_mask backtrack = 0; // to be explored from here, or explored already
		thread_mask sleep = 0;     // explored already, here or from an equivalent state
		clock seen;                // what happened before the step, and itself
	};

	static bool independent(const step &a, const step &b);
	frame &add_frame();
	void look_at(unsigned number);
	void race(unsigned earlier, unsigned later);

	const machine &machine_;
	std::vector<frame> frames_;
	size_t depth_ = 0; // frames that the execution has come through
	size_t fresh_ = 0; // frames from here on have not been looked at
	unsigned last_[max_threads] = {};
};

/// A set of numbers that are as good as random.
class number_set {
public:
	/// False if it was there already.
	bool insert(uint64_t number);
	bool contains(uint64_t number) const { return slots_[find(number)] != 0; }
	size_t size() const { return size_; }

private:
	size_t find(uint64_t number) const;

	std::vector<uint64_t> slots_ = std::vector<uint64_t>(1024); // open addressing; 0: none
	size_t size_ = 0;
};

/// Depth first, and no further from a state that was seen before. Switching away from a task that could go on is a
/// preemption; they may be bounded. Also finds circles: executions that for ever come back to a state although each task
/// that can go on does.
class states final : public search {
public:
	explicit states(machine &m, unsigned preemptions = unbounded) : machine_(m), bound_(preemptions) {}
	~states() override;

	unsigned pick(thread_mask enabled) override;
	unsigned choose(unsigned outcomes) override;
	void done() override { depth_++; }
	bool next() override;

	size_t seen() const { return seen_.size(); }

	static constexpr unsigned unbounded = ~0u;

private:
	struct frame {
		uint64_t state = 0;
		uint8_t thread = no_thread;
		uint8_t outcomes = 0; // of a choice, which is not a thread's turn
		uint8_t outcome = 0;
		uint8_t turn = no_thread; // the task whose turn it was before
		unsigned preemptions = 0; // so far
		thread_mask enabled = 0;
		thread_mask untried = 0;
		bool saved = false; // the machine can go on from here
	};

	frame &add_frame();
	void drop_frame();
	bool is_new(const frame &f);
	void look_for_circle(uint64_t state);
	uint16_t &on_path(uint64_t state) { return on_path_[state % on_path_.size()]; }

	machine &machine_;
	unsigned bound_;
	std::vector<frame> frames_;
	size_t depth_ = 0; // frames that the execution has come through
	number_set seen_;
	std::vector<uint16_t> on_path_ =
		std::vector<uint16_t>(8192); // frames, by what is left of their states
};

/// A number of executions, of which the same seed gives the same.
class random final : public search {
public:
	random(uint64_t seed, uint64_t executions) : random_(seed), left_(executions) {}

	unsigned pick(thread_mask enabled) override;
	unsigned choose(unsigned outcomes) override;
	bool next() override;

private:
	std::minstd_rand random_;
	uint64_t left_;
};

/// Burckhardt, Kothari, Musuvathi, Nagarakatte: A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs,
/// ASPLOS 2010.
class pct final : public search {
public:
	pct(const machine &m, unsigned depth, uint64_t seed, uint64_t executions);

	unsigned pick(thread_mask enabled) override;
	unsigned choose(unsigned outcomes) override;
	bool next() override;

private:
	void shuffle();

	const machine &machine_;
	unsigned depth_;
	std::minstd_rand random_;
	uint64_t left_;
	size_t longest_ = 100;
	unsigned priority_[max_threads];
	std::vector<size_t> changes_; // before which steps the thread that leads falls back
};

class replay final : public search {
public:
	/// `schedule` as machine::schedule() wrote it.
	replay(machine &m, std::string schedule) : machine_(m), schedule_(std::move(schedule)) {}

	unsigned pick(thread_mask enabled) override;
	unsigned choose(unsigned outcomes) override;
	bool next() override { return false; }

private:
	machine &machine_;
	std::string schedule_;
	size_t at_ = 0;
	unsigned thread_ = no_thread;
	unsigned turns_ = 0; // that it still has
};

} // namespace resv::sim

#endif // RESV_PORT_SIM_SEARCH_HPP
