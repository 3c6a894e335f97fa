// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// A program for a debugger to look at: one thread holds two reservations, one waits for the second of them, one holds a
// third without a context, and one waits for a fence. An object has more fences than it has room for itself, of all kinds.
// Once they are there, somebody stops the program in everyone_is_there().
#include <resv/lru.hpp>
#include <resv/resv.h>

#include <atomic>
#include <cstdlib>
#include <latch>
#include <thread>

using namespace resv;

constinit reservation_object objects[4];
constinit reservation_object fenced[2];
resv_object in_c;
lru memory;
lru_entry entries[3];

constinit static std::latch both_hold(2);
constinit static std::latch the_end(1);
constinit static std::atomic<bool> awaited = false;

// ---- Fences. All stay until the program ends ----------------------------------------------------------------------

static const char *driver_name(resv_fence *)
{
	return "gpu";
}

static const char *timeline_name(resv_fence *)
{
	return "copies";
}

static bool enable_signaling(resv_fence *)
{
	awaited = true;
	return true;
}

extern "C" const resv_fence_ops copy_ops{.get_driver_name = driver_name,
					 .get_timeline_name = timeline_name,
					 .enable_signaling = enable_signaling,
					 .signaled = nullptr,
					 .release = nullptr,
					 .set_deadline = nullptr};

struct job_fence : fence {
	explicit job_fence(uint64_t its_context = resv_fence_context_alloc(1))
		: fence(nullptr, nullptr, its_context, 7)
	{}
};

constinit static resv_port_spinlock copy_lock{};
constinit fence copy(&copy_ops, &copy_lock, 1001, 1);
job_fence jobs[]{job_fence(1002), job_fence(1003), job_fence(1004), job_fence(1005), job_fence(1006)};
job_fence members[18]; // more than are shown
job_fence in_links[18];

static void ignore(resv_fence *, resv_fence_cb *) {}

static void require(bool done)
{
	if (!done)
		abort();
}

static fence &make_array()
{
	constexpr int count = sizeof(members) / sizeof(members[0]);
	auto **list = static_cast<resv_fence **>(resv_port_alloc(count * sizeof(resv_fence *)));
	require(list);
	for (int i = 0; i < count; i++)
		list[i] = members[i].c();
	members[0].signal();
	resv_fence *array = resv_fence_array_create(count, list, 1030, 1, false);
	require(array);
	return fence::of(array);
}

static fence &make_chain()
{
	resv_fence *link = nullptr;
	uint64_t seqno = 0;
	for (job_fence &f : in_links) {
		resv_fence_chain *next = resv_fence_chain_alloc();
		require(next);
		resv_fence_chain_init(next, link, f.c(), ++seqno);
		link = &next->base;
	}
	return fence::of(link);
}

// Two fences make way for others that are made of fences.
static void add_fences() RESV_NO_ANALYSIS
{
	static resv_fence_cb cb;
	require(fenced[0].reserve(nullptr) == 0 && fenced[0].reserve_fences(6) == 0);
	fenced[0].add_fence(copy, usage::kernel);
	fenced[0].add_fence(jobs[0], usage::write);
	fenced[0].add_fence(jobs[1], usage::read);
	fenced[0].add_fence(jobs[2], usage::bookkeep);
	fenced[0].add_fence(jobs[3], usage::read);
	fenced[0].add_fence(jobs[4], usage::bookkeep);
	fenced[0].replace_fences(jobs[1].context, make_array(), usage::read);
	fenced[0].replace_fences(jobs[2].context, make_chain(), usage::bookkeep);
	fenced[0].unreserve();
	jobs[0].set_error(-5);
	jobs[0].signal();
	require(jobs[3].add_callback(cb, ignore) == 0);

	resv_init(&in_c);
	memory.add(entries[0], fenced[0]);
	memory.add(entries[1], objects[0]);
	memory.add(entries[2], fenced[1]);
}

// ---- Threads ------------------------------------------------------------------------------------------------------

[[gnu::noinline]] void everyone_is_there()
{
	asm volatile("" ::: "memory");
}

static void hold_two()
{
	transaction t;
	if (t.reserve_one(objects[0]) != 0 || t.reserve_one(objects[1]) != 0)
		return;
	require(objects[1].reserve_fences(1) == 0);
	objects[1].add_fence(members[1], usage::write);
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

static void wait_for_copy()
{
	require(copy.wait(false) == 0);
}

// The waiter sleeps, or is about to.
static bool waits()
{
	auto *words = reinterpret_cast<const volatile uintptr_t *>(&objects[1]);
	return (words[1] & ~uintptr_t{7}) != 0 && (words[1] & 5) == 0;
}

int main()
{
	add_fences();
	std::thread first(hold_two), second(hold_alone);
	both_hold.wait();
	std::thread third(wait_for_one);
	while (!waits())
		std::this_thread::yield();
	std::thread fourth(wait_for_copy);
	while (!awaited)
		std::this_thread::yield();
	resv_port_spin_unlock(&copy_lock, resv_port_spin_lock(&copy_lock)); // now its callback is queued
	everyone_is_there();
	copy.signal();
	the_end.count_down();
	first.join();
	second.join();
	third.join();
	fourth.join();
}
