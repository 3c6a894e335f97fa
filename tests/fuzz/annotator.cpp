// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Scripts of locking, for the annotator and its naive model: both must report the same at every step.
#include "fuzz.hpp"

#include <tests/lockdep/comparison.hpp>

using namespace resv::fuzz;
using namespace resv::test::lockdep_model;

namespace {

constexpr unsigned most_steps = 40;

constexpr bool is_of_lock(action what)
{
	return what <= action::sync;
}

// Some bits of a step's four bytes are of no use, so that each value is a step.
step step_of(uint32_t bits, unsigned task_count)
{
	auto take = [&bits](unsigned n) {
		const unsigned result = bits % n;
		bits /= n;
		return static_cast<uint8_t>(result);
	};
	// Locks are taken and released more often than anything else happens.
	static constexpr action actions[] = {
		action::acquire,       action::acquire,       action::acquire,      action::acquire,
		action::release,       action::release,       action::release,      action::sync,
		action::enter_softirq, action::enter_hardirq, action::exit_irq,     action::exit_irq,
		action::hardirqs_off,  action::hardirqs_on,   action::softirqs_off, action::softirqs_on};
	step s{.what = actions[take(std::size(actions))]};
	s.task = take(8) % static_cast<uint8_t>(task_count);
	const uint8_t lock = take(locks), nest = take(2 * locks), read = take(4), flags = take(16);
	if (!is_of_lock(s.what))
		return s;
	s.lock = lock;
	s.place = flags >> 3 & 1;
	if (s.what == action::release)
		return s;
	s.subclass = flags & 1;
	s.read = read % 3;
	s.trylock = s.what == action::acquire && (flags >> 1 & 3) == 1;
	s.check = (flags >> 1 & 3) != 2;
	if (nest < locks && !is_context(lock) && key_of(nest) != key_of(lock))
		s.nest = nest;
	return s;
}

} // namespace

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	// Threads cost more than all the rest.
	static comparison alone(1), together(tasks);
	input in(data, size);
	const unsigned task_count = in.below(8) == 0 ? tasks : 1;
	comparison &both = task_count == 1 ? alone : together;
	script wanted;

	while (!in.empty() && wanted.size() < most_steps)
		wanted.push_back(step_of(in.value<uint32_t>(), task_count));
	const script text = playable(wanted);
	if (!both.play(text).agrees())
		check(false,
		      both.describe(text) + "as few steps as do it:\n" + both.describe(both.smallest(text)));
	return 0;
}
