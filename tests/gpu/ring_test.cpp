// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "ring.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace {

class gpu_ring : public testing::Test {
protected:
	gpu_ring()
	{
		EXPECT_TRUE(pages.create(4, 5));
		EXPECT_TRUE(ring.create(2, pages));
	}

	gpu::page_store pages;
	gpu::ring ring;
};

TEST_F(gpu_ring, retires_what_was_submitted_before_it_was_served)
{
	for (unsigned i = 1; i <= 200; i++)
		ring.submit({i % 2, (i + 1) / 2});
	ring.close();
	ring.serve();
	EXPECT_EQ(ring.retired(), 200u);
	EXPECT_TRUE(ring.in_order());
}

TEST_F(gpu_ring, notices_what_is_out_of_order)
{
	ring.submit({0, 2});
	ring.submit({0, 1});
	ring.close();
	ring.serve();
	EXPECT_EQ(ring.retired(), 2u);
	EXPECT_FALSE(ring.in_order());
}

TEST_F(gpu_ring, full_ring_makes_the_client_wait)
{
	constexpr uint32_t jobs = 1000;
	std::atomic<uint32_t> submitted = 0;
	std::thread client([&] {
		for (uint32_t i = 1; i <= jobs; i++) {
			ring.submit({0, i});
			submitted++;
		}
		ring.close();
	});
	for (uint32_t before = ~0u; before != submitted || before == 0;) { // until it stands still
		before = submitted;
		gpu::nap_until(resv_port_clock() + 5000000);
	}
	EXPECT_LT(submitted, jobs);
	ring.serve();
	client.join();
	EXPECT_EQ(ring.retired(), jobs);
	EXPECT_TRUE(ring.in_order());
}

// All sides sleep now and then.
TEST_F(gpu_ring, two_clients)
{
	constexpr uint32_t jobs = 3000;
	std::thread scheduler([&] { ring.serve(); });
	std::vector<std::thread> clients;
	for (uint32_t client = 0; client < 2; client++)
		clients.emplace_back([&, client] {
			for (uint32_t i = 1; i <= jobs; i++)
				ring.submit({client, i});
		});
	for (std::thread &t : clients)
		t.join();
	ring.close();
	scheduler.join();
	EXPECT_EQ(ring.retired(), 2 * jobs);
	EXPECT_TRUE(ring.in_order());
}

TEST_F(gpu_ring, runs_jobs_while_the_client_waits)
{
	std::thread scheduler([&] { ring.serve(); });
	std::vector<std::thread> clients;
	gpu::job_log logs[2];
	for (uint32_t client = 0; client < 2; client++) {
		ASSERT_TRUE(logs[client].create(1000));
		clients.emplace_back([&, client] {
			gpu::use mine = {.buffer = client & 1, .write = 1};
			for (uint32_t i = 1; i <= 100; i++) {
				ring.submit_and_wait(
					{.id = {client, i}, .count = 1, .uses = &mine, .log = &logs[client]});
				EXPECT_EQ(pages.read(client).version, i); // done when it returns
			}
		});
	}
	for (std::thread &t : clients)
		t.join();
	ring.close();
	scheduler.join();
	EXPECT_EQ(ring.retired(), 200u);
	EXPECT_EQ(logs[0].jobs(), 100u);
	EXPECT_TRUE(pages.read(0).intact);
}

TEST_F(gpu_ring, is_busy_for_as_long_as_a_job_takes)
{
	constexpr int64_t busy_ns = 5000000;
	std::thread scheduler([&] { ring.serve(); });
	gpu::job_log log;
	ASSERT_TRUE(log.create(100));
	gpu::use mine = {.buffer = 0, .write = 1};
	const int64_t begin = resv_port_clock();
	ring.submit({0, 1}, busy_ns);
	ring.submit_and_wait({.id = {0, 2},
			      .count = 1,
			      .uses = &mine,
			      .log = &log,
			      .busy_ns = busy_ns}); // after the first
	EXPECT_GE(resv_port_clock() - begin, 2 * busy_ns);
	ring.submit({0, 3}, int64_t{3600} * 1000000000);
	ring.close(); // nobody waits for it
	scheduler.join();
	EXPECT_EQ(ring.retired(), 3u);
	EXPECT_TRUE(ring.in_order());
}

// Two rings, each of which has to wait for the other in turn.
TEST_F(gpu_ring, work_waits_for_its_dependencies)
{
	constexpr unsigned rounds = 200;
	gpu::ring other;
	ASSERT_TRUE(other.create(2, pages));
	gpu::ring *rings[] = {&ring, &other};
	pages.clear(0, 7);
	std::thread schedulers[2];
	for (unsigned i = 0; i < 2; i++)
		schedulers[i] = std::thread([&, i] { rings[i]->serve(); });
	resv_fence *last = nullptr;
	for (unsigned i = 0; i < rounds; i++) { // to and fro
		gpu::submission *copy = gpu::submission::create(gpu::work::copy, 0, 1);
		ASSERT_NE(copy, nullptr);
		copy->from = i % 2;
		copy->to = 1 - i % 2;
		copy->wait_for(last);
		rings[i % 2]->submit(*copy);
		last = copy->c();
		EXPECT_EQ(last->seqno, i / 2 + 1);
	}
	EXPECT_EQ(resv_fence_wait(last, false), 0);
	resv_fence_put(last);
	ring.close();
	other.close();
	for (std::thread &t : schedulers)
		t.join();
	gpu::page_store::snapshot s = pages.read(0);
	EXPECT_TRUE(s.intact);
	EXPECT_EQ(s.digest, gpu::job_function::initial(7));
	EXPECT_FALSE(pages.read(1).intact); // poison
}

TEST_F(gpu_ring, work_that_was_not_handed_in_drops_its_dependencies)
{
	gpu::submission *s = gpu::submission::create(gpu::work::copy, 0, 2),
			*on = gpu::submission::create(gpu::work::fill, 0, 0);
	ASSERT_TRUE(s && on);
	on->to = 0;
	ring.submit(*on);
	s->wait_for(resv_fence_get(on->c()));
	s->wait_for(resv_fence_get_stub()); // no reason to wait
	EXPECT_EQ(s->dependencies, 1u);
	gpu::submission::destroy(s);
	ring.close();
	ring.serve();
	EXPECT_TRUE(resv_fence_test_signaled(on->c()));
	resv_fence_put(on->c());
}

TEST(gpu_wait_queue, sleepers_are_woken_first_come_first_and_time_out)
{
	static constinit gpu::lock_class locks{"gpu_test", RESV_LD_WAIT_CONFIG};
	gpu::spin_lock lock(locks);
	gpu::wait_queue queue;
	lock.lock();
	EXPECT_EQ(queue.pop(), 0u);
	int64_t begin = resv_port_clock();
	queue.sleep(lock, begin + 2000000);
	EXPECT_GE(resv_port_clock() - begin, 2000000);
	EXPECT_EQ(queue.pop(), 0u); // it has left
	lock.unlock();

	std::vector<int> order; // guarded by lock
	std::thread sleepers[2];
	for (int i = 0; i < 2; i++) {
		bool queued = false;
		sleepers[i] = std::thread([&, i] {
			lock.lock();
			queued = true;
			queue.sleep(lock);
			order.push_back(i);
			lock.unlock();
		});
		for (bool seen = false; !seen; std::this_thread::yield()) {
			lock.lock();
			seen = queued;
			lock.unlock();
		}
	}
	for (int i = 0; i < 2; i++) {
		lock.lock();
		resv_port_task first = queue.pop();
		lock.unlock();
		EXPECT_NE(first, 0u);
		gpu::wait_queue::wake(first);
		sleepers[i].join();
	}
	EXPECT_EQ(order, (std::vector<int>{0, 1}));
}

} // namespace
