// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "machine.hpp"
#include "deferred.hpp"

#include <resv_port/atomic.hpp>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>

#include <sys/mman.h>

namespace resv::vcpu {

namespace context = boost::context::detail;

machine only_machine;

namespace {

constexpr size_t stack_size = 64 * 1024;

// Called with what jump_fcontext() returned: notes where whoever jumped here can be resumed.
void land(context::transfer_t from)
{
	*static_cast<context::fcontext_t *>(from.data) = from.fctx;
}

} // namespace

uint64_t load(word w)
{
	return the_machine().load(w);
}

void store(word w, uint64_t value)
{
	the_machine().store(w, value);
}

void modify(word w)
{
	the_machine().modify(w.address);
}

void fence()
{
	the_machine().fence();
}

void end_life(word w)
{
	the_machine().end_life(w);
}

machine::~machine()
{
	for (char *stack : stacks_)
		munmap(stack, stack_size);
}

void machine::reset(const costs &what, unsigned cpus)
{
	costs_ = what;
	cpus_ = std::vector<cpu>(cpus);
	tasks_.clear();
	current_ = nullptr;
	alive_ = 0;
	last_ = 0;
	turns_.clear();
	deadlines_.clear();
	next_ = never;
	lines_.clear();
	watched_ = 0;
	watched_traffic_ = {};
	transfers_ = sleeps_ = 0;
}

// Of the same addresses in each run, so that what shares a line does, too.
char *machine::new_stack()
{
	size_t number = tasks_.size() - 1;
	if (number == stacks_.size()) {
		void *memory = mmap(nullptr, stack_size, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (memory == MAP_FAILED)
			throw std::bad_alloc();
		stacks_.push_back(static_cast<char *>(memory));
	}
	return stacks_[number];
}

void machine::spawn(std::function<void()> body)
{
	task &t = tasks_.emplace_back();
	t.number = static_cast<unsigned>(tasks_.size() - 1);
	t.cpu = t.number % static_cast<unsigned>(cpus_.size());
	t.body = std::move(body);
	t.stack = new_stack();
	t.context = context::make_fcontext(t.stack + stack_size, stack_size, enter);
	alive_++;
	make_ready(t, now());
}

bool machine::run()
{
	current_ = next_task();
	if (current_)
		land(context::jump_fcontext(current_->context, &home_));
	current_ = nullptr;
	return alive_ == 0;
}

void machine::enter(context::transfer_t from)
{
	land(from);
	machine &m = the_machine();
	m.current_->body();
	run_deferred();
	m.alive_--;
	cpu &own = m.own_cpu();
	own.running = nullptr;
	m.last_ = std::max(m.last_, own.clock);
	m.schedule_idle(m.current_->cpu);
	m.go_on(m.current_->context);
}

// ---- Turns ----------------------------------------------------------------------------------------------------------

void machine::come(const turn &t)
{
	turns_.push_back(t);
	std::push_heap(turns_.begin(), turns_.end(), std::greater<>());
	next_ = std::min(next_, due(t));
}

void machine::schedule(unsigned number, duration time)
{
	cpus_[number].scheduled = true;
	come({time, number, false});
}

// The CPU has no task that runs: its turn comes when the first is ready.
void machine::schedule_idle(unsigned number)
{
	cpu &c = cpus_[number];
	if (!c.ready.empty() && !c.scheduled)
		schedule(number, std::max(c.clock, c.ready.front()->ready_at));
}

void machine::make_ready(task &t, duration time)
{
	cpu &c = cpus_[t.cpu];
	t.ready_at = time;
	auto place = std::upper_bound(c.ready.begin(), c.ready.end(), time,
				      [](duration at, const task *other) { return at < other->ready_at; });
	c.ready.insert(place, &t);
	if (!c.running)
		schedule_idle(t.cpu);
}

void machine::end_sleeps(duration time)
{
	while (!deadlines_.empty() && deadlines_.begin()->first <= time) {
		task &t = tasks_[deadlines_.begin()->second];
		duration deadline = deadlines_.begin()->first;
		deadlines_.erase(deadlines_.begin());
		t.asleep = false;
		make_ready(t, deadline);
	}
}

// The task whose CPU is the farthest behind; null if no CPU has any to run.
machine::task *machine::next_task()
{
	task *found = nullptr;
	while (!found) {
		if (turns_.empty() && deadlines_.empty())
			return nullptr;
		end_sleeps(turns_.empty() ? deadlines_.begin()->first : turns_.front().time);
		turn first = turns_.front();
		std::pop_heap(turns_.begin(), turns_.end(), std::greater<>());
		turns_.pop_back();
		cpu &c = cpus_[first.cpu];
		if (first.is_store) {
			drain(first.cpu, first.time);
			continue;
		}
		c.scheduled = false;
		if (!c.running) {
			c.running = c.ready.front();
			c.ready.pop_front();
			c.clock = std::max(first.time, c.running->ready_at) + costs_.change;
			c.slice_end = c.clock + costs_.timeslice;
			c.blind = c.clock;
			schedule(first.cpu, c.clock);
		} else {
			found = c.running;
		}
	}
	next_ = turns_.empty() ? never : due(turns_.front());
	if (!deadlines_.empty())
		next_ = std::min(next_, deadlines_.begin()->first);
	return found;
}

// Lets the next one run; returns when it is the caller's turn, who is at `from` till then.
void machine::go_on(context::fcontext_t &from)
{
	task *self = current_;
	task *next = next_task();
	if (next == self)
		return;
	current_ = next;
	land(context::jump_fcontext(next ? next->context : home_, &from));
}

// The task goes to the end of those that are ready.
void machine::give_way()
{
	cpu &c = own_cpu();
	c.running = nullptr;
	make_ready(*current_, c.clock);
	go_on(current_->context);
}

// Returns when no other CPU is behind, and no time slice is over.
void machine::in_turn()
{
	for (;;) {
		cpu &c = own_cpu();
		bool waited_for = c.clock >= c.slice_end && !c.ready.empty() && current_->critical == 0 &&
				  c.ready.front()->ready_at <= c.clock;
		if (waited_for) {
			give_way();
		} else if (c.clock > next_) {
			schedule(current_->cpu, c.clock);
			go_on(current_->context);
		} else {
			return;
		}
	}
}

// ---- Memory -----------------------------------------------------------------------------------------------------------

wish machine::wish_at(duration time) const
{
	return {current_->cpu, time, std::max(time - costs_.ahead, own_cpu().blind)};
}

void machine::note(const void *address, duration before, duration after)
{
	transfers_ += after != before;
	if (line_table::number_of(address) == watched_) [[unlikely]] {
		watched_traffic_.accesses++;
		watched_traffic_.lost += after - before;
	}
}

// What the CPU finds in the line is what was there when the line set out.
void machine::wait_for_line(const void *address, const arrival &line)
{
	cpu &c = own_cpu();
	note(address, c.clock, line.end);
	if (line.begin != c.clock) {
		c.clock = line.begin;
		in_turn();
	}
	c.clock = std::max(c.clock, line.end);
}

// Others see the CPU's stores up to that time.
void machine::drain(unsigned number, duration time)
{
	std::deque<buffered> &stores = cpus_[number].stores;
	for (; !stores.empty() && stores.front().time <= time; stores.pop_front())
		memcpy(stores.front().where.address, &stores.front().value, stores.front().where.size);
}

uint64_t machine::load(word w)
{
	if (in_task()) {
		in_turn();
		cpu &c = own_cpu();
		auto own = std::find_if(c.stores.rbegin(), c.stores.rend(),
					[&](const buffered &b) { return b.where.address == w.address; });
		if (own != c.stores.rend()) {
			c.clock += costs_.hit;
			return own->value;
		}
		wait_for_line(w.address, lines_.at(w.address).read(wish_at(c.clock), costs_.transfer));
		c.clock += costs_.hit;
	}
	uint64_t value = 0;
	memcpy(&value, w.address, w.size);
	return value;
}

// In order: a store to a line that the CPU has waits for those before it.
void machine::store(word w, uint64_t value)
{
	if (in_task()) {
		in_turn();
		cpu &c = own_cpu();
		arrival line = lines_.at(w.address).write(wish_at(c.clock), costs_.transfer);
		note(w.address, c.clock, line.end);
		c.stored = std::max(c.stored, line.end);
		bool waits = c.stored > c.clock;
		c.clock += costs_.hit;
		if (waits) {
			c.stores.push_back({c.stored, w, value});
			come({c.stored, current_->cpu, true});
			return;
		}
		drain(current_->cpu, c.stored);
	}
	memcpy(w.address, &value, w.size);
}

void machine::end_life(word w)
{
	if (!in_task() || own_cpu().stores.empty())
		return;
	for (const buffered &store : own_cpu().stores)
		if (store.where.address == w.address)
			return drain(current_->cpu, never);
}

void machine::modify(const void *address)
{
	if (!in_task())
		return;
	in_turn();
	cpu &c = own_cpu();
	if (c.stored > c.clock) {
		c.clock = c.stored;
		in_turn();
	}
	line &l = lines_.at(address);
	arrival own = l.write(wish_at(c.clock), costs_.transfer);
	l.keep(own.end + costs_.modify);
	wait_for_line(address, own);
	drain(current_->cpu, c.clock);
	c.clock += costs_.modify;
}

void machine::fence()
{
	if (!in_task())
		return;
	in_turn();
	cpu &c = own_cpu();
	c.clock = std::max(c.clock, c.stored) + costs_.fence;
}

void machine::touch(const void *address)
{
	in_turn();
	wait_for_line(address, lines_.at(address).write(wish_at(own_cpu().clock), costs_.transfer));
	own_cpu().clock += costs_.hit;
}

// ---- Tasks -------------------------------------------------------------------------------------------------------------

bool machine::running(resv_port_task id)
{
	load({&of(id), sizeof(uintptr_t)});
	return cpus_[of(id).cpu].running == &of(id);
}

void machine::park_prepare()
{
	modify(current_);
	current_->woken = false;
}

int machine::park(duration deadline)
{
	in_turn();
	task &self = *current_;
	cpu &c = own_cpu();
	if (self.woken)
		return 0;
	if (deadline <= c.clock)
		return -ETIME;
	self.asleep = true;
	self.deadline = deadline;
	if (deadline != never)
		deadlines_.emplace(deadline, self.number);
	sleeps_++;
	c.clock += costs_.fall;
	c.running = nullptr;
	schedule_idle(self.cpu);
	go_on(self.context);
	return self.woken ? 0 : -ETIME;
}

void machine::wake(resv_port_task id)
{
	task &t = of(id);
	modify(&t);
	if (t.woken)
		return;
	t.woken = true;
	if (!t.asleep)
		return;
	t.asleep = false;
	if (t.deadline != never)
		deadlines_.erase({t.deadline, t.number});
	duration called = now();
	if (in_task())
		work(costs_.wake);
	make_ready(t, called + costs_.wake_up);
}

// As on the host: who spins for longer than a short critical section offers the CPU now and then.
void machine::relax(unsigned turns)
{
	if (!in_task())
		return;
	cpu &c = own_cpu();
	bool offers = turns >= 64 && turns % 16 == 0;
	c.clock += offers ? costs_.yield : costs_.relax;
	lose_sight();
	if (!offers)
		return;
	if (current_->critical == 0 && !c.ready.empty() && c.ready.front()->ready_at <= c.clock) {
		in_turn();
		give_way();
	}
}

void machine::critical(int change)
{
	if (!in_task())
		return;
	current_->critical += change;
	if (change > 0)
		lose_sight();
}

resv_port_held *machine::held()
{
	static resv_port_held of_nobody;
	if (!in_task())
		return &of_nobody;
	if (!current_->held)
		current_->held = std::make_unique<resv_port_held>();
	return current_->held.get();
}

} // namespace resv::vcpu
