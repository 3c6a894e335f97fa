// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What suites about fences share: fences that count, and somebody who holds a reservation for a scope.
#ifndef RESV_TESTS_FENCE_HELPERS_HPP
#define RESV_TESTS_FENCE_HELPERS_HPP

#include "helpers.hpp"

#include <resv/fence.hpp>

#include <atomic>

namespace resv::test {

/// What happened to the fences of a test.
struct fence_events {
	std::atomic<int> released{0};
	std::atomic<int> asked{0}; // whether it has happened
	std::atomic<int64_t> deadline{0};
	std::atomic<bool> happened{false}; // what the answer is
};

inline fence_events events;

inline void count_release(resv_fence *f)
{
	events.released++;
	resv_fence_free(f);
}

inline constexpr resv_fence_ops counting_ops{.get_driver_name = nullptr,
					     .get_timeline_name = nullptr,
					     .enable_signaling = nullptr,
					     .signaled = nullptr,
					     .release = count_release,
					     .set_deadline = nullptr};

inline constexpr resv_fence_ops asking_ops{
	.get_driver_name = nullptr,
	.get_timeline_name = nullptr,
	.enable_signaling = nullptr,
	.signaled =
		[](resv_fence *) {
			events.asked++;
			return events.happened.load();
		},
	.release = count_release,
	.set_deadline = [](resv_fence *, int64_t ns) { events.deadline = ns; }};

/// A fence; the caller has the reference.
inline fence &make_fence(uint64_t context, uint64_t seqno, const resv_fence_ops &ops = counting_ops)
{
	auto *f = static_cast<resv_fence *>(resv_port_alloc(sizeof(resv_fence)));
	resv_fence_init(f, &ops, nullptr, context, seqno);
	return fence::of(f);
}

/// A reservation for a scope.
class reserved {
public:
	explicit reserved(reservation_object &object) RESV_NO_ANALYSIS : object_(object)
	{
		EXPECT_TRUE(object_.try_reserve(nullptr)); // several at a time need no order
	}
	~reserved() RESV_NO_ANALYSIS { object_.unreserve(); }
	reserved(const reserved &) = delete;
	reserved &operator=(const reserved &) = delete;

private:
	reservation_object &object_;
};

using fence_list = std::vector<const fence *>;

/// The fences that who holds the object sees.
inline fence_list fences_of(const reservation_object &object, usage up_to = usage::bookkeep)
{
	fence_list list;
	fence_cursor c(object, up_to);
	for (fence *f = c.first(); f; f = c.next())
		list.push_back(f);
	return list;
}

/// An object, and fences that must all be released in the end.
class with_fences : public fixture {
protected:
	with_fences()
	{
		resv_port_drain();
		events.released = events.asked = 0;
		events.deadline = 0;
		events.happened = false;
		before_ = resv_host_alloc_stats();
	}
	~with_fences() override
	{
		object.destroy();
		for (fence *f : mine_) {
			f->signal();
			resv_fence_put(f->c());
		}
		resv_port_drain();
		EXPECT_EQ(events.released, static_cast<int>(made_));
		auto after = resv_host_alloc_stats();
		EXPECT_EQ(after.allocated - after.freed, before_.allocated - before_.freed);
	}

	/// A fence, on a timeline of its own unless it is named; the fixture drops the reference.
	fence &make(uint64_t context = 0, uint64_t seqno = 1, const resv_fence_ops &ops = counting_ops)
	{
		made_++;
		return *mine_.emplace_back(
			&make_fence(context ? context : resv_fence_context_alloc(1), seqno, ops));
	}
	/// Reserves the object, with room for `n` fences.
	void room(unsigned n) { ASSERT_EQ(object.reserve_fences(n), 0); }

	reservation_object object;

private:
	std::vector<fence *> mine_;
	size_t made_ = 0;
	resv_host_allocs before_{};
};

inline constexpr usage all_usages[] = {usage::kernel, usage::write, usage::read, usage::bookkeep};

} // namespace resv::test

#endif // RESV_TESTS_FENCE_HELPERS_HPP
