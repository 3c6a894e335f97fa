// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What fences are made of, and one fence out of many.

#include "fence_rig.hpp"

#include <algorithm>
#include <set>

namespace resv::test {
namespace {

std::vector<resv_fence *> unwrap(const fence_ref &head)
{
	std::vector<resv_fence *> found;
	resv_fence_unwrap cursor;
	resv_fence *f;
	resv_fence_unwrap_for_each(f, &cursor, head.c()) found.push_back(f);
	return found;
}

fence_ref merge(const std::vector<fence_ref> &fences)
{
	std::vector<resv_fence *> in = in_c(fences);
	return fence_ref(resv_fence_merge(static_cast<unsigned>(in.size()), in.data()));
}

std::set<resv_fence *> set_of(const std::vector<fence_ref> &fences)
{
	std::vector<resv_fence *> in = in_c(fences);
	return {in.begin(), in.end()};
}

std::set<resv_fence *> unwrapped_set(const fence_ref &head)
{
	std::vector<resv_fence *> found = unwrap(head);
	std::set<resv_fence *> result(found.begin(), found.end());
	EXPECT_EQ(result.size(), found.size()) << "something came twice";
	return result;
}

using list = std::vector<resv_fence *>;

class fence_unwrap : public fence_fixture {};

TEST_F(fence_unwrap, plain_fence)
{
	fence_ref f = make_fence();
	EXPECT_EQ(unwrap(f), list{f.c()});
}

TEST_F(fence_unwrap, nothing)
{
	EXPECT_EQ(unwrap({}), list{});
	EXPECT_EQ(unwrap(make_array({})), list{});
}

TEST_F(fence_unwrap, array)
{
	fence_ref a = make_fence(), b = make_fence();
	EXPECT_EQ(unwrap(make_array({a, b})), (list{a.c(), b.c()}));
}

TEST_F(fence_unwrap, chain)
{
	fence_ref a = make_fence(), b = make_fence();
	EXPECT_EQ(unwrap(make_link(make_link({}, a, 1), b, 2)), (list{b.c(), a.c()}));
}

TEST_F(fence_unwrap, chain_that_ends_with_what_is_no_link)
{
	fence_ref a = make_fence(), b = make_fence(), c = make_fence();
	EXPECT_EQ(unwrap(make_link(make_array({a, b}), c, 1)), (list{c.c(), a.c(), b.c()}));
}

TEST_F(fence_unwrap, chain_of_arrays)
{
	fence_ref a = make_fence(), b = make_fence(), c = make_fence(), d = make_fence();
	fence_ref first = make_link({}, make_array({a, b}), 1);
	fence_ref nothing = make_link(first, make_array({}), 2);
	EXPECT_EQ(unwrap(make_link(nothing, make_array({c, d}), 3)), (list{c.c(), d.c(), a.c(), b.c()}));
}

TEST_F(fence_unwrap, empty_array_at_the_head)
{
	fence_ref a = make_fence(), first = make_link({}, a, 1);
	EXPECT_EQ(unwrap(make_link(first, make_array({}), 2)), list{a.c()});
}

TEST_F(fence_unwrap, may_be_broken_off)
{
	fence_ref a = make_fence(), b = make_fence();
	fence_ref head = make_link(make_link({}, a, 1), make_array({b}), 2);
	resv_fence_unwrap cursor;
	EXPECT_EQ(resv_fence_unwrap_first(head.c(), &cursor), b.c());
	EXPECT_EQ(resv_fence_unwrap_next(&cursor), a.c());
	resv_fence_put(cursor.chain);
	EXPECT_EQ(resv_fence_unwrap_first(head.c(), &cursor), b.c());
	head = fence_ref();
	resv_fence_put(cursor.chain);
}

class fence_merge : public fence_fixture {};

TEST_F(fence_merge, of_one_is_that)
{
	fence_ref f = make_fence();
	EXPECT_EQ(merge({f}).c(), f.c());
	EXPECT_EQ(merge({f, f, f}).c(), f.c());
	EXPECT_EQ(merge({make_array({f})}).c(), f.c());
	EXPECT_EQ(merge({make_link({}, f, 1)}).c(), f.c());
}

TEST_F(fence_merge, of_two_is_an_array)
{
	fence_ref a = make_fence(), b = make_fence(), merged = merge({a, b});
	EXPECT_TRUE(resv_fence_is_array(merged.c()));
	EXPECT_NE(merged->context, a->context);
	EXPECT_NE(merged->context, b->context);
	EXPECT_LT(merged->context, resv_fence_context_alloc(1)); // it is nobody else's
	EXPECT_EQ(merged->seqno, 1u);
	EXPECT_EQ(unwrapped_set(merged), set_of({a, b}));
	EXPECT_FALSE(merged->is_signaled());
	EXPECT_EQ(a->signal(), 0);
	EXPECT_FALSE(merged->is_signaled());
	EXPECT_EQ(b->signal(), 0);
	EXPECT_TRUE(merged->is_signaled());
}

TEST_F(fence_merge, takes_each_once)
{
	fence_ref a = make_fence(), b = make_fence(), ab = make_array({a, b});
	EXPECT_EQ(unwrapped_set(merge({a, ab, b, ab, a})), set_of({a, b}));
}

TEST_F(fence_merge, takes_the_latest_of_each_timeline)
{
	const uint64_t x = resv_fence_context_alloc(1), y = resv_fence_context_alloc(1);
	fence_ref x1 = make_fence(x, 1), x2 = make_fence(x, 2), x3 = make_fence(x, 3), y1 = make_fence(y, 1),
		  y2 = make_fence(y, 2);
	std::vector<fence_ref> all{x1, x2, x3, y1, y2};
	std::vector<unsigned> order{0, 1, 2, 3, 4};
	do {
		std::vector<fence_ref> shuffled;
		for (unsigned i : order)
			shuffled.push_back(all[i]);
		EXPECT_EQ(unwrapped_set(merge(shuffled)), set_of({x3, y2}));
	} while (std::next_permutation(order.begin(), order.end()));
	EXPECT_EQ(merge({x1, x3, x2}).c(), x3.c());
}

TEST_F(fence_merge, of_many_timelines)
{
	std::minstd_rand random(5);
	for (unsigned count = 2; count < 70; count++) {
		std::vector<fence_ref> latest, all;
		const uint64_t first = resv_fence_context_alloc(count);
		for (unsigned i = 0; i < count; i++) {
			const auto length = 1 + random() % 3;
			for (unsigned seqno = 1; seqno <= length; seqno++)
				all.push_back(make_fence(first + i, seqno));
			latest.push_back(all.back());
		}
		std::shuffle(all.begin(), all.end(), random);
		EXPECT_EQ(unwrapped_set(merge(all)), set_of(latest));
	}
}

TEST_F(fence_merge, leaves_out_what_is_signaled)
{
	fence_ref a = make_fence(), b = make_fence(), c = make_fence();
	EXPECT_EQ(b->signal(), 0);
	EXPECT_EQ(merge({a, b}).c(), a.c());
	EXPECT_EQ(unwrapped_set(merge({make_array({a, b}), c})), set_of({a, c}));
}

TEST_F(fence_merge, of_containers_is_flat)
{
	fence_ref a = make_fence(), b = make_fence(), c = make_fence(), d = make_fence(), e = make_fence();
	fence_ref chain = make_link(make_link(make_array({a, b}), c, 1), make_array({d, a}), 2);
	fence_ref merged = merge({chain, make_array({b, e}), d});
	EXPECT_EQ(unwrapped_set(merged), set_of({a, b, c, d, e}));
	EXPECT_EQ(unwrapped_set(merge({merged, chain})), set_of({a, b, c, d, e}));
}

TEST_F(fence_merge, of_nothing_is_signaled)
{
	fence_ref none(resv_fence_merge(0, nullptr));
	EXPECT_TRUE(none->test_signaled());
	EXPECT_TRUE(merge({{}, {}})->test_signaled());
	fence_ref f = make_fence();
	EXPECT_EQ(merge({{}, f, {}}).c(), f.c());
}

TEST_F(fence_merge, of_nothing_needs_no_memory)
{
	fence_ref stub(resv_fence_get_stub());
	resv_host_fail_alloc(0);
	EXPECT_EQ(merge({}).c(), stub.c());
	EXPECT_FALSE(resv_host_end_fail_alloc());
}

TEST_F(fence_merge, of_what_is_over_has_the_latest_timestamp)
{
	fence_ref a = make_fence(), b = make_fence(), c = make_fence();
	EXPECT_EQ(resv_fence_signal_timestamp(a.c(), 100), 0);
	EXPECT_EQ(resv_fence_signal_timestamp(b.c(), 300), 0);
	EXPECT_EQ(resv_fence_signal_timestamp(c.c(), 200), 0);
	fence_ref merged = merge({a, make_array({b}), c});
	EXPECT_TRUE(merged->test_signaled());
	EXPECT_EQ(merged->timestamp(), 300);
	EXPECT_EQ(merged->status(), 1);
	fence_ref stub(resv_fence_get_stub());
	EXPECT_EQ(merged->context, stub->context); // no timeline of anybody's
	EXPECT_EQ(merged->seqno, 0u);
}

// Two allocations with two fences left, one with one left, and one for a timestamp.
TEST_F(fence_merge, without_memory_is_null)
{
	fence_ref a = make_fence(), b = make_fence(), over = make_fence();
	EXPECT_EQ(over->signal(), 0);
	struct {
		std::vector<fence_ref> fences;
		unsigned long allocations;
	} cases[] = {{{a, b}, 2}, {{a, over}, 1}, {{over}, 1}};
	for (auto &each : cases) {
		for (unsigned long skip = 0; skip < each.allocations; skip++) {
			resv_host_fail_alloc(skip);
			EXPECT_FALSE(merge(each.fences)) << skip;
			EXPECT_TRUE(resv_host_end_fail_alloc()) << skip;
		}
		resv_host_fail_alloc(each.allocations);
		EXPECT_TRUE(merge(each.fences));
		EXPECT_FALSE(resv_host_end_fail_alloc());
	}
}

TEST_F(fence_merge, waits_for_all)
{
	actor signaler;
	for_a_while([&] {
		std::vector<fence_ref> fences(10);
		for (fence_ref &each : fences)
			each = make_fence();
		signaler.start([&] {
			for (fence_ref &each : fences)
				EXPECT_EQ(each->signal(), 0);
		});
		EXPECT_EQ(merge(fences)->wait(false), 0);
		for (fence_ref &each : fences)
			EXPECT_TRUE(each->test_signaled());
		signaler.finish();
	});
}

} // namespace
} // namespace resv::test
