// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// ww_mutex under contention that nobody arranges. What the locks guard is plain data, so that a lack of exclusion shows
// in the sums, and under TSan as a data race; contexts live on the heap, so that a use after their end shows under ASan.

#include "helpers.hpp"

#include <algorithm>
#include <atomic>
#include <memory>

namespace resv::test {
namespace {

constexpr int64_t microsecond = 1000;

/// How often a thread does what it does, with each algorithm.
constexpr unsigned rounds(unsigned many)
{
	return many / (built_with_tsan ? 120 : config::debug_ww_mutexes ? 30 : 2);
}

struct guarded {
	explicit guarded(ww_class &cls) : lock(cls) {}

	ww_mutex lock;
	unsigned long count = 0; // guarded by lock
};

using list = std::vector<guarded *>;

/// Locks all of a list, by the recipe of the kernel's documentation: after -EDEADLK the contended lock first, then the
/// others. With `reorder` it moves to the front of the list. Returns 0, or the error of a wait; then nothing is held.
int lock_all(ww_acquire_ctx &ctx, list &wanted, bool reorder, const wait_request &request = {})
{
	size_t contended = wanted.size();
	for (;;) {
		int rc = 0;
		size_t at = 0;
		if (contended != wanted.size()) {
			rc = wanted[contended]->lock.lock_slow(&ctx, request);
			if (rc == 0 && reorder) {
				auto begin = wanted.begin();
				std::rotate(begin, begin + long(contended), begin + long(contended) + 1);
				contended = 0;
			}
		}
		for (; rc == 0 && at < wanted.size(); at++)
			if (at != contended)
				rc = wanted[at]->lock.lock(&ctx, request);
		if (rc == 0)
			return 0;
		ctx.unlock_all();
		if (rc != -EDEADLK) {
			ctx.abandon();
			return rc;
		}
		contended = at - 1;
	}
}

class ww_stress : public fixture, public testing::WithParamInterface<ww_algorithm> {
protected:
	void make_locks(size_t n)
	{
		while (n-- != 0)
			guardeds.emplace_back(cls);
	}
	~ww_stress() override
	{
		unsigned long sum = 0;
		for (guarded &each : guardeds) {
			EXPECT_EQ(ww_test_access::owner(each.lock), 0u);
			EXPECT_EQ(ww_test_access::waiters(each.lock), 0u);
			sum += each.count;
			each.lock.destroy();
		}
		EXPECT_EQ(sum, done);
	}

	/// Has `n` threads call f(random), once go() says so; f returns how often it counted something up.
	template <typename F>
	void start(size_t n, F f)
	{
		while (n-- != 0) {
			unsigned seed = static_cast<unsigned>(actors.size() + 1) * 7919;
			actors.push_back(std::make_unique<actor>());
			actors.back()->start([this, f, seed] {
				std::minstd_rand random(seed);
				while (!started)
					std::this_thread::yield();
				done += f(random);
			});
		}
	}
	/// Lets them go while it holds all locks, until somebody waits: they cannot miss each other altogether.
	void go()
	{
		ww_acquire_ctx all(cls);
		for (guarded &each : guardeds)
			ASSERT_TRUE(each.lock.trylock(&all));
		started = true;
		EXPECT_TRUE(eventually([this] {
			return std::any_of(guardeds.begin(), guardeds.end(), [](guarded &each) {
				return ww_test_access::waiters(each.lock) != 0;
			});
		}));
		all.unlock_all();
	}
	void finish()
	{
		for (auto &each : actors)
			each->finish();
	}

	list some(std::minstd_rand &random, size_t n)
	{
		list all;
		for (guarded &each : guardeds)
			all.push_back(&each);
		std::shuffle(all.begin(), all.end(), random);
		all.resize(n);
		return all;
	}

	/// Uses some locks in one of the ways there are. Returns how often it counted something up.
	unsigned long use_somehow(std::minstd_rand &random, const wait_request &request);

	ww_class &cls = class_of(GetParam());
	std::deque<guarded> guardeds;
	std::vector<std::unique_ptr<actor>> actors;
	std::atomic<bool> started = false;
	std::atomic<unsigned long> done = 0;
};
INSTANTIATE_TEST_SUITE_P(each, ww_stress, testing::ValuesIn(all_algorithms), algorithm_name);

unsigned long ww_stress::use_somehow(std::minstd_rand &random, const wait_request &request)
{
	auto ctx = std::make_unique<ww_acquire_ctx>(cls);
	list wanted = some(random, 1 + random() % guardeds.size());
	guarded &first = *wanted[0];

	switch (random() % 8) {
	case 0: // a plain mutex
		if (first.lock.lock(nullptr, request) != 0)
			return 0;
		first.count++;
		first.lock.unlock();
		return 1;
	case 1:
		if (!first.lock.trylock(nullptr))
			return 0;
		first.count++;
		first.lock.unlock();
		return 1;
	case 2: {
		int rc = first.lock.wait_for_unlock(random() % 2 ? ctx.get() : nullptr, request);
		EXPECT_TRUE(rc == 0 || rc == -EINTR || rc == -ETIME) << rc;
		return 0;
	}
	case 3: // whatever can be had
		for (guarded *each : wanted)
			if (each->lock.trylock(ctx.get()))
				each->count++;
		break;
	case 4: // one waits, the others need not
		if (first.lock.lock(ctx.get(), request) != 0)
			return 0;
		first.count++;
		for (guarded *each : wanted)
			if (each->lock.trylock(ctx.get()))
				each->count++;
		break;
	default:
		if (lock_all(*ctx, wanted, random() % 2, request) != 0)
			return 0;
		for (guarded *each : wanted)
			each->count++;
	}
	unsigned long n = ctx->acquired();
	if (random() % 2 == 0) {
		ctx->unlock_all();
		return n;
	}
	std::shuffle(wanted.begin(), wanted.end(), random);
	for (guarded *each : wanted)
		if (each->lock.locking_ctx() == ctx.get())
			each->lock.unlock();
	return n;
}

// ---- The kernel's three ----------------------------------------------------------------------------------------------

TEST_P(ww_stress, inorder)
{
	make_locks(16);
	start(4, [this](std::minstd_rand &random) {
		list wanted = some(random, guardeds.size());
		unsigned long n = 0;
		for (unsigned i = 0; i < rounds(200000); i++) {
			ww_acquire_ctx ctx(cls);
			EXPECT_EQ(lock_all(ctx, wanted, false), 0);
			for (guarded *each : wanted)
				each->count++;
			n += wanted.size();
			ctx.unlock_all();
		}
		return n;
	});
	go();
	finish();
}

TEST_P(ww_stress, reorder)
{
	make_locks(16);
	start(4, [this](std::minstd_rand &random) {
		list wanted = some(random, guardeds.size());
		unsigned long n = 0;
		for (unsigned i = 0; i < rounds(200000); i++) {
			ww_acquire_ctx ctx(cls);
			EXPECT_EQ(lock_all(ctx, wanted, true), 0);
			for (guarded *each : wanted)
				each->count++;
			n += wanted.size();
			ctx.unlock_all();
		}
		return n;
	});
	go();
	finish();
}

TEST_P(ww_stress, one)
{
	make_locks(64);
	start(6, [this](std::minstd_rand &random) {
		ww_acquire_ctx ctx(cls);
		unsigned long n = 0;
		for (unsigned i = 0; i < rounds(2000000); i++, n++) {
			guarded &any = guardeds[random() % guardeds.size()];
			EXPECT_EQ(any.lock.lock(random() % 2 ? &ctx : nullptr), 0);
			any.count++;
			any.lock.unlock();
		}
		return n;
	});
	go();
	finish();
}

// ---- And more --------------------------------------------------------------------------------------------------------

// Two threads and one lock: nobody else would come and wake who was forgotten.
TEST_P(ww_stress, ping_pong)
{
	make_locks(1);
	start(2, [this](std::minstd_rand &random) {
		ww_acquire_ctx ctx(cls);
		unsigned long n = 0;
		for (unsigned i = 0; i < rounds(6000000); i++, n++) {
			bool plain = random() % 4 == 0;
			EXPECT_EQ(guardeds[0].lock.lock(plain ? nullptr : &ctx), 0);
			guardeds[0].count++;
			if (plain || random() % 2)
				guardeds[0].lock.unlock();
			else
				ctx.unlock_all();
		}
		return n;
	});
	go();
	finish();
}

// The same, with two locks in either order.
TEST_P(ww_stress, abba)
{
	make_locks(2);
	start(2, [this](std::minstd_rand &random) {
		unsigned long n = 0;
		for (unsigned i = 0; i < rounds(2000000); i++) {
			ww_acquire_ctx ctx(cls);
			list wanted = some(random, 2);
			EXPECT_EQ(lock_all(ctx, wanted, false), 0);
			for (guarded *each : wanted)
				each->count++;
			n += 2;
			ctx.unlock_all();
		}
		return n;
	});
	go();
	finish();
}

TEST_P(ww_stress, all_calls)
{
	make_locks(5);
	start(6, [this](std::minstd_rand &random) {
		unsigned long n = 0;
		for (unsigned i = 0; i < rounds(400000); i++)
			n += use_somehow(random, {});
		return n;
	});
	go();
	finish();
}

// All calls, while signals come in and time runs out.
TEST_P(ww_stress, cancel_storm)
{
	make_locks(4);
	start(5, [this](std::minstd_rand &random) {
		unsigned long n = 0;
		for (unsigned i = 0; i < rounds(400000); i++) {
			wait_request request;
			if (random() % 2)
				request.mode = RESV_PARK_INTERRUPTIBLE;
			if (random() % 3 == 0)
				request.timeout_ns = random() % 50 * microsecond;
			n += use_somehow(random, request);
		}
		return n;
	});
	go();
	for (bool busy = true; busy;) {
		busy = false;
		for (auto &each : actors) {
			each->interrupt();
			busy = busy || each->busy();
		}
		std::this_thread::yield();
	}
	finish();
}

TEST_P(ww_stress, observers)
{
	make_locks(1);
	std::atomic<bool> stop = false;
	ww_mutex &lock = guardeds[0].lock;

	start(3, [&](std::minstd_rand &random) {
		while (!stop)
			EXPECT_EQ(lock.wait_for_unlock(nullptr, {}), 0);
		return random() * 0;
	});
	start(2, [&](std::minstd_rand &) {
		unsigned long n = 0;
		for (; n < rounds(1000000); n++) {
			ww_acquire_ctx ctx(cls);
			EXPECT_EQ(lock.lock(&ctx), 0);
			guardeds[0].count++;
			lock.unlock();
		}
		return n;
	});
	go();
	actors[3]->finish();
	actors[4]->finish();
	stop = true;
	finish();
}

// The moment in which an unlocker and a waiter must see each other: one unlocks while the other begins to wait, and
// nobody comes by later to wake who was missed. An observer does not spin, so it depends on being told.
class ww_stress_meeting : public with_each {
protected:
	/// Both tasks do their part of each round at about the same time. Returns when they have done all rounds.
	template <typename Hold, typename Unlock, typename Wait>
	void meet(Hold hold, Unlock unlock, Wait wait)
	{
		constexpr unsigned last = built_with_tsan ? 5000 : 30000;
		actor unlocker, waiter;
		std::atomic<unsigned> held = 0, over = 0;

		unlocker.start([&] {
			std::minstd_rand random(1);
			for (unsigned round = 1; round <= last; round++) {
				hold();
				held = round;
				for (unsigned long delay = random() % 64; delay != 0; delay--)
					resv_port_relax(0);
				unlock();
				for (unsigned turn = 0; over != round; turn++)
					resv_port_relax(turn);
			}
		});
		waiter.start([&] {
			std::minstd_rand random(2);
			int looked = 0;
			for (unsigned round = 1; round <= last; round++) {
				for (unsigned turn = 0; held != round; turn++)
					resv_port_relax(turn);
				// Looks at the locks, so that the unlocker's stores have to wait for their cache lines.
				for (unsigned long delay = random() % 64; delay != 0; delay--)
					looked += m[0].is_locked() + m[1].is_locked();
				wait();
				over = round;
			}
			return looked;
		});
		unlocker.finish();
		waiter.finish();
	}
};
INSTANTIATE_TEST_SUITE_P(each, ww_stress_meeting, testing::ValuesIn(all_algorithms), algorithm_name);

TEST_P(ww_stress_meeting, unlock_and_observer)
{
	meet([&] { EXPECT_TRUE(m[0].trylock(nullptr)); }, [&] { m[0].unlock(); },
	     [&] { EXPECT_EQ(m[0].wait_for_unlock(nullptr, {}), 0); });
}

TEST_P(ww_stress_meeting, unlock_all_and_observer)
{
	std::optional<ww_acquire_ctx> ctx;

	meet(
		[&] {
			ctx.emplace(cls);
			EXPECT_TRUE(m[0].trylock(&*ctx));
			EXPECT_TRUE(m[1].trylock(&*ctx));
		},
		[&] {
			ctx->unlock_all();
			ctx.reset();
		},
		[&] { EXPECT_EQ(m[1].wait_for_unlock(nullptr, {}), 0); });
}

TEST_P(ww_stress_meeting, unlock_and_locker)
{
	meet([&] { EXPECT_TRUE(m[0].trylock(nullptr)); }, [&] { m[0].unlock(); },
	     [&] {
		     ww_acquire_ctx ctx(cls);
		     EXPECT_EQ(m[0].lock(&ctx), 0);
		     ctx.unlock_all();
	     });
}

// The wounder reads the holder's context while the holder ends it.
TEST_P(ww_stress_meeting, end_of_a_context_and_its_elder)
{
	std::unique_ptr<ww_acquire_ctx> ctx;

	meet(
		[&] {
			ctx = std::make_unique<ww_acquire_ctx>(cls);
			EXPECT_TRUE(m[0].trylock(ctx.get()));
		},
		[&] {
			m[0].unlock();
			ctx.reset();
		},
		[&] {
			ww_acquire_ctx own(cls);
			EXPECT_TRUE(m[1].trylock(&own));
			int rc = m[0].lock(&own);
			EXPECT_TRUE(rc == 0 || rc == -EDEADLK) << rc;
			own.unlock_all();
		});
}

// ---- Both sides of the fences ----------------------------------------------------------------------------------------

// One side or the other must see what its partner wrote: the tables above ww_mutex. Nobody sleeps here: the waiter is
// put in line by hand, so a round is short enough for many to end within the few nanoseconds that matter.
class ww_stress_fence : public with_each {
protected:
	/// Has `self` do `a` and `other` do `b` at about the same time, then `self` do `after`, again and again.
	template <typename A, typename B, typename C>
	void race(A a, B b, C after)
	{
		constexpr unsigned last = rounds(400000);
		std::atomic<unsigned> begun = 0, ended = 0;
		auto wait = [](const std::atomic<unsigned> &word, unsigned round) {
			for (unsigned turn = 0; word != round; turn++)
				resv_port_relax(turn);
		};

		other.start([&] {
			std::minstd_rand random(1);
			for (unsigned round = 1; round <= last; round++) {
				wait(begun, round);
				// Looking takes cache lines away. That holds up what `self` writes, not what it reads.
				for (unsigned long left = random() % 64; left != 0; left--)
					for (size_t i : {0u, 3u, 5u})
						(void)m[i].is_locked();
				b();
				ended = round;
			}
		});
		self.run([&] {
			std::minstd_rand random(2);
			for (unsigned round = 1; round <= last; round++) {
				begun = round;
				for (std::atomic<unsigned long> left = random() % 64; left != 0; left--) {
				}
				if (round % 16 == 0)
					wait(ended, round); // they certainly meet, even on one CPU
				a();
				wait(ended, round);
				after();
			}
		});
		other.finish();
		EXPECT_GE(met, last / 16);
		EXPECT_EQ(lost, 0u) << "of " << met;
	}

	/// `unlock` releases at least m[0]. A waiter that saw its holder must be told.
	template <typename F>
	void unlock_against_waiter(F unlock)
	{
		waiter w(nullptr, mailbox);
		auto take = [this] {
			for (size_t i : {5u, 0u, 3u})
				EXPECT_TRUE(m[i].trylock(&self.ctx()));
		};

		self.run(take);
		race(
			unlock,
			[&] {
				wait_list line(m[0]);
				if (m[0].is_locked())
					line.insert(w);
			},
			[&] {
				bool told = mailbox.take_token();
				if (w.queued) {
					met++;
					lost += !told;
					wait_list line(m[0]);
					line.remove(w);
				}
				self.ctx().unlock_all();
				take();
			});
	}

	party self{cls}, rival{cls};
	actor other;
	parker mailbox{other.task()};
	unsigned met = 0, lost = 0;
};
INSTANTIATE_TEST_SUITE_P(each, ww_stress_fence, testing::ValuesIn(all_algorithms), algorithm_name);

TEST_P(ww_stress_fence, unlock)
{
	unlock_against_waiter([this] { m[0].unlock(); });
}

TEST_P(ww_stress_fence, unlock_all)
{
	unlock_against_waiter([this] { self.ctx().unlock_all(); });
}

// The locker saw nobody in line. By the time that it has the lock somebody is, as if he had seen the previous holder.
TEST_P(ww_stress_fence, late_locker)
{
	const bool wounds = GetParam() != ww_algorithm::wait_die;
	waiter w(&rival.ctx(), mailbox);

	for (party *each : {wounds ? &rival : &self, wounds ? &self : &rival})
		age(*each);
	ASSERT_TRUE(rival.trylock(m[5]));
	race([this] { EXPECT_TRUE(m[0].trylock(&self.ctx())); },
	     [&] {
		     wait_list line(m[0]);
		     if (!m[0].is_locked())
			     line.insert(w);
	     },
	     [&] {
		     if (w.queued) {
			     met++;
			     lost += wounds ? !self.ctx().wounded() : !mailbox.take_token();
			     wait_list line(m[0]);
			     line.remove(w);
		     }
		     m[0].unlock();
	     });
}

} // namespace
} // namespace resv::test
