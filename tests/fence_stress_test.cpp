// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Transactions, lockers without a context, waits for fences under reservations, evictions and interrupts, all at once: the
// ways in which a driver's threads may come to wait for each other, but for the one who signals, who waits for nobody.

#include "fence_rig.hpp"

#include <resv/lru.hpp>

#include <algorithm>

namespace resv::test {
namespace {

/// What happens to one buffer, guarded by its reservation.
struct used_buffer {
	explicit used_buffer(ww_class &cls) : own(cls) {}

	lru_entry entry; // the first member
	reservation_object own;
	fence_ref last;           // the job that wrote it last
	std::atomic<int> busy{0}; // jobs that write it now: that have been shown, and not signaled
	std::atomic<int> kept{0}; // by those who wait for it
};

used_buffer &buffer_of(resv_lru_entry *entry)
{
	return *reinterpret_cast<used_buffer *>(entry);
}

constexpr resv_lru_ops used_buffer_ops = {
	[](resv_lru_entry *entry) { return ++buffer_of(entry).kept > 0; },
	[](resv_lru_entry *entry) { buffer_of(entry).kept--; },
};

/// A job's fence, whose signal ends its use of buffers.
struct job : resv_fence {
	static constexpr unsigned max = 3;
	used_buffer *buffers[max];

	static job &of(resv_fence *f) { return *static_cast<job *>(f); }
};

class fence_stress : public fence_fixture, public testing::WithParamInterface<ww_algorithm> {
protected:
	static constexpr int jobs_each = built_with_tsan ? 300 : 1500;

	fence_stress()
	{
		for (int i = 0; i < 5; i++) {
			used_buffer &b = buffers.emplace_back(cls);
			device.add(b.entry, b.own);
		}
	}
	~fence_stress() override
	{
		for (used_buffer &b : buffers) {
			lru::del(b.entry);
			EXPECT_TRUE(!b.last || b.last->test_signaled());
			EXPECT_EQ(b.busy, 0);
			EXPECT_EQ(b.kept, 0);
			EXPECT_FALSE(b.own.is_reserved());
			b.own.destroy();
		}
		device.destroy();
	}

	// ---- The hardware: signals jobs in the order of their coming, and reserves nothing.

	void submit(const fence_ref &f)
	{
		std::scoped_lock guard(mutex);
		ring.push_back(f);
	}
	void signal_jobs()
	{
		for (;;) {
			fence_ref f;
			{
				std::scoped_lock guard(mutex);
				if (ring.empty() && over)
					return;
				if (!ring.empty()) {
					f = std::move(ring.front());
					ring.pop_front();
				}
			}
			if (!f) {
				std::this_thread::yield();
				continue;
			}
			for (used_buffer *b : job::of(f.c()).buffers)
				if (b) {
					EXPECT_EQ(b->busy.fetch_sub(1), 1);
				}
			EXPECT_EQ(f->signal(), 0);
		}
	}

	// ---- Clients. A signal may end each of their waits; then they start over.

	/// Waits for those before on what it has reserved, and submits a job. Returns 0 or -EINTR.
	int run_job(const std::vector<used_buffer *> &with)
	{
		for (used_buffer *b : with)
			if (int64_t left = b->own.wait(usage::read, true); left < 0)
				return static_cast<int>(left);
		auto *f = static_cast<job *>(resv_port_alloc(sizeof(job)));
		resv_fence_init(f, nullptr, nullptr, resv_fence_context_alloc(1), 1);
		fence_ref mine(f);
		for (size_t i = 0; i < with.size(); i++) {
			used_buffer &b = *with[i];
			EXPECT_TRUE(!b.last || b.last->test_signaled());
			EXPECT_EQ(b.busy.fetch_add(1), 0);
			EXPECT_EQ(b.own.add_fence(*mine, usage::write), 0);
			f->buffers[i] = &b;
			b.last = mine;
		}
		submit(mine);
		return 0;
	}

	/// Two or three buffers in any order.
	int transact(std::minstd_rand &random)
	{
		std::vector<used_buffer *> with;
		for (size_t n = 2 + random() % 2; with.size() < n;)
			if (used_buffer *b = &buffers[random() % buffers.size()];
			    std::find(with.begin(), with.end(), b) == with.end())
				with.push_back(b);
		transaction t(cls, interruptible);
		int err = t.prepare(with, 1, &used_buffer::own);
		if (err == 0)
			err = run_job(with);
		retries += t.retries();
		return err;
	}

	/// One buffer, for the task alone: it holds that while it waits for the fence.
	int lock_plain(std::minstd_rand &random) RESV_NO_ANALYSIS
	{
		used_buffer &b = buffers[random() % buffers.size()];
		int err = b.own.reserve(nullptr, interruptible);
		if (err != 0)
			return err;
		EXPECT_EQ(b.own.reserve_fences(1), 0);
		err = run_job({&b});
		b.own.unreserve();
		return err;
	}

	/// A buffer of its own, and the oldest that it can get.
	int evict(std::minstd_rand &random)
	{
		used_buffer &mine = buffers[random() % buffers.size()];
		transaction t(cls, interruptible);
		reservation_object *victim = nullptr;
		int err = t.run([&](transaction &self) {
			int e = self.prepare_one(mine.own, 1);
			if (e == 0)
				e = device.reserve_wait(
					self, [](lru_entry &, reservation_object &, bool) { return true; }, 3,
					victim);
			return e != 0 ? e : victim->reserve_fences(1);
		});
		if (err == 0) {
			used_buffer &other = *std::find_if(buffers.begin(), buffers.end(),
							   [&](used_buffer &b) { return &b.own == victim; });
			lru::move_tail(other.entry);
			err = run_job({&mine, &other});
		}
		retries += t.retries();
		return err == -EBUSY || err == -ENOENT ? 0 : err;
	}

	template <typename F>
	void client(unsigned seed, F work)
	{
		std::minstd_rand random(seed);
		for (int done = 0; done < jobs_each;) {
			int err = work(random);
			if (err == 0)
				done++;
			else
				EXPECT_EQ(err, -EINTR);
			interrupts += err == -EINTR;
		}
	}

	ww_class &cls = class_of(GetParam());
	std::deque<used_buffer> buffers;
	lru device{&used_buffer_ops};
	std::mutex mutex;
	std::deque<fence_ref> ring; // guarded by mutex
	std::atomic<bool> over = false;
	std::atomic<long> interrupts = 0, retries = 0;
};
INSTANTIATE_TEST_SUITE_P(each, fence_stress, testing::ValuesIn(all_algorithms), algorithm_name);

TEST_P(fence_stress, everybody_gets_on)
{
	std::atomic<int> working = 0;
	std::deque<actor> clients(6);
	racer hardware([&] { signal_jobs(); });
	unsigned seed = 0;
	for (actor &each : clients) {
		working++;
		each.start([&, mine = ++seed] {
			client(mine, [&](std::minstd_rand &random) {
				return mine % 3 == 0   ? lock_plain(random)
				       : mine % 3 == 1 ? transact(random)
						       : evict(random);
			});
			working--;
		});
	}
	for (size_t next = 0; working != 0; next++) {
		clients[next % clients.size()].interrupt();
		std::this_thread::sleep_for(std::chrono::microseconds(200));
	}
	for (actor &each : clients)
		each.finish();
	over = true;
	EXPECT_GT(interrupts, 0);
	EXPECT_GT(retries, 0);
}

} // namespace
} // namespace resv::test
