// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What a class counts of its contention, and what it makes of that: see class ww_traffic.
#include <resv/config.h>
#include <resv/ww_mutex.hpp>

namespace resv {

namespace {

constexpr unsigned long epoch = 1000; // how long to count, in ticks
constexpr unsigned long enough = 64;  // contexts to count, or it goes on
constexpr unsigned most_epochs = 32;  // but for so long only

constexpr unsigned long busy = 8;  // so many meetings in an epoch make it worth a try
constexpr unsigned long quiet = 4; // fewer, and there is no more to gain

// Whoever stays away for longest keeps a client waiting as long. That is worth it where transactions are long: where fewer
// than so many contexts begin in an epoch.
constexpr unsigned long many = 256;

// A decision holds for so many times as long as it took to count, and for twice as many each time that it was the same,
// up to 2^5 times as many; but not for longer than so many epochs.
constexpr unsigned holds_for = 8;
constexpr unsigned most_sure = 5;
constexpr unsigned long longest_hold = 1024;

// Who looks so many epochs late finds a class that was not in use.
constexpr unsigned long late_by = 64;

// The longest spin, and how often it may be halved. Who sleeps for longer than so many ticks had better not
// have spun.
constexpr unsigned most_turns = RESV_SPIN_TURNS;
constexpr unsigned most_halved = 5;
constexpr unsigned long brief_sleep = 32;
constexpr unsigned long enough_waits = 16;

void raise(atomic<unsigned long> &most, unsigned long value)
{
	unsigned long seen;
	do
		seen = most.load(order::relaxed);
	while (seen < value && !most.compare_exchange(seen, value, order::relaxed));
}

} // namespace

ww_traffic::tally &ww_traffic::of(resv_port_task task)
{
	static_assert(tallies == 1 << (32 - 28));
	return tallies_[static_cast<uint32_t>(task >> 6) * 0x9e3779b1u >> 28];
}

unsigned long ww_traffic::count(resv_port_task task, counter c)
{
	if constexpr (config::steady)
		return 0;
	return (of(task).*c).fetch_add(1, order::relaxed);
}

// Another context begins.
unsigned long ww_class::begin_slow()
{
	if (traffic_.at_begin_.load(order::relaxed) & ww_traffic::counted)
		traffic_.count(resv_port_current(), &ww_traffic::tally::begun);
	return stamps_ == ww_stamps::eager ? next_stamp() : 0;
}

// A context has the lock that it slept for.
void ww_traffic::slept(int64_t ns)
{
	tick took = to_ticks(ns);
	(took > brief_sleep ? long_sleeps_ : brief_sleeps_).fetch_add(1, order::relaxed);
	raise(longest_wait_, took);
}

// It is told to drop what it holds.
void ww_traffic::backed_off(ww_acquire_ctx &ctx)
{
	if constexpr (config::steady)
		return;
	count(ctx.task(), &tally::deaths);
	raise(most_retries_, ++ctx.retries_);
}

unsigned ww_traffic::spin_turns() const
{
	return most_turns >> spin_less_.load(order::relaxed);
}

ww_traffic::counts ww_traffic::add_up() const
{
	counts total{};
	for (const tally &t : tallies_) {
		total.begun += t.begun.load(order::relaxed);
		total.contended += t.contended.load(order::relaxed);
		total.brief += t.spins.load(order::relaxed);
	}
	total.brief += brief_sleeps_.load(order::relaxed);
	total.longer = long_sleeps_.load(order::relaxed);
	return total;
}

// By whoever meets contention, now and then. One at a time decides; what it leaves, the next one finds:
//
//   who has decided                 who decides next
//   [W] stage_, before_, ...        [RW] looking_ 0 -> 1, acquire
//   [W] looking_ = 0, release       [R] stage_, before_, ...
void ww_traffic::look(tick now, bool adaptive)
{
	auto is_time = [&] { return static_cast<long>(now - look_at_.load(order::relaxed)) >= 0; };

	if (!is_time() || looking_.load(order::relaxed) != 0 || looking_.exchange(1, order::acquire) != 0)
		return;
	if (is_time())
		decide(now, add_up(), adaptive);
	looking_.store(0, order::release);
}

// Who spun in vain and slept for long had better not have spun. Who slept for a moment had better have spun longer.
void ww_traffic::adapt_spinning(const counts &met)
{
	unsigned less = spin_less_.load(order::relaxed);
	if (met.brief + met.longer < enough_waits)
		return;
	if (met.longer / 4 > met.brief && less < most_halved)
		spin_less_.store(less + 1, order::relaxed);
	else if (met.longer < met.brief && less > 0)
		spin_less_.store(less - 1, order::relaxed);
}

// The conduct after a change, or as it is where that cannot be made.
unsigned ww_traffic::after(change c, bool adaptive, unsigned most_away) const
{
	unsigned now = conduct_.load(order::relaxed);
	unsigned away = now & away_mask;
	switch (c) {
	case change::up:
		return away < most_away ? now + 1 : now;
	case change::haste:
		return adaptive ? now ^ hasty_bit : now;
	case change::top:
		return away + 1 < most_away ? (now & ~away_mask) | most_away : now;
	case change::down:
		return away > 0 ? now - 1 : now;
	}
	return now;
}

// Did more begin in a time than before the change? By so many sixteenths: to stay away for longer has to be worth it, and
// to come back sooner may cost something.
bool ww_traffic::was_better(const counts &met, tick took) const
{
	static constexpr signed char sixteenths[] = {2, 1, 2, -1};
	auto before = static_cast<int64_t>(uint64_t{as_is_begun_} * took);
	auto now = static_cast<int64_t>(uint64_t{met.begun} * as_is_took_);
	return now > before + before / 16 * sixteenths[static_cast<unsigned>(tried_)];
}

void ww_traffic::decide(tick now, const counts &total, bool adaptive)
{
	const tick took = now - since_;
	const counts met = total - before_;
	const bool trial = stage_ == stage::as_is || stage_ == stage::changed;
	const bool late = now - look_at_.load(order::relaxed) > late_by * epoch; // nothing went on meanwhile
	const unsigned most_away = met.begun * epoch < many * took ? away_mask : away_mask - 1;
	const bool many_meet = met.contended * epoch >= (stage_ == stage::calm ? busy : quiet) * took;

	if (trial && !late && met.begun < enough && took < most_epochs * epoch)
		return look_at_.store(now + epoch, order::relaxed);
	since_ = now;
	before_ = total;
	adapt_spinning(met);

	const bool undo = stage_ == stage::changed && (late || !was_better(met, took));
	unsigned conduct = undo ? as_it_was_ : conduct_.load(order::relaxed);
	unsigned wanted = conduct;
	stage next = stage::as_is;
	tick length = epoch;
	// Unless it says otherwise below, the class begins to count anew.
	if (stage_ == stage::calm) {
		sure_ = 0;
		if (!many_meet)
			next = stage::calm;
	} else if (!late && !many_meet && stage_ != stage::changed) {
		wanted &= hasty_bit;
		next = stage::calm;
	} else if (!late && trial && (conduct & away_mask) > most_away) {
		wanted--;
	} else if (!late && trial) {
		if (undo) {
			if (sure_ < most_sure)
				sure_++;
		} else if (stage_ == stage::changed) {
			sure_ = 0;
			if (tried_ != change::haste) // further that way
				wanted = after(tried_, adaptive, most_away);
		} else {
			do {
				tried_ = static_cast<change>((static_cast<unsigned>(tried_) + 1) % 4);
				wanted = after(tried_, adaptive, most_away);
			} while (wanted == conduct);
		}
		next = wanted == conduct ? stage::known : stage::changed;
		if (next == stage::known && (length = holds_for * took << sure_) > longest_hold * epoch)
			length = longest_hold * epoch;
		as_it_was_ = static_cast<unsigned char>(conduct);
		as_is_begun_ = met.begun;
		as_is_took_ = took;
	}
	conduct_.store(wanted, order::relaxed);
	stage_ = next;
	unsigned begin = at_begin_.load(order::relaxed) & gives_stamp;
	if (next == stage::as_is || next == stage::changed)
		begin |= counted;
	at_begin_.store(begin, order::relaxed);
	look_at_.store(now + length, order::relaxed);
}

ww_statistics ww_class::statistics() const
{
	ww_statistics s{};
	for (const ww_traffic::tally &t : traffic_.tallies_) {
		s.contended += t.contended.load(order::relaxed);
		s.spins += t.spins.load(order::relaxed);
		s.stays += t.stays.load(order::relaxed);
		s.waits += t.waits.load(order::relaxed);
		s.bypasses += t.bypasses.load(order::relaxed);
		s.wounds += t.wounds.load(order::relaxed);
		s.deaths += t.deaths.load(order::relaxed);
	}
	s.most_retries = traffic_.most_retries_.load(order::relaxed);
	s.longest_wait_ns = uint64_t{traffic_.longest_wait_.load(order::relaxed)} << 10;
	return s;
}

} // namespace resv
