// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The end of buffers that are still in use, by themselves and with a shared object.
#include "fence_rig.hpp"

#include "../src/fence_core.hpp"

#include <resv/lru.hpp>
#include <resv/release.h>

#include <cstring>
#include <memory>

namespace resv::test {
namespace {

struct dying {
	resv_release release; // the first member
	reservation_object own;
	lru_entry entry, elsewhere;
	std::atomic<int> freed{0};
};

class release_test : public with_fences { // `object` is the shared one
protected:
	~release_test() override
	{
		lru::del(buffer.entry);
		lru::del(buffer.elsewhere);
		device.destroy();
		other.destroy();
		buffer.own.destroy();
	}

	/// The last reference is gone; the buffer was used with this object.
	void release(reservation_object &used)
	{
		resv_lru_entry *entries[] = {reinterpret_cast<resv_lru_entry *>(&buffer.entry),
					     reinterpret_cast<resv_lru_entry *>(&buffer.elsewhere)};
		memset(&buffer.release, 0xff, sizeof(buffer.release)); // whatever was there
		resv_release_buffer(&buffer.release, in_c(used), in_c(buffer.own), entries, 2,
				    [](resv_release *r) {
					    auto *b = reinterpret_cast<dying *>(r);
					    EXPECT_FALSE(b->own.is_reserved());
					    b->freed++;
				    });
	}

	fence &add_to(reservation_object &o, usage how = usage::bookkeep)
	{
		reserved guard(o);
		fence &f = make();
		EXPECT_EQ(o.reserve_fences(1), 0);
		EXPECT_EQ(o.add_fence(f, how), 0);
		return f;
	}
	bool freed()
	{
		resv_port_drain();
		return buffer.freed == 1;
	}
	/// What has to be reserved for the buffer's entry.
	reservation_object *found_on(lru &where)
	{
		reservation_object *o = nullptr;
		if (where.reserve_first(
			    nullptr, [](lru_entry &, reservation_object &, bool) { return true; }, o) == 0)
			o->unreserve();
		return o;
	}

	dying buffer;
	lru device, other;
};

TEST_F(release_test, idle_one_is_freed_at_once)
{
	release(buffer.own);
	EXPECT_EQ(buffer.freed, 1);
}

TEST_F(release_test, signaled_fences_do_not_matter)
{
	add_to(buffer.own).signal();
	release(buffer.own);
	EXPECT_EQ(buffer.freed, 1);
}

TEST_F(release_test, busy_one_is_freed_after_the_last_fence)
{
	fence &a = add_to(buffer.own, usage::kernel), &b = add_to(buffer.own, usage::read),
	      &d = add_to(buffer.own);
	release(buffer.own);
	b.signal();
	EXPECT_FALSE(freed());
	a.signal();
	EXPECT_FALSE(freed());
	d.signal();
	EXPECT_TRUE(freed());
}

TEST_F(release_test, fence_replaced_while_it_is_watched)
{
	uint64_t timeline = resv_fence_context_alloc(1);
	fence &first = make(timeline, 1), &second = make(timeline, 2);
	{
		reserved guard(buffer.own);
		ASSERT_EQ(buffer.own.reserve_fences(2), 0);
		ASSERT_EQ(buffer.own.add_fence(first, usage::read), 0);
	}
	release(buffer.own);
	{
		reserved guard(buffer.own);
		buffer.own.replace_fences(timeline, second, usage::read);
	}
	first.signal();
	EXPECT_FALSE(freed());
	second.signal();
	EXPECT_TRUE(freed());
}

// What is watched is there as long, though nobody else has it any more.
TEST_F(release_test, last_reference_to_the_fence_is_that_of_the_release)
{
	fence_ref f = make_fence();
	{
		reserved guard(buffer.own);
		ASSERT_EQ(buffer.own.reserve_fences(1), 0);
		ASSERT_EQ(buffer.own.add_fence(*f, usage::read), 0);
	}
	release(buffer.own);
	{
		fence_ref stub(resv_fence_get_stub());
		reserved guard(buffer.own);
		buffer.own.replace_fences(f->context, *stub, usage::read);
	}
	fence &watched = *f;
	f = fence_ref();
	EXPECT_FALSE(freed());
	watched.signal();
	EXPECT_TRUE(freed());
}

// The driver says so when it is asked to signal.
TEST_F(release_test, fences_that_have_happened_do_not_matter)
{
	for (int i = 0; i < 2; i++)
		driver_fence::of(add_to(buffer.own).c()).refuses = true;
	release(buffer.own);
	EXPECT_EQ(buffer.freed, 1);
}

// The next one is not watched under the lock of the last.
TEST_F(release_test, fences_that_share_a_lock)
{
	resv_port_spinlock lock{};
	std::vector<fence_ref> fences;
	{
		reserved guard(buffer.own);
		ASSERT_EQ(buffer.own.reserve_fences(3), 0);
		for (uint64_t seqno = 1; seqno <= 3; seqno++) {
			fences.push_back(make_fence(resv_fence_context_alloc(1), seqno, nullptr, &lock));
			ASSERT_EQ(buffer.own.add_fence(*fences.back(), usage::read), 0);
		}
	}
	release(buffer.own);
	for (fence_ref &f : fences) {
		EXPECT_FALSE(freed());
		EXPECT_EQ(f->signal(), 0);
	}
	EXPECT_TRUE(freed());
}

TEST_F(release_test, shared_object_is_individualized)
{
	device.add(buffer.entry, object);
	other.add(buffer.elsewhere, object);
	fence &before = add_to(object);
	ASSERT_EQ(object.reserve(nullptr), 0); // its holder has nothing to do with it
	release(object);
	EXPECT_EQ(found_on(device), &buffer.own);
	EXPECT_EQ(found_on(other), &buffer.own);
	object.unreserve();
	add_to(object); // nor has what comes later
	EXPECT_FALSE(freed());
	before.signal();
	EXPECT_TRUE(freed());
}

TEST_F(release_test, idle_shared_object)
{
	release(object);
	EXPECT_EQ(buffer.freed, 1);
}

TEST_F(release_test, without_memory_the_shared_object_is_watched)
{
	device.add(buffer.entry, object);
	std::vector<fence *> fences;
	for (int i = 0; i < 7; i++)
		fences.push_back(&add_to(object));
	resv_host_fail_alloc(0);
	release(object);
	EXPECT_TRUE(resv_host_end_fail_alloc());
	EXPECT_EQ(found_on(device), &object);
	std::swap(fences[0], fences[3]);
	while (!fences.empty()) {
		EXPECT_FALSE(freed());
		fences.back()->signal();
		fences.pop_back();
	}
	EXPECT_TRUE(freed());
}

TEST_F(release_test, with_its_own_reserved_the_shared_object_is_watched)
{
	fence &f = add_to(object);
	ASSERT_TRUE(buffer.own.try_reserve(nullptr));
	release(object);
	buffer.own.unreserve();
	EXPECT_EQ(take_report_kinds(), std::vector{RESV_REPORT_RELEASE_BUSY});
	EXPECT_FALSE(freed());
	f.signal();
	EXPECT_TRUE(freed());
}

TEST_F(release_test, without_memory_at_each_allocation)
{
	bool failed = true;
	for (unsigned long fails = 0; failed; fails++) {
		std::vector<fence *> fences;
		while (fences.size() < 7)
			fences.push_back(&add_to(object));
		resv_host_fail_alloc(fails);
		release(object);
		failed = resv_host_end_fail_alloc();
		EXPECT_TRUE(failed || fails >= 3);
		for (fence *f : fences) {
			EXPECT_FALSE(freed()) << fails;
			f->signal();
		}
		EXPECT_TRUE(freed()) << fails;
		buffer.freed = 0;
		buffer.own.destroy(); // and with it the room that was made there
		std::destroy_at(&buffer.own);
		std::construct_at(&buffer.own);
	}
}

// Fences that are added to the shared object again and again do not keep the buffer for ever.
TEST_F(release_test, without_memory_and_new_fences_all_the_time)
{
	std::vector<fence *> fences;
	for (int i = 0; i < 5; i++)
		fences.push_back(&add_to(object));
	resv_host_fail_alloc(0);
	release(object);
	EXPECT_TRUE(resv_host_end_fail_alloc());
	for (fence *f : fences) {
		EXPECT_FALSE(freed());
		f->signal();
		resv_port_drain(); // the next one is watched
		add_to(object);    // in the slot that has become free
	}
	EXPECT_TRUE(freed());
}

TEST_F(release_test, reserved_by_who_evicts_it)
{
	device.add(buffer.entry, buffer.own);
	fence &f = add_to(buffer.own);
	release(buffer.own);
	ASSERT_EQ(buffer.own.reserve(nullptr), 0);
	f.signal();
	std::this_thread::yield();
	EXPECT_EQ(buffer.freed, 0);
	buffer.own.unreserve();
	EXPECT_TRUE(eventually([&] { return buffer.freed == 1; }));
}

TEST_F(release_test, reserved_without_a_fence)
{
	ASSERT_TRUE(buffer.own.try_reserve(nullptr));
	release(buffer.own);
	EXPECT_EQ(buffer.freed, 0);
	buffer.own.unreserve();
	EXPECT_TRUE(eventually([&] { return buffer.freed == 1; }));
}

// When the release looks whether it is signaled it is not; when it would watch it, it is.
TEST_F(release_test, signaled_just_now_and_reserved)
{
	fence &f = add_to(buffer.own);
	driver_fence::of(f.c()).refuses = true;
	ASSERT_EQ(buffer.own.reserve(nullptr), 0);
	release(buffer.own);
	EXPECT_TRUE(f.test_signaled());
	EXPECT_EQ(buffer.freed, 0);
	buffer.own.unreserve();
	EXPECT_TRUE(eventually([&] { return buffer.freed == 1; }));
	EXPECT_EQ(fence_core::references(f).load(order::relaxed), 2u); // the fixture's and the object's
}

// The same, and there is one behind it that has to be waited for.
TEST_F(release_test, signaled_just_now_before_another)
{
	fence &first = add_to(buffer.own), &second = add_to(buffer.own);
	driver_fence::of(first.c()).refuses = true;
	release(buffer.own);
	EXPECT_TRUE(first.test_signaled());
	EXPECT_FALSE(freed());
	second.signal();
	EXPECT_TRUE(freed());
}

// Who goes on with a release may wait for reservations afterwards, as before.
TEST_F(release_test, leaves_no_section_behind)
{
	struct blocking {
		resv_port_work work; // the first member
		reservation_object object;
		int result = 1;
	} later;
	later.work.fn = [](resv_port_work *work) {
		auto *b = reinterpret_cast<blocking *>(work);
		b->result = b->object.reserve(nullptr);
		b->object.unreserve();
	};

	fence &f = add_to(buffer.own);
	release(buffer.own);
	f.signal();
	EXPECT_TRUE(freed());
	resv_port_defer(&later.work);
	resv_port_drain();
	EXPECT_EQ(later.result, 0);
	later.object.destroy();
}

TEST_F(release_test, signaled_by_others_meanwhile)
{
	actor signaler;
	for (int round = 0; round < 200; round++) {
		fence &a = add_to(object), &b = add_to(object);
		signaler.start([&] {
			a.signal();
			b.signal();
		});
		release(object);
		signaler.finish();
		ASSERT_TRUE(freed());
		buffer.freed = 0;
	}
}

} // namespace
} // namespace resv::test
