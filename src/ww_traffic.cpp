// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What a class counts of its contention, and what it makes of that: see class ww_traffic.
#include <resv/ww_mutex.hpp>

namespace resv {

namespace {

constexpr unsigned long epoch = 1000; // how long to count, in ticks
constexpr unsigned long busy = 64;    // so many meetings in an epoch make it worth a try
constexpr unsigned long quiet = 4;    // fewer in each, and there is no more to gain

// A decision holds for so many epochs, and for twice as many each time that it was the same, up to 2^7 times as many.
constexpr unsigned holds_for = 8;
constexpr unsigned most_sure = 7;

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

void ww_traffic::count_begun()
{
	count(resv_port_current(), &tally::begun);
}

// A context has the lock that it slept for.
void ww_traffic::slept(int64_t ns)
{
	raise(longest_wait_, to_ticks(ns));
}

// It is told to drop what it holds.
void ww_traffic::backed_off(ww_acquire_ctx &ctx)
{
	if constexpr (config::steady)
		return;
	count(ctx.task(), &tally::deaths);
	raise(most_retries_, ++ctx.retries_);
}

ww_traffic::counts ww_traffic::add_up() const
{
	counts total{};
	for (const tally &t : tallies_) {
		total.begun += t.begun.load(order::relaxed);
		total.contended += t.contended.load(order::relaxed);
	}
	return total;
}

// By whoever meets contention, now and then. One at a time decides; what it leaves, the next one finds:
//
//   who has decided                 who decides next
//   [W] stage_, before_, ...        [RW] looking_ 0 -> 1, acquire
//   [W] looking_ = 0, release       [R] stage_, before_, ...
void ww_traffic::look(tick now)
{
	auto is_time = [&] { return static_cast<long>(now - look_at_.load(order::relaxed)) >= 0; };

	if (!is_time() || looking_.load(order::relaxed) != 0 || looking_.exchange(1, order::acquire) != 0)
		return;
	if (is_time())
		decide(now, add_up());
	looking_.store(0, order::release);
}

void ww_traffic::next(stage s, tick now, tick length)
{
	stage_ = s;
	since_ = now;
	watched_.store(s == stage::as_is || s == stage::changed, order::relaxed);
	look_at_.store(now + length, order::relaxed);
}

void ww_traffic::decide(tick now, counts total)
{
	tick took = now - since_;
	counts met{total.begun - before_.begun, total.contended - before_.contended};
	unsigned away = away_.load(order::relaxed);

	before_ = total;
	switch (stage_) {
	case stage::calm:
		sure_ = 0;
		return next(met.contended >= busy && took < 2 * epoch ? stage::as_is : stage::calm, now,
			    epoch);
	case stage::as_is:
		as_is_ = met;
		as_is_took_ = took;
		up_ = away == 0 || (away < most_away && !up_);
		away_.store(up_ ? away + 1 : away - 1, order::relaxed);
		return next(stage::changed, now, epoch);
	case stage::changed: {
		// begun / took, without a division. To stay away for longer has to be worth it.
		uint64_t before = uint64_t{as_is_.begun} * took;
		uint64_t after = uint64_t{met.begun} * as_is_took_;
		bool better = up_ ? after > before + before / 8 : after + after / 16 >= before;
		if (!better)
			away_.store(up_ ? away - 1 : away + 1, order::relaxed);
		sure_ = better ? 0 : sure_ < most_sure ? sure_ + 1 : most_sure;
		return next(stage::known, now, (holds_for * epoch) << sure_);
	}
	case stage::known:
		if (met.contended >= quiet * (took / epoch))
			return next(stage::as_is, now, epoch);
		away_.store(0, order::relaxed);
		return next(stage::calm, now, epoch);
	}
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
