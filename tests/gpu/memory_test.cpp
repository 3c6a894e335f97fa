// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The memory of limited size by itself. No ring is served unless a test does: so what was handed in stays undone as long
// as a test likes.
#include "memory.hpp"

#include <resv_port/host.h>

#include <gtest/gtest.h>

#include <set>
#include <thread>

namespace {

using gpu::buffer;
using resv::usage;

class gpu_memory : public testing::Test {
protected:
	static constexpr unsigned system_first = 4; // behind two devices' VRAM

	gpu_memory()
	{
		config.buffers = 6;
		config.vram = 2;
		config.devices = 2;
		config.rings = 2;
		config.words = 5;
		config.execute = gpu::executor::ring;
		EXPECT_TRUE(self.log.create(1000));
	}
	~gpu_memory() override
	{
		for (gpu::ring &e : engines)
			e.close();
		serve();
	}

	void create()
	{
		for (gpu::ring &e : engines)
			EXPECT_TRUE(e.create(1, pages));
		ASSERT_EQ(memory.create(config, resv::reservation_class, pages, engines), 0);
	}

	// All that was handed in so far, and with it the rings' life.
	void serve()
	{
		std::vector<std::thread> schedulers;
		for (gpu::ring &e : engines) {
			e.close();
			schedulers.emplace_back([&e] { e.serve(); });
		}
		for (std::thread &t : schedulers)
			t.join();
	}

	// As a job of these handles would; the error of the whole.
	int use(std::initializer_list<uint32_t> handles, unsigned device)
	{
		std::vector<buffer *> held;
		for (uint32_t h : handles)
			held.push_back(&memory.get(h));
		int err;
		{
			resv::transaction t;
			err = t.run([&](resv::transaction &pass) {
				for (buffer *b : held)
					if (int rc = pass.prepare_one(b->object, 2))
						return rc;
				for (buffer *b : held)
					if (int rc = memory.make_resident(pass, *b, device, self))
						return rc;
				for (buffer *b : held)
					gpu::memory::touch(*b, device);
				return 0;
			});
		}
		for (buffer *b : held)
			gpu::memory::put(*b);
		return err;
	}

	uint32_t home(uint32_t handle)
	{
		buffer &b = memory.get(handle);
		uint32_t place = b.home.load(resv::order::relaxed);
		gpu::memory::put(b);
		return place;
	}
	bool in_vram(uint32_t handle, unsigned device) { return home(handle) / 2 == device; }

	bool is_idle(uint32_t handle)
	{
		buffer &b = memory.get(handle);
		bool idle = b.object.test_signaled(usage::bookkeep);
		gpu::memory::put(b);
		return idle;
	}

	// The contents of a buffer that nobody has written to, where it is at home.
	bool is_intact(uint32_t handle)
	{
		gpu::page_store::snapshot s = pages.read(home(handle));
		return s.intact && s.version == 0 && s.digest == gpu::job_function::initial(handle);
	}

	gpu::config config;
	gpu::page_store pages;
	gpu::ring engines[2];
	gpu::actor self;
	gpu::memory memory;
};

TEST_F(gpu_memory, buffers_begin_in_system_memory)
{
	create();
	std::set<uint32_t> places;
	for (uint32_t i = 0; i < config.buffers; i++) {
		EXPECT_GE(home(i), system_first);
		EXPECT_TRUE(is_intact(i));
		EXPECT_TRUE(is_idle(i));
		places.insert(home(i));
	}
	EXPECT_EQ(places.size(), config.buffers);
}

TEST_F(gpu_memory, what_does_not_fit_begins_in_the_swap_store)
{
	config.system = 2;
	create();
	EXPECT_GE(home(5), system_first + config.system);
	EXPECT_TRUE(is_intact(5));
}

TEST_F(gpu_memory, moves_are_fenced)
{
	create();
	uint32_t before = home(0);
	ASSERT_EQ(use({0, 1}, 0), 0);
	EXPECT_TRUE(in_vram(0, 0));
	EXPECT_TRUE(in_vram(1, 0));
	EXPECT_FALSE(is_idle(0));
	EXPECT_FALSE(is_intact(0)) << "before the copy has been made";
	serve();
	EXPECT_TRUE(is_idle(0));
	EXPECT_TRUE(is_intact(0));
	EXPECT_TRUE(is_intact(1));
	EXPECT_FALSE(pages.read(before).intact) << "poisoned";
	EXPECT_EQ(self.stats.bytes_moved, 2 * pages.page_bytes());
	EXPECT_EQ(self.stats.evictions, 0u);
}

// The place is given away at once; its fence keeps the copies in order, on two engines.
TEST_F(gpu_memory, oldest_is_evicted_without_waiting)
{
	create();
	ASSERT_EQ(use({0, 1}, 0), 0);
	ASSERT_EQ(use({0}, 0), 0); // now 1 is the oldest
	ASSERT_EQ(use({2}, 0), 0);
	EXPECT_TRUE(in_vram(0, 0));
	EXPECT_FALSE(in_vram(1, 0));
	EXPECT_TRUE(in_vram(2, 0));
	EXPECT_EQ(self.stats.evictions, 1u);
	ASSERT_EQ(use({0, 2}, 1), 0); // the other device takes both
	EXPECT_TRUE(in_vram(0, 1));
	ASSERT_EQ(use({3, 4}, 0), 0); // for which there is room then
	EXPECT_EQ(self.stats.evictions, 1u);
	serve();
	for (uint32_t i = 0; i < config.buffers; i++) {
		EXPECT_TRUE(is_idle(i)) << i;
		EXPECT_TRUE(is_intact(i)) << i;
	}
}

TEST_F(gpu_memory, background_evicts_and_swaps_out_the_oldest)
{
	config.system = 4;
	create();
	EXPECT_FALSE(memory.evict(0, self)) << "nothing there";
	EXPECT_EQ(self.stats.evictions_busy, 0u);
	ASSERT_EQ(use({0, 1}, 0), 0);
	EXPECT_TRUE(memory.evict(0, self));
	EXPECT_FALSE(in_vram(0, 0));
	EXPECT_TRUE(in_vram(1, 0));
	EXPECT_TRUE(memory.swap_out(self)); // 0 again, the oldest of those
	EXPECT_GE(home(0), system_first + config.system);
	EXPECT_EQ(self.stats.evictions, 1u);
	EXPECT_EQ(self.stats.swapouts, 1u);
	serve();
	for (uint32_t i = 0; i < config.buffers; i++)
		EXPECT_TRUE(is_intact(i)) << i;
}

TEST_F(gpu_memory, busy_ones_are_passed_over)
{
	create();
	ASSERT_EQ(use({0, 1}, 0), 0);
	buffer &oldest = memory.get(0), &other = memory.get(1);
	ASSERT_EQ(oldest.object.reserve(nullptr), 0);
	EXPECT_TRUE(memory.evict(0, self));
	EXPECT_TRUE(in_vram(0, 0));
	EXPECT_FALSE(in_vram(1, 0));
	EXPECT_EQ(self.stats.evictions_passed, 1u);
	EXPECT_FALSE(memory.evict(0, self));
	EXPECT_EQ(self.stats.evictions_busy, 1u);
	oldest.object.unreserve();
	gpu::memory::put(oldest);
	gpu::memory::put(other);
}

// Its own buffers are no victims, so a transaction that wants too many finds no place, whoever waits.
TEST_F(gpu_memory, no_space_for_a_job_that_does_not_fit)
{
	create();
	EXPECT_EQ(use({0, 1, 2}, 0), -ENOSPC);
	EXPECT_EQ(use({0, 1}, 0), 0); // and nothing is left reserved
	EXPECT_EQ(use({2, 3}, 0), 0);
	serve();
	for (uint32_t i = 0; i < config.buffers; i++)
		EXPECT_TRUE(is_intact(i)) << i;
}

TEST_F(gpu_memory, recycled_buffer_lives_until_its_fences_are_signaled)
{
	config.buffers = 1;
	config.vram = 1;
	create();
	buffer &old = memory.get(0);
	uint32_t id = old.id;
	gpu::memory::put(old);
	ASSERT_EQ(use({0}, 0), 0); // a fence
	ASSERT_TRUE(memory.recycle(self));
	EXPECT_EQ(self.stats.recycled, 1u);
	buffer &fresh = memory.get(0);
	EXPECT_NE(fresh.id, id);
	gpu::memory::put(fresh);
	EXPECT_EQ(memory.settle(), 1u) << "the old one waits for its fence";
	EXPECT_EQ(use({0}, 0), -ENOSPC) << "and keeps its place, from which nobody can move it any more";
	serve();
	EXPECT_EQ(memory.settle(), 0u);
	ASSERT_EQ(memory.ids(), 2u);
	for (uint32_t i = 0; i < 2; i++) {
		EXPECT_TRUE(memory.left()[i].intact) << i;
		EXPECT_EQ(memory.left()[i].digest, gpu::job_function::initial(i)) << i;
	}
}

TEST_F(gpu_memory, recycling_stops_while_too_many_buffers_end)
{
	config.buffers = 1;
	create();
	unsigned recycled = 0;
	while (recycled < 1000 && memory.recycle(self))
		recycled++;
	EXPECT_LT(recycled, 1000u) << "no fence of theirs was signaled";
	EXPECT_GT(recycled, 10u);
	serve();
	EXPECT_EQ(memory.settle(), 0u);
}

// Whichever allocation fails, nothing is lost, and the next try goes on from there.
TEST_F(gpu_memory, no_memory_for_a_move)
{
	create();
	ASSERT_EQ(use({0, 1}, 0), 0);
	unsigned long failed = 0;
	for (bool done = false; !done; failed += !done) {
		resv_host_fail_alloc(failed);
		int err = use({2, 3}, 0);
		done = !resv_host_end_fail_alloc();
		EXPECT_EQ(err, done ? 0 : -ENOMEM) << failed;
	}
	EXPECT_EQ(failed, 3u) << "an eviction, a move after it, and the second such move";
	for (unsigned long i = 0; i < 2; i++) {
		resv_host_fail_alloc(i);
		EXPECT_FALSE(memory.recycle(self)) << i;
		EXPECT_TRUE(resv_host_end_fail_alloc());
	}
	resv_host_fail_alloc(0);
	EXPECT_FALSE(memory.evict(0, self));
	EXPECT_TRUE(resv_host_end_fail_alloc());
	serve();
	EXPECT_EQ(memory.settle(), 0u);
	for (uint32_t i = 0; i < config.buffers; i++)
		EXPECT_TRUE(is_intact(i)) << i;
}

TEST(gpu_places, longest_free_first_with_its_fence)
{
	gpu::place_pool pool;
	ASSERT_TRUE(pool.create(5, 2));
	EXPECT_TRUE(pool.has(5));
	EXPECT_TRUE(pool.has(6));
	EXPECT_FALSE(pool.has(4));
	EXPECT_FALSE(pool.has(7));
	gpu::free_place a, b, c;
	ASSERT_TRUE(pool.take(a));
	ASSERT_TRUE(pool.take(b));
	EXPECT_FALSE(pool.take(c));
	EXPECT_EQ(a.number, 5u);
	EXPECT_EQ(b.number, 6u);
	resv_fence *stub = resv_fence_get_stub();
	pool.give({6, stub});
	pool.give({5, nullptr});
	ASSERT_TRUE(pool.take(c));
	EXPECT_EQ(c.number, 6u);
	EXPECT_EQ(c.ready, stub);
	resv_fence_put(stub);
}

} // namespace
