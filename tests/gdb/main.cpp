// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// A program for a debugger to look at: one thread holds two reservations, one waits for the second of them, and one holds
// a third without a context. Once they are there, somebody stops the program in everyone_is_there().
#include <resv/transaction.hpp>

#include <latch>
#include <thread>

using namespace resv;

constinit reservation_object objects[4];

constinit static std::latch both_hold(2);
constinit static std::latch the_end(1);

[[gnu::noinline]] void everyone_is_there()
{
	asm volatile("" ::: "memory");
}

static void hold_two()
{
	transaction t;
	if (t.reserve_one(objects[0]) != 0 || t.reserve_one(objects[1]) != 0)
		return;
	both_hold.count_down();
	the_end.wait();
}

static void wait_for_one()
{
	ww_acquire_ctx ctx(reservation_class);
	if (objects[1].reserve(&ctx) == 0)
		objects[1].unreserve();
}

static void hold_alone() RESV_NO_ANALYSIS
{
	if (objects[2].reserve(nullptr) != 0)
		return;
	both_hold.count_down();
	the_end.wait();
	objects[2].unreserve();
}

// The waiter sleeps, or is about to.
static bool waits()
{
	auto *words = reinterpret_cast<const volatile uintptr_t *>(&objects[1]);
	return (words[1] & ~uintptr_t{7}) != 0 && (words[1] & 5) == 0;
}

int main()
{
	std::thread first(hold_two), second(hold_alone);
	both_hold.wait();
	std::thread third(wait_for_one);
	while (!waits())
		std::this_thread::yield();
	everyone_is_there();
	the_end.count_down();
	first.join();
	second.join();
	third.join();
}
