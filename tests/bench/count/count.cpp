// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The fast paths, each once, for run.sh to count their instructions. With -DPLANT one of them looks at the lock once
// more than it needs to, which has to be noticed.
#include <resv/transaction.hpp>

using namespace resv;

namespace {

constinit ww_class cls{ww_algorithm::wait_die, "count_acquire", "count"};
constinit ww_mutex lock(cls);
constinit reservation_object objects[32];

#ifdef PLANT
constexpr bool planted = true;
#else
constexpr bool planted = false;
#endif

void must(bool held)
{
	if (!held)
		__builtin_trap();
}

} // namespace

extern "C" {

[[gnu::noinline]] void count_lock_unlock(ww_acquire_ctx *ctx) RESV_NO_ANALYSIS
{
	if (planted)
		must(!lock.is_locked());
	must(lock.lock(ctx) == 0);
	lock.unlock();
}

[[gnu::noinline]] void count_lock_unlock_without_context() RESV_NO_ANALYSIS
{
	must(lock.lock(nullptr) == 0);
	lock.unlock();
}

[[gnu::noinline]] void count_trylock_takes(ww_acquire_ctx *ctx) RESV_NO_ANALYSIS
{
	must(lock.trylock(ctx));
	lock.unlock();
}

[[gnu::noinline]] void count_trylock_fails(ww_acquire_ctx *ctx) RESV_NO_ANALYSIS
{
	must(!lock.trylock(ctx));
}

[[gnu::noinline]] void count_wait_for_unlock_of_a_free_lock()
{
	must(lock.wait_for_unlock(nullptr, {}) == 0);
}

[[gnu::noinline]] void count_transaction_of_32()
{
	transaction t;
	for (reservation_object &object : objects)
		must(t.reserve_one(object) == 0);
	t.release_all();
}

[[gnu::noinline]] void count_empty_transaction()
{
	transaction t;
}

} // extern "C"

int main() RESV_NO_ANALYSIS
{
	ww_acquire_ctx ctx(
		cls); // the first call of the port makes the task's record, which is not to be counted
	count_lock_unlock(&ctx);
	count_lock_unlock_without_context();
	count_trylock_takes(&ctx);
	must(lock.lock(nullptr) == 0);
	count_trylock_fails(&ctx);
	lock.unlock();
	count_wait_for_unlock_of_a_free_lock();
	count_transaction_of_32();
	count_empty_transaction();
}
