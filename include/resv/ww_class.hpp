// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// A class of wound/wait mutexes, and what it sees of its own contention.
#ifndef RESV_WW_CLASS_HPP
#define RESV_WW_CLASS_HPP

#include <resv/atomic_word.hpp>
#include <resv/port.h>
#include <resv/ww_debug.hpp>

namespace resv {

class ww_acquire_ctx;
class ww_mutex;

/// Who gives way when two contexts want each other's locks. The older context always gets its way.
enum class ww_algorithm : unsigned {
	wound_wait, ///< the older wounds the younger holder, which backs off when it next has to wait
	wait_die,   ///< the younger requester backs off at once if it holds anything
	adaptive, ///< wound-wait, where the younger requester waits or backs off, as gets more done; see ww_traffic
};

/// When a context gets its stamp, by which others see how old it is. Linux's are eager.
enum class ww_stamps : unsigned {
	lazy,  ///< when it first meets contention: nothing is shared by those that never do
	eager, ///< when it begins: who began first is the older, wherever they meet
};

/// What a tracer sees; all of it happens off the fast path.
enum class ww_event : unsigned {
	wait,     ///< `self` begins to wait; `other` is the holder if it has a context
	acquired, ///< `self` took the lock after it had waited
	wound,    ///< `self` wounded the holder `other`
	die,      ///< `self` got -EDEADLK; `other` is the holder if it has a context
	leave,    ///< `self` gave up waiting for another reason (signal, timeout)
};

/// Called with the lock's wait list held: must not block, sleep, or take a resv lock. The contexts are valid only
/// during the call.
using ww_tracer = void (*)(ww_event, const ww_mutex &, const ww_acquire_ctx &self,
			   const ww_acquire_ctx *other);

/// What the contexts of a class have met so far; all 0 with CONFIG_RESV_STEADY. C: struct resv_ww_stats.
struct ww_statistics {
	unsigned long contended;    ///< how often a lock that was to be waited for was held
	unsigned long spins;        ///< ... and was had by watching it for a moment
	unsigned long stays;        ///< ... and the context stayed away for a while
	unsigned long waits;        ///< how often a context slept in line
	unsigned long bypasses;     ///< locks that were taken ahead of somebody in line
	unsigned long wounds;       ///< holders that were told to back off
	unsigned long deaths;       ///< how often a context had to back off
	unsigned long most_retries; ///< the most often that one context had to
	uint64_t longest_wait_ns;   ///< the longest that one slept in line, to 1024 ns
};

namespace config {
inline constexpr bool steady = RESV_STEADY;
}

/// A class's contention: what is counted, and how its contexts come to meet less often.
///
///   conduct_            a context that holds nothing and meets a held lock
///   bits 0 and 1: 0     watches it for a moment, then stands in line
///   1 to 3              stays away for 49, 197 us first; or for 786, where transactions are long
///
///                       a context of an adaptive class that holds something and would wait for an older one
///   bit 2: 0            waits
///   1                   backs off: the class is hasty
///
/// Where transactions are short and meet often, most of what they cost is the cache lines that go back and forth between
/// CPUs: with one of two tasks away, the other may get more done than both. Whether it does, is tried out: the class
/// counts the contexts that begin in a while, as it is and with one of the two changed, and then goes on with what was
/// better; for the longer, the more often that was the same.
///
/// Neither needs to wait for a moment when nobody is in line. Nobody waits for a context that holds nothing, so staying
/// away blocks no one, and to all others it is as if the task had come later. And whoever holds something may back off at
/// any time: an adaptive class is one of wound-wait in all that anybody relies on, whoever found it hasty or not.
class ww_traffic {
	constexpr explicit ww_traffic(ww_stamps stamps)
		: at_begin_{stamps == ww_stamps::eager ? gives_stamp : 0}
	{}

	friend class ww_mutex;
	friend class wait_list;
	friend class ww_class;
	friend struct abi_check;
	friend struct ww_test_access;

	// Times are in ticks of 1024 ns, and compare by distance.
	using tick = unsigned long;
	static tick to_ticks(int64_t ns) { return static_cast<tick>(ns >> 10); }

	// Each task counts in one of several places, so that counting is no contention of its own.
	struct alignas(64) tally {
		atomic<unsigned long> begun{0};
		atomic<unsigned long> contended{0};
		atomic<unsigned long> spins{0};
		atomic<unsigned long> stays{0};
		atomic<unsigned long> waits{0};
		atomic<unsigned long> bypasses{0};
		atomic<unsigned long> wounds{0};
		atomic<unsigned long> deaths{0};
	};
	using counter = atomic<unsigned long> tally::*;
	static constexpr unsigned tallies = 16;

	static int64_t stay_ns(unsigned away) { return int64_t{12} << 10 << (2 * away); }

	// What is being found out; see decide().
	enum class stage : unsigned char {
		calm,    // few meet: there is nothing to gain
		as_is,   // counting
		changed, // counting, with something changed
		known,   // going on with what was better
	};

	// What can be changed, in the order in which it is tried.
	enum class change : unsigned char { up, haste, top, down };

	struct counts {
		unsigned long begun;
		unsigned long contended;
		unsigned long brief; // waits that spinning ended, or might have
		unsigned long longer;

		counts operator-(const counts &o) const
		{
			return {begun - o.begun, contended - o.contended, brief - o.brief, longer - o.longer};
		}
	};

	tally &of(resv_port_task task);
	unsigned long count(resv_port_task task, counter c);
	void slept(int64_t ns);
	void backed_off(ww_acquire_ctx &ctx);
	unsigned spin_turns() const;
	counts add_up() const;
	void look(tick now, bool adaptive);
	void decide(tick now, const counts &total, bool adaptive);
	void adapt_spinning(const counts &met);
	unsigned after(change c, bool adaptive, unsigned most_away) const;
	bool was_better(const counts &met, tick took) const;

	// In conduct_.
	static constexpr unsigned away_mask = 3;
	static constexpr unsigned hasty_bit = 4;
	unsigned conduct() const { return conduct_.load(order::relaxed); }

	// In at_begin_: what there is to do when a context begins.
	static constexpr unsigned counted = 1;
	static constexpr unsigned gives_stamp = 2;

	// Read by all, written when the class changes its mind.
	alignas(64) atomic<unsigned> at_begin_;
	atomic<unsigned> conduct_{0};
	atomic<unsigned> spin_less_{0}; // the longest spin, halved so many times
	atomic<tick> look_at_{0};       // when to decide something

	// Of whoever looks.
	alignas(64) atomic<unsigned> looking_{0};
	stage stage_ = stage::calm;
	change tried_ = change::up;
	unsigned char as_it_was_ = 0; // conduct_ before the change
	unsigned char sure_ = 0;      // how often in a row nothing else was better
	tick since_ = 0;
	counts before_{};               // what there was at that time
	unsigned long as_is_begun_ = 0; // what came in the stage of that name
	tick as_is_took_ = 0;

	alignas(64) atomic<unsigned long> most_retries_{0};
	atomic<unsigned long> longest_wait_{0}; // in ticks
	atomic<unsigned long> brief_sleeps_{0};
	atomic<unsigned long> long_sleeps_{0};

	tally tallies_[tallies];
};

/// A set of mutexes that are locked together, and the algorithm that they use. Static.
class ww_class {
public:
	/// The names appear in reports: `acquire_name` for the context, `mutex_name` for the locks.
	constexpr ww_class(ww_algorithm algorithm, const char *acquire_name, const char *mutex_name,
			   ww_stamps stamps = ww_stamps::lazy)
		: acquire_name_(acquire_name), mutex_name_(mutex_name), algorithm_(algorithm),
		  stamps_(stamps), traffic_(stamps)
	{}

	constexpr ww_algorithm algorithm() const { return algorithm_; }
	constexpr const char *acquire_name() const { return acquire_name_; }
	constexpr const char *mutex_name() const { return mutex_name_; }

	/// Installs a tracer, or none (nullptr). Context: no lock of the class may be in use.
	void set_tracer(ww_tracer tracer) { tracer_ = tracer; }

	/// What the class has met so far. Context: any.
	ww_statistics statistics() const;

private:
	friend class ww_acquire_ctx;
	friend class ww_mutex;
	friend class wait_list;
	friend struct abi_check;
	friend struct ww_test_access;

	unsigned long next_stamp();

	// Another context begins; its stamp.
	unsigned long begin()
	{
		const bool slow = config::steady ? stamps_ == ww_stamps::eager
						 : traffic_.at_begin_.load(order::relaxed) != 0;
		return slow ? begin_slow() : 0;
	}
	unsigned long begin_slow();

	// Does a context back off where it could wait for an older one? Either is sound at any time: see ww_traffic.
	bool is_hasty() const
	{
		return algorithm_ == ww_algorithm::adaptive && traffic_.conduct() & ww_traffic::hasty_bit;
	}

	atomic<unsigned long> stamp_{0}; // the last one given out
	const char *acquire_name_;
	const char *mutex_name_;
	ww_tracer tracer_ = nullptr;
	ww_algorithm algorithm_;
	ww_stamps stamps_;
	[[no_unique_address]] ww_class_keys keys_{};
	ww_traffic traffic_;
};

} // namespace resv

#endif // RESV_WW_CLASS_HPP
