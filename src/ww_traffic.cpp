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

constexpr unsigned long busy = 8;    // so many meetings in an epoch make it worth a try
constexpr unsigned long quiet = 4;   // fewer, and there is no more to gain
constexpr unsigned long seldom = 16; // nor if only one context of so many meets another

// A decision holds for so many times as long as it took to count, and for twice as many each time that it was the same,
// up to 2^7 times as many; but not for longer than so many epochs.
constexpr unsigned holds_for = 8;
constexpr unsigned most_sure = 7;
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
void ww_class::begin(ww_acquire_ctx &ctx)
{
	if (stamps_ == ww_stamps::eager)
		ctx.ensure_stamp();
	if (traffic_.at_begin_.load(order::relaxed) & ww_traffic::counted)
		traffic_.count(ctx.task(), &ww_traffic::tally::begun);
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

void ww_traffic::next(stage s, tick now, tick length)
{
	bool counts_begun = s == stage::as_is || s == stage::changed;
	unsigned rest = at_begin_.load(order::relaxed) & gives_stamp;
	stage_ = s;
	since_ = now;
	at_begin_.store(counts_begun ? rest | counted : rest, order::relaxed);
	look_at_.store(now + length, order::relaxed);
}

// Who spun in vain and slept for long had better not have spun. Who slept for a moment had better have spun longer.
void ww_traffic::adapt_spinning(counts met)
{
	unsigned less = spin_less_.load(order::relaxed);
	if (met.brief + met.longer < enough_waits)
		return;
	if (met.longer / 4 > met.brief && less < most_halved && most_turns >> less > 1)
		spin_less_.store(less + 1, order::relaxed);
	else if (met.longer < met.brief && less > 0)
		spin_less_.store(less - 1, order::relaxed);
}

bool ww_traffic::possible(change c, bool adaptive) const
{
	unsigned away = away_.load(order::relaxed);
	switch (c) {
	case change::up:
		return away < most_away;
	case change::haste:
		return adaptive;
	case change::top:
		return away + 1 < most_away;
	case change::down:
		return away > 0;
	}
	return false;
}

void ww_traffic::make(change c)
{
	unsigned away = away_.load(order::relaxed);
	away_before_ = static_cast<unsigned char>(away);
	if (c == change::haste)
		hasty_.store(1 - hasty_.load(order::relaxed), order::relaxed);
	else
		away_.store(c == change::up    ? away + 1
			    : c == change::top ? most_away
					       : away - 1,
			    order::relaxed);
}

void ww_traffic::undo()
{
	if (tried_ == change::haste)
		make(tried_);
	else
		away_.store(away_before_, order::relaxed);
}

// Than as it was: begun / took, without a division. To stay away for longer has to be worth it.
bool ww_traffic::is_better(counts met, tick took) const
{
	uint64_t before = uint64_t{as_is_begun_} * took;
	uint64_t after = uint64_t{met.begun} * as_is_took_;
	switch (tried_) {
	case change::up:
	case change::top:
		return after > before + before / 8;
	case change::haste:
		return after > before + before / 16;
	case change::down:
		return after + after / 16 >= before;
	}
	return false;
}

void ww_traffic::decide(tick now, counts total, bool adaptive)
{
	tick took = now - since_;
	counts met = total - before_;
	bool counting = stage_ == stage::as_is || stage_ == stage::changed;
	bool late = now - look_at_.load(order::relaxed) > late_by * epoch; // nothing went on meanwhile
	auto meet_at_least = [&](unsigned long rate) {
		return uint64_t{met.contended} * epoch >= uint64_t{rate} * took;
	};
	auto settle = [&] {
		tick length = holds_for * took << sure_;
		next(stage::known, now, length < longest_hold * epoch ? length : longest_hold * epoch);
	};
	auto stay = [&] {
		if (sure_ < most_sure)
			sure_++;
		settle();
	};
	auto calm_down = [&] {
		away_.store(0, order::relaxed);
		next(stage::calm, now, epoch);
	};

	if (counting && !late && met.begun < enough && took < most_epochs * epoch)
		return look_at_.store(now + epoch, order::relaxed);
	before_ = total;
	if (late) {
		if (stage_ == stage::changed)
			undo();
		return next(stage_ == stage::calm ? stage::calm : stage::as_is, now, epoch);
	}
	adapt_spinning(met);
	switch (stage_) {
	case stage::calm:
		sure_ = 0;
		return next(meet_at_least(busy) ? stage::as_is : stage::calm, now, epoch);
	case stage::as_is:
		if (!meet_at_least(quiet))
			return calm_down();
		if (met.contended < met.begun / seldom)
			return stay();
		do
			tried_ = tried_ == change::down
					 ? change::up
					 : static_cast<change>(static_cast<unsigned>(tried_) + 1);
		while (!possible(tried_, adaptive));
		break;
	case stage::changed:
		if (!is_better(met, took)) {
			undo();
			return stay();
		}
		sure_ = 0;
		if (tried_ == change::haste || !possible(tried_, adaptive))
			return settle();
		break; // and further that way
	case stage::known:
		return meet_at_least(quiet) ? next(stage::as_is, now, epoch) : calm_down();
	}
	as_is_begun_ = met.begun;
	as_is_took_ = took;
	make(tried_);
	next(stage::changed, now, epoch);
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
