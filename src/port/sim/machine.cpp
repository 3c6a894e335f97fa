// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "machine.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace resv::sim {

namespace context = boost::context::detail;

namespace {

constexpr size_t stack_size = 64 * 1024;

uint64_t read_word(const void *address, unsigned size)
{
	uint64_t value = 0;
	memcpy(&value, address, size); // little-endian
	return value;
}

uint64_t mix(uint64_t a, uint64_t b)
{
	uint64_t x = (a ^ (b + 0x9e3779b97f4a7c15)) * 0xff51afd7ed558ccd;
	return (x ^ (x >> 32)) * 0xc4ceb9fe1a85ec53;
}

uint64_t hash_of(const void *memory, size_t size)
{
	auto *at = static_cast<const char *>(memory);
	uint64_t h = size;
	for (; size >= 8; size -= 8, at += 8)
		h = mix(h, read_word(at, 8));
	return mix(h, read_word(at, static_cast<unsigned>(size)));
}

void land(context::transfer_t from)
{
	*static_cast<context::fcontext_t *>(from.data) = from.fctx;
}

} // namespace

machine &the_machine()
{
	static machine one;
	return one;
}

machine::machine() : table_(table_size) {}

machine::~machine() = default;

// ---- On a task's stack --------------------------------------------------------------------------------------------

// Nothing here may leave behind what depends on more than the task's own history: it would tell equal states apart.

uint64_t machine::ask(const request &what)
{
	fiber &self = tasks_[running_];
	self.asked = what;
	land(context::jump_fcontext(home_, &self.context));
	return self.answer;
}

void machine::enter(context::transfer_t from)
{
	land(from);
	machine &m = the_machine();
	fiber &self = m.tasks_[m.running_];
	self.body();
	m.ask({request::step, action::die, sizeof self.life, &self.life});
}

uint64_t machine::access(action what, void *address, unsigned size, uint64_t value, uint64_t expected)
{
	if (in_task())
		return ask({request::step, what, size, address, value, expected});
	uint64_t before = read_word(address, size);
	if (what == action::add)
		value += before;
	if (what != action::load && (what != action::compare || before == expected))
		memcpy(address, &value, size);
	return what == action::compare ? before == expected : before;
}

void machine::fence()
{
	fiber &self = tasks_[running_];
	if (in_task() && options_.memory == memory_model::tso)
		ask({request::step, action::fence, sizeof self.life, &self.life});
}

void machine::begin_life(void *address, unsigned size)
{
	if (in_task())
		ask({request::begin_life, {}, size, address});
	else if (active_)
		find(address, size, true);
}

void machine::end_life(void *address, unsigned size)
{
	if (in_task())
		ask({request::end_life, {}, size, address});
}

void machine::park_prepare()
{
	fiber &self = tasks_[running_];
	ask({request::step, action::open, sizeof self.woken, &self.woken});
}

int machine::park(resv_port_park_mode mode, bool has_deadline)
{
	fiber &self = tasks_[running_];
	if (self.critical != 0)
		fail("a task parks in a critical section");

	bool signals = self.signals && mode != RESV_PARK_UNINTERRUPTIBLE;
	self.may_leave = signals || has_deadline || self.spurious != 0;
	bool woken = ask({request::step, action::park, sizeof self.woken, &self.woken});
	if (!self.may_leave)
		return 0;

	int results[3];
	unsigned n = 0;
	if (woken || self.spurious != 0)
		results[n++] = 0;
	if (has_deadline)
		results[n++] = -ETIME;
	if (signals)
		results[n++] = -EINTR;
	int rc = results[choose(n)];
	if (rc == 0 && !woken)
		self.spurious--;
	return rc;
}

unsigned machine::task_of(resv_port_task id, const char *who)
{
	for (unsigned i = 0; i < count_; i++)
		if (id == id_of(i))
			return i;
	fail(who);
	return 0;
}

void machine::pin(resv_port_task id)
{
	fiber &t = tasks_[task_of(id, "something is pinned that is no task")];
	ask({request::step, action::pin, sizeof t.life, &t.life});
	t.pins++;
}

void machine::wake(resv_port_task id)
{
	fiber &t = tasks_[task_of(id, "something is woken that is no task")];
	if (t.pins-- == 0)
		fail("a task is woken that was not pinned");
	ask({request::step, action::wake, sizeof t.woken, &t.woken, 1});
}

bool machine::running(resv_port_task id)
{
	fiber &t = tasks_[task_of(id, "does something run that is no task?")];
	ask({request::step, action::pin, sizeof t.life, &t.life});
	if (options_.running != running_hint::either)
		return options_.running == running_hint::always;
	return choose(2) != 0;
}

unsigned machine::choose(unsigned outcomes)
{
	return static_cast<unsigned>(ask({request::choose, {}, outcomes}));
}

// In a critical section a task waits for another one's: nothing happens until what it saw has changed. Outside of one it
// only spins for luck.
void machine::relax()
{
	if (in_task() && tasks_[running_].critical > 0)
		tasks_[running_].relaxed = true;
}

void machine::critical(int change)
{
	if (in_task())
		tasks_[running_].critical += change;
}

uint64_t machine::peek(const void *address, unsigned size) const
{
	return in_task() ? seen_by(tasks_[running_], address, size) : read_word(address, size);
}

void machine::admit_signals(bool on)
{
	tasks_[running_].signals = on;
}

void machine::fail(std::string why)
{
	if (verdict_ != verdict::failed)
		failure_ = std::move(why);
	verdict_ = verdict::failed;
	if (in_task())
		ask({request::fail, {}});
}

// ---- Locations ----------------------------------------------------------------------------------------------------

location &machine::find(void *address, unsigned size, bool begins)
{
	size_t at = (reinterpret_cast<uintptr_t>(address) * 0x9e3779b97f4a7c15u) >> 52;
	while (table_[at].address && table_[at].address != address)
		at = (at + 1) % table_size;

	location &found = table_[at];
	if (found.execution != execution_) {
		found.address = address;
		found.size = size;
		found.alive = true;
		found.life = 0;
		found.execution = execution_;
		found.writes.clear();
		found.reads.clear();
		if (!begins && !found.is_static) {
			found.is_static = true;
			statics_.push_back({address, size, read_word(address, size)});
		}
	}
	return found;
}

void machine::share(const void *address, size_t size)
{
	shared_.push_back({address, size});
}

void machine::label(const void *address, size_t size, std::string text)
{
	if (keep_remarks_)
		names_.push_back({reinterpret_cast<uintptr_t>(address), size, std::move(text)});
}

uint64_t machine::state()
{
	uint64_t h = dead_;
	for (const region &memory : shared_)
		h = mix(h, hash_of(memory.address, memory.size));
	for (const original &word : statics_)
		h = mix(h, read_word(word.address, word.size));
	for (unsigned i = 0; i < count_; i++) {
		fiber &t = tasks_[i];
		if (t.hash == 0) {
			auto *top = t.stack.get() + stack_size;
			auto *sp = static_cast<char *>(t.context);
			t.hash = t.dead ? 1 : hash_of(sp, static_cast<size_t>(top - sp)) | 1;
		}
		h = mix(h, t.hash);
		uint64_t flags = t.woken | t.dead << 1 | t.signals << 2 | t.may_leave << 3 | t.spurious << 4 |
				 static_cast<unsigned>(t.pins) << 8;
		if (t.awaits && t.next.where->writes.size() == t.last_version)
			flags |= 1u << 31;
		h = mix(h, flags);
		for (const buffered &entry : t.buffer)
			h = mix(h, mix(reinterpret_cast<uintptr_t>(entry.where->address) +
					       static_cast<unsigned>(entry.what),
				       entry.value + (entry.life == entry.where->life)));
	}
	return h;
}

// A task sees its own stores before others do.
uint64_t machine::seen_by(const fiber &task, const void *address, unsigned size)
{
	for (auto entry = task.buffer.rbegin(); entry != task.buffer.rend(); ++entry)
		if (entry->where->address == address && entry->what == action::store &&
		    entry->life == entry->where->life)
			return entry->value;
	return read_word(address, size);
}

// ---- Executions ---------------------------------------------------------------------------------------------------

verdict machine::execute(const options &how, search &decisions, const std::function<void()> &begin,
			 const std::function<void()> &end)
{
	options_ = how;
	search_ = &decisions;
	execution_++;
	count_ = 0;
	running_ = no_thread;
	steps_.clear();
	decisions_.clear();
	shared_.clear();
	dead_ = 0;
	remarks_.clear();
	names_.clear();
	failure_.clear();
	reported_.clear();
	watch = nullptr;
	verdict_ = verdict::passed;
	for (const original &word : statics_)
		memcpy(word.address, &word.value, word.size);

	active_ = true;
	begin();
	run();
	running_ = no_thread;
	if (verdict_ == verdict::passed)
		end();
	if (verdict_ == verdict::passed && !reported_.empty())
		fail("a report");
	if (verdict_ == verdict::failed && !reported_.empty())
		failure_ += ":\n" + reported_;
	active_ = false;
	return verdict_;
}

void machine::add_task(std::string label, std::function<void()> body)
{
	if (count_ == max_tasks)
		return fail("more tasks than the machine has");
	fiber &t = tasks_[count_];
	if (!t.stack)
		t.stack = std::make_unique<char[]>(stack_size);
	t.label = std::move(label);
	t.body = std::move(body);
	t.context = context::make_fcontext(t.stack.get() + stack_size, stack_size, enter);
	t.next = {};
	t.answer = t.hash = 0;
	t.awaits = t.relaxed = t.may_leave = t.signals = t.dead = false;
	t.last_where = nullptr;
	t.buffer.clear();
	t.critical = t.pins = 0;
	t.spurious = options_.spurious;
	t.woken_by = t.last_step = t.woken = t.life = 0;
	count_++;
}

void machine::run()
{
	for (unsigned i = 0; i < count_; i++)
		resume(i); // to its first step
	while (verdict_ == verdict::passed) {
		thread_mask ready = enabled();
		if (ready == 0) {
			std::string stuck;
			for (unsigned i = 0; i < count_; i++)
				if (!tasks_[i].dead)
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
		if (thread == no_thread) {
			verdict_ = verdict::redundant;
			return;
		}
		if (verdict_ != verdict::passed)
			return;
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
	do {
		self.hash = 0;
		land(context::jump_fcontext(self.context, &home_));
	} while (verdict_ == verdict::passed && answer(self));
	running_ = no_thread;
}

// True if the task goes on at once.
bool machine::answer(fiber &self)
{
	const request &asked = self.asked;
	switch (asked.what) {
	case request::step:
		return announce(self);
	case request::choose: {
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
	case request::begin_life: {
		location &where = find(asked.address, asked.size, true);
		if (!where.alive)
			dead_ ^= mix(1, reinterpret_cast<uintptr_t>(where.address));
		where.alive = true;
		where.life++;
		return true;
	}
	case request::end_life:
		self.asked.what = request::step;
		self.asked.how = action::die;
		return announce(self);
	case request::fail:
		break;
	}
	return false;
}

bool machine::announce(fiber &self)
{
	const request &asked = self.asked;
	location &where = find(asked.address, asked.size);
	bool buffers = options_.memory == memory_model::tso;
	bool own = asked.address == &self.life;

	if (!where.alive && asked.how == action::store) {
		fail("access to " + name_of(where.address) + " after its end");
		return false;
	}
	if (buffers &&
	    (asked.how == action::store || asked.how == action::wake || (asked.how == action::die && !own))) {
		issue(self, asked.how, where, asked.value);
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

bool machine::ready(unsigned thread) const
{
	if (is_drain(thread))
		return !tasks_[thread - max_tasks].buffer.empty();
	const fiber &t = tasks_[thread];
	if (t.dead || (t.next.fenced && !t.buffer.empty()))
		return false;
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
	const buffered &first = tasks_[thread - max_tasks].buffer.front();
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
		where.alive = false;
		dead_ ^= mix(1, reinterpret_cast<uintptr_t>(where.address));
		for (fiber &t : tasks_)
			if (where.address == &t.life)
				t.dead = true, t.hash = 0;
		return;
	}
	if (what == action::wake)
		for (fiber &t : tasks_)
			if (where.address == &t.woken && t.woken == 0)
				t.woken_by = static_cast<unsigned>(steps_.size() + 1);
	memcpy(where.address, &value, where.size);
	// The word may lie on a task's stack.
	auto *at = static_cast<char *>(where.address);
	for (unsigned i = 0; i < count_; i++)
		if (at >= tasks_[i].stack.get() && at < tasks_[i].stack.get() + stack_size)
			tasks_[i].hash = 0;
}

void machine::record(const step &s)
{
	auto number = static_cast<unsigned>(steps_.size());
	steps_.push_back(s);
	search_->done();
	if (s.where && s.write) {
		// Reads before this write happened before it, unless it drained the buffer of the task that read.
		std::vector<unsigned> &reads = s.where->reads;
		std::erase_if(reads,
			      [&](unsigned read) { return drain_of(steps_[read].thread) != s.thread; });
		s.where->writes.push_back(number);
	} else if (s.where) {
		s.where->reads.push_back(number);
	}
	if (!is_drain(s.thread))
		tasks_[s.thread].last_step = number + 1;
	if (watch)
		watch(steps_.back());
}

void machine::issue(fiber &self, action what, location &where, uint64_t value)
{
	self.buffer.push_back({&where, where.life, what, value, self.last_step});
}

void machine::drain(unsigned thread)
{
	fiber &owner = tasks_[thread - max_tasks];
	buffered entry = owner.buffer.front();
	owner.buffer.pop_front();

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

std::string machine::schedule() const
{
	std::string text;
	for (size_t i = 0; i < decisions_.size();) {
		uint8_t decision = decisions_[i];
		size_t n = 1;
		if (decision & chosen) {
			text += ':';
			text += static_cast<char>('0' + (decision & ~chosen));
		} else {
			while (i + n < decisions_.size() && decisions_[i + n] == decision)
				n++;
			text += static_cast<char>(is_drain(decision) ? 'A' + decision - max_tasks
								     : 'a' + decision);
			if (n > 1)
				text += std::to_string(n);
		}
		i += n;
	}
	return text;
}

// ---- Words for people -----------------------------------------------------------------------------------------------

void machine::report(const char *line)
{
	reported_ += line;
	reported_ += '\n';
}

void machine::note(std::string text)
{
	if (keep_remarks_)
		remarks_.push_back({steps_.size(), running_, std::move(text)});
}

std::string machine::name_of(const void *address) const
{
	auto at = reinterpret_cast<uintptr_t>(address);
	for (auto name = names_.rbegin(); name != names_.rend(); ++name)
		if (at >= name->begin && at < name->begin + name->size)
			return name->text;
	for (const fiber &t : tasks_) {
		if (address == &t.woken)
			return t.label + ".woken";
		if (address == &t.life)
			return t.label + ".life";
	}
	char hex[24];
	snprintf(hex, sizeof hex, "%p", address);
	return hex;
}

} // namespace resv::sim
