// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What the annotator's reports say, line by line: which locks, in which scenario, and where each thing was seen.
#include <tests/helpers.hpp>

#include <resv/resv.h>

#include <regex>

namespace resv::test {
namespace {

#if RESV_PROVE_LOCKING

// ---- Places that reports name --------------------------------------------------------------------------------------

// The place of an annotation is whoever calls these. What is told apart has a comment for the assembler: so the compiler
// takes no two of them for the same, and none leaves its frame before it is done.
#define HERE reinterpret_cast<uintptr_t>(__builtin_return_address(0))

[[gnu::noinline]] void take(resv_lockdep_map &map, int read = 0, bool trylock = false,
			    resv_lockdep_map *nest = nullptr, unsigned subclass = 0)
{
	resv_lockdep_acquire(&map, subclass, trylock, read, 1, nest, HERE);
	asm volatile("");
}

[[gnu::noinline]] void drop(resv_lockdep_map &map)
{
	resv_lockdep_release(&map, HERE);
	asm volatile("");
}

[[gnu::noinline]] void wait_for(resv_lockdep_map &map, int read = 0)
{
	resv_lockdep_sync(&map, 0, read, 1, nullptr, HERE);
	asm volatile("");
}

[[gnu::noinline]] void take_both(resv_lockdep_map &x, resv_lockdep_map &y)
{
	take(x);
	take(y);
	drop(y);
	drop(x);
	asm volatile("# take_both");
}

[[gnu::noinline]] void then_also(resv_lockdep_map &x, resv_lockdep_map &y, int read = 0)
{
	take(x, read);
	take(y, read);
	drop(y);
	drop(x);
	asm volatile("# then_also");
}

[[gnu::noinline]] void last_of_all(resv_lockdep_map &x, resv_lockdep_map &y)
{
	take(x);
	take(y);
	drop(y);
	drop(x);
	asm volatile("# last_of_all");
}

[[gnu::noinline]] void wait_in_the_end(resv_lockdep_map &x, resv_lockdep_map &y, int read = 0)
{
	take(x, read);
	wait_for(y, read);
	drop(x);
	asm volatile("# wait_in_the_end");
}

[[gnu::noinline]] void use(resv_lockdep_map &x, int read = 0)
{
	take(x, read);
	drop(x);
	asm volatile("# use");
}

[[gnu::noinline]] void handle_interrupt(resv_host_irq level, resv_lockdep_map &x, int read = 0)
{
	resv_host_irq_enter(level);
	take(x, read);
	drop(x);
	resv_host_irq_exit();
	asm volatile("# handle_interrupt");
}

[[gnu::noinline]] void with_interrupts_off(resv_lockdep_map &x, resv_lockdep_map &y)
{
	resv_host_hardirqs(false);
	take(x);
	take(y);
	drop(y);
	drop(x);
	resv_host_hardirqs(true);
	asm volatile("# with_interrupts_off");
}

[[gnu::noinline]] void reserve(resv_object &object)
{
	EXPECT_EQ(resv_lock(&object, nullptr), 0);
	resv_unlock(&object);
}

resv_lock_class_key key_a, key_b, key_c, key_spin, key_none, key_ctx;

class lockdep_report : public fixture {
protected:
	lockdep_report()
	{
		resv_lockdep_init_map(&a, "a", &key_a, 0);
		resv_lockdep_init_map(&a2, "a", &key_a, 0);
		resv_lockdep_init_map(&b, "b", &key_b, 1);
		resv_lockdep_init_map(&c, "c", &key_c, 0);
		resv_lockdep_init_map_type(&spin, "spin", &key_spin, 0, RESV_LD_WAIT_CONFIG,
					   RESV_LD_WAIT_SPIN, RESV_LD_LOCK_NORMAL);
		resv_lockdep_init_map_type(&sleeping, "sleeping", &key_none, 0, RESV_LD_WAIT_SLEEP,
					   RESV_LD_WAIT_INV, RESV_LD_LOCK_NORMAL);
		resv_lockdep_init_map_type(&ctx, "ctx", &key_ctx, 0, RESV_LD_WAIT_INV, RESV_LD_WAIT_INV,
					   RESV_LD_LOCK_CONTEXT);
	}

	/// The report that has come: from its headline on, with the innermost frame of each trace, without addresses.
	std::string said()
	{
		std::vector<noted_report> reports = take_reports();
		if (reports.size() != 1)
			return std::to_string(reports.size()) + " reports";
		return readable(reports[0].text);
	}

	std::string readable(const std::string &text) const
	{
		std::istringstream in(text);
		std::string out, line;
		char task[32];
		unsigned number = 0;
		bool in_trace = false, had_frame = false;

		resv_port_task_name(resv_port_current(), task, sizeof(task));
		for (; std::getline(in, line); number++) {
			if (number < 2 || number == 3 || number == 4)
				continue; // the banner
			if (in_trace && had_frame && line.starts_with(' '))
				continue;
			had_frame = in_trace && line.starts_with(' ');
			in_trace = had_frame || line.ends_with(" at:") || line.starts_with("-> #") ||
				   line == "stack backtrace:";
			if (size_t at = line.find(task); at != line.npos)
				line.replace(at, strlen(task), "task");
			for (const auto &[map, name] : maps()) {
				char address[32];
				snprintf(address, sizeof(address), "%p", static_cast<const void *>(map));
				if (size_t at = line.find(address); at != line.npos)
					line.replace(at, strlen(address), name);
			}
			line = std::regex_replace(line, std::regex("\\+0x[0-9a-f]+/0x[0-9a-f]+$"), "");
			line = std::regex_replace(line, std::regex("resv::test::"), "");
			line = std::regex_replace(line, std::regex("lockdep_report_.*::TestBody"), "test");
			out += line + "\n";
		}
		return out;
	}

	std::vector<std::pair<const resv_lockdep_map *, const char *>> maps() const
	{
		return {{&a, "&a"},    {&a2, "&a2"},     {&b, "&b"},
			{&c, "&c"},    {&spin, "&spin"}, {&sleeping, "&sleeping"},
			{&ctx, "&ctx"}};
	}

	resv_lockdep_map a, a2, b, c, spin, sleeping, ctx;
};

// ---- Orders ----------------------------------------------------------------------------------------------------------

TEST_F(lockdep_report, circle_of_two)
{
	take_both(a, b);
	then_also(b, a);
	EXPECT_EQ(said(), R"(WARNING: possible circular locking dependency detected
task is trying to acquire lock:
&a (a){+.+.}-{0:0}, at: then_also

but task is already holding lock:
&b (b/1){+.+.}-{0:0}, at: then_also

which lock already depends on the new lock.

the existing dependency chain (in reverse order) is:

-> #1 (b/1){+.+.}-{0:0}:
       take_both

-> #0 (a){+.+.}-{0:0}:
       then_also

other info that might help us debug this:

 Possible unsafe locking scenario:

       CPU0                    CPU1
       ----                    ----
  lock(b/1);
                               lock(a);
                               lock(b/1);
  lock(a);

 *** DEADLOCK ***

1 lock held by task:
 #0: &b (b/1){+.+.}-{0:0}, at: then_also

stack backtrace:
 then_also
)");
}

TEST_F(lockdep_report, circle_of_three)
{
	take_both(a, b);
	then_also(b, c);
	last_of_all(c, a);
	EXPECT_EQ(said(), R"(WARNING: possible circular locking dependency detected
task is trying to acquire lock:
&a (a){+.+.}-{0:0}, at: last_of_all

but task is already holding lock:
&c (c){+.+.}-{0:0}, at: last_of_all

which lock already depends on the new lock.

the existing dependency chain (in reverse order) is:

-> #2 (c){+.+.}-{0:0}:
       then_also

-> #1 (b/1){+.+.}-{0:0}:
       take_both

-> #0 (a){+.+.}-{0:0}:
       last_of_all

other info that might help us debug this:

Chain exists of:
  a --> b/1 --> c

 Possible unsafe locking scenario:

       CPU0                    CPU1
       ----                    ----
  lock(c);
                               lock(b/1);
                               lock(c);
  lock(a);

 *** DEADLOCK ***

1 lock held by task:
 #0: &c (c){+.+.}-{0:0}, at: last_of_all

stack backtrace:
 last_of_all
)");
}

// The first 64 are shown.
TEST_F(lockdep_report, circle_of_very_many)
{
	static resv_lock_class_key keys[70];
	resv_lockdep_map maps[std::size(keys)];

	for (unsigned i = 0; i < std::size(keys); i++)
		resv_lockdep_init_map(&maps[i], "one of many", &keys[i], 0);
	for (unsigned i = 0; i < std::size(keys); i++)
		take_both(maps[i], maps[(i + 1) % std::size(keys)]);
	const std::string text = said();
	EXPECT_NE(text.find("reverse order) is:\n\n-> #63 (one of many#64)"), text.npos) << text;
	resv_lockdep_reset();
}

TEST_F(lockdep_report, circle_of_readers)
{
	take_both(a, b);
	then_also(b, a, 1);
	EXPECT_EQ(said(), R"(WARNING: possible circular locking dependency detected
task is trying to acquire lock:
&a (a){+.+.}-{0:0}, at: then_also

but task is already holding lock:
&b (b/1){++++}-{0:0}, at: then_also

which lock already depends on the new lock.

the existing dependency chain (in reverse order) is:

-> #1 (b/1){++++}-{0:0}:
       take_both

-> #0 (a){+.+.}-{0:0}:
       then_also

other info that might help us debug this:

 Possible unsafe locking scenario:

       CPU0                    CPU1
       ----                    ----
  rlock(b/1);
                               lock(a);
                               lock(b/1);
  rlock(a);

 *** DEADLOCK ***

1 lock held by task:
 #0: &b (b/1){++++}-{0:0}, at: then_also

stack backtrace:
 then_also
)");
}

TEST_F(lockdep_report, circle_of_a_wait)
{
	take_both(a, b);
	wait_in_the_end(b, a);
	EXPECT_EQ(said(), R"(WARNING: possible circular locking dependency detected
task is trying to acquire lock:
&a (a){+.+.}-{0:0}, at: wait_in_the_end

but task is already holding lock:
&b (b/1){+.+.}-{0:0}, at: wait_in_the_end

which lock already depends on the new lock.

the existing dependency chain (in reverse order) is:

-> #1 (b/1){+.+.}-{0:0}:
       take_both

-> #0 (a){+.+.}-{0:0}:
       wait_in_the_end

other info that might help us debug this:

 Possible unsafe locking scenario:

       CPU0                    CPU1
       ----                    ----
  lock(b/1);
                               lock(a);
                               lock(b/1);
  sync(a);

 *** DEADLOCK ***

1 lock held by task:
 #0: &b (b/1){+.+.}-{0:0}, at: wait_in_the_end

stack backtrace:
 wait_in_the_end
)");
}

TEST_F(lockdep_report, circle_that_was_declared)
{
	take_both(a, b);
	resv_lockdep_declare_order(&b, &a);
	EXPECT_EQ(said(), R"(WARNING: possible circular locking dependency detected
task is trying to acquire lock:
&a (a){+.+.}-{0:0}, at: test

but task is already holding lock:
(b/1){+.+.}-{0:0}, as declared

which lock already depends on the new lock.

the existing dependency chain (in reverse order) is:

-> #1 (b/1){+.+.}-{0:0}:
       take_both

-> #0 (a){+.+.}-{0:0}:
       test

other info that might help us debug this:

 Possible unsafe locking scenario:

       CPU0                    CPU1
       ----                    ----
  lock(b/1);
                               lock(a);
                               lock(b/1);
  lock(a);

 *** DEADLOCK ***

0 locks held by task.

stack backtrace:
 test
)");
}

TEST_F(lockdep_report, recursion)
{
	take_both(a, a2);
	EXPECT_EQ(said(), R"(WARNING: possible recursive locking detected
task is trying to acquire lock:
&a2 (a){+.+.}-{0:0}, at: take_both

but task is already holding lock:
&a (a){+.+.}-{0:0}, at: take_both

other info that might help us debug this:
 Possible unsafe locking scenario:

       CPU0
       ----
  lock(a);
  lock(a);

 *** DEADLOCK ***

 May be due to missing lock nesting notation

1 lock held by task:
 #0: &a (a){+.+.}-{0:0}, at: take_both

stack backtrace:
 take_both
)");
}

// It is remembered as an order that is refused.
TEST_F(lockdep_report, recursion_is_counted)
{
	struct resv_lockdep_stats stats;

	take_both(a, a2);
	EXPECT_EQ(take_reports().size(), 1u);
	resv_lockdep_stats(&stats);
	EXPECT_EQ(stats.refused, 1u);
}

TEST_F(lockdep_report, recursion_of_a_reader)
{
	take(a, 1);
	wait_for(a2);
	drop(a);
	EXPECT_EQ(said(), R"(WARNING: possible recursive locking detected
task is trying to acquire lock:
&a2 (a){.+.+}-{0:0}, at: test

but task is already holding lock:
&a (a){.+.+}-{0:0}, at: test

other info that might help us debug this:
 Possible unsafe locking scenario:

       CPU0
       ----
  rlock(a);
  sync(a);

 *** DEADLOCK ***

 May be due to missing lock nesting notation

1 lock held by task:
 #0: &a (a){.+.+}-{0:0}, at: test

stack backtrace:
 test
)");
}

// ---- Interrupts ------------------------------------------------------------------------------------------------------

TEST_F(lockdep_report, held_with_interrupts_on_then_taken_in_one)
{
	use(a);
	handle_interrupt(RESV_HOST_HARDIRQ, a);
	EXPECT_EQ(said(), R"(WARNING: inconsistent lock state
inconsistent {HARDIRQ-ON-W} -> {IN-HARDIRQ-W} usage.
task [HC1[1]:SC0[0]:HE0:SE0] takes:
&a (a){+.+.}-{0:0}, at: handle_interrupt
{HARDIRQ-ON-W} state was registered at:
  use

other info that might help us debug this:
0 locks held by task.

 Possible unsafe locking scenario:

       CPU0
       ----
  lock(a);
  <Interrupt>
    lock(a);

 *** DEADLOCK ***


stack backtrace:
 handle_interrupt
)");
}

TEST_F(lockdep_report, taken_in_an_interrupt_then_held_with_them_on)
{
	handle_interrupt(RESV_HOST_SOFTIRQ, a);
	use(a);
	EXPECT_EQ(said(), R"(WARNING: inconsistent lock state
inconsistent {IN-SOFTIRQ-W} -> {SOFTIRQ-ON-W} usage.
task [HC0[0]:SC0[0]:HE1:SE1] takes:
&a (a){+.-.}-{0:0}, at: use
{IN-SOFTIRQ-W} state was registered at:
  handle_interrupt

other info that might help us debug this:
1 lock held by task:
 #0: &a (a){+.-.}-{0:0}, at: use

 Possible unsafe locking scenario:

       CPU0
       ----
  lock(a);
  <Interrupt>
    lock(a);

 *** DEADLOCK ***


stack backtrace:
 use
)");
}

TEST_F(lockdep_report, read_in_an_interrupt_then_held_with_them_on)
{
	handle_interrupt(RESV_HOST_HARDIRQ, a, 2);
	use(a);
	EXPECT_EQ(said(), R"(WARNING: inconsistent lock state
inconsistent {IN-HARDIRQ-R} -> {HARDIRQ-ON-W} usage.
task [HC0[0]:SC0[0]:HE1:SE1] takes:
&a (a){.-..}-{0:0}, at: use
{IN-HARDIRQ-R} state was registered at:
  handle_interrupt

other info that might help us debug this:
1 lock held by task:
 #0: &a (a){.-..}-{0:0}, at: use

 Possible unsafe locking scenario:

       CPU0
       ----
  lock(a);
  <Interrupt>
    lock(a);

 *** DEADLOCK ***


stack backtrace:
 use
)");
}

TEST_F(lockdep_report, read_with_interrupts_on_then_taken_in_one)
{
	use(a, 1);
	handle_interrupt(RESV_HOST_SOFTIRQ, a);
	EXPECT_EQ(said(), R"(WARNING: inconsistent lock state
inconsistent {SOFTIRQ-ON-R} -> {IN-SOFTIRQ-W} usage.
task [HC0[0]:SC1[1]:HE1:SE0] takes:
&a (a){.+.+}-{0:0}, at: handle_interrupt
{SOFTIRQ-ON-R} state was registered at:
  use

other info that might help us debug this:
0 locks held by task.

 Possible unsafe locking scenario:

       CPU0
       ----
  lock(a);
  <Interrupt>
    lock(a);

 *** DEADLOCK ***


stack backtrace:
 handle_interrupt
)");
}

TEST_F(lockdep_report, order_from_safe_to_unsafe)
{
	use(b);
	handle_interrupt(RESV_HOST_HARDIRQ, a);
	with_interrupts_off(a, b);
	EXPECT_EQ(said(), R"(WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected
task [HC0[0]:SC0[0]:HE0:SE1] is trying to acquire:
&b (b/1){+.+.}-{0:0}, at: with_interrupts_off

and this task is already holding:
&a (a){-...}-{0:0}, at: with_interrupts_off
which would create a new lock dependency:
 (a){-...}-{0:0} -> (b/1){+.+.}-{0:0}

but this new dependency connects a HARDIRQ-irq-safe lock:
 (a){-...}-{0:0}

... which became HARDIRQ-irq-safe at:
  handle_interrupt

to a HARDIRQ-irq-unsafe lock:
 (b/1){+.+.}-{0:0}

... which became HARDIRQ-irq-unsafe at:
  use

other info that might help us debug this:
1 lock held by task:
 #0: &a (a){-...}-{0:0}, at: with_interrupts_off

 Possible interrupt unsafe locking scenario:

       CPU0                    CPU1
       ----                    ----
  lock(b/1);
                               local_irq_disable();
                               lock(a);
                               lock(b/1);
  <Interrupt>
    lock(a);

 *** DEADLOCK ***


stack backtrace:
 with_interrupts_off
)");
}

TEST_F(lockdep_report, order_from_safe_to_unsafe_by_another)
{
	take_both(c, b);
	handle_interrupt(RESV_HOST_SOFTIRQ, a, 2);
	with_interrupts_off(a, c);
	EXPECT_EQ(said(), R"(WARNING: SOFTIRQ-safe -> SOFTIRQ-unsafe lock order detected
task [HC0[0]:SC0[0]:HE0:SE1] is trying to acquire:
&c (c){+.+.}-{0:0}, at: with_interrupts_off

and this task is already holding:
&a (a){.+.-}-{0:0}, at: with_interrupts_off
which would create a new lock dependency:
 (a){.+.-}-{0:0} -> (c){+.+.}-{0:0}

but this new dependency connects a SOFTIRQ-irq-safe lock:
 (a){.+.-}-{0:0}

... which became SOFTIRQ-irq-safe at:
  handle_interrupt

to a SOFTIRQ-irq-unsafe lock:
 (c){+.+.}-{0:0}

... which became SOFTIRQ-irq-unsafe at:
  take_both

other info that might help us debug this:
1 lock held by task:
 #0: &a (a){.+.-}-{0:0}, at: with_interrupts_off

 Possible interrupt unsafe locking scenario:

       CPU0                    CPU1
       ----                    ----
  lock(c);
                               local_bh_disable();
                               lock(a);
                               lock(c);
  <Interrupt>
    lock(a);

 *** DEADLOCK ***


stack backtrace:
 with_interrupts_off
)");
}

TEST_F(lockdep_report, order_from_safe_to_unsafe_past_a_third)
{
	use(b);
	with_interrupts_off(c, b);
	handle_interrupt(RESV_HOST_HARDIRQ, a);
	with_interrupts_off(a, c);
	const std::string text = said();
	EXPECT_NE(text.find(R"(
  lock(b/1);
                               local_irq_disable();
                               lock(a);
                               lock(c);
  <Interrupt>
    lock(a);
)"),
		  text.npos)
		<< text;
}

TEST_F(lockdep_report, lock_below_unsafe_is_taken_in_an_interrupt)
{
	with_interrupts_off(a, b);
	use(b);
	handle_interrupt(RESV_HOST_HARDIRQ, a);
	EXPECT_EQ(said(), R"(WARNING: possible irq lock inversion dependency detected
task [HC1[1]:SC0[0]:HE0:SE0] just changed the state of lock:
&a (a){....}-{0:0}, at: handle_interrupt
but this lock took another, HARDIRQ-unsafe lock in the past:
 (b/1){+.+.}-{0:0}

and interrupts could create inverse lock ordering between them.


other info that might help us debug this:
0 locks held by task.

 Possible interrupt unsafe locking scenario:

       CPU0                    CPU1
       ----                    ----
  lock(b/1);
                               local_irq_disable();
                               lock(a);
                               lock(b/1);
  <Interrupt>
    lock(a);

 *** DEADLOCK ***


the existing dependency chain (in reverse order) is:

-> #2 (<hard interrupt>){....}-{0:0}:
       use

-> #1 (b/1){+.+.}-{0:0}:
       with_interrupts_off

-> #0 (a){....}-{0:0}:
       handle_interrupt

stack backtrace:
 handle_interrupt
)");
}

TEST_F(lockdep_report, lock_above_safe_is_held_with_interrupts_on)
{
	with_interrupts_off(a, b);
	handle_interrupt(RESV_HOST_SOFTIRQ, a);
	use(b);
	EXPECT_EQ(said(), R"(WARNING: possible irq lock inversion dependency detected
task [HC0[0]:SC0[0]:HE1:SE1] just changed the state of lock:
&b (b/1){+...}-{0:0}, at: use
but this lock was taken by another, SOFTIRQ-safe lock in the past:
 (a){+.-.}-{0:0}

and interrupts could create inverse lock ordering between them.


other info that might help us debug this:
1 lock held by task:
 #0: &b (b/1){+...}-{0:0}, at: use

 Possible interrupt unsafe locking scenario:

       CPU0                    CPU1
       ----                    ----
  lock(b/1);
                               local_bh_disable();
                               lock(a);
                               lock(b/1);
  <Interrupt>
    lock(a);

 *** DEADLOCK ***


the existing dependency chain (in reverse order) is:

-> #2 (b/1){+...}-{0:0}:
       with_interrupts_off

-> #1 (a){+.-.}-{0:0}:
       handle_interrupt

-> #0 (<soft interrupt>){....}-{0:0}:
       use

stack backtrace:
 use
)");
}

// ---- The whole of it -------------------------------------------------------------------------------------------------

// The frames that a report shows behind this line.
std::vector<std::string> frames_behind(const std::string &text, const char *title)
{
	std::istringstream in(text);
	std::vector<std::string> frames;
	std::string line;

	while (std::getline(in, line) && !line.starts_with(title))
		;
	while (std::getline(in, line) && line.starts_with(' '))
		frames.push_back(line.substr(line.find_first_not_of(' ')));
	return frames;
}

[[gnu::noinline]] void take_both_deep_down(unsigned depth, resv_lockdep_map &x, resv_lockdep_map &y)
{
	if (depth != 0)
		take_both_deep_down(depth - 1, x, y);
	else
		take_both(x, y);
	asm volatile("# take_both_deep_down");
}

// Unknown to the compiler, so that both turns are one place.
const volatile unsigned twice = 2;

// All traces are of the same callers, and end where those do, or after 16.
TEST_F(lockdep_report, traces_are_whole)
{
	for (unsigned depth : {0u, 20u}) {
		resv_lockdep_reset();
		for (unsigned turn = 0; turn < twice; turn++)
			take_both_deep_down(depth, turn == 0 ? a : b, turn == 0 ? b : a);
		const std::vector<noted_report> reports = take_reports();
		ASSERT_EQ(reports.size(), 1u);
		const auto before = frames_behind(reports[0].text, "-> #1");
		const auto now = frames_behind(reports[0].text, "-> #0");
		EXPECT_EQ(before, now);
		EXPECT_EQ(now, frames_behind(reports[0].text, "stack backtrace:"));
		EXPECT_GT(now.size(), 3u);
		if (depth != 0)
			EXPECT_EQ(now.size(), 16u);
		else
			EXPECT_LT(now.size(), 16u);
		EXPECT_EQ(now.back().find("lockdep"), now.back().npos);
	}
}

// The same place, the same trace: it takes room once.
TEST_F(lockdep_report, traces_are_kept_once)
{
	struct resv_lockdep_stats first, then;

	for (unsigned turn = 0; turn < twice; turn++) {
		then_also(a, turn == 0 ? b : c);
		resv_lockdep_stats(turn == 0 ? &first : &then);
	}
	EXPECT_GT(then.dependencies, first.dependencies);
	EXPECT_EQ(then.trace_words, first.trace_words);
}

TEST_F(lockdep_report, banner)
{
	char system[128];

	resv_port_system(system, sizeof(system));
	drop(a);
	const std::vector<noted_report> reports = take_reports();
	ASSERT_EQ(reports.size(), 1u);
	EXPECT_TRUE(reports[0].text.starts_with("\n============================================\n"
						"WARNING: bad unlock balance detected!\n" +
						std::string(system) +
						"\n--------------------------------------------\n"))
		<< reports[0].text;
}

// It is cut where its memory ends, which is a power of two, with the end of the text.
TEST_F(lockdep_report, circle_of_endless_names)
{
	const auto text_with_name_of = [&](size_t length) {
		const std::string name(length, 'x');

		resv_lockdep_reset();
		resv_lockdep_init_map(&b, name.c_str(), &key_b, 0);
		take_both(a, b);
		then_also(b, a);
		const std::vector<noted_report> reports = take_reports();
		resv_lockdep_reset();
		return reports.empty() ? "" : reports[0].text;
	};
	const auto second_column = [](const std::string &text) {
		return text.find("\n" + std::string(31, ' ') + "lock(");
	};

	const size_t size = text_with_name_of(100000).size() + 1;
	EXPECT_GT(size, 1000u);
	EXPECT_EQ(size & (size - 1), 0u);

	// Also if that is on the way to the second column.
	const size_t begin = second_column(text_with_name_of(1));
	const size_t step = second_column(text_with_name_of(2)) - begin;
	ASSERT_LT(step, 16u);
	const std::string text = text_with_name_of(1 + (size - 16 - begin) / step);
	EXPECT_EQ(text.size(), size - 1);
	EXPECT_TRUE(text.ends_with("\n" + std::string(size - 2 - text.rfind('\n'), ' ')));
}

// ---- Single rules ----------------------------------------------------------------------------------------------------

TEST_F(lockdep_report, wait_context)
{
	take_both(spin, sleeping);
	EXPECT_EQ(said(), R"([ BUG: Invalid wait context ]
task is trying to lock:
&sleeping (sleeping){....}-{4:4}, at: take_both

other info that might help us debug this:
1 lock held by task:
 #0: &spin (spin){+.+.}-{2:3}, at: take_both
context-{3:3}

stack backtrace:
 take_both
)");
}

TEST_F(lockdep_report, nest_is_not_held)
{
	take(a, 0, false, &ctx);
	drop(a);
	EXPECT_EQ(said(), R"(WARNING: Nested lock was not taken
task is trying to lock:
&a (a){....}-{0:0}, at: test

but this task is not holding:
&ctx

other info that might help us debug this:
0 locks held by task.

stack backtrace:
 test
)");
}

TEST_F(lockdep_report, nest_is_released)
{
	take(ctx);
	take(a, 0, false, &ctx);
	take(a2, 0, false, &ctx);
	drop(ctx);
	EXPECT_EQ(said(), R"(WARNING: Nested lock was not taken
task is trying to release lock:
&ctx (ctx){+.+.}-{0:0}, at: test

but this lock, which nests in it, is still held:
&a (a){+.+.}-{0:0}, at: test

other info that might help us debug this:
2 locks held by task:
 #0: &ctx (ctx){+.+.}-{0:0}, at: test
 #1: 2 of this class, the first: &a (a){+.+.}-{0:0}, at: test

stack backtrace:
 test
)");
	drop(a2);
	drop(a);
}

TEST_F(lockdep_report, release_of_what_is_not_held)
{
	drop(b);
	EXPECT_EQ(said(), R"(WARNING: bad unlock balance detected!
task is trying to release lock (b/1) at:
test
but there are no more locks to release!

other info that might help us debug this:
0 locks held by task.

stack backtrace:
 test
)");
	take(a);
	drop(b);
	EXPECT_EQ(said(), R"(WARNING: bad unlock balance detected!
task is trying to release lock (b/1) at:
test
but this task does not hold it!

other info that might help us debug this:
1 lock held by task:
 #0: &a (a){+.+.}-{0:0}, at: test

stack backtrace:
 test
)");
	drop(a);
}

TEST_F(lockdep_report, assertion)
{
	resv_lockdep_assert_map_held_(&a);
	EXPECT_EQ(said(), R"(WARNING: lock should be held by this task, but is not
task should hold:
&a (a){....}-{0:0}, at: test

other info that might help us debug this:
0 locks held by task.

stack backtrace:
 test
)");
}

TEST_F(lockdep_report, pins)
{
	resv_lockdep_pin(&a);
	EXPECT_EQ(said(), R"(WARNING: pins of a lock do not match
task pins or unpins a lock that it does not hold:
&a (a){....}-{0:0}, at: test

other info that might help us debug this:
0 locks held by task.

stack backtrace:
 test
)");
	take(a);
	resv_lockdep_unpin(&a, {1});
	EXPECT_EQ(said(), R"(WARNING: pins of a lock do not match
task unpins a lock that is not pinned:
&a (a){+.+.}-{0:0}, at: test

other info that might help us debug this:
1 lock held by task:
 #0: &a (a){+.+.}-{0:0}, at: test

stack backtrace:
 test
)");
	resv_pin_cookie cookie = resv_lockdep_pin(&a);
	resv_lockdep_unpin(&a, {cookie.val + 1});
	EXPECT_EQ(said(), R"(WARNING: pins of a lock do not match
task unpins a lock with the cookie of another pin:
&a (a){+.+.}-{0:0}, at: test

other info that might help us debug this:
1 lock held by task:
 #0: &a (a){+.+.}-{0:0}, at: test

stack backtrace:
 test
)");
	resv_lockdep_pin(&a);
	drop(a);
	EXPECT_EQ(said(), R"(WARNING: pins of a lock do not match
task releases a pinned lock:
&a (a){+.+.}-{0:0}, at: test

other info that might help us debug this:
1 lock held by task:
 #0: &a (a){+.+.}-{0:0}, at: test

stack backtrace:
 test
)");
}

TEST_F(lockdep_report, freed)
{
	char end[32];

	take(a);
	resv_lockdep_free(&a, 16);
	drop(a);
	snprintf(end, sizeof(end), "%p", static_cast<void *>(reinterpret_cast<char *>(&a) + 15));
	EXPECT_EQ(std::regex_replace(said(), std::regex(end), "END"), R"(WARNING: held lock freed!
task is freeing memory &a-END, with a lock still held there!
&a (a){+.+.}-{0:0}, at: test

other info that might help us debug this:
1 lock held by task:
 #0: &a (a){+.+.}-{0:0}, at: test

stack backtrace:
 test
)");
}

TEST_F(lockdep_report, blocking)
{
	resv_object object;

	resv_init(&object);
	resv_lockdep_no_blocking_begin();
	reserve(object);
	resv_lockdep_no_blocking_end();
	EXPECT_EQ(std::regex_replace(said(), std::regex("0x[0-9a-f]+"), "&object"),
		  R"(WARNING: blocking reserve where only trying is allowed
task might wait for:
&object (reservation_ww_class_mutex){....}-{4:4}, at: reserve

but eviction, swapout and destruction only ever try to reserve.

other info that might help us debug this:
0 locks held by task.

stack backtrace:
 reserve
)");
	resv_lockdep_no_blocking_end();
	EXPECT_EQ(said(), R"(WARNING: bad unlock balance detected!
task ends a section without blocking at:
test
but it has begun none!

other info that might help us debug this:
0 locks held by task.

stack backtrace:
 test
)");
}

TEST_F(lockdep_report, bad_key)
{
	take(b, 0, false, nullptr, 7);
	drop(b);
	EXPECT_EQ(said(), R"(WARNING: lock class key or subclass cannot be one
task uses a lock that was not initialised, or subclass 8 of at most 7:
&b, at: test

stack backtrace:
 test
)");
}

#endif

} // namespace
} // namespace resv::test
