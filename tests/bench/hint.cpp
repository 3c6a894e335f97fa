// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The hint as the first step of a blocking lock that two threads contend for. Here it can lose: the read fetches the
// line shared, and the compare-and-exchange has to fetch it again to own it. Both forms of one small lock, side by side.
#include "plan.hpp"

#include <resv/port.h>

#include <atomic>

namespace bench {

namespace {

template <bool hint>
struct alignas(64) spin_then_yield {
	std::atomic<uintptr_t> owner{0};

	void lock()
	{
		for (unsigned turn = 0;; turn++) {
			uintptr_t expected = 0;
			if ((!hint && turn == 0) || owner.load(std::memory_order_relaxed) == 0)
				if (owner.compare_exchange_strong(expected, 1, std::memory_order_acquire))
					return;
			resv_port_relax(turn);
		}
	}
	void unlock() { owner.store(0, std::memory_order_release); }
};

template <bool hint>
void contended(benchmark::State &state, int outside)
{
	static spin_then_yield<hint> lock;
	static int64_t guarded;
	pin(state.thread_index());
	for (auto _ : state) {
		lock.lock();
		benchmark::DoNotOptimize(++guarded);
		lock.unlock();
		for (int i = 0; i < outside; i++)
			benchmark::DoNotOptimize(i);
	}
}

} // namespace

void plan_hint(plan &p)
{
	for (int outside : {0, 32, 128, 512}) {
		std::string at = "blocking_hint/outside" + std::to_string(outside);
		p.groups.push_back({at, {}, 9, true});
		p.row(at + "/on", contended<true>, outside)->Threads(2)->UseRealTime();
		p.row(at + "/off", contended<false>, outside)->Threads(2)->UseRealTime();
		p.ratios.push_back({"blocking_hint_on_vs_off_outside" + std::to_string(outside),
				    {at + "/on"},
				    {at + "/off"},
				    0});
	}
}

} // namespace bench
