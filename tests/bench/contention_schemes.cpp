// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Ours, and the peers. Whatever the lock is, an object is the lock and what it guards, in cache lines of its own.
#include "contention.hpp"

#include <resv/transaction.hpp>

#include <benchmark/benchmark.h>
#include <boost/iterator/transform_iterator.hpp>
#include <boost/thread/lock_algorithms.hpp>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <mutex>
#include <thread>
#include <vector>

namespace bench {

namespace {

template <typename Lock>
struct alignas(64) object {
	long contents = 0; // in the line of the lock word, whatever else the lock has
	Lock lock;
};

// Objects with one kind of lock. Schemes with the same kind share them: a million take longer to make than a round lasts.
template <typename Lock>
class scheme_with : public scheme {
public:
	explicit scheme_with(const long &work) : work_(work) {}

	void make(size_t n) override
	{
		if (n == made_)
			return;
		all_ = std::make_unique<object<Lock>[]>(n);
		made_ = n;
	}

	long touches() const override
	{
		long sum = 0;
		for (size_t i = 0; i < made_; i++)
			sum += all_[i].contents;
		return sum / work_;
	}

protected:
	void touch(unsigned i)
	{
		for (long turn = work_; turn > 0; turn--)
			benchmark::DoNotOptimize(++all_[i].contents);
	}
	void touch(set wanted)
	{
		for (unsigned i : wanted)
			touch(i);
	}
	void lock_in_order(set wanted)
	{
		for (unsigned i : wanted)
			all_[i].lock.lock();
		touch(wanted);
		unlock(wanted);
	}
	void unlock(set wanted)
	{
		for (unsigned i : wanted)
			all_[i].lock.unlock();
	}

	static inline std::unique_ptr<object<Lock>[]> all_;
	static inline size_t made_ = 0;
	const long &work_;
};

// ---- Ours --------------------------------------------------------------------------------------------------------------

template <resv::ww_algorithm algorithm>
constinit resv::ww_class class_of{algorithm, "contention_acquire", "contention"};

template <typename Lock, resv::ww_algorithm algorithm>
struct of_class : Lock {
	of_class() : Lock(class_of<algorithm>) {}
};

// What resv::transaction does, but with locks that have no fences beside them, as the peers'.
template <resv::ww_algorithm algorithm>
struct in_set final : scheme_with<of_class<resv::ww_mutex, algorithm>> {
	using scheme_with<of_class<resv::ww_mutex, algorithm>>::scheme_with;

	unsigned run(set wanted) override RESV_NO_ANALYSIS
	{
		resv::ww_acquire_ctx context(class_of<algorithm>);
		unsigned retries = 0;
		const unsigned *missed = lock_all(wanted, context, nullptr);
		for (; missed; retries++) {
			context.unlock_all();
			this->all_[*missed].lock.lock_slow(&context);
			missed = lock_all(wanted, context, missed);
		}
		this->touch(wanted);
		context.unlock_all();
		return retries;
	}

private:
	// But for the one that it has already. Returns the one that was not to be had, or null.
	const unsigned *lock_all(set wanted, resv::ww_acquire_ctx &context,
				 const unsigned *taken) RESV_NO_ANALYSIS
	{
		for (const unsigned &i : wanted)
			if (&i != taken && this->all_[i].lock.lock(&context) != 0)
				return &i;
		return nullptr;
	}
};

// The whole of a reservation, with room for its fences.
struct transaction final : scheme_with<of_class<resv::reservation_object, resv::ww_algorithm::wait_die>> {
	using scheme_with::scheme_with;

	unsigned run(set wanted) override
	{
		resv::transaction t(class_of<resv::ww_algorithm::wait_die>);
		if (t.reserve(wanted, [](unsigned i) -> resv::reservation_object & { return all_[i].lock; }))
			std::abort();
		touch(wanted);
		return t.retries();
	}
};

template <resv::ww_algorithm algorithm>
struct in_context final : scheme_with<of_class<resv::ww_mutex, algorithm>> {
	using scheme_with<of_class<resv::ww_mutex, algorithm>>::scheme_with;

	unsigned run(set wanted) override RESV_NO_ANALYSIS
	{
		resv::ww_acquire_ctx context(class_of<algorithm>);
		auto &lock = this->all_[wanted[0]].lock;
		if (lock.lock(&context))
			std::abort();
		this->touch(wanted);
		lock.unlock();
		return 0;
	}
};

// Without a context, the algorithm is none of the lock's business.
struct no_context final : scheme_with<of_class<resv::ww_mutex, resv::ww_algorithm::wait_die>> {
	using scheme_with::scheme_with;

	unsigned run(set wanted) override RESV_NO_ANALYSIS
	{
		auto &lock = all_[wanted[0]].lock;
		if (lock.lock(nullptr))
			std::abort();
		touch(wanted);
		lock.unlock();
		return 0;
	}
};

// ---- Peers: std::mutex is pthread_mutex_t --------------------------------------------------------------------------------

// Counts, for each thread, the attempts that failed: after each of them the peers below drop what they hold.
struct mutex : std::mutex {
	bool try_lock()
	{
		bool taken = std::mutex::try_lock();
		failures += !taken;
		return taken;
	}
	static inline thread_local unsigned failures = 0;
};

class peer : public scheme_with<mutex> {
public:
	using scheme_with::scheme_with;

	unsigned run(set wanted) final
	{
		mutex::failures = 0;
		play(wanted);
		return mutex::failures;
	}

protected:
	virtual void play(set wanted) = 0;

	// Tries them from `first` on, round to its start, of which it holds `taken`; if one is not to be had, it unlocks
	// what it holds. Returns how many it got.
	size_t try_all(set wanted, size_t first, size_t taken)
	{
		auto at = [&](size_t i) -> mutex & {
			i += first;
			return all_[wanted[i < wanted.size() ? i : i - wanted.size()]].lock;
		};
		while (taken < wanted.size() && at(taken).try_lock())
			taken++;
		if (taken < wanted.size())
			for (size_t i = 0; i < taken; i++)
				at(i).unlock();
		return taken;
	}
};

// What std::lock does, for a set: blocks on one and tries the others; on failure it drops all, and blocks on the one
// that it missed.
struct std_lock final : peer {
	using peer::peer;

	void play(set wanted) override
	{
		for (size_t first = 0;;) {
			all_[wanted[first]].lock.lock();
			size_t taken = try_all(wanted, first, 1);
			if (taken == wanted.size())
				break;
			first = (first + taken) % wanted.size();
			std::this_thread::yield();
		}
		touch(wanted);
		unlock(wanted);
	}
};

// The same without ever blocking.
struct no_wait final : peer {
	using peer::peer;

	void play(set wanted) override
	{
		while (try_all(wanted, 0, 0) < wanted.size())
			std::this_thread::yield();
		touch(wanted);
		unlock(wanted);
	}
};

struct boost_lock final : peer {
	using peer::peer;

	void play(set wanted) override
	{
		auto lock_of = [](unsigned i) -> mutex & { return all_[i].lock; };
		boost::lock(boost::make_transform_iterator(wanted.begin(), lock_of),
			    boost::make_transform_iterator(wanted.end(), lock_of));
		touch(wanted);
		unlock(wanted);
	}
};

// Locking in one order needs all of the set beforehand.
struct sorted final : peer {
	using peer::peer;

	void play(set wanted) override
	{
		static thread_local std::vector<unsigned> order;
		order.assign(wanted.begin(), wanted.end());
		std::sort(order.begin(), order.end());
		lock_in_order(order);
	}
};

struct global final : peer {
	using peer::peer;

	void play(set wanted) override
	{
		std::lock_guard guard(only_.lock);
		touch(wanted);
	}

private:
	object<std::mutex> only_;
};

struct pthread_mutex final : scheme_with<std::mutex> {
	using scheme_with::scheme_with;

	unsigned run(set wanted) override
	{
		lock_in_order(wanted);
		return 0;
	}
};

// ---- The floor -----------------------------------------------------------------------------------------------------------

struct spin_lock {
	void lock()
	{
		for (unsigned turn = 0;
		     held.load(std::memory_order_relaxed) || held.exchange(true, std::memory_order_acquire);
		     turn++)
			resv_port_relax(turn); // spins, and after some turns yields
	}
	void unlock() { held.store(false, std::memory_order_release); }

	std::atomic<bool> held{false};
};

struct spin final : scheme_with<spin_lock> {
	explicit spin(const long &work) : scheme_with(work) { presorted = true; }

	unsigned run(set wanted) override
	{
		lock_in_order(wanted);
		return 0;
	}
};

// ---- Lists of them -------------------------------------------------------------------------------------------------------

template <typename Scheme>
void add(schemes &all, const char *name, const long &work)
{
	all.push_back(std::make_unique<Scheme>(work));
	all.back()->name = name;
}

// One line for each algorithm.
template <template <resv::ww_algorithm> typename Scheme>
schemes our_schemes(const long &work)
{
	schemes all;
	add<Scheme<resv::ww_algorithm::wound_wait>>(all, "resv_wound_wait", work);
	add<Scheme<resv::ww_algorithm::wait_die>>(all, "resv_wait_die", work);
	add<Scheme<resv::ww_algorithm::adaptive>>(all, "resv_adaptive", work);
	for (auto &s : all)
		s->ours = true;
	return all;
}

} // namespace

schemes multi_schemes(const long &work)
{
	schemes all = our_schemes<in_set>(work);
	add<transaction>(all, "resv_transaction", work);
	all.back()->ours = true;
	add<std_lock>(all, "std_lock", work);
	add<no_wait>(all, "no_wait", work);
	add<boost_lock>(all, "boost_lock", work);
	add<sorted>(all, "sorted", work);
	add<global>(all, "global", work);
	add<spin>(all, "spin_presorted", work);
	return all;
}

schemes single_schemes(const long &work)
{
	schemes all = our_schemes<in_context>(work);
	add<no_context>(all, "resv_no_context", work);
	all.back()->ours = true;
	add<pthread_mutex>(all, "pthread_mutex", work);
	add<spin>(all, "spin", work);
	return all;
}

} // namespace bench
