// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What a walk down an LRU pays for each reserved object that it passes, on the way to the first free one, beside a plain
// load of a cold line for each, whose addresses are known beforehand.
//
// Nothing of an LRU is in a cache when its walk begins: there are so many LRUs, and one is walked after the other. A
// buffer lies where an allocator put it, not in the order of the LRU. Two layouts: the entry right in front of the
// object, whose owner word is then in the entry's cache line; and the two apart, as when buffers share an object.
#include "plan.hpp"

#include <resv/lru.hpp>

#include <algorithm>
#include <atomic>
#include <memory>
#include <random>

namespace bench {

namespace {

constexpr size_t reserved_objects = 1000;
constexpr size_t lrus = 768; // with a buffer of 128 bytes, 96 MB and more: some times the largest cache

struct alignas(64) together {
	resv::lru_entry entry;
	resv::reservation_object object;
};

struct alignas(64) apart {
	resv::lru_entry entry;
	alignas(64) resv::reservation_object object;
};

struct alignas(64) line {
	std::atomic<uintptr_t> word{1};
};

// 0 to n-1, shuffled.
std::vector<size_t> places(size_t n, unsigned seed)
{
	std::vector<size_t> order(n);
	for (size_t i = 0; i < n; i++)
		order[i] = i;
	std::shuffle(order.begin(), order.end(), std::mt19937(seed));
	return order;
}

/// An LRU of reserved buffers, and at its end a free one.
template <typename Buffer>
struct filled_lru {
	filled_lru() RESV_NO_ANALYSIS
	{
		static unsigned seed = 0;
		for (size_t at : places(reserved_objects + 1, seed++))
			list.add(buffers[at].entry, *(free = &buffers[at].object));
		for (size_t i = 0; i <= reserved_objects; i++)
			if (&buffers[i].object != free && !buffers[i].object.try_reserve(&holder))
				__builtin_trap();
	}
	~filled_lru()
	{
		holder.unlock_all();
		for (size_t i = 0; i <= reserved_objects; i++)
			resv::lru::del(buffers[i].entry);
	}

	resv::lru list;
	resv::ww_acquire_ctx holder{resv::reservation_class};
	std::unique_ptr<Buffer[]> buffers{new Buffer[reserved_objects + 1]};
	resv::reservation_object *free = nullptr;
};

template <typename Buffer>
void walk(benchmark::State &state) RESV_NO_ANALYSIS
{
	static filled_lru<Buffer> all[lrus];
	pin(0);
	resv::ww_acquire_ctx context(resv::reservation_class);
	size_t next = 0;
	for (auto _ : state) {
		resv::reservation_object *found = nullptr;
		auto any = [](resv::lru_entry &, resv::reservation_object &, bool) { return true; };
		if (all[next].list.reserve_first(&context, any, found) != 0 || found != all[next].free)
			return state.SkipWithError("the walk did not end where it should");
		found->unreserve();
		next = (next + 1) % lrus;
	}
}

struct listed_lines {
	listed_lines()
	{
		static unsigned seed = 0;
		for (size_t at : places(reserved_objects, seed++))
			order.push_back(&lines[at]);
	}
	std::unique_ptr<line[]> lines{new line[reserved_objects]};
	std::vector<line *> order;
};

void load(benchmark::State &state)
{
	static listed_lines all[2 * lrus];
	pin(0);
	size_t next = 0;
	for (auto _ : state) {
		uintptr_t held = 0;
		for (const line *l : all[next].order)
			held += l->word.load(std::memory_order_relaxed) != 0;
		if (held != reserved_objects)
			return state.SkipWithError("a line was not what it should be");
		next = (next + 1) % (2 * lrus);
	}
}

} // namespace

void plan_lru(plan &p)
{
	p.groups.push_back({"lru_skip", {}, 15, false});
	p.row("lru_skip/together", walk<together>);
	p.row("lru_skip/apart", walk<apart>);
	p.row("lru_skip/load", load);
	p.ratios.push_back({"lru_skip_vs_load", {"lru_skip/together"}, {"lru_skip/load"}, 2.0});
	p.ratios.push_back({"lru_skip_apart_vs_load", {"lru_skip/apart"}, {"lru_skip/load"}, 0});
}

} // namespace bench
