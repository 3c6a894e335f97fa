// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Walks of every kind while entries come, go, move, get other objects, and are freed.
#include "lru_helpers.hpp"

namespace resv::test {
namespace {

/// What an object guards, behind it.
struct guarded {
	reservation_object object; // the first member
	long uses = 0;
};

std::atomic<int> alive{0};

/// Freed with its last reference.
struct racer {
	racer() { alive++; }
	~racer()
	{
		own.object.destroy();
		alive--;
	}
	bool get()
	{
		int now = references.load();
		while (now != 0 && !references.compare_exchange_weak(now, now + 1))
			;
		return now != 0;
	}
	void put()
	{
		if (references.fetch_sub(1) != 1)
			return;
		lru::del(entry);
		delete this;
	}

	lru_entry entry; // the first member
	guarded own;
	std::atomic<int> references{1};
};

racer &racer_of(lru_entry &entry)
{
	return reinterpret_cast<racer &>(entry);
}

constexpr resv_lru_ops racer_ops = {
	[](resv_lru_entry *entry) { return reinterpret_cast<racer *>(entry)->get(); },
	[](resv_lru_entry *entry) { reinterpret_cast<racer *>(entry)->put(); },
};

/// Keeps what it finds, so that the reservation is of a buffer that is there.
struct finder {
	int operator()(lru_entry &entry, reservation_object &, bool reserved)
	{
		if (!reserved)
			return true;
		if (found || !racer_of(entry).get())
			return false;
		found = &racer_of(entry);
		return true;
	}
	racer *found = nullptr;
};

class lru_race : public fixture {
protected:
	~lru_race() override
	{
		EXPECT_EQ(alive.load(), 0);
		device.destroy(); // reports what is left
		for (guarded &g : shared)
			g.object.destroy();
	}

	racer *create()
	{
		auto *r = new racer;
		device.add(r->entry, r->own.object);
		return r;
	}

	// Evicts, several at a time, by trying alone.
	void try_evict()
	{
		while (!over) {
			ww_acquire_ctx ctx(reservation_class);
			std::vector<racer *> kept;
			for (int i = 0; i < 4; i++) {
				finder f;
				reservation_object *object = nullptr;
				if (device.reserve_first(&ctx, std::ref(f), object) != 0)
					break;
				reinterpret_cast<guarded *>(object)->uses++;
				kept.push_back(f.found);
				tried++;
			}
			ctx.unlock_all();
			for (racer *r : kept)
				r->put();
		}
	}

	// Evicts as part of a transaction that has reserved something of its own.
	void wait_and_evict(size_t n)
	{
		while (!over) {
			transaction t;
			racer *kept[2] = {};
			int err = t.run([&](transaction &) {
				int e = t.reserve_one(shared[n].object);
				for (racer *&k : kept) {
					if (e != 0)
						break;
					finder f;
					reservation_object *object = nullptr;
					e = device.reserve_wait(t, std::ref(f), 2, object);
					std::swap(k, f.found);
					if (f.found)
						f.found->put(); // of an earlier pass
					if (e == 0)
						reinterpret_cast<guarded *>(object)->uses++;
				}
				return e;
			});
			if (err == 0)
				waited++;
			else
				EXPECT_TRUE(err == -EBUSY || err == -ENOENT) << err;
			t.release_all();
			for (racer *k : kept)
				if (k)
					k->put();
		}
	}

	// Looks at all, now and then.
	void look()
	{
		while (!over) {
			lru_cursor cursor(device);
			unsigned long seen = 0;
			while (lru_entry *entry = cursor.next()) {
				seen++;
				racer_of(*entry).put();
			}
			looked += seen != 0;
		}
	}

	// The driver: moves, replaces, frees.
	void churn(int steps)
	{
		std::mt19937 random(1);
		lru_bulk range(device);
		std::vector<racer *> mine;
		for (int i = 0; i < 40; i++)
			mine.push_back(create());
		for (int i = 0; i < steps || !(tried && waited && looked); i++) {
			racer *&r = mine[random() % mine.size()];
			switch (random() % 8) {
			case 0:
				r->put();
				r = create();
				break;
			case 1:
				lru::set_object(r->entry, shared[random() % std::size(shared)].object);
				break;
			case 2:
				lru::set_object(r->entry, r->own.object);
				break;
			case 3:
				lru::del(r->entry);
				device.add(r->entry, r->own.object);
				break;
			case 4:
				range.add(r->entry);
				break;
			case 5:
				range.move_tail();
				break;
			default:
				lru::move_tail(r->entry);
			}
			if (i % 64 == 0)
				std::this_thread::yield();
		}
		over = true;
		range.destroy();
		for (racer *r : mine)
			r->put();
	}

	lru device{&racer_ops};
	guarded shared[3];
	std::atomic<bool> over{false};
	std::atomic<long> tried{0}, waited{0}, looked{0};
};

TEST_F(lru_race, everything_at_once)
{
	std::thread threads[] = {
		std::thread([&] { try_evict(); }),
		std::thread([&] { try_evict(); }),
		std::thread([&] { wait_and_evict(0); }),
		std::thread([&] { wait_and_evict(1); }),
		std::thread([&] { look(); }),
	};
	churn(6000);
	for (std::thread &thread : threads)
		thread.join();
	EXPECT_GT(tried.load(), 0);
	EXPECT_GT(waited.load(), 0);
	EXPECT_GT(looked.load(), 0);
}

// One task keeps moving entries between two devices; others move them to the end of whichever they are on.
TEST_F(lru_race, entries_change_devices)
{
	constexpr size_t count = 8;
	lru second(&racer_ops);
	std::vector<racer *> mine;
	while (mine.size() < count)
		mine.push_back(create());
	std::atomic<long> moved{0};
	auto move = [&](unsigned seed) {
		std::minstd_rand random(seed);
		while (!over) {
			lru::move_tail(mine[random() % count]->entry);
			moved++;
		}
	};
	std::thread threads[] = {std::thread(move, 1u), std::thread(move, 2u)};
	std::minstd_rand random(3);
	for (int i = 0; i < 5000 || moved < 300; i++) {
		racer &r = *mine[random() % count];
		lru &to = r.entry.where() == &device ? second : device;
		lru::del(r.entry);
		to.add(r.entry, r.own.object);
		if (i % 64 == 0)
			std::this_thread::yield();
	}
	over = true;
	for (std::thread &thread : threads)
		thread.join();

	size_t met = 0;
	for (lru *each : {&device, &second}) {
		unsigned long here = 0;
		lru_cursor cursor(*each);
		for (lru_entry *entry; (entry = cursor.next()) && here <= count; here++) {
			EXPECT_EQ(entry->where(), each);
			racer_of(*entry).put();
		}
		EXPECT_EQ(here, each->count());
		met += here;
	}
	EXPECT_EQ(met, count);
	for (racer *r : mine)
		r->put();
	second.destroy();
}

} // namespace
} // namespace resv::test
