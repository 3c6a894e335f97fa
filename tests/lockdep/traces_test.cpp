// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The annotator's store of stack traces, beside a map that does the same.

#include <tests/helpers.hpp>

#if RESV_PROVE_LOCKING

#include <lockdep/traces.hpp>

#include <map>
#include <memory>

namespace resv::test {
namespace {

using lockdep::trace_store;

class lockdep_traces : public testing::Test {
protected:
	using trace = std::vector<uintptr_t>;

	uint32_t keep(const trace &t)
	{
		// what lies behind it is different each time
		trace with_rest = t;
		with_rest.push_back(0x1000 + rest_++);
		return store->keep({with_rest.data(), static_cast<unsigned>(t.size())});
	}

	trace get(uint32_t number) const
	{
		const lockdep::frames f = store->get(number);
		return {f.pcs, f.pcs + f.count};
	}

	/// Of that number's bits: alike in all but some frames.
	static trace alike(unsigned number, unsigned count)
	{
		trace t;
		for (unsigned i = 0; i < count; i++)
			t.push_back(0x100 + (number >> i & 1));
		return t;
	}

	std::unique_ptr<trace_store> store = std::make_unique<trace_store>();

private:
	unsigned rest_ = 0;
};

TEST_F(lockdep_traces, each_is_kept_once)
{
	std::map<uint32_t, trace> kept;

	for (unsigned turn = 0; turn < 2; turn++) {
		for (unsigned n = 0; n < 1u << 11; n++) {
			for (unsigned count : {11u, 14u}) {
				const trace t = alike(n, count);
				const uint32_t number = keep(t);
				ASSERT_NE(number, 0u);
				ASSERT_EQ(kept.emplace(number, t).first->second, t);
			}
		}
		EXPECT_EQ(kept.size(), 2u << 11);
	}
	for (const auto &[number, t] : kept)
		ASSERT_EQ(get(number), t);
	EXPECT_EQ(store->used(), (11 + 2 + 14 + 2) << 11);
	EXPECT_EQ(store->lost(), 0u);
}

TEST_F(lockdep_traces, nothing_is_no_trace)
{
	EXPECT_EQ(keep({}), 0u);
	EXPECT_EQ(get(0), trace{});
	EXPECT_EQ(store->used(), 0u);
	EXPECT_EQ(store->lost(), 0u);
	const uint32_t number = keep({5});
	EXPECT_EQ(number, 1u);
	EXPECT_EQ(get(number), trace{5});
	EXPECT_EQ(keep({5}), number);
}

// To the last word; those that are there are found on, and what is lost is counted.
TEST_F(lockdep_traces, store_gets_full)
{
	for (unsigned turn = 0; turn < 3; turn++) {
		unsigned left = trace_store::capacity;
		uintptr_t n = 0;
		for (; left > 18 + 10; left -= 18)
			ASSERT_NE(keep(trace(16, ++n)), 0u);
		ASSERT_EQ(keep(trace(left, 0x999999)), 0u);
		EXPECT_EQ(keep(trace(left - 1, 0x999999)), 0u);
		EXPECT_EQ(store->lost(), 2u);
		const uint32_t last = keep(trace(left - 2, 0x999999));
		EXPECT_NE(last, 0u);
		EXPECT_EQ(get(last), trace(left - 2, 0x999999));
		EXPECT_EQ(store->used(), trace_store::capacity);
		EXPECT_EQ(keep({1, 2}), 0u);
		EXPECT_EQ(store->lost(), 3u);
		for (uintptr_t old = 1; old <= n; old++)
			ASSERT_EQ(get(keep(trace(16, old))), trace(16, old));
		store->reset();
		EXPECT_EQ(store->used(), 0u);
		EXPECT_EQ(store->lost(), 0u);
	}
}

// Also of those that were kept in one place, by their hash.
TEST_F(lockdep_traces, reset_forgets)
{
	for (unsigned turn = 0; turn < 3; turn++) {
		for (unsigned n = 0; n < 1u << 11; n++)
			ASSERT_EQ(keep(alike(n ^ turn, 11)), 13 * n + 1);
		store->reset();
	}
}

} // namespace
} // namespace resv::test

#endif // RESV_PROVE_LOCKING
