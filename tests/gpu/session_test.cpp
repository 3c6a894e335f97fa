// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "session.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace {

using gpu::buffer;
using gpu::session;

// What the front was told.
struct front_record {
	unsigned unmapped = 0;
	unsigned freed = 0;
};

constexpr gpu::front_ops record = {
	.unmap = [](void *of_front) { static_cast<front_record *>(of_front)->unmapped++; },
	.freed = [](void *of_front) { static_cast<front_record *>(of_front)->freed++; },
};

class gpu_session : public testing::Test {
protected:
	gpu_session()
	{
		gpu::config config;
		config.clients = 0;
		config.sessions = 2;
		config.buffers = 4;
		config.vram = 2;
		config.max_buffers_per_job = 2;
		config.execute = gpu::executor::ring;
		config.log_mb = 1;
		config.front = &record;
		EXPECT_EQ(device.create(config), 0);
	}
	~gpu_session() override
	{
		for (buffer *b : made)
			gpu::memory::put(*b);
		stop();
		EXPECT_EQ(device.memory().settle(), 0u);
		EXPECT_EQ(told.freed, made.size());
	}

	void serve()
	{
		for (unsigned i = 0; i < device.rings(); i++)
			rings.emplace_back([this, i] { device.run_ring(i); });
	}
	void stop()
	{
		if (rings.empty())
			serve();
		device.close();
		for (std::thread &t : rings)
			t.join();
	}

	buffer &make()
	{
		buffer *b = nullptr;
		EXPECT_EQ(device.memory().make_for_front(&told, b), 0);
		return *made.emplace_back(b);
	}

	static int submit(session &s, std::vector<gpu::named_buffer> buffers)
	{
		uint32_t number;
		return s.submit(buffers.data(), static_cast<unsigned>(buffers.size()), 0, number);
	}

	front_record told;
	gpu::device device;
	std::vector<std::thread> rings;
	std::vector<buffer *> made;
};

TEST_F(gpu_session, is_one_of_few)
{
	session *first = device.open_session();
	session *second = device.open_session();
	ASSERT_TRUE(first);
	ASSERT_TRUE(second);
	EXPECT_NE(first, second);
	EXPECT_FALSE(device.open_session());
	device.close_session(*first);
	EXPECT_EQ(device.open_session(), first);
}

TEST_F(gpu_session, is_not_opened_again_while_its_jobs_are_under_way)
{
	session *s = device.open_session();
	ASSERT_EQ(submit(*s, {{&make(), true, false}}), 0); // nobody serves the rings
	device.close_session(*s);
	EXPECT_NE(device.open_session(), s);
	serve();
	EXPECT_EQ(s->wait_idle(), 0);
	EXPECT_EQ(device.open_session(), s);
}

TEST_F(gpu_session, logs_what_its_jobs_saw)
{
	serve();
	session *s = device.open_session();
	buffer &a = make(), &b = make();
	ASSERT_EQ(submit(*s, {{&a, true, false}, {&b, false, false}}), 0);
	ASSERT_EQ(submit(*s, {{&b, true, false}, {&a, false, false}}), 0);
	ASSERT_EQ(s->wait_idle(), 0);
	const gpu::job_log &log = s->log();
	ASSERT_EQ(log.jobs(), 2u);
	ASSERT_EQ(log.used(), 6u);
	EXPECT_EQ(log.at(0, 0).version(), 0u);
	EXPECT_EQ(log.at(3, 0).buffer(), b.id);
	EXPECT_EQ(log.at(3, 1).version(), 1u); // the first job wrote it
}

TEST_F(gpu_session, takes_a_buffer_that_is_named_twice_once)
{
	serve();
	session *s = device.open_session();
	buffer &a = make();
	ASSERT_EQ(submit(*s, {{&a, false, false}, {&a, true, false}}), 0);
	ASSERT_EQ(s->wait_idle(), 0);
	ASSERT_EQ(s->log().count_at(0), 1u);
	EXPECT_TRUE(s->log().at(0, 0).write());
}

TEST_F(gpu_session, moves_are_told_to_the_front)
{
	serve();
	session *s = device.open_session();
	buffer &a = make();
	ASSERT_EQ(submit(*s, {{&a, true, false}}), 0);
	EXPECT_EQ(told.unmapped, 1u); // into the VRAM
	for (int i = 0; i < 2; i++)
		ASSERT_EQ(submit(*s, {{&make(), true, false}}), 0);
	EXPECT_EQ(told.unmapped, 4u); // two more came, and one had to go
	const void *page = nullptr;
	ASSERT_EQ(a.object.reserve(nullptr), 0);
	ASSERT_EQ(device.memory().wait_at_home(a, true, page), 0);
	EXPECT_EQ(gpu::page_store::look(static_cast<const uint64_t *>(page), 5).version, 1u);
	a.object.unreserve();
}

TEST_F(gpu_session, has_so_many_buffers_at_most)
{
	for (int i = 0; i < 4; i++)
		make();
	buffer *more = nullptr;
	EXPECT_EQ(device.memory().make_for_front(&told, more), -ENOSPC);
}

} // namespace
