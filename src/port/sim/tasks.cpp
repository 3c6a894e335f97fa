// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What runs on a task's stack: it asks the machine, and is answered. Nothing here may leave behind what depends on more
// than the task's own history: it would tell equal states apart.
#include "detail.hpp"
#include "heap.hpp"
#include "machine.hpp"

#include <cerrno>
#include <cstring>

namespace resv::sim {

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
	if (self.host != no_thread) // it comes with a step of its own
		m.ask({request::kind::step, action::load, sizeof self.life, &self.life});
	self.body();
	if (self.sections != 0)
		m.fail("a task ends in a read-side section");
	run_deferred();
	m.ask({request::kind::step, action::die, sizeof self.life, &self.life});
}

uint64_t machine::access(action what, void *address, unsigned size, uint64_t value, uint64_t expected)
{
	if (in_task())
		return ask({request::kind::step, what, size, address, value, expected});
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
	if (in_task() && options_.memory != memory_model::sc)
		ask({request::kind::step, action::fence, sizeof self.life, &self.life});
}

void machine::begin_life(void *address, unsigned size)
{
	if (in_task())
		ask({request::kind::begin_life, {}, size, address});
	else if (active_)
		find(address, size, true).life++;
}

void machine::end_life(void *address, unsigned size)
{
	if (in_task())
		ask({request::kind::end_life, {}, size, address});
}

void machine::park_prepare()
{
	fiber &self = tasks_[running_];
	ask({request::kind::step, action::open, sizeof self.woken, &self.woken});
}

int machine::park(resv_port_park_mode mode, bool has_deadline)
{
	fiber &self = tasks_[running_];
	if (self.critical != 0)
		fail("a task parks in a critical section");
	if (self.host != no_thread)
		fail("an interrupt parks");
	if (self.sections != 0)
		fail("a task parks in a read-side section");

	bool signals = self.signals && mode != RESV_PARK_UNINTERRUPTIBLE;
	self.may_leave = signals || has_deadline || self.spurious != 0;
	bool woken = ask({request::kind::step, action::park, sizeof self.woken, &self.woken});
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
	ask({request::kind::step, action::pin, sizeof t.life, &t.life});
	t.pins++;
}

void machine::wake(resv_port_task id)
{
	fiber &t = tasks_[task_of(id, "something is woken that is no task")];
	if (t.pins-- == 0)
		fail("a task is woken that was not pinned");
	ask({request::kind::step, action::wake, sizeof t.woken, &t.woken, 1});
}

bool machine::running(resv_port_task id)
{
	fiber &t = tasks_[task_of(id, "does something run that is no task?")];
	ask({request::kind::step, action::pin, sizeof t.life, &t.life});
	if (options_.running != running_hint::either)
		return options_.running == running_hint::always;
	return choose(2) != 0;
}

unsigned machine::choose(unsigned outcomes)
{
	return static_cast<unsigned>(ask({request::kind::choose, {}, outcomes}));
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

void machine::interrupts_off(int change)
{
	if (in_task())
		tasks_[running_].interrupts_off += change;
}

bool machine::section(int change)
{
	if (!in_task())
		return true;
	int &open = tasks_[running_].sections;
	int before = open;
	open += change;
	if (open < 0)
		fail("a read-side section ends that did not begin");
	return before == 0 || open == 0;
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
		ask({request::kind::fail, {}});
}

} // namespace resv::sim
