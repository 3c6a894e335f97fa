// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "search.hpp"

#include <algorithm>
#include <bit>
#include <cctype>
#include <cstdlib>

namespace resv::sim {

namespace {

unsigned lowest(thread_mask threads)
{
	return static_cast<unsigned>(std::countr_zero(threads));
}

// Prefers the thread that ran last: a schedule with few switches reads better.
unsigned go_on_with(const machine &m, thread_mask threads)
{
	unsigned last = m.steps().empty() ? no_thread : m.steps().back().thread;
	return last != no_thread && (threads & bit(last)) ? last : lowest(threads);
}

} // namespace

// ---- Orders -------------------------------------------------------------------------------------------------------

// A task sees its own stores whether they are in its buffer or drained.
bool orders::independent(const step &a, const step &b)
{
	if (a.where != b.where || (!a.write && !b.write))
		return true;
	return (is_drain(a.thread) && drain_of(b.thread) == a.thread && !b.write) ||
	       (is_drain(b.thread) && drain_of(a.thread) == b.thread && !a.write);
}

// A thread that sleeps need not go first here, unless the step that led here depends on what it would do.
orders::frame &orders::add_frame()
{
	frame f;
	if (!frames_.empty()) {
		const frame &parent = frames_.back();
		const step &last = machine_.steps().back();
		for (thread_mask rest = parent.sleep; rest; rest &= rest - 1)
			if (parent.outcomes != 0 || independent(last, machine_.upcoming(lowest(rest))))
				f.sleep |= rest & -rest;
	}
	return frames_.emplace_back(f);
}

unsigned orders::pick(thread_mask enabled)
{
	if (depth_ < frames_.size())
		return frames_[depth_].thread;
	frame &f = add_frame();
	thread_mask candidates = enabled & ~f.sleep;
	if (candidates == 0) {
		frames_.pop_back();
		return no_thread;
	}
	f.thread = static_cast<uint8_t>(go_on_with(machine_, candidates));
	f.backtrack = bit(f.thread);
	return f.thread;
}

unsigned orders::choose(unsigned outcomes)
{
	if (depth_ == frames_.size())
		add_frame().outcomes = static_cast<uint8_t>(outcomes);
	return frames_[depth_].outcome;
}

void orders::done()
{
	auto number = static_cast<unsigned>(depth_++);
	if (number >= fresh_)
		look_at(number);
	last_[machine_.steps()[number].thread] = number + 1;
}

void orders::look_at(unsigned number)
{
	const step &s = machine_.steps()[number];
	clock &seen = frames_[number].seen;
	auto after = [&](unsigned other) {
		if (other != 0)
			seen.join(frames_[other - 1].seen);
	};

	fresh_ = number + 1;
	seen = {};
	after(last_[s.thread]);
	after(s.issued_by);
	if (s.fenced)
		after(last_[drain_of(s.thread)]);

	// From the last to the first: a step that happened before one that we have met is no race.
	auto meet = [&](unsigned other) {
		const step &o = machine_.steps()[other];
		if (independent(o, s))
			return false;
		if (seen.at[o.thread] < other + 1) {
			if (s.enabled_by != other + 1)
				race(other, number);
			seen.join(frames_[other].seen);
		}
		return true;
	};
	if (s.where) {
		const std::vector<unsigned> &writes = s.where->writes;
		const std::vector<unsigned> &reads = s.where->reads;
		auto read = s.write ? reads.rbegin() : reads.rend();
		for (auto write = writes.rbegin(); write != writes.rend(); ++write) {
			for (; read != reads.rend() && *read > *write; ++read)
				meet(*read);
			if (meet(*write))
				break; // the earlier ones happened before it
		}
		for (; read != reads.rend(); ++read)
			meet(*read);
	}
	seen.at[s.thread] = static_cast<uint16_t>(number + 1);
}

// Two steps that depend on each other, with nothing in between that orders them. The other order begins with whatever
// came since and did not depend on the earlier one: one of the threads that may begin it has to be explored from there.
void orders::race(unsigned earlier, unsigned later)
{
	const std::vector<step> &steps = machine_.steps();
	unsigned thread = steps[earlier].thread;
	unsigned first[max_threads] = {};

	for (unsigned i = earlier + 1; i < later; i++)
		if (frames_[i].seen.at[thread] < earlier + 1 && first[steps[i].thread] == 0)
			first[steps[i].thread] = i + 1;
	unsigned last = steps[later].thread;
	if (first[last] == 0)
		first[last] = later + 1;

	thread_mask initials = 0;
	for (unsigned t = 0; t < max_threads; t++) {
		bool initial = first[t] != 0;
		for (unsigned other = 0; initial && other < max_threads; other++)
			initial = other == t || first[other] == 0 ||
				  frames_[first[t] - 1].seen.at[other] < first[other];
		if (initial)
			initials |= bit(t);
	}
	frame &f = frames_[earlier];
	if (!(initials & (f.backtrack | f.sleep)))
		f.backtrack |= initials & bit(last) ? bit(last) : initials & -initials;
}

bool orders::next()
{
	depth_ = 0;
	std::fill(std::begin(last_), std::end(last_), 0);
	for (; !frames_.empty(); frames_.pop_back()) {
		frame &f = frames_.back();
		fresh_ = frames_.size() - 1;
		if (f.outcomes != 0) {
			if (++f.outcome < f.outcomes)
				return true;
			continue;
		}
		f.sleep |= bit(f.thread);
		thread_mask left = f.backtrack & ~f.sleep;
		if (left != 0) {
			f.thread = static_cast<uint8_t>(lowest(left));
			return true;
		}
	}
	return false;
}

// ---- States -------------------------------------------------------------------------------------------------------

size_t number_set::find(uint64_t number) const
{
	size_t at = number & (slots_.size() - 1);
	while (slots_[at] != 0 && slots_[at] != number)
		at = (at + 1) & (slots_.size() - 1);
	return at;
}

bool number_set::insert(uint64_t number)
{
	number += number == 0;
	size_t at = find(number);
	if (slots_[at] != 0)
		return false;
	slots_[at] = number;
	if (++size_ * 2 > slots_.size()) {
		std::vector<uint64_t> old(slots_.size() * 2);
		old.swap(slots_);
		for (uint64_t each : old)
			if (each != 0)
				slots_[find(each)] = each;
	}
	return true;
}

states::~states()
{
	while (!frames_.empty())
		drop_frame();
}

states::frame &states::add_frame()
{
	frame f;
	if (!frames_.empty()) {
		const frame &parent = frames_.back();
		bool turn = parent.outcomes == 0 && !is_drain(parent.thread);
		f.turn = turn ? parent.thread : parent.turn;
		f.preemptions = parent.preemptions;
		if (turn && parent.turn != no_thread && parent.turn != parent.thread &&
		    (parent.enabled & bit(parent.turn)))
			f.preemptions++;
	}
	return frames_.emplace_back(f);
}

void states::drop_frame()
{
	const frame &f = frames_.back();
	if (f.saved)
		machine_.forget();
	if (f.outcomes == 0)
		on_path(f.state)--;
	frames_.pop_back();
}

// With a bound, coming to a state with fewer preemptions left than before shows nothing new either.
bool states::is_new(const frame &f)
{
	if (bound_ == unbounded)
		return seen_.insert(f.state);
	auto key = [&](unsigned preemptions) { return (f.state ^ f.turn) * (2 * preemptions + 3); };
	for (unsigned p = 0; p < f.preemptions; p++)
		if (seen_.contains(key(p)))
			return false;
	return seen_.insert(key(f.preemptions));
}

// A thread that can go on all the way round has a turn sooner or later: without one, it is no circle.
void states::look_for_circle(uint64_t state)
{
	if (on_path(state) == 0)
		return;
	thread_mask always = ~thread_mask{0};
	thread_mask turns = 0;
	for (auto f = frames_.rbegin(); f != frames_.rend(); ++f) {
		if (f->outcomes != 0)
			continue;
		always &= f->enabled;
		turns |= bit(f->thread);
		if (f->state == state) {
			if (!(always & ~turns))
				machine_.fail("tasks go round in circles");
			return;
		}
	}
}

unsigned states::pick(thread_mask enabled)
{
	if (depth_ < frames_.size())
		return frames_[depth_].thread;
	uint64_t state = machine_.state();
	frame &f = add_frame();
	f.state = state;
	if (!is_new(f)) {
		frames_.pop_back();
		look_for_circle(state);
		return no_thread;
	}
	bool may_go_on = f.turn != no_thread && (enabled & bit(f.turn));
	f.enabled = f.untried = enabled;
	if (may_go_on && f.preemptions >= bound_)
		f.untried &= bit(f.turn) | ~(bit(max_tasks) - 1); // and store buffers, any time
	f.thread = static_cast<uint8_t>(may_go_on ? f.turn : lowest(f.untried));
	f.untried &= ~bit(f.thread);
	on_path(state)++;
	if (f.untried != 0) {
		machine_.save();
		f.saved = true;
	}
	return f.thread;
}

unsigned states::choose(unsigned outcomes)
{
	if (depth_ == frames_.size())
		add_frame().outcomes = static_cast<uint8_t>(outcomes);
	return frames_[depth_].outcome;
}

// The next execution begins at the last frame that can be gone back to.
bool states::next()
{
	for (; !frames_.empty(); drop_frame()) {
		frame &f = frames_.back();
		if (f.outcomes != 0 && ++f.outcome < f.outcomes)
			break;
		if (f.outcomes == 0 && f.untried != 0) {
			f.thread = static_cast<uint8_t>(lowest(f.untried));
			f.untried &= f.untried - 1;
			break;
		}
	}
	depth_ = frames_.size();
	while (depth_ != 0 && !frames_[--depth_].saved)
		;
	return !frames_.empty();
}

// ---- Random ---------------------------------------------------------------------------------------------------------

unsigned random::pick(thread_mask enabled)
{
	for (auto skip = random_() % static_cast<unsigned>(std::popcount(enabled)); skip != 0; skip--)
		enabled &= enabled - 1;
	return lowest(enabled);
}

unsigned random::choose(unsigned outcomes)
{
	return static_cast<unsigned>(random_() % outcomes);
}

bool random::next()
{
	return --left_ != 0;
}

pct::pct(const machine &m, unsigned depth, uint64_t seed, uint64_t executions)
	: machine_(m), depth_(depth), random_(seed), left_(executions)
{
	shuffle();
}

void pct::shuffle()
{
	for (unsigned i = 0; i < max_threads; i++)
		priority_[i] = depth_ + i;
	std::shuffle(std::begin(priority_), std::end(priority_), random_);
	changes_.clear();
	for (unsigned i = 1; i < depth_; i++)
		changes_.push_back(random_() % longest_);
}

unsigned pct::pick(thread_mask enabled)
{
	auto leader = [&] {
		unsigned best = lowest(enabled);
		for (thread_mask rest = enabled; rest; rest &= rest - 1)
			if (priority_[lowest(rest)] > priority_[best])
				best = lowest(rest);
		return best;
	};
	for (unsigned i = 0; i < changes_.size(); i++)
		if (changes_[i] == machine_.steps().size())
			priority_[leader()] = i; // below all that were dealt
	return leader();
}

unsigned pct::choose(unsigned outcomes)
{
	return static_cast<unsigned>(random_() % outcomes);
}

bool pct::next()
{
	longest_ = std::max(longest_, machine_.steps().size());
	shuffle();
	return --left_ != 0;
}

// ---- Replay -------------------------------------------------------------------------------------------------------

unsigned replay::pick(thread_mask enabled)
{
	if (turns_ == 0) {
		if (at_ == schedule_.size())
			return lowest(enabled);
		char letter = schedule_[at_++];
		if (letter >= 'a' && letter < 'a' + static_cast<int>(max_tasks))
			thread_ = static_cast<unsigned>(letter - 'a');
		else if (letter >= 'A' && letter < 'A' + static_cast<int>(max_tasks))
			thread_ = drain_of(static_cast<unsigned>(letter - 'A'));
		else
			machine_.fail("the schedule does not fit: no thread's turn is expected here");
		size_t digits = at_;
		while (at_ < schedule_.size() && isdigit(static_cast<unsigned char>(schedule_[at_])))
			at_++;
		turns_ = digits == at_ ? 1 : static_cast<unsigned>(atoi(schedule_.c_str() + digits));
	}
	if (turns_ == 0 || !(enabled & bit(thread_)))
		machine_.fail("the schedule does not fit: a thread's turn that cannot go on");
	turns_--;
	return thread_;
}

unsigned replay::choose(unsigned outcomes)
{
	if (turns_ == 0 && at_ == schedule_.size())
		return 0;
	if (turns_ != 0 || at_ + 1 >= schedule_.size() || schedule_[at_] != ':')
		machine_.fail("the schedule does not fit: a choice is expected here");
	auto outcome = static_cast<unsigned>(schedule_[at_ + 1] - '0');
	if (outcome >= outcomes)
		machine_.fail("the schedule does not fit: a choice has fewer outcomes");
	at_ += 2;
	return outcome;
}

} // namespace resv::sim
