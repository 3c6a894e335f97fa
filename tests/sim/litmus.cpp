// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Litmus tests: that the simulated memories allow what they should, and no more.
#include "scenario.hpp"

namespace resv::sim {

namespace {

struct words {
	atomic<unsigned> x{0};
	atomic<unsigned> y{0};
	unsigned seen[2] = {};
};

std::optional<words> the_words;

void set_up()
{
	the_words.emplace();
	the_machine().share(&the_words, sizeof the_words);
	the_machine().label(&the_words->x, sizeof(unsigned), "x");
	the_machine().label(&the_words->y, sizeof(unsigned), "y");
}

// Each writes its word and reads the other's.
void buffer_stores(bool fences)
{
	the_machine().spawn("a", [fences] {
		the_words->x.store(1, order::release);
		if (fences)
			full_fence();
		the_words->seen[0] = the_words->y.load(order::acquire);
	});
	the_machine().spawn("b", [fences] {
		the_words->y.store(1, order::release);
		if (fences)
			full_fence();
		the_words->seen[1] = the_words->x.load(order::acquire);
	});
}

void check_buffered()
{
	check(the_words->seen[0] == 1 || the_words->seen[1] == 1, "neither saw the other's store");
}

// One writes x, then y; the other reads y, then x.
void pass_message(order how)
{
	the_machine().spawn("a", [how] {
		the_words->x.store(1, order::relaxed);
		the_words->y.store(1, how);
	});
	the_machine().spawn("b", [] {
		the_words->seen[0] = the_words->y.load(order::acquire);
		the_words->seen[1] = the_words->x.load(order::acquire);
	});
}

void check_passed()
{
	check(the_words->seen[0] == 0 || the_words->seen[1] == 1,
	      "the later store was seen before the earlier");
}

const define fenced({
	.name = "fenced",
	.summary = "litmus: stores to two words, with full fences; holds in every memory",
	.variants = 1,
	.begin = [](unsigned) { set_up(), buffer_stores(true); },
	.end = check_buffered,
});

const define buffered({
	.name = "buffered",
	.summary = "litmus: the same without; fails where stores are buffered",
	.variants = 1,
	.begin = [](unsigned) { set_up(), buffer_stores(false); },
	.end = check_buffered,
});

const define released({
	.name = "released",
	.summary = "litmus: a message and a release after it; holds in every memory",
	.variants = 1,
	.begin = [](unsigned) { set_up(), pass_message(order::release); },
	.end = check_passed,
});

const define passed({
	.name = "relaxed",
	.summary = "litmus: the same without the release; fails where stores change places",
	.variants = 1,
	.begin = [](unsigned) { set_up(), pass_message(order::relaxed); },
	.end = check_passed,
});

const define coherent({
	.name = "coherent",
	.summary = "litmus: two stores to one word; never change places",
	.variants = 1,
	.begin =
		[](unsigned) {
			set_up();
			the_machine().spawn("a", [] {
				the_words->x.store(1, order::relaxed);
				the_words->x.store(2, order::relaxed);
			});
			the_machine().spawn("b", [] {
				the_words->seen[0] = the_words->x.load(order::relaxed);
				the_words->seen[1] = the_words->x.load(order::relaxed);
			});
		},
	.end =
		[] {
			check(the_words->seen[0] <= the_words->seen[1],
			      "an older value was seen after a newer");
		},
});

} // namespace

} // namespace resv::sim
