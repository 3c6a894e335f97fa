// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "machine.hpp"
#include "deferred.hpp"

#include <resv_port/atomic.hpp>

#include <algorithm>
#include <cerrno>
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

void load(const void *address)
{
	the_machine().load(address);
}

void store(const void *address)
{
	the_machine().store(address);
}

void modify(const void *address)
{
	the_machine().modify(address);
}

void fence()
{
	the_machine().fence();
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

void machine::schedule(unsigned number, duration time)
{
	cpus_[number].scheduled = true;
	turns_.push_back({time, number});
	std::push_heap(turns_.begin(), turns_.end(), std::greater<>());
	next_ = std::min(next_, time);
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
		c.scheduled = false;
		if (!c.running) {
			c.running = c.ready.front();
			c.ready.pop_front();
			c.clock = std::max(first.time, c.running->ready_at) + costs_.change;
			c.slice_end = c.clock + costs_.timeslice;
			schedule(first.cpu, c.clock);
		} else {
			found = c.running;
		}
	}
	next_ = turns_.empty() ? never : turns_.front().time;
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

void machine::note(const void *address, duration before, duration after)
{
	transfers_ += after != before;
	if (line_table::number_of(address) == watched_) [[unlikely]] {
		watched_traffic_.accesses++;
		watched_traffic_.lost += after - before;
	}
}

void machine::load(const void *address)
{
	if (!in_task())
		return;
	in_turn();
	cpu &c = own_cpu();
	duration had = lines_.at(address).read(current_->cpu, c.clock, costs_.transfer);
	note(address, c.clock, had);
	c.clock = had + costs_.hit;
}

void machine::store(const void *address)
{
	if (!in_task())
		return;
	in_turn();
	cpu &c = own_cpu();
	duration had = lines_.at(address).write(current_->cpu, c.clock, costs_.transfer);
	note(address, c.clock, had);
	c.stored = std::max(c.stored, had);
	c.clock += costs_.hit;
}

void machine::modify(const void *address)
{
	if (!in_task())
		return;
	in_turn();
	cpu &c = own_cpu();
	duration ready = std::max(c.clock, c.stored);
	line &l = lines_.at(address);
	duration had = l.write(current_->cpu, ready, costs_.transfer);
	note(address, ready, had);
	c.clock = had + costs_.modify;
	l.keep(c.clock);
}

void machine::fence()
{
	if (!in_task())
		return;
	in_turn();
	cpu &c = own_cpu();
	c.clock = std::max(c.clock, c.stored) + costs_.fence;
}

void machine::touch(void *const *addresses, size_t count)
{
	in_turn();
	cpu &c = own_cpu();
	duration all_had = c.clock;
	for (size_t i = 0; i < count; i++) {
		duration had = lines_.at(addresses[i]).write(current_->cpu, c.clock, costs_.transfer);
		note(addresses[i], c.clock, had);
		all_had = std::max(all_had, had);
		c.clock += costs_.hit;
	}
	c.clock = std::max(c.clock, all_had);
}

// ---- Tasks -------------------------------------------------------------------------------------------------------------

bool machine::running(resv_port_task id)
{
	load(&of(id));
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
	if (turns < 64 || turns % 16 != 0) {
		c.clock += costs_.relax;
		return;
	}
	c.clock += costs_.yield;
	if (current_->critical == 0 && !c.ready.empty() && c.ready.front()->ready_at <= c.clock) {
		in_turn();
		give_way();
	}
}

void machine::critical(int change)
{
	if (in_task())
		current_->critical += change;
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
