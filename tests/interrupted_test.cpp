// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Every wait that a signal may end, ended by one: before it has begun, and while the task sleeps. It returns -EINTR, keeps
// what it held, takes nothing, leaves nothing behind, and succeeds the next time. A wait that asks for no signals is not
// ended by one.

#include "fence_rig.hpp"
#include "lru_helpers.hpp"

#include <array>

namespace resv::test {
namespace {

constexpr int64_t minute = 60000 * ms;

/// What is waited for. A plain holder has the object that is on the LRU; fences are not signaled.
struct scene {
	static constexpr unsigned many = 9; // more than an object has room for, or a waiter

	scene()
	{
		for (unsigned i = 0; i < many; i++) {
			fences.push_back(make_driver_fence(log));
			link = make_link(link, fences.back(), i + 1);
		}
		array = make_array({fences[0], fences[1]});
		reserved held(used);
		EXPECT_EQ(used.reserve_fences(many), 0);
		for (fence_ref &f : fences)
			EXPECT_EQ(used.add_fence(*f, usage::write), 0);
		device.add(buffer.entry, buffer.own);
		holder.run([this] { EXPECT_TRUE(buffer.own.try_reserve(nullptr)); });
	}
	~scene()
	{
		end_holding();
		lru::del(buffer.entry);
		device.destroy();
		for (reservation_object *each : {&buffer.own, &used, &mine})
			each->destroy();
		for (fence_ref &f : fences)
			f->signal();
	}
	scene(const scene &) = delete;
	scene &operator=(const scene &) = delete;

	void end_holding()
	{
		holder.run([this] {
			if (std::exchange(holding, false))
				buffer.own.unreserve();
		});
	}
	/// What everybody waits for happens.
	void let_it_happen()
	{
		for (fence_ref &f : fences)
			f->signal();
		end_holding();
	}
	/// Does the task sleep, or will soon?
	bool is_waited_for() { return log.enabled != 0 || !queue(lock_of(buffer.own)).empty(); }

	driver_log log;
	std::vector<fence_ref> fences;
	fence_ref link, array;
	reservation_object used, mine;
	lru_buffer buffer;
	lru device{&lru_buffer_ops};
	actor holder;
	bool holding = true;
};

/// Returns 0 for a wait that came to its end in time.
int64_t ended(int64_t left)
{
	return left > 0 ? 0 : left;
}

wait_request request(bool intr)
{
	return intr ? interruptible : wait_request{};
}

/// Runs `f` with a transaction that has reserved an object of its own. An error leaves it with that, or with nothing.
template <typename F>
int64_t in_transaction(scene &s, bool intr, unsigned keeps, F f)
{
	calm_lru_transaction t(request(intr));
	EXPECT_EQ(t.reserve_one(s.mine), 0);
	int err = f(t);
	EXPECT_EQ(t.size(), err == 0 ? 2 : keeps);
	EXPECT_EQ(t.holds(s.buffer.own), err == 0);
	EXPECT_FALSE(t.is_contended());
	return err;
}

/// The same in C.
template <typename F>
int64_t in_exec(scene &s, bool intr, F f)
{
	resv_exec exec;
	resv_exec_init(&exec, intr ? RESV_EXEC_INTERRUPTIBLE_WAIT : 0);
	outlast_injection(reinterpret_cast<transaction &>(exec).context());
	int err = f(&exec, in_c(s.buffer.own));
	EXPECT_EQ(resv_locking_ctx(in_c(s.buffer.own)) != nullptr, err == 0);
	EXPECT_FALSE(resv_exec_is_contended(&exec));
	resv_exec_fini(&exec);
	return err;
}

int unreserved_again(reservation_object &object, int err) RESV_NO_ANALYSIS
{
	if (err == 0)
		object.unreserve();
	return err;
}

struct waiting {
	const char *name;
	int64_t (*wait)(scene &s, bool intr);
};

const waiting waits_for[] = {
	{"fence", [](scene &s, bool intr) { return s.fences[0]->wait(intr); }},
	{"fence_in_time", [](scene &s, bool intr) { return ended(s.fences[0]->wait_timeout(intr, minute)); }},
	{"array", [](scene &s, bool intr) { return s.array->wait(intr); }},
	{"chain", [](scene &s, bool intr) { return s.link->wait(intr); }},
	{"any",
	 [](scene &s, bool intr) {
		 return ended(resv_fence_wait_any_timeout(in_c(s.fences).data(), 2, intr, minute, nullptr));
	 }},
	{"any_of_many",
	 [](scene &s, bool intr) {
		 return ended(resv_fence_wait_any_timeout(in_c(s.fences).data(), scene::many, intr,
							  RESV_WAIT_FOREVER, nullptr));
	 }},
	{"fences_of_object", [](scene &s, bool intr) { return ended(s.used.wait(usage::read, intr)); }},
	{"resv_wait_timeout",
	 [](scene &s, bool intr) {
		 return ended(resv_wait_timeout(in_c(s.used), RESV_USAGE_WRITE, intr, minute));
	 }},
	{"reserve",
	 [](scene &s, bool intr) -> int64_t {
		 return unreserved_again(s.buffer.own, s.buffer.own.reserve(nullptr, request(intr)));
	 }},
	{"resv_lock",
	 [](scene &s, bool intr) -> int64_t {
		 resv_object *obj = in_c(s.buffer.own);
		 int err = intr ? resv_lock_interruptible(obj, nullptr) : resv_lock(obj, nullptr);
		 return unreserved_again(s.buffer.own, err);
	 }},
	{"wait_for_unreserve",
	 [](scene &s, bool intr) -> int64_t {
		 return s.buffer.own.wait_for_unreserve(nullptr, request(intr));
	 }},
	{"resv_wait_for_unreserve",
	 [](scene &s, bool intr) -> int64_t {
		 return resv_wait_for_unreserve(in_c(s.buffer.own), nullptr, intr);
	 }},
	{"reserve_one",
	 [](scene &s, bool intr) {
		 return in_transaction(s, intr, 1,
				       [&](transaction &t) { return t.reserve_one(s.buffer.own); });
	 }},
	{"prepare_one",
	 [](scene &s, bool intr) {
		 return in_transaction(s, intr, 1,
				       [&](transaction &t) { return t.prepare_one(s.buffer.own, 9); });
	 }},
	{"reserve_set",
	 [](scene &s, bool intr) {
		 return in_transaction(s, intr, 0,
				       [&](transaction &t) { return t.reserve(std::array{&s.buffer.own}); });
	 }},
	{"prepare_set",
	 [](scene &s, bool intr) {
		 return in_transaction(
			 s, intr, 0, [&](transaction &t) { return t.prepare(std::array{&s.buffer.own}, 9); });
	 }},
	{"run",
	 [](scene &s, bool intr) {
		 return in_transaction(s, intr, 0, [&](transaction &t) {
			 return t.run([&](transaction &self) { return self.reserve_one(s.buffer.own); });
		 });
	 }},
	{"lru",
	 [](scene &s, bool intr) {
		 return in_transaction(s, intr, 1, [&](transaction &t) {
			 reservation_object *object = nullptr;
			 int err = s.device.reserve_wait(t, suitable{}, 3, object);
			 EXPECT_EQ(object, err == 0 ? &s.buffer.own : nullptr);
			 return err;
		 });
	 }},
	{"resv_exec_lock_obj", [](scene &s, bool intr) { return in_exec(s, intr, resv_exec_lock_obj); }},
	{"resv_exec_prepare_obj",
	 [](scene &s, bool intr) {
		 return in_exec(s, intr, [](resv_exec *exec, resv_object *obj) {
			 return resv_exec_prepare_obj(exec, obj, 1);
		 });
	 }},
	{"resv_exec_prepare_array",
	 [](scene &s, bool intr) {
		 return in_exec(s, intr, [&](resv_exec *exec, resv_object *obj) {
			 resv_object *objs[] = {in_c(s.mine), obj};
			 return resv_exec_prepare_array(exec, objs, 2, 5);
		 });
	 }},
	{"resv_exec_reserve",
	 [](scene &s, bool intr) {
		 return in_exec(s, intr, [&](resv_exec *exec, resv_object *obj) {
			 resv_object *objs[] = {in_c(s.mine), obj};
			 int err = resv_exec_reserve(exec, objs, 2, 1);
			 EXPECT_EQ(s.mine.is_reserved(), err == 0);
			 return err;
		 });
	 }},
};

class interrupted : public fence_fixture, public testing::WithParamInterface<waiting> {
protected:
	int64_t wait(scene &s, bool intr) { return GetParam().wait(s, intr); }

	void expect_nothing_left(scene &s)
	{
		EXPECT_EQ(s.buffer.references, 1);
		EXPECT_FALSE(s.mine.is_reserved());
		EXPECT_TRUE(queue(lock_of(s.buffer.own)).empty());
	}
	/// The task that was interrupted tries again.
	void expect_success(scene &s)
	{
		expect_nothing_left(s);
		s.let_it_happen();
		EXPECT_EQ(wait(s, true), 0);
		expect_nothing_left(s);
	}
};
std::string name_of_wait(const testing::TestParamInfo<waiting> &info)
{
	return info.param.name;
}
INSTANTIATE_TEST_SUITE_P(each, interrupted, testing::ValuesIn(waits_for), name_of_wait);

TEST_P(interrupted, before_it_begins)
{
	scene s;
	resv_host_interrupt(resv_port_current());
	EXPECT_EQ(wait(s, true), -EINTR);
	EXPECT_FALSE(resv_host_signal_pending()) << "a signal ends one wait";
	expect_success(s);
}

TEST_P(interrupted, while_it_sleeps)
{
	scene s;
	actor waiter;
	waiter.start([&] { return wait(s, true); });
	ASSERT_TRUE(eventually([&] { return s.is_waited_for(); }));
	waiter.interrupt();
	EXPECT_EQ(waiter.finish(), -EINTR);
	expect_success(s);
}

TEST_P(interrupted, not_if_it_asks_for_no_signals)
{
	scene s;
	actor waiter;
	waiter.interrupt();
	waiter.kill();
	waiter.start([&] { return wait(s, false); });
	ASSERT_TRUE(eventually([&] { return s.is_waited_for(); }));
	EXPECT_TRUE(waiter.busy());
	s.let_it_happen();
	EXPECT_EQ(waiter.finish(), 0);
	EXPECT_TRUE(waiter.run([] { return resv_host_signal_pending(); }));
	waiter.clear_signals();
	expect_nothing_left(s);
}

// A signal comes while what is waited for happens: either may be the end of it, and neither is lost.
TEST_P(interrupted, as_it_happens)
{
	for (int round = 0; round < 100; round++) {
		scene s;
		actor waiter;
		waiter.start([&] { return wait(s, true); });
		racer happening([&] { s.let_it_happen(); });
		waiter.interrupt();
		int result = waiter.finish();
		if (result != -EINTR) {
			EXPECT_EQ(result, 0);
			EXPECT_TRUE(waiter.run([] { return resv_host_signal_pending(); }));
		}
		expect_nothing_left(s);
	}
}

} // namespace
} // namespace resv::test
