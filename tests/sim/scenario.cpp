// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "scenario.hpp"

#include "order.hpp"

#include <algorithm>

namespace resv::sim {

namespace {

constexpr unsigned nobody = ~0u;

} // namespace

std::optional<world> the_world;

std::vector<scenario> &scenarios()
{
	static std::vector<scenario> all;
	return all;
}

std::string lock_name(unsigned n)
{
	return std::string(1, static_cast<char>('A' + n));
}

std::string result_name(int rc)
{
	switch (rc) {
	case 0:
		return "0";
	case -EDEADLK:
		return "-EDEADLK";
	case -EALREADY:
		return "-EALREADY";
	case -EINTR:
		return "-EINTR";
	case -ETIME:
		return "-ETIME";
	default:
		return std::to_string(rc);
	}
}

world::world(ww_algorithm algorithm, unsigned locks)
	: cls_(algorithm, "sim_acquire", "sim_mutex"), size_(locks)
{
	the_machine().share(this, sizeof *this);
	cls_.set_tracer(trace);
	for (unsigned n = 0; n < size_; n++) {
		new (locks_[n].bytes) ww_mutex(cls_);
		inside[n] = nobody;
		if (the_machine().keeps_remarks()) {
			the_machine().label(ww_test_access::owner_word(lock(n)), 8, lock_name(n) + ".owner");
			the_machine().label(ww_test_access::waiters_word(lock(n)), 8,
					    lock_name(n) + ".waiters");
		}
	}
	if (the_machine().keeps_remarks())
		the_machine().label(&cls_, 8, "stamps");
}

world::~world()
{
	for (unsigned n = 0; n < size_; n++)
		lock(n).~ww_mutex();
}

void world::trace(ww_event event, const ww_mutex &lock, const ww_acquire_ctx &self,
		  const ww_acquire_ctx *other)
{
	unsigned n = 0;
	while (&the_world->lock(n) != &lock)
		n++;
	check_order(the_world->waiting[n], event, self, other);
}

void world::check_idle() const
{
	for (unsigned n = 0; n < size_; n++) {
		check(ww_test_access::owner(lock(n)) == 0, "a lock is held in the end");
		check(ww_test_access::waiters(lock(n)) == 0, "a lock's waiters word is not 0 in the end");
	}
}

void end_world()
{
	the_world->check_idle();
}

context::context()
{
	machine &m = the_machine();
	auto *ctx = new (bytes_) ww_acquire_ctx(the_world->cls());
	if (m.keeps_remarks()) {
		const std::string &who = m.task_label(m.current());
		m.label(ctx, sizeof *ctx, who);
		m.label(ww_test_access::stamp_word(*ctx), sizeof(unsigned long), who + ".stamp");
		m.label(ww_test_access::wounded_word(*ctx), sizeof(unsigned), who + ".wounded");
		m.label(ww_test_access::mailbox(*ctx), sizeof(parker), who + ".mailbox");
	}
	the_world->stamps[m.current()] = 0;
	if (the_world->eager)
		ww_test_access::give_stamp(*ctx);
}

context::~context()
{
	(**this).~ww_acquire_ctx();
	the_world->stamps[the_machine().current()] = 0;
	memset(bytes_, 0xa5, sizeof bytes_);
}

namespace {

void enter(unsigned n)
{
	check(the_world->inside[n] == nobody, "two tasks hold a lock");
	the_world->inside[n] = the_machine().current();
}

void look_at(const ww_acquire_ctx &ctx)
{
	unsigned long &stamp = the_world->stamps[the_machine().current()];
	check(stamp == 0 || stamp == stamp_of(ctx), "a context's stamp has changed");
	stamp = stamp_of(ctx);
	check(ctx.holds_any() || the_machine().peek(ww_test_access::wounded_word(ctx), sizeof(unsigned)) == 0,
	      "a context that holds nothing is wounded");
}

void leave(unsigned n)
{
	check(the_world->inside[n] == the_machine().current(), "a lock's holder lost it");
	the_world->inside[n] = nobody;
}

} // namespace

int take(unsigned n, ww_acquire_ctx *ctx, const asking &how)
{
	bool held_any = ctx && ctx->holds_any();
	note(how.slow ? "lock_slow " : "lock ", lock_name(n));
	int rc = how.slow ? the_world->lock(n).lock_slow(ctx, how.request)
			  : the_world->lock(n).lock(ctx, how.request);
	note("lock ", lock_name(n), ": ", result_name(rc));
	if (rc == 0)
		enter(n);
	if (rc == -EDEADLK) {
		check(held_any, "-EDEADLK for a context that holds nothing");
		check(config::debug_ww_slowpath || stamp_of(*ctx) != 1, "the oldest context got -EDEADLK");
	}
	if (ctx)
		look_at(*ctx);
	return rc;
}

bool try_take(unsigned n, ww_acquire_ctx *ctx)
{
	bool taken = the_world->lock(n).trylock(ctx);
	note("trylock ", lock_name(n), taken ? ": true" : ": false");
	if (taken)
		enter(n);
	return taken;
}

int await(unsigned n, ww_acquire_ctx *ctx, const wait_request &request)
{
	note("wait_for_unlock ", lock_name(n));
	int rc = the_world->lock(n).wait_for_unlock(ctx, request);
	note("wait_for_unlock ", lock_name(n), ": ", result_name(rc));
	return rc;
}

void drop(unsigned n, ww_acquire_ctx *ctx)
{
	leave(n);
	note("unlock ", lock_name(n));
	the_world->lock(n).unlock();
	if (ctx)
		look_at(*ctx);
}

void drop_all(ww_acquire_ctx &ctx)
{
	for (unsigned n = 0; n < the_world->size(); n++)
		if (the_world->inside[n] == the_machine().current())
			leave(n);
	note("unlock_all");
	ctx.unlock_all();
	look_at(ctx);
}

lock_list order_of(unsigned n, unsigned k)
{
	lock_list result;
	result.size = static_cast<uint8_t>(n);
	for (uint8_t i = 0; i < n; i++)
		result.at[i] = i;
	while (k-- != 0)
		std::next_permutation(result.at, result.at + n);
	return result;
}

void drop(const lock_list &locks, ww_acquire_ctx &ctx, release how)
{
	if (how == release::all)
		return drop_all(ctx);
	for (unsigned n : locks) {
		if (the_world->inside[n] == the_machine().current())
			drop(n, &ctx);
	}
}

bool transact(const lock_list &locks, release how, const wait_request &request)
{
	context ctx;
	unsigned contended = nobody;
	for (;;) {
		int rc = contended == nobody ? 0 : take(contended, &ctx, {request, true});
		if (rc == 0) {
			for (unsigned n : locks) {
				if (n == contended)
					continue;
				if (the_world->fickle && ctx->holds_any())
					ww_test_access::set_hasty(the_world->cls(),
								  the_machine().choose(2) != 0);
				rc = take(n, &ctx, {request});
				if (rc == 0)
					continue;
				if (rc == -EDEADLK)
					contended = n;
				break;
			}
		}
		drop(locks, *ctx, how);
		if (rc != -EDEADLK)
			return rc == 0;
	}
}

} // namespace resv::sim
