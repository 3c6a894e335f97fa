// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Readers of a reservation object's fences, who do not hold it, against a writer who does.

#include "fence_rig.hpp"

#include <algorithm>

namespace resv::test {
namespace {

constexpr int rounds = built_with_tsan ? 3000 : 20000;

/// Two threads that run `read` again and again until `write` has been run.
template <typename Read, typename Write>
void against(Read read, Write write)
{
	std::atomic<bool> over{false};
	std::atomic<unsigned long> reads{0};
	actor readers[2];
	for (actor &reader : readers)
		reader.start([&] {
			do {
				read();
				reads++;
			} while (!over);
		});
	write();
	over = true;
	for (actor &reader : readers)
		reader.finish();
	EXPECT_GE(reads, 2u);
}

class reservation_readers : public with_fences {
protected:
	~reservation_readers() override { EXPECT_FALSE(object.is_reserved()); }

	// A fence that is the object's alone: released when it leaves.
	void add_new(uint64_t context, uint64_t seqno, usage how, bool signaled = false)
	{
		fence_ref f = make_fence(context, seqno);
		add(*f, how);
		if (signaled)
			f->signal();
	}
};

// Trap 17: slots and the table are published with what they lead to. The writer adds, replaces, grows and starts over; one
// fence is there all the time, and must be seen by whoever looks.
TEST_F(reservation_readers, trap_17_fence_that_is_there_is_seen_by_every_reader)
{
	fence &there = make();
	std::atomic<int> missed{0};
	{
		reserved held(object);
		add(there, usage::write);
	}
	auto read = [&] {
		missed += object.test_signaled(usage::write);
		missed += object.wait(usage::write, false, 0) != 0;
		bool met = false;
		fence_cursor c(object, usage::bookkeep);
		for (fence *f = c.first_unlocked(); f; f = c.next_unlocked()) {
			if (c.is_restarted())
				met = false;
			met |= f == &there;
		}
		missed += !met;
		unsigned num;
		resv_fence **fences;
		EXPECT_EQ(object.get_fences(usage::bookkeep, &num, &fences), 0);
		missed += std::count(fences, fences + num, there.c()) != 1;
		while (num != 0)
			resv_fence_put(fences[--num]);
		resv_port_free(fences);
	};
	against(read, [&] {
		uint64_t timeline = resv_fence_context_alloc(1000);
		fence &instead = make();
		for (int i = 1; i <= rounds; i++) {
			reserved held(object);
			auto seqno = static_cast<uint64_t>(i);
			add_new(timeline, seqno, usage::read);
			add_new(timeline + seqno % 1000, seqno, usage::bookkeep, i % 300 != 0);
			if (i % 64 == 0)
				object.replace_fences(timeline, instead, usage::read);
		}
	});
	EXPECT_EQ(missed, 0);
}

// At each moment there is one that has not been signaled, but not the same one: if all are said to be signaled, they never
// were so together.
TEST_F(reservation_readers, all_signaled_means_at_one_moment)
{
	for (unsigned others : {0u, 6u}) { // in the object, and in the table
		std::atomic<int> wrong{0};
		uint64_t timelines = resv_fence_context_alloc(2 + others);
		std::optional<reserved> held(object);
		for (unsigned i = 0; i < others; i++)
			add_new(timelines + 2 + i, 1, usage::bookkeep);
		fence_ref before = make_fence(timelines, 1);
		add(*before, usage::write);
		against([&] { wrong += object.test_signaled(usage::write); },
			[&] {
				for (int i = 2; i <= rounds; i++) {
					fence_ref next = make_fence(timelines + uint64_t(i) % 2, uint64_t(i));
					add(*next, usage::write);
					before->signal();
					before = next;
				}
			});
		EXPECT_EQ(wrong, 0);
		before->signal();
		EXPECT_TRUE(object.test_signaled(usage::write));
	}
}

// A copy changes many at once; one that is in the old set and in the new one is never missed.
TEST_F(reservation_readers, copies_lose_none_that_is_in_both)
{
	reservation_object one, other;
	fence &there = make();
	std::atomic<int> missed{0};
	for (reservation_object *each : {&one, &other, &object}) {
		reserved held(*each);
		EXPECT_EQ(each->reserve_fences(3), 0);
		EXPECT_EQ(each->add_fence(each == &one ? make() : there, usage::read), 0);
		EXPECT_EQ(each->add_fence(there, usage::read), 0);
		EXPECT_EQ(each->add_fence(each == &other ? make() : there, usage::read), 0);
	}
	against([&] { missed += object.test_signaled(usage::read); },
		[&] {
			for (int i = 0; i < rounds / 4; i++) {
				reserved held(object);
				EXPECT_EQ(object.copy_fences(i % 2 ? one : other), 0);
			}
		});
	EXPECT_EQ(missed, 0);
	one.destroy();
	other.destroy();
}

} // namespace
} // namespace resv::test
