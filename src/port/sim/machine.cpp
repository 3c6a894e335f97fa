// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "machine.hpp"
#include "detail.hpp"

namespace resv::sim {

machine only_machine;

// ---- Executions ---------------------------------------------------------------------------------------------------

verdict machine::execute(const options &how, search &decisions, const std::function<void()> &begin,
			 const std::function<void()> &end)
{
	search_ = &decisions;
	wants_reads_ = decisions.wants_reads();
	failure_.clear();
	verdict_ = verdict::passed;
	active_ = true;
	bool anew = saved_count_ == 0;
	if (anew) {
		options_ = how;
		start(begin);
	} else {
		go_back();
	}
	run_guarded(anew);
	running_ = no_thread;
	if (verdict_ == verdict::passed)
		end();
	if (verdict_ == verdict::passed && !reported_.empty() && !options_.reports)
		fail("a report");
	if (verdict_ == verdict::failed && !reported_.empty())
		failure_ += ":\n" + reported_;
	active_ = false;
	return verdict_;
}

void machine::start(const std::function<void()> &begin)
{
	execution_++;
	count_ = interrupts_ = 0;
	running_ = no_thread;
	steps_.clear();
	decisions_.clear();
	changes_.clear();
	shared_.clear();
	dead_ = 0;
	remarks_.clear();
	names_.clear();
	reported_.clear();
	watch = nullptr;
	for (const original &word : statics_)
		put_back(word.address, &word.value, word.size);
	begin();
}

void machine::add_task(const std::string &label, std::function<void()> body)
{
	if (count_ == max_tasks)
		return fail("more tasks than the machine has");
	fiber &t = tasks_[count_];
	if (!t.stack)
		t.stack = std::make_unique<char[]>(stack_size);
	static_cast<progress &>(t) = {};
	t.label = label;
	t.host = no_thread;
	t.body = std::move(body);
	t.spurious = options_.spurious;
	memset(t.top() - used_stack, 0, used_stack);
	t.context = context::make_fcontext(t.top(), stack_size, enter);
	count_++;
}

// Their order with the steps of the task is no matter of words, nor do they see its store buffer.
void machine::interrupt(unsigned task)
{
	if (options_.memory != memory_model::sc || wants_reads_)
		return fail("interrupts come under --memory=sc, and not with --search=orders");
	tasks_[count_ - 1].host = task;
	interrupts_++;
}

void machine::run(bool anew)
{
	for (unsigned i = 0; anew && i < count_; i++)
		resume(i); // to its first step
	while (verdict_ == verdict::passed) {
		thread_mask ready = enabled();
		if (ready == 0) {
			std::string stuck;
			for (unsigned i = 0; i < count_; i++)
				if (!is_over(i))
					stuck += (stuck.empty() ? "" : ", ") + tasks_[i].label +
						 (tasks_[i].next.what == action::park ? " is parked"
										      : " spins");
			if (!stuck.empty())
				fail("no task can go on: " + stuck);
			return;
		}
		if (steps_.size() >= options_.max_steps)
			return fail("the execution does not come to an end");
		unsigned thread = search_->pick(ready);
		if (verdict_ != verdict::passed)
			return;
		if (thread == no_thread) {
			verdict_ = verdict::redundant;
			return;
		}
		decisions_.push_back(static_cast<uint8_t>(thread));
		if (is_drain(thread)) {
			drain(thread);
			continue;
		}
		perform(tasks_[thread]);
		if (verdict_ == verdict::passed && !tasks_[thread].dead)
			resume(thread);
	}
}

// Lets the task run until it asks for a step, and answers whatever else it asks.
void machine::resume(unsigned task)
{
	fiber &self = tasks_[task];
	running_ = task;
	resumed_++;
	do
		land(context::jump_fcontext(self.context, &home_));
	while (verdict_ == verdict::passed && answer(self));
	running_ = no_thread;
}

// True if the task goes on at once.
bool machine::answer(fiber &self)
{
	const request &asked = self.asked;
	switch (asked.what) {
	case request::kind::step:
		return announce(self);
	case request::kind::choose: {
		step s = {};
		s.thread = static_cast<uint8_t>(running_);
		s.outcomes = static_cast<uint8_t>(asked.size);
		if (asked.size > 1) {
			s.outcome = static_cast<uint8_t>(search_->choose(asked.size));
			decisions_.push_back(static_cast<uint8_t>(chosen | s.outcome));
			record(s);
		}
		self.answer = s.outcome;
		return verdict_ == verdict::passed;
	}
	case request::kind::begin_life: {
		location &where = find(asked.address, asked.size, true);
		about_to_change(where);
		if (!where.alive)
			dead_ ^= mix(1, reinterpret_cast<uintptr_t>(where.address));
		where.alive = true;
		where.life++;
		return true;
	}
	case request::kind::end_life:
		self.asked.what = request::kind::step;
		self.asked.how = action::die;
		return announce(self);
	case request::kind::fail:
		break;
	}
	return false;
}

bool machine::announce(fiber &self)
{
	const request &asked = self.asked;
	location &where = find(asked.address, asked.size);
	bool buffers = options_.memory != memory_model::sc;
	bool own = asked.address == &self.life;

	if (!where.alive && asked.how == action::store) {
		fail("access to " + name_of(where.address) + " after its end");
		return false;
	}
	if (buffers &&
	    (asked.how == action::store || asked.how == action::wake || (asked.how == action::die && !own))) {
		issue(self, where);
		self.answer = 0;
		return true;
	}
	step &next = self.next;
	next = {};
	next.thread = static_cast<uint8_t>(running_);
	next.what = asked.how;
	next.where = &where;
	switch (asked.how) {
	case action::load:
	case action::park:
	case action::pin:
		break;
	case action::fence:
		next.fenced = true;
		break;
	case action::store:
	case action::wake:
		next.write = true;
		break;
	default:
		next.write = true;
		next.fenced = buffers;
		break;
	}
	self.awaits = self.relaxed && asked.how == action::load && &where == self.last_where;
	self.relaxed = false;
	return false;
}

// Has an interrupt come to the task that is not over?
bool machine::interrupted(unsigned task) const
{
	return interrupts_ != 0 && std::any_of(tasks_, tasks_ + count_, [task](const fiber &t) {
		       return t.host == task && t.last_step != 0 && !t.dead;
	       });
}

// An interrupt need not come.
bool machine::is_over(unsigned task) const
{
	const fiber &t = tasks_[task];
	return t.dead || (t.host != no_thread && t.last_step == 0);
}

bool machine::ready(unsigned thread) const
{
	if (is_drain(thread))
		return !tasks_[thread - max_tasks].buffer.empty();
	const fiber &t = tasks_[thread];
	if (t.dead || (t.next.fenced && !t.buffer.empty()) || interrupted(thread))
		return false;
	if (t.host != no_thread && t.last_step == 0) {
		const fiber &host = tasks_[t.host];
		return !host.dead && host.interrupts_off == 0 && !interrupted(t.host);
	}
	if (t.next.what == action::park)
		return t.woken != 0 || t.may_leave;
	return !t.awaits || t.next.where->writes.size() != t.last_version;
}

thread_mask machine::enabled() const
{
	thread_mask mask = 0;
	for (unsigned i = 0; i < count_; i++) {
		if (ready(i))
			mask |= bit(i);
		if (ready(drain_of(i)))
			mask |= bit(drain_of(i));
	}
	return mask;
}

step machine::upcoming(unsigned thread) const
{
	if (!is_drain(thread))
		return tasks_[thread].next;
	const buffered &first = *tasks_[thread - max_tasks].buffer.begin();
	step s;
	s.thread = static_cast<uint8_t>(thread);
	s.what = first.what;
	s.write = true;
	s.where = first.where;
	return s;
}

// ---- Steps --------------------------------------------------------------------------------------------------------

void machine::perform(fiber &self)
{
	step s = self.next;
	location &where = *s.where;

	if (!where.alive)
		return fail("access to " + name_of(where.address) + " after its end");
	s.before = s.after = self.answer = read_word(where.address, where.size);
	switch (s.what) {
	case action::load:
		self.answer = s.before = s.after = seen_by(self, where.address, where.size);
		if (self.awaits)
			s.enabled_by = where.writes[self.last_version] + 1;
		self.last_where = &where;
		self.last_version = where.writes.size();
		break;
	case action::add:
		s.what = action::modify;
		apply(where, s.what, s.after = s.before + self.asked.value);
		break;
	case action::compare:
		self.answer = s.write = s.before == self.asked.expected;
		if (s.write) {
			s.what = action::modify;
			apply(where, s.what, s.after = self.asked.value);
		}
		break;
	case action::park:
		if (!self.may_leave)
			s.enabled_by = self.woken_by;
		break;
	default:
		if (s.write)
			apply(where, s.what, s.after = self.asked.value);
		break;
	}
	self.awaits = false;
	record(s);
}

void machine::apply(location &where, action what, uint64_t value)
{
	if (what == action::die) {
		about_to_change(where);
		where.alive = false;
		dead_ ^= mix(1, reinterpret_cast<uintptr_t>(where.address));
		for (fiber &t : tasks_)
			if (where.address == &t.life)
				t.dead = true;
		return;
	}
	if (what == action::wake)
		for (fiber &t : tasks_)
			if (where.address == &t.woken && t.woken == 0)
				t.woken_by = static_cast<unsigned>(steps_.size() + 1);
	memcpy(where.address, &value, where.size);
}

void machine::record(const step &s)
{
	auto number = static_cast<unsigned>(steps_.size());
	steps_.push_back(s);
	search_->done();
	if (s.where && s.write) {
		about_to_change(*s.where);
		// Reads before this write happened before it, unless it drained the buffer of the task that read.
		std::vector<unsigned> &reads = s.where->reads;
		std::erase_if(reads,
			      [&](unsigned read) { return drain_of(steps_[read].thread) != s.thread; });
		s.where->writes.push_back(number);
	} else if (s.where && wants_reads_) {
		s.where->reads.push_back(number);
	}
	if (!is_drain(s.thread))
		tasks_[s.thread].last_step = number + 1;
	if (watch)
		watch(steps_.back());
}

void machine::issue(fiber &self, location &where)
{
	if (self.buffer.full())
		return fail("a task has more stores in its buffer than the machine holds");
	const request &asked = self.asked;
	bool in_order = options_.memory == memory_model::tso || asked.how != action::store || asked.expected;
	self.buffer.push({&where, where.life, asked.how, asked.value, self.last_step, in_order});
}

// Which entry of the buffer is drained: the first, or one that may pass those before it.
unsigned machine::next_drained(unsigned thread)
{
	const store_buffer &buffer = tasks_[thread - max_tasks].buffer;
	unsigned candidates[max_choices] = {}, n = 0;
	for (const buffered *entry = buffer.begin(); entry != buffer.end() && n < max_choices; ++entry) {
		bool passes = !entry->in_order;
		for (const buffered *before = buffer.begin(); passes && before != entry; ++before)
			passes = before->where != entry->where;
		if (passes || entry == buffer.begin())
			candidates[n++] = static_cast<unsigned>(entry - buffer.begin());
	}
	if (n == 1)
		return candidates[0];
	// A step for the turn, before the choice; the choice's own is the drain.
	step turn = {};
	turn.thread = static_cast<uint8_t>(thread);
	turn.outcomes = static_cast<uint8_t>(n);
	record(turn);
	unsigned outcome = search_->choose(n);
	decisions_.push_back(static_cast<uint8_t>(chosen | outcome));
	steps_.back().outcome = static_cast<uint8_t>(outcome);
	return candidates[outcome];
}

void machine::drain(unsigned thread)
{
	fiber &owner = tasks_[thread - max_tasks];
	buffered entry = owner.buffer.pop(next_drained(thread));

	step s = {};
	s.thread = static_cast<uint8_t>(thread);
	s.what = entry.what;
	s.write = true;
	s.where = entry.where;
	s.issued_by = entry.issued_by;
	s.before = s.after = read_word(entry.where->address, entry.where->size);
	if (entry.where->life == entry.life) { // else the word has ended, and its memory is another's by now
		if (!entry.where->alive)
			return fail("access to " + name_of(entry.where->address) + " after its end");
		apply(*entry.where, entry.what, s.after = entry.value);
	}
	record(s);
}

} // namespace resv::sim
