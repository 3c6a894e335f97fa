// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Chains: finding a link, waiting for all up to one, and what is dropped on the way.

#include "fence_rig.hpp"

#include <algorithm>
#include <array>
#include <numeric>

namespace resv::test {
namespace {

/// A chain with the seqnos 1 * step, 2 * step ... whose fences have drivers.
struct chain {
	driver_log log;
	std::vector<fence_ref> fences, links;

	explicit chain(unsigned length, unsigned step = 1)
	{
		for (unsigned i = 0; i < length; i++) {
			fences.push_back(make_driver_fence(log, driver_ops_with_release));
			links.push_back(
				make_link(i ? links.back() : fence_ref(), fences.back(), (i + 1) * step));
		}
	}
	/// Deferred work may be the last to drop a fence, which counts that in the log.
	~chain()
	{
		links.clear();
		fences.clear();
		resv_port_drain();
	}
	chain(const chain &) = delete;
	chain &operator=(const chain &) = delete;

	const fence_ref &tail() const { return links.back(); }
	void signal(unsigned i) { EXPECT_EQ(fences[i]->signal(), 0); }
	void signal_all()
	{
		for (fence_ref &each : fences)
			each->signal();
	}

	/// The index of the link that stands for `seqno`; -1: none, it has been signaled; or an error.
	static constexpr int none = -1;
	int find(uint64_t seqno, const fence_ref &from) const
	{
		resv_fence *found = given(from);
		const int rc = resv_fence_chain_find_seqno(&found, seqno);
		const fence_ref keep(found);
		if (rc != 0) {
			EXPECT_EQ(found, from.c());
			return rc;
		}
		if (!found)
			return none;
		auto at = std::find_if(links.begin(), links.end(),
				       [&](const fence_ref &each) { return each.c() == found; });
		EXPECT_NE(at, links.end());
		return static_cast<int>(at - links.begin());
	}
	int find(uint64_t seqno) const { return find(seqno, tail()); }
};

class fence_chain_test : public fence_fixture {};

TEST_F(fence_chain_test, knows_what_it_is)
{
	fence_ref f = make_fence(), link = make_link({}, f, 1);
	EXPECT_TRUE(resv_fence_is_chain(link.c()));
	EXPECT_TRUE(resv_fence_is_container(link.c()));
	EXPECT_FALSE(resv_fence_is_array(link.c()));
	EXPECT_FALSE(resv_fence_is_chain(f.c()));
	EXPECT_EQ(resv_fence_chain_contained(link.c()), f.c());
	EXPECT_EQ(resv_fence_chain_contained(f.c()), f.c());
	EXPECT_EQ(resv_fence_chain_contained(nullptr), nullptr);
	EXPECT_STREQ(resv_fence_timeline_name(link.c()), "chain");
	EXPECT_STREQ(resv_fence_driver_name(link.c()), "resv");
}

TEST_F(fence_chain_test, link_that_is_dropped_at_once)
{
	fence_ref f = make_fence();
	EXPECT_EQ(f->signal(), 0);
	fence_ref link = make_link({}, f, 1);
	resv_fence_enable_sw_signaling(link.c());
	EXPECT_TRUE(link->test_signaled());
}

TEST_F(fence_chain_test, timelines)
{
	fence_ref f = make_fence();
	fence_ref five = make_link({}, f, 5), six = make_link(five, f, 6);
	EXPECT_EQ(six->context, five->context);
	EXPECT_EQ(six->seqno, 6u);
	EXPECT_TRUE(six->is_later_than(*five));

	for (uint64_t seqno : {uint64_t{3}, uint64_t{6}}) { // not later: a timeline that begins there
		fence_ref other = make_link(six, f, seqno);
		EXPECT_NE(other->context, six->context);
		EXPECT_EQ(other->seqno, 6u);
	}
	fence_ref behind_plain = make_link(f, f, 3);
	EXPECT_NE(behind_plain->context, f->context);
	EXPECT_EQ(behind_plain->seqno, 3u);
}

TEST_F(fence_chain_test, memory)
{
	resv_host_fail_alloc(0);
	EXPECT_EQ(resv_fence_chain_alloc(), nullptr);
	EXPECT_TRUE(resv_host_end_fail_alloc());
	resv_fence_chain_free(resv_fence_chain_alloc());
	resv_fence_chain_free(nullptr);
}

// ---- Finding ---------------------------------------------------------------------------------------------------------

TEST_F(fence_chain_test, find_seqno)
{
	constexpr int length = 64;
	chain c(length);
	EXPECT_EQ(c.find(0), length - 1) << "0 is what is there";
	for (int i = 0; i < length; i++) {
		const auto seqno = static_cast<uint64_t>(i + 1);
		EXPECT_EQ(c.find(seqno), i);
		EXPECT_EQ(c.find(seqno, c.links[static_cast<size_t>(i)]), i);
		EXPECT_EQ(c.find(seqno + 1, c.links[static_cast<size_t>(i)]), -EINVAL);
		if (i > 0) {
			EXPECT_EQ(c.find(seqno - 1, c.links[static_cast<size_t>(i)]), i - 1);
		}
	}
	c.signal_all();
}

TEST_F(fence_chain_test, find_needs_a_chain)
{
	fence_ref f = make_fence();
	resv_fence *found = f.c(), *nothing = nullptr;
	EXPECT_EQ(resv_fence_chain_find_seqno(&found, 1), -EINVAL);
	EXPECT_EQ(found, f.c());
	EXPECT_EQ(resv_fence_chain_find_seqno(&nothing, 1), -EINVAL);
	EXPECT_EQ(resv_fence_chain_find_seqno(&nothing, 0), 0);
}

TEST_F(fence_chain_test, find_signaled)
{
	chain c(2);
	c.signal(0);
	EXPECT_EQ(c.find(1), chain::none);
	EXPECT_EQ(c.find(1, c.links[0]), 0);
	EXPECT_EQ(c.find(2), 1);
	c.signal(1);
	EXPECT_EQ(c.find(2), 1);
}

// What was signaled out of order is dropped; all that came before still has to be.
TEST_F(fence_chain_test, find_out_of_order)
{
	chain c(3);
	c.signal(1);
	EXPECT_EQ(c.find(2), 0);
	EXPECT_EQ(c.find(1), 0);
	EXPECT_EQ(c.find(3), 2);
}

TEST_F(fence_chain_test, find_in_a_gap)
{
	chain c(64, 2);
	for (unsigned i = 0; i < 64; i++) {
		EXPECT_EQ(c.find(2 * i + 1), static_cast<int>(i));
		EXPECT_EQ(c.find(2 * i + 2), static_cast<int>(i));
	}
	EXPECT_EQ(c.find(129), -EINVAL);
	c.signal(62);
	EXPECT_EQ(c.find(125), 61) << "the nearest before it that is still to come";
}

TEST_F(fence_chain_test, find_ends_at_another_timeline)
{
	fence_ref f = make_fence(), g = make_fence();
	fence_ref old = make_link({}, f, 9), young = make_link(old, g, 5), plain = make_link(f, g, 3);
	EXPECT_EQ(young->seqno, 9u);
	resv_fence *found = given(young);
	EXPECT_EQ(resv_fence_chain_find_seqno(&found, 2), 0);
	EXPECT_EQ(found, young.c()) << "it stands for all before it";
	resv_fence_put(found);
	found = given(plain);
	EXPECT_EQ(resv_fence_chain_find_seqno(&found, 2), 0);
	EXPECT_EQ(found, plain.c());
	resv_fence_put(found);
}

// A link that begins a timeline is dropped, being signaled: what comes before it still has to be, as a whole.
TEST_F(fence_chain_test, find_ends_where_another_timeline_began)
{
	std::vector<fence_ref> fences(4);
	for (fence_ref &each : fences)
		each = make_fence();
	fence_ref eight = make_link({}, fences[0], 8), nine = make_link(eight, fences[1], 9);
	fence_ref begins = make_link(nine, fences[2], 5), tail = make_link(begins, fences[3], 12);
	EXPECT_EQ(begins->seqno, 9u);
	EXPECT_EQ(tail->context, begins->context);
	EXPECT_EQ(fences[2]->signal(), 0);
	resv_fence *found = given(tail);
	EXPECT_EQ(resv_fence_chain_find_seqno(&found, 7), 0);
	EXPECT_EQ(found, nine.c());
	resv_fence_put(found);
}

TEST_F(fence_chain_test, find_races_with_signals)
{
	constexpr unsigned length = 64;
	const unsigned tasks = 4;
	for_a_while([&] {
		chain c(length);
		std::atomic<bool> done = false;
		auto run = [&](unsigned seed) {
			std::minstd_rand random(seed);
			while (!done) {
				const uint64_t seqno = 1 + random() % length;
				resv_fence *found = given(c.tail());
				ASSERT_EQ(resv_fence_chain_find_seqno(&found, seqno), 0);
				if (found) {
					const uint64_t at = found->seqno;
					EXPECT_EQ(found->context, c.tail()->context);
					// Those before may have been signaled: then an earlier one stands for it.
					EXPECT_LE(at, length);
					ASSERT_EQ(resv_fence_chain_find_seqno(&found, std::min(seqno, at)),
						  0);
					resv_fence_put(found);
				} else {
					for (unsigned i = 0; i < seqno; i++)
						EXPECT_TRUE(c.fences[i]->test_signaled());
				}
				c.fences[random() % length]->signal();
			}
		};
		std::deque<racer> racers;
		for (unsigned i = 1; i <= tasks; i++)
			racers.emplace_back([&, i] { run(i); });
		EXPECT_TRUE(eventually([&] { return c.tail()->is_signaled(); }));
		done = true;
		racers.clear();
	});
}

// ---- Signals ---------------------------------------------------------------------------------------------------------

TEST_F(fence_chain_test, signal_forward)
{
	constexpr unsigned length = 64;
	chain c(length);
	for (unsigned i = 0; i < length; i++) {
		c.signal(i);
		EXPECT_TRUE(c.links[i]->is_signaled());
		if (i + 1 < length) {
			EXPECT_FALSE(c.links[i + 1]->is_signaled());
		}
	}
}

TEST_F(fence_chain_test, signal_backward)
{
	constexpr unsigned length = 64;
	chain c(length);
	for (unsigned i = length; i-- > 1;) {
		c.signal(i);
		EXPECT_FALSE(c.links[i]->is_signaled());
	}
	c.signal(0);
	for (fence_ref &each : c.links)
		EXPECT_TRUE(each->is_signaled());
}

/// Somebody waits for the end while the fences are signaled in an order.
void wait_while_signaled(const std::vector<unsigned> &order)
{
	chain c(static_cast<unsigned>(order.size()));
	actor waiter;
	waiter.start([&] { return c.tail()->wait(false); });
	EXPECT_TRUE(eventually([&] { return c.log.enabled != 0; }));
	for (unsigned i : order) {
		EXPECT_FALSE(c.tail()->test_signaled());
		c.signal(i);
	}
	EXPECT_EQ(waiter.finish(), 0);
	EXPECT_TRUE(c.tail()->test_signaled());
}

std::vector<unsigned> count_to(unsigned n)
{
	std::vector<unsigned> numbers(n);
	std::iota(numbers.begin(), numbers.end(), 0u);
	return numbers;
}

TEST_F(fence_chain_test, wait_forward)
{
	wait_while_signaled(count_to(64));
}

TEST_F(fence_chain_test, wait_backward)
{
	std::vector<unsigned> order = count_to(64);
	std::reverse(order.begin(), order.end());
	wait_while_signaled(order);
}

TEST_F(fence_chain_test, wait_random)
{
	for (unsigned seed = 1; seed < 20; seed++) {
		std::vector<unsigned> order = count_to(64);
		std::shuffle(order.begin(), order.end(), std::minstd_rand(seed));
		wait_while_signaled(order);
	}
}

// Drivers are asked one after another: each once the fence that was waited for has been signaled.
TEST_F(fence_chain_test, goes_on_to_the_next_fence)
{
	chain c(4);
	note n;
	EXPECT_EQ(n.add_to(c.tail()), 0);
	EXPECT_EQ(c.log.enabled, 1);
	for (unsigned i : {3u, 1u, 2u, 0u}) {
		EXPECT_EQ(n.calls, 0);
		c.signal(i);
		resv_port_drain();
		EXPECT_EQ(c.log.enabled, i == 3 || i == 1 ? 2 : 3);
	}
	EXPECT_EQ(n.calls, 1);
	EXPECT_EQ(n.status, 1);
}

TEST_F(fence_chain_test, links_are_signaled_each_by_itself)
{
	chain c(3);
	std::array<note, 3> notes;
	for (unsigned i = 0; i < 3; i++)
		EXPECT_EQ(notes[i].add_to(c.links[i]), 0);
	for (unsigned i : {2u, 0u, 1u}) {
		c.signal(i);
		resv_port_drain();
		EXPECT_EQ(notes[0].calls, i != 2);
		EXPECT_EQ(notes[1].calls, i == 1);
		EXPECT_EQ(notes[2].calls, i == 1);
	}
}

TEST_F(fence_chain_test, deadline_goes_to_all)
{
	chain c(3);
	c.tail()->set_deadline(5);
	EXPECT_EQ(c.log.hurried, 3);
	c.signal(1);
	c.tail()->set_deadline(6);
	EXPECT_EQ(c.log.hurried, 5);
	EXPECT_EQ(c.log.deadline, 6);
}

// ---- What is dropped -------------------------------------------------------------------------------------------------

TEST_F(fence_chain_test, walk_visits_each_from_the_end)
{
	chain c(5);
	fence_ref at = c.tail();
	for (unsigned i = 5; i-- > 0;) {
		ASSERT_EQ(at.c(), c.links[i].c());
		at = fence_ref(resv_fence_chain_walk(at.release_c()));
	}
	EXPECT_FALSE(at);
	EXPECT_EQ(resv_fence_chain_walk(given(make_fence())), nullptr);
	EXPECT_EQ(resv_fence_chain_walk(nullptr), nullptr);
}

TEST_F(fence_chain_test, walk_drops_what_is_signaled)
{
	chain c(5);
	fence_ref tail = c.tail();
	c.links.clear();
	for (unsigned i : {1u, 2u})
		c.signal(i);
	c.fences[1] = c.fences[2] = fence_ref();
	EXPECT_EQ(c.log.released, 0);
	fence_ref before(resv_fence_chain_walk(given(tail)));
	EXPECT_EQ(before->seqno, 4u);
	EXPECT_EQ(c.log.released, 0);
	fence_ref first(resv_fence_chain_walk(given(before)));
	EXPECT_EQ(first->seqno, 1u);
	EXPECT_EQ(c.log.released, 2);
	c.signal(0);
	fence_ref none(resv_fence_chain_walk(given(before)));
	EXPECT_FALSE(none);
	first = fence_ref();
	c.fences[0] = fence_ref();
	EXPECT_EQ(c.log.released, 3);
}

TEST_F(fence_chain_test, walk_drops_a_signaled_end_that_is_no_link)
{
	fence_ref end = make_fence(), f = make_fence(), link = make_link(end, f, 1);
	EXPECT_EQ(fence_ref(resv_fence_chain_walk(given(link))).c(), end.c());
	EXPECT_FALSE(link->is_signaled());
	EXPECT_EQ(f->signal(), 0);
	EXPECT_FALSE(link->is_signaled());
	EXPECT_EQ(end->signal(), 0);
	EXPECT_EQ(resv_fence_chain_walk(given(link)), nullptr);
	EXPECT_TRUE(link->is_signaled());
}

TEST_F(fence_chain_test, timeline_that_goes_on_for_ever_stays_short)
{
	chain c(1);
	fence_ref tail = c.tail();
	c.links.clear();
	const unsigned long before = in_use();
	for (uint64_t seqno = 2; seqno < 1000; seqno++) {
		c.signal(0);
		c.fences[0] = make_driver_fence(c.log, driver_ops_with_release);
		tail = make_link(tail, c.fences[0], seqno);
		fence_ref none(resv_fence_chain_walk(given(tail)));
		EXPECT_FALSE(none);
	}
	EXPECT_EQ(in_use(), before);
}

// With a call for each link, a stack would be too short.
constexpr uint64_t very_long = 1000000;

fence_ref make_very_long(const fence_ref &contained)
{
	fence_ref tail;
	for (uint64_t seqno = 1; seqno <= very_long; seqno++) {
		resv_fence_chain *link = resv_fence_chain_alloc();
		resv_fence_chain_init(link, tail.release_c(), given(contained), seqno);
		tail = fence_ref(&link->base);
	}
	return tail;
}

TEST_F(fence_chain_test, very_long_is_released)
{
	fence_ref tail = make_very_long(make_fence());
	tail = fence_ref();
}

TEST_F(fence_chain_test, very_long_is_signaled)
{
	fence_ref f = make_fence(), tail = make_very_long(f);
	note n;
	EXPECT_EQ(n.add_to(tail), 0);
	EXPECT_EQ(f->signal(), 0);
	EXPECT_EQ(tail->wait(false), 0);
	EXPECT_EQ(n.calls, 1);
}

TEST_F(fence_chain_test, very_long_is_released_by_deferred_work)
{
	fence_ref f = make_fence(), head = make_fence();
	fence_ref tail = make_link(make_very_long(f), head, very_long + 1);
	resv_fence_enable_sw_signaling(tail.c());
	tail = fence_ref();
	EXPECT_EQ(head->signal(), 0);
	EXPECT_EQ(f->signal(), 0);
}

// ---- All at once -----------------------------------------------------------------------------------------------------

// Tasks signal, wait for links, walk, and drop links, while the chain grows.
TEST_F(fence_chain_test, all_at_once)
{
	constexpr unsigned length = 32;
	actor signaler, waiter, walker, dropper;
	unsigned round = 0;
	for_a_while([&] {
		chain c(length);
		const std::vector<fence_ref> fences = c.fences;
		const fence_ref middle = c.links[length / 2], tail = c.tail();
		signaler.start([&] {
			std::vector<unsigned> order = count_to(length);
			std::shuffle(order.begin(), order.end(), std::minstd_rand(++round));
			for (unsigned i : order)
				EXPECT_EQ(fences[i]->signal(), 0);
		});
		waiter.start([&] {
			EXPECT_EQ(middle->wait(false), 0);
			for (unsigned i = 0; i <= length / 2; i++)
				EXPECT_TRUE(fences[i]->test_signaled());
		});
		walker.start([&] {
			while (!tail->is_signaled()) {
				uint64_t seqno = length + 1;
				fence_ref at = tail;
				while (at) {
					EXPECT_LT(at->seqno, seqno);
					seqno = at->seqno;
					at = fence_ref(resv_fence_chain_walk(at.release_c()));
				}
			}
		});
		dropper.start([&] {
			fence_ref longer = make_link(tail, fences[0], length + 1);
			c.links.clear();
			c.fences.clear();
			return longer->wait(true);
		});
		EXPECT_EQ(tail->wait(false), 0);
		for (const fence_ref &each : fences)
			EXPECT_TRUE(each->test_signaled());
		EXPECT_EQ(dropper.finish(), 0);
		for (actor *each : {&signaler, &waiter, &walker})
			each->finish();
	});
}

} // namespace
} // namespace resv::test
