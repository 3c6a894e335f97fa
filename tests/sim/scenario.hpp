// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What scenarios are made of. A scenario sets up a few tasks that contend for a few locks; the same properties are
// checked in each of its executions:
//
//   - a lock has one holder at a time, and each waiter gets on in the end
//   - -EDEADLK goes to contexts that hold something, and never to the oldest; an older context wounds a younger one
//   - of the contexts that wait for a lock, the oldest gets it
//   - a context has the same stamp over all its retries, and is not wounded while it holds nothing
//   - nobody touches a context, a waiter or a lock after its end
//   - in the end each lock is free, and its waiters word 0
#ifndef RESV_TESTS_SIM_SCENARIO_HPP
#define RESV_TESTS_SIM_SCENARIO_HPP

#include "src/port/sim/machine.hpp"
#include "tests/ww_test_access.hpp"

#include <resv/ww_mutex.hpp>

#include <cerrno>
#include <cstring>
#include <new>
#include <optional>
#include <string>
#include <vector>

namespace resv::sim {

/// A scenario in all its variants. `begin` is called before each execution, and spawns tasks; `end` after it.
struct scenario {
	std::string name;
	std::string summary;
	unsigned variants;
	std::function<void(unsigned variant)> begin;
	std::function<void()> end;
	machine::options options = {};
};

/// All scenarios, in the order in which they are listed.
std::vector<scenario> &scenarios();

/// Defines a scenario at file scope.
struct define {
	explicit define(scenario s) { scenarios().push_back(std::move(s)); }
};

/// Takes one of `n` digits off the number of a variant.
inline unsigned digit(unsigned &variant, unsigned n)
{
	unsigned result = variant % n;
	variant /= n;
	return result;
}

/// The task that runs is at fault unless `good`.
inline void check(bool good, const char *what)
{
	if (!good)
		the_machine().fail(what);
}

/// Writes a line for whoever draws the execution.
template <typename... T>
void note(const T &...parts)
{
	if (!the_machine().keeps_remarks())
		return;
	std::string text;
	(text += ... += parts);
	the_machine().note(std::move(text));
}

std::string result_name(int rc);

inline constexpr ww_algorithm both_algorithms[] = {ww_algorithm::wound_wait, ww_algorithm::wait_die};

/// The locks of an execution.
class world {
public:
	static constexpr unsigned max_locks = 4;

	world(ww_algorithm algorithm, unsigned locks);
	~world();

	/// Each lock is free and nobody is in its list.
	void check_idle() const;

	ww_class &cls() { return cls_; }
	ww_mutex &lock(unsigned n) { return *reinterpret_cast<ww_mutex *>(locks_[n].bytes); }
	const ww_mutex &lock(unsigned n) const
	{
		return *reinterpret_cast<const ww_mutex *>(locks_[n].bytes);
	}
	unsigned size() const { return size_; }

	/// Who is in the section that lock `n` guards?
	unsigned inside[max_locks];
	/// The stamps of the contexts that wait for lock `n`, by task; 0 for a task that does not.
	unsigned long waiting[max_locks][max_tasks] = {};
	/// The stamps of the contexts, as far as they were seen.
	unsigned long stamps[max_tasks] = {};
	/// Contexts have their stamp from the beginning.
	bool eager = false;
	/// The class is adaptive, and changes its mind, or not, whenever a context is about to take another lock.
	bool fickle = false;
	/// For the scenario's own use.
	unsigned counts[2] = {};

private:
	static void trace(ww_event event, const ww_mutex &lock, const ww_acquire_ctx &self,
			  const ww_acquire_ctx *other);

	struct alignas(ww_mutex) storage {
		unsigned char bytes[sizeof(ww_mutex)];
	};

	ww_class cls_;
	unsigned size_;
	storage locks_[max_locks];
};

extern std::optional<world> the_world;

void end_world();

/// How a lock is asked for.
struct asking {
	wait_request request = {};
	bool slow = false; // it is the lock that the last -EDEADLK was about
};

/// A context on its task's stack, whose memory is spoilt when it ends.
class context {
public:
	context();
	~context();

	ww_acquire_ctx &operator*() { return *reinterpret_cast<ww_acquire_ctx *>(bytes_); }
	ww_acquire_ctx *operator->() { return &**this; }
	ww_acquire_ctx *operator&() { return &**this; }

private:
	alignas(ww_acquire_ctx) unsigned char bytes_[sizeof(ww_acquire_ctx)];
};

/// The operations, with their checks. `ctx` may be null where the lock allows it.
int take(unsigned n, ww_acquire_ctx *ctx, const asking &how = {});
bool try_take(unsigned n, ww_acquire_ctx *ctx);
int await(unsigned n, ww_acquire_ctx *ctx, const wait_request &request = {});
void drop(unsigned n, ww_acquire_ctx *ctx);
void drop_all(ww_acquire_ctx &ctx);

/// Some of a world's locks, in an order. Lies on stacks, which the machine compares: so no memory of its own.
struct lock_list {
	uint8_t size = 0;
	uint8_t at[world::max_locks] = {};

	const uint8_t *begin() const { return at; }
	const uint8_t *end() const { return at + size; }
};

/// The k-th of all orders of n locks.
lock_list order_of(unsigned n, unsigned k);

/// How a transaction ends.
enum class release : uint8_t { all, each };
void drop(const lock_list &locks, ww_acquire_ctx &ctx, release how);

/// What driver authors do: takes the locks in this order, backs off on -EDEADLK, and releases them. `request` ends waits
/// early; then the transaction is given up. True if it held all of its locks.
bool transact(const lock_list &locks, release how, const wait_request &request = {});

/// The names of locks: A, B, ...
std::string lock_name(unsigned n);

} // namespace resv::sim

#endif // RESV_TESTS_SIM_SCENARIO_HPP
