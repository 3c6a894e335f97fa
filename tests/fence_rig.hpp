// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What the suites about fences share: fences of a driver that notes what he is asked, callbacks that note their call,
// reservations for a scope, and fixtures in whose tests all memory must have been freed in the end.
#ifndef RESV_TESTS_FENCE_RIG_HPP
#define RESV_TESTS_FENCE_RIG_HPP

#include "helpers.hpp"

#include <resv/reservation.hpp>
#include <resv/resv.h>
#include <resv_port/host.h>

#include <atomic>

namespace resv::test {

inline constexpr int64_t ms = 1000000;

/// How long a race is run.
inline constexpr std::chrono::milliseconds race_time{700};

template <typename F>
void for_a_while(F round)
{
	const auto end = std::chrono::steady_clock::now() + race_time;
	do
		round();
	while (std::chrono::steady_clock::now() < end);
}

/// A fence without a driver, on a timeline of its own, or where it is told.
inline fence_ref make_fence(uint64_t context, uint64_t seqno, const resv_fence_ops *ops = nullptr,
			    resv_port_spinlock *lock = nullptr)
{
	auto *f = static_cast<resv_fence *>(resv_port_alloc(sizeof(resv_fence)));
	resv_fence_init(f, ops, lock, context, seqno);
	return fence_ref(f);
}

inline fence_ref make_fence()
{
	return make_fence(resv_fence_context_alloc(1), 1);
}

/// The fence that is shown to readers, unless its last reference is gone.
inline fence_ref find_in(const std::atomic<resv_fence *> &shown)
{
	resv_port_read_lock();
	resv_fence *f = shown.load(std::memory_order_acquire);
	fence_ref found(f ? resv_fence_get_rcu(f) : nullptr);
	resv_port_read_unlock();
	return found;
}

/// A reference for C to take over.
inline resv_fence *given(const fence_ref &f)
{
	return resv_fence_get(f.c());
}

/// What resv_fence_array_create() takes over.
inline resv_fence **given_array(const std::vector<fence_ref> &fences)
{
	auto **array =
		static_cast<resv_fence **>(resv_port_alloc((fences.size() + 1) * sizeof(resv_fence *)));
	for (size_t i = 0; i < fences.size(); i++)
		array[i] = given(fences[i]);
	return array;
}

inline fence_ref make_array(const std::vector<fence_ref> &fences, bool any = false)
{
	return fence_ref(resv_fence_array_create(static_cast<int>(fences.size()), given_array(fences),
						 resv_fence_context_alloc(1), 1, any));
}

/// A link behind `prev`, which may be none.
inline fence_ref make_link(const fence_ref &prev, const fence_ref &contained, uint64_t seqno)
{
	resv_fence_chain *link = resv_fence_chain_alloc();
	resv_fence_chain_init(link, given(prev), given(contained), seqno);
	return fence_ref(&link->base);
}

inline std::vector<resv_fence *> in_c(const std::vector<fence_ref> &fences)
{
	std::vector<resv_fence *> result;
	for (const fence_ref &f : fences)
		result.push_back(f.c());
	return result;
}

/// A callback that counts its calls, and remembers what it saw.
struct note : resv_fence_cb {
	std::atomic<int> calls = 0;
	int status = 0;
	std::vector<note *> *order = nullptr;

	note() : resv_fence_cb{} {}
	int add_to(const fence_ref &f) { return f->add_callback(*this, called); }
	static void called(resv_fence *f, resv_fence_cb *cb)
	{
		note &self = *static_cast<note *>(cb);
		EXPECT_TRUE(resv_fence_test_signaled(f));
		self.status = resv_fence_get_status(f);
		if (self.order)
			self.order->push_back(&self);
		self.calls++;
	}
};

/// What a driver was asked, for all of his fences.
struct driver_log {
	std::atomic<int> enabled = 0, asked = 0, hurried = 0, released = 0;
	std::atomic<int64_t> deadline = 0;
};

/// A driver's fence.
struct driver_fence : resv_fence {
	driver_log *log;
	std::atomic<bool> happened; // known to the driver, and not signaled yet
	bool refuses;               // enable_signaling says that it has happened

	static driver_fence &of(resv_fence *f) { return *static_cast<driver_fence *>(f); }
	static const char *driver_name(resv_fence *) { return "test"; }
	static const char *timeline_name(resv_fence *) { return "ring"; }
	static bool enable(resv_fence *f)
	{
		of(f).log->enabled++;
		return !of(f).refuses;
	}
	static bool has_happened(resv_fence *f)
	{
		of(f).log->asked++;
		return of(f).happened;
	}
	static void hurry(resv_fence *f, int64_t deadline_ns)
	{
		of(f).log->hurried++;
		of(f).log->deadline = deadline_ns;
	}
	static void release(resv_fence *f)
	{
		of(f).log->released++;
		resv_fence_free(f);
	}
};

inline constexpr resv_fence_ops driver_ops{.get_driver_name = driver_fence::driver_name,
					   .get_timeline_name = driver_fence::timeline_name,
					   .enable_signaling = driver_fence::enable,
					   .signaled = driver_fence::has_happened,
					   .release = nullptr,
					   .set_deadline = driver_fence::hurry};

inline constexpr resv_fence_ops driver_ops_with_release{.get_driver_name = driver_fence::driver_name,
							.get_timeline_name = driver_fence::timeline_name,
							.enable_signaling = driver_fence::enable,
							.signaled = driver_fence::has_happened,
							.release = driver_fence::release,
							.set_deadline = driver_fence::hurry};

inline fence_ref make_driver_fence(driver_log &log, const resv_fence_ops &ops = driver_ops,
				   uint64_t context = 0, uint64_t seqno = 1)
{
	auto *f = static_cast<driver_fence *>(resv_port_alloc(sizeof(driver_fence)));
	resv_fence_init(f, &ops, nullptr, context ? context : resv_fence_context_alloc(1), seqno);
	f->log = &log;
	return fence_ref(f);
}

inline driver_fence &driver_of(const fence_ref &f)
{
	return driver_fence::of(f.c());
}

class fence_fixture : public fixture {
protected:
	fence_fixture() : before_(in_use()) {}
	~fence_fixture() override { EXPECT_EQ(in_use(), before_) << "pieces of memory"; }

	/// Pieces of memory that are not freed, once everything has settled.
	static unsigned long in_use()
	{
		resv_port_drain();
		const resv_host_allocs all = resv_host_alloc_stats();
		return all.allocated - all.freed;
	}

private:
	unsigned long before_;
};

// ---- Reservation objects ---------------------------------------------------------------------------------------------

inline constexpr usage all_usages[] = {usage::kernel, usage::write, usage::read, usage::bookkeep};

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

inline resv_object *in_c(reservation_object &object)
{
	return reinterpret_cast<resv_object *>(&object);
}

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

/// An object, and fences that are signaled in the end.
class with_fences : public fence_fixture {
protected:
	~with_fences() override
	{
		object.destroy();
		for (fence_ref &f : mine_)
			f->signal();
	}

	/// A fence, on a timeline of its own unless it is named; the fixture has the reference.
	fence &make(uint64_t context = 0, uint64_t seqno = 1)
	{
		return *mine_.emplace_back(make_driver_fence(log, driver_ops, context, seqno));
	}
	/// Makes room in the object, which is reserved.
	void room(unsigned n) { ASSERT_EQ(object.reserve_fences(n), 0); }
	/// Adds a fence to the object, which is reserved.
	void add(fence &f, usage how)
	{
		room(1);
		ASSERT_EQ(object.add_fence(f, how), 0);
	}

	driver_log log; // of all that were made
	reservation_object object;

private:
	std::vector<fence_ref> mine_;
};

/// A thread that runs one function, and ends with it.
class racer {
public:
	template <typename F>
	explicit racer(F f) : thread_(std::move(f))
	{}
	~racer() { thread_.join(); }
	racer(const racer &) = delete;
	racer &operator=(const racer &) = delete;

private:
	std::thread thread_;
};

} // namespace resv::test

#endif // RESV_TESTS_FENCE_RIG_HPP
