// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Transactions: reserving many objects, alone and against others.

#include "helpers.hpp"

#include <array>
#include <memory>
#include <span>

namespace resv::test {
namespace {

constexpr int64_t millisecond = 1000000;

/// A transaction without injected errors.
struct calm_transaction : transaction {
	explicit calm_transaction(ww_class &cls, const wait_request &request = {}) : transaction(cls, request)
	{
		outlast_injection(context());
	}
};

using object_list = std::vector<const reservation_object *>;

object_list listed(const transaction &t)
{
	object_list result;
	for (const reservation_object &object : t)
		result.push_back(&object);
	return result;
}

/// The elements that `wanted` chooses when it comes to them; a copy of each. In place of std::views::filter, which clang
/// 14 cannot compile.
template <typename Element, typename Predicate>
class chosen {
public:
	chosen(std::span<Element> elements, Predicate wanted) : elements_(elements), wanted_(wanted) {}

	class iterator {
	public:
		iterator(const chosen &of, size_t at) : of_(of), at_(at) { skip(); }
		std::remove_const_t<Element> operator*() const { return of_.elements_[at_]; }
		iterator &operator++()
		{
			at_++;
			skip();
			return *this;
		}
		bool operator==(const iterator &other) const { return at_ == other.at_; }

	private:
		void skip()
		{
			while (at_ < of_.elements_.size() && !of_.wanted_(of_.elements_[at_]))
				at_++;
		}

		const chosen &of_;
		size_t at_;
	};
	iterator begin() const { return {*this, 0}; }
	iterator end() const { return {*this, elements_.size()}; }

private:
	std::span<Element> elements_;
	Predicate wanted_;
};
template <typename Range, typename Predicate>
chosen(Range &, Predicate) -> chosen<typename Range::value_type, Predicate>;

struct buffer {
	explicit buffer(ww_class &cls) : resv(cls) {}

	int size = 4096;
	reservation_object resv;
	reservation_object *shared = &resv;
};

/// Objects of one class, which must be free in the end.
class with_objects : public fixture, public testing::WithParamInterface<ww_algorithm> {
protected:
	with_objects()
	{
		for (reservation_object &object : objects)
			all.push_back(&object);
	}
	~with_objects() override { expect_all_free(); }

	void expect_all_free()
	{
		for (reservation_object &object : objects) {
			EXPECT_FALSE(object.is_reserved());
			EXPECT_EQ(ww_test_access::waiters(lock_of(object)), 0u);
		}
	}
	/// The lists of `n` objects, the first with number `from`.
	object_list some(size_t from, size_t n)
	{
		return {all.begin() + long(from), all.begin() + long(from + n)};
	}

	static std::deque<reservation_object> eight(ww_class &of)
	{
		std::deque<reservation_object> made;
		for (int i = 0; i < 8; i++)
			made.emplace_back(of);
		return made;
	}

	ww_class &cls = class_of(GetParam());
	std::deque<reservation_object> objects = eight(cls);
	std::vector<reservation_object *> all;
	reservation_object &a = objects[0], &b = objects[1], &c = objects[2], &d = objects[3];
};

class transaction_alone : public with_objects {};
INSTANTIATE_TEST_SUITE_P(each, transaction_alone, testing::ValuesIn(all_algorithms), algorithm_name);

// ---- What may be reserved --------------------------------------------------------------------------------------------

TEST_P(transaction_alone, range_of_objects)
{
	calm_transaction t(cls);

	ASSERT_EQ(t.reserve(objects), 0);
	EXPECT_EQ(t.size(), 8u);
	EXPECT_EQ(listed(t), some(0, 8));
	for (reservation_object &object : objects)
		EXPECT_EQ(object.locking_ctx(), &t.context());
}

TEST_P(transaction_alone, range_of_pointers)
{
	calm_transaction t(cls);
	const std::vector<reservation_object *> constant = all;

	ASSERT_EQ(t.reserve(constant), 0);
	EXPECT_EQ(listed(t), some(0, 8));
	t.release_all();
	reservation_object *array[] = {&c, &a};
	ASSERT_EQ(t.reserve(array), 0);
	EXPECT_EQ(listed(t), (object_list{&c, &a}));
}

TEST_P(transaction_alone, large_ranges)
{
	for (size_t n : {size_t{64}, size_t{65}, size_t{200}}) {
		std::vector<std::unique_ptr<buffer>> made;
		for (size_t i = 0; i < n; i++)
			made.push_back(std::make_unique<buffer>(cls));
		made.back()->shared = &made.front()->resv;

		calm_transaction t(cls);
		ASSERT_EQ(t.reserve(made, &buffer::shared), 0);
		EXPECT_EQ(t.size(), n - 1);
		EXPECT_EQ(&*t.begin(), &made[0]->resv);
		for (size_t i = 0; i + 1 < n; i++)
			EXPECT_EQ(made[i]->resv.locking_ctx(), &t.context());
		EXPECT_FALSE(made.back()->resv.is_reserved());
		t.release_all();
		ASSERT_EQ(t.prepare(std::span(made), 1, [](auto &one) { return &one->resv; }), 0);
		EXPECT_EQ(t.size(), n);
	}
}

TEST_P(transaction_alone, what_is_more_than_a_reservation_object)
{
	struct image : reservation_object {
		using reservation_object::reservation_object;
	};
	image first(cls), second(cls);
	image *const both[] = {&first, &second};
	calm_transaction t(cls);

	ASSERT_EQ(t.reserve(both), 0);
	ASSERT_EQ(t.reserve(both, [](image *i) -> image & { return *i; }), 0);
	EXPECT_EQ(listed(t), (object_list{&first, &second}));
}

TEST_P(transaction_alone, spans_and_views)
{
	calm_transaction t(cls);

	ASSERT_EQ(t.reserve(std::span(all).subspan(2, 3)), 0);
	EXPECT_EQ(listed(t), some(2, 3));
	t.release_all();
	ASSERT_EQ(t.reserve(chosen(all, [&](reservation_object *object) { return object != &b; })), 0);
	EXPECT_EQ(t.size(), 7u);
	EXPECT_FALSE(b.is_reserved());
	t.release_all();
	ASSERT_EQ(t.reserve(std::initializer_list<reservation_object *>{&d, &b}), 0);
	EXPECT_EQ(listed(t), (object_list{&d, &b}));
}

TEST_P(transaction_alone, members_of_structs)
{
	std::array buffers = {buffer(cls), buffer(cls)};
	calm_transaction t(cls);

	ASSERT_EQ(t.reserve(buffers, &buffer::resv), 0);
	EXPECT_EQ(listed(t), (object_list{&buffers[0].resv, &buffers[1].resv}));
	t.release_all();
	ASSERT_EQ(t.reserve(buffers, &buffer::shared), 0); // a pointer
	EXPECT_EQ(listed(t), (object_list{&buffers[0].resv, &buffers[1].resv}));
}

TEST_P(transaction_alone, members_of_what_pointers_point_to)
{
	std::vector<std::unique_ptr<buffer>> owned;
	std::vector<buffer *> plain;
	calm_transaction t(cls);

	for (int i = 0; i < 3; i++)
		plain.push_back(owned.emplace_back(std::make_unique<buffer>(cls)).get());
	ASSERT_EQ(t.reserve(plain, &buffer::resv), 0);
	EXPECT_EQ(t.size(), 3u);
	t.release_all();
	ASSERT_EQ(t.reserve(plain, &buffer::shared), 0);
	EXPECT_EQ(t.size(), 3u);
	t.release_all();
	ASSERT_EQ(t.reserve(owned, &buffer::resv), 0);
	EXPECT_EQ(listed(t), (object_list{&plain[0]->resv, &plain[1]->resv, &plain[2]->resv}));
}

TEST_P(transaction_alone, functions_of_the_elements)
{
	calm_transaction t(cls);

	ASSERT_EQ(t.reserve(std::array{2, 0}, [&](int i) { return all[size_t(i)]; }), 0);
	EXPECT_EQ(listed(t), (object_list{&c, &a}));
	t.release_all();
	ASSERT_EQ(t.reserve(std::array{1, 3}, [&](int i) -> reservation_object & { return *all[size_t(i)]; }),
		  0);
	EXPECT_EQ(listed(t), (object_list{&b, &d}));
}

TEST_P(transaction_alone, nothing)
{
	calm_transaction t(cls);

	EXPECT_EQ(t.reserve(std::span<reservation_object *>()), 0);
	EXPECT_EQ(t.size(), 0u);
	EXPECT_EQ(t.begin(), t.end());
	EXPECT_EQ(t.retries(), 0u);
	EXPECT_FALSE(t.is_contended());
	t.release_all();
}

TEST_P(transaction_alone, duplicates_are_reserved_once)
{
	calm_transaction t(cls);

	ASSERT_EQ(t.reserve(std::array{&a, &b, &a, &a, &b}), 0);
	EXPECT_EQ(t.size(), 2u);
	EXPECT_EQ(listed(t), (object_list{&a, &b}));
	ASSERT_EQ(t.reserve(std::array{&b, &c}), 0); // what was reserved before is a duplicate, too
	EXPECT_EQ(listed(t), (object_list{&a, &b, &c}));
}

TEST_P(transaction_alone, shared_reservations_are_reserved_once)
{
	std::array buffers = {buffer(cls), buffer(cls), buffer(cls)};
	calm_transaction t(cls);

	buffers[0].shared = &a;
	buffers[2].shared = &a;
	ASSERT_EQ(t.reserve(buffers, &buffer::shared), 0);
	EXPECT_EQ(listed(t), (object_list{&a, &buffers[1].resv}));
}

// ---- One by one ------------------------------------------------------------------------------------------------------

TEST_P(transaction_alone, one_by_one)
{
	calm_transaction t(cls);

	ASSERT_EQ(t.reserve_one(c), 0);
	ASSERT_EQ(t.reserve_one(a), 0);
	EXPECT_EQ(t.reserve_one(c), -EALREADY);
	EXPECT_EQ(t.reserve_one(a), -EALREADY);
	EXPECT_TRUE(t.try_reserve(b));
	EXPECT_FALSE(t.try_reserve(b));
	EXPECT_EQ(t.reserve_one(b), -EALREADY);
	EXPECT_EQ(listed(t), (object_list{&c, &a, &b}));
	EXPECT_EQ(t.retries(), 0u);
	EXPECT_EQ(t.context().stamp(), 0u);
}

TEST_P(transaction_alone, unreserve_one_early)
{
	for (size_t which = 0; which < 3; which++) {
		calm_transaction t(cls);
		object_list left = some(0, 3);

		ASSERT_EQ(t.reserve(std::span(all).first(3)), 0);
		t.unreserve(*all[which]);
		left.erase(left.begin() + long(which));
		EXPECT_FALSE(all[which]->is_reserved());
		EXPECT_EQ(t.size(), 2u);
		EXPECT_EQ(listed(t), left);
		ASSERT_EQ(t.reserve_one(*all[which]), 0);
		left.push_back(all[which]);
		EXPECT_EQ(listed(t), left);
	}
}

TEST_P(transaction_alone, release_all_and_use_again)
{
	calm_transaction t(cls);

	for (int i = 0; i < 3; i++) {
		ASSERT_EQ(t.reserve(all), 0);
		t.release_all();
		expect_all_free();
		EXPECT_EQ(t.size(), 0u);
		EXPECT_EQ(t.begin(), t.end());
	}
	t.release_all();
}

TEST_P(transaction_alone, end_releases_everything)
{
	{
		calm_transaction t(cls);
		ASSERT_EQ(t.reserve(all), 0);
	}
	expect_all_free();
	EXPECT_EQ(take_reports().size(), 0u);
}

TEST_P(transaction_alone, default_is_the_class_of_all_reservations)
{
	reservation_object object;
	transaction t;

	EXPECT_EQ(&t.context().cls(), &reservation_class);
	EXPECT_EQ(t.reserve_one(object), 0);
}

// ---- run() and next_pass() ---------------------------------------------------------------------------------------------

TEST_P(transaction_alone, run_calls_the_body_once)
{
	calm_transaction t(cls);
	int calls = 0;

	EXPECT_EQ(t.run([&](transaction &self) {
		EXPECT_EQ(&self, &t);
		calls++;
		return self.reserve(all);
	}),
		  0);
	EXPECT_EQ(calls, 1);
	EXPECT_EQ(t.size(), 8u);
}

TEST_P(transaction_alone, error_of_the_body_releases_everything)
{
	for (int error : {-EINVAL, -ENOSPC, -EALREADY, -EINTR, 1}) {
		calm_transaction t(cls);
		EXPECT_EQ(t.run([&](transaction &self) {
			EXPECT_EQ(self.reserve(all), 0);
			return error;
		}),
			  error);
		expect_all_free();
		EXPECT_EQ(t.size(), 0u);
	}
}

// -EDEADLK that no reservation caused, say of a lock of another class, is an error as any other.
TEST_P(transaction_alone, foreign_deadlk_ends_the_run)
{
	calm_transaction t(cls);
	int calls = 0;

	EXPECT_EQ(t.run([&](transaction &self) {
		EXPECT_EQ(self.reserve_one(a), 0);
		calls++;
		return -EDEADLK;
	}),
		  -EDEADLK);
	EXPECT_EQ(calls, 1);
	EXPECT_FALSE(a.is_reserved());
}

TEST_P(transaction_alone, loop_by_hand_runs_once)
{
	calm_transaction t(cls);
	int passes = 0;

	while (t.next_pass()) {
		passes++;
		ASSERT_EQ(t.reserve_one(a), 0);
		ASSERT_EQ(t.reserve_one(b), 0);
	}
	EXPECT_EQ(passes, 1);
	EXPECT_EQ(t.size(), 2u);
}

// Once a pass has met no contention the set is complete.
TEST_P(transaction_alone, nothing_more_after_the_last_pass)
{
	calm_transaction t(cls);

	ASSERT_EQ(t.run([&](transaction &self) { return self.reserve_one(a); }), 0);
	EXPECT_EQ(t.reserve_one(b), 0);
	if constexpr (config::debug_ww_mutexes) {
		EXPECT_EQ(take_report_kinds(), std::vector{RESV_REPORT_LOCK_AFTER_DONE});
	} else {
		EXPECT_EQ(take_reports().size(), 0u);
	}
}

// reserve() alone is no pass: one may go on reserving.
TEST_P(transaction_alone, more_after_reserve)
{
	calm_transaction t(cls);

	ASSERT_EQ(t.reserve(std::array{&a, &b}), 0);
	ASSERT_EQ(t.reserve(std::array{&c, &d}), 0);
	ASSERT_EQ(t.reserve_one(objects[4]), 0);
	EXPECT_EQ(listed(t), some(0, 5));
}

// ---- Room for fences -------------------------------------------------------------------------------------------------

/// How many fences may be added to an object that is held: adds signaled ones until one too many is reported.
unsigned room_in(reservation_object &object)
{
	unsigned n = 0;
	fence_ref f(resv_fence_get_stub());
	while (object.add_fence(*f, usage::write) == 0)
		n++;
	return n;
}

// Each room_in() ends with a report.
class transaction_prepares : public with_objects {
protected:
	~transaction_prepares() override
	{
		for (reservation_object &object : objects)
			object.destroy();
		resv_port_drain();
	}
	void expect_room(reservation_object &object, unsigned n)
	{
		EXPECT_EQ(room_in(object), n);
		EXPECT_EQ(take_report_kinds(), std::vector{RESV_REPORT_NO_FENCE_SLOT});
	}
};
INSTANTIATE_TEST_SUITE_P(each, transaction_prepares, testing::ValuesIn(all_algorithms), algorithm_name);

TEST_P(transaction_prepares, one)
{
	calm_transaction t(cls);
	EXPECT_EQ(t.prepare_one(a, 1), 0);
	EXPECT_EQ(t.prepare_one(a, 7), -EALREADY); // counted all the same
	EXPECT_EQ(t.prepare_one(a, 0), -EALREADY);
	expect_room(a, 8);
	EXPECT_EQ(t.prepare_one(b, 0), 0);
	expect_room(b, 0);
}

TEST_P(transaction_prepares, range)
{
	calm_transaction t(cls);
	EXPECT_EQ(t.prepare(all, 2), 0);
	EXPECT_EQ(t.size(), 8u);
	for (reservation_object &object : objects)
		expect_room(object, 2);
}

TEST_P(transaction_prepares, members_of_structs)
{
	buffer buffers[] = {buffer(cls), buffer(cls)};
	{
		calm_transaction t(cls);
		EXPECT_EQ(t.prepare(buffers, 5, &buffer::resv), 0);
		expect_room(buffers[0].resv, 5);
		expect_room(buffers[1].resv, 5);
	}
	for (buffer &each : buffers)
		each.resv.destroy();
}

// Trap 14: objects that come up twice, or share their reservation, have room for each time.
TEST_P(transaction_prepares, trap_14_duplicates_are_counted)
{
	calm_transaction t(cls);
	EXPECT_EQ(t.prepare(std::array{&a, &b, &a, &a}, 2), 0);
	EXPECT_EQ(t.size(), 2u);
	expect_room(a, 6);
	expect_room(b, 2);
}

TEST_P(transaction_prepares, in_a_run)
{
	calm_transaction t(cls);
	EXPECT_EQ(t.run([&](transaction &self) {
		int err = self.prepare_one(a, 1);
		return err ? err : self.prepare(std::array{&a, &b}, 1);
	}),
		  0);
	expect_room(a, 2);
	expect_room(b, 1);
}

TEST_P(transaction_prepares, room_ends_with_the_transaction)
{
	{
		calm_transaction t(cls);
		EXPECT_EQ(t.prepare(all, 3), 0);
	}
	calm_transaction t(cls);
	EXPECT_EQ(t.reserve(all), 0);
	for (reservation_object &object : objects)
		expect_room(object, 0);
}

TEST_P(transaction_prepares, no_memory_drops_everything)
{
	calm_transaction t(cls);
	for (unsigned long skip = 0; skip < 8; skip++) {
		resv_host_fail_alloc(skip);
		EXPECT_EQ(t.prepare(all, 5), -ENOMEM);
		EXPECT_TRUE(resv_host_end_fail_alloc());
		EXPECT_EQ(t.size(), 0u);
		EXPECT_EQ(t.retries(), 0u);
		expect_all_free();
		for (reservation_object &object : objects)
			object.destroy(); // without the room, so that the next turn allocates again
		objects.clear();
		all.clear();
		for (int i = 0; i < 8; i++)
			all.push_back(&objects.emplace_back(cls));
	}
	EXPECT_EQ(t.prepare(all, 5), 0);
	EXPECT_EQ(t.size(), 8u);
}

TEST_P(transaction_prepares, no_memory_for_one)
{
	calm_transaction t(cls);
	EXPECT_EQ(t.prepare_one(a, 1), 0);
	resv_host_fail_alloc(0);
	EXPECT_EQ(t.prepare_one(b, 5), -ENOMEM);
	EXPECT_FALSE(b.is_reserved());
	EXPECT_TRUE(a.is_reserved());
	resv_host_fail_alloc(0);
	EXPECT_EQ(t.prepare_one(a, 5), -ENOMEM);
	EXPECT_TRUE(a.is_reserved());
	expect_room(a, 1);
	resv_host_fail_alloc(0);
	EXPECT_EQ(t.run([&](transaction &self) { return self.prepare_one(b, 5); }), -ENOMEM);
	EXPECT_FALSE(resv_host_end_fail_alloc() && a.is_reserved());
}

// ---- Against others ----------------------------------------------------------------------------------------------------
//
// All in one task, in a fixed order: the elder holds `a` and, while the transaction holds `b`, asks for `b`. Then the
// transaction must back off when it asks for `a`: because the elder has wounded it, or because the elder is older.

class transaction_contended : public with_objects {
protected:
	transaction_contended() { age(elder); }

	void elder_takes(reservation_object &object) { ASSERT_EQ(elder.lock(lock_of(object)), 0); }

	/// Has the elder ask for `object`, which the transaction holds, and then let go of everything at once.
	void elder_wants(reservation_object &object)
	{
		elder.start([&] {
			int rc = lock_of(object).lock(&elder.ctx());
			elder.ctx().unlock_all();
			return rc;
		});
		ASSERT_TRUE(waits(lock_of(object)));
	}
	/// The same, but the elder keeps what it has until elder.unlock_all().
	void elder_wants_and_keeps(reservation_object &object)
	{
		elder.start_lock(lock_of(object));
		ASSERT_TRUE(waits(lock_of(object)));
	}

	/// As a projection: an object, but at the first visit to `a` the elder strikes.
	auto and_elder_strikes()
	{
		return [this](reservation_object *object) {
			if (object == &a && !struck) {
				struck = true;
				elder_wants(b);
			}
			return object;
		};
	}

	party elder{cls};
	bool struck = false;
};

INSTANTIATE_TEST_SUITE_P(each, transaction_contended, testing::ValuesIn(all_algorithms), algorithm_name);

TEST_P(transaction_contended, set_is_reserved_all_the_same)
{
	calm_transaction t(cls);

	elder_takes(a);
	ASSERT_EQ(t.reserve(std::array{&b, &a, &c}, and_elder_strikes()), 0);
	EXPECT_EQ(elder.finish(), 0);
	EXPECT_EQ(t.retries(), 1u);
	EXPECT_EQ(t.size(), 3u);
	EXPECT_EQ(listed(t), (object_list{&a, &b, &c})); // the contended one came first
	EXPECT_FALSE(t.is_contended());
}

TEST_P(transaction_contended, room_is_made_anew_after_contention)
{
	calm_transaction t(cls);

	elder_takes(a);
	ASSERT_EQ(t.prepare(std::array{&b, &a, &b}, 1, and_elder_strikes()), 0);
	EXPECT_EQ(elder.finish(), 0);
	EXPECT_EQ(t.retries(), 1u);
	EXPECT_EQ(room_in(b), 2u);
	EXPECT_EQ(room_in(a), 1u);
	EXPECT_EQ(take_report_kinds(), std::vector(2, RESV_REPORT_NO_FENCE_SLOT));
	t.release_all();
	a.destroy();
	b.destroy();
}

TEST_P(transaction_contended, seniority_is_kept)
{
	calm_transaction t(cls);
	unsigned long stamp = 0;

	EXPECT_EQ(t.context().stamp(), 0u);
	for (unsigned i = 1; i <= 3; i++) {
		struck = false;
		elder_takes(a);
		ASSERT_EQ(t.reserve(std::array{&b, &a}, and_elder_strikes()), 0);
		EXPECT_EQ(elder.finish(), 0);
		EXPECT_EQ(t.retries(), i);
		EXPECT_NE(t.context().stamp(), 0u);
		if (i == 1)
			stamp = t.context().stamp();
		EXPECT_EQ(t.context().stamp(), stamp);
		t.release_all();
	}
}

TEST_P(transaction_contended, everything_is_dropped_at_once)
{
	calm_transaction t(cls);

	elder_takes(a);
	ASSERT_TRUE(t.next_pass());
	ASSERT_EQ(t.reserve(std::array{&b, &c}), 0);
	elder_wants_and_keeps(b);
	EXPECT_EQ(t.reserve_one(a), -EDEADLK);
	EXPECT_TRUE(t.is_contended());
	EXPECT_EQ(t.retries(), 1u);
	EXPECT_EQ(t.size(), 0u);
	EXPECT_EQ(t.begin(), t.end());
	EXPECT_FALSE(c.is_reserved());
	EXPECT_EQ(elder.finish(), 0); // although the transaction has not come back yet
	elder.unlock_all();

	ASSERT_TRUE(t.next_pass());
	ASSERT_EQ(t.reserve(std::array{&b, &c, &a}), 0);
	EXPECT_FALSE(t.next_pass());
	EXPECT_EQ(listed(t), (object_list{&a, &b, &c}));
	EXPECT_EQ(t.retries(), 1u);
}

// What the transaction waited for may be of no interest any more: until it is asked for it does not show.
TEST_P(transaction_contended, prelocked_does_not_show_until_asked_for)
{
	calm_transaction t(cls);

	elder_takes(a);
	ASSERT_TRUE(t.next_pass());
	ASSERT_EQ(t.reserve_one(b), 0);
	elder_wants(b);
	EXPECT_EQ(t.reserve_one(a), -EDEADLK);

	ASSERT_TRUE(t.next_pass());
	ASSERT_EQ(t.reserve(std::array{&c}), 0);
	EXPECT_EQ(elder.finish(), 0);
	EXPECT_FALSE(t.is_contended());
	EXPECT_EQ(a.locking_ctx(), &t.context());
	EXPECT_EQ(t.size(), 1u);
	EXPECT_EQ(listed(t), (object_list{&c}));
	ASSERT_EQ(t.reserve_one(b), 0);
	EXPECT_EQ(listed(t), (object_list{&c, &b}));
	EXPECT_EQ(t.reserve_one(a), 0); // not a duplicate
	EXPECT_EQ(t.size(), 3u);
	EXPECT_EQ(listed(t), (object_list{&a, &c, &b}));
	EXPECT_EQ(t.reserve_one(a), -EALREADY);
	EXPECT_FALSE(t.next_pass());
	EXPECT_EQ(t.size(), 3u);
}

TEST_P(transaction_contended, prelocked_is_let_go_if_it_is_never_asked_for)
{
	calm_transaction t(cls);
	int passes = 0;

	elder_takes(a);
	EXPECT_EQ(t.run([&](transaction &self) {
		if (++passes > 1)
			return self.reserve_one(c); // changed its mind
		EXPECT_EQ(self.reserve_one(b), 0);
		elder_wants(b);
		return self.reserve_one(a);
	}),
		  0);
	EXPECT_EQ(elder.finish(), 0);
	EXPECT_EQ(passes, 2);
	EXPECT_FALSE(a.is_reserved());
	EXPECT_EQ(listed(t), (object_list{&c}));
	EXPECT_EQ(t.size(), 1u);
}

// A range need not be the same the second time either.
TEST_P(transaction_contended, range_that_changes)
{
	calm_transaction t(cls);

	elder_takes(a);
	std::array all_three = {&b, &a, &c};
	auto wanted = chosen(all_three, [&](reservation_object *object) { return object != &a || !struck; });
	ASSERT_EQ(t.reserve(wanted, and_elder_strikes()), 0);
	EXPECT_EQ(elder.finish(), 0);
	EXPECT_FALSE(a.is_reserved());
	EXPECT_EQ(listed(t), (object_list{&b, &c}));
	ASSERT_EQ(t.reserve_one(a), 0);
	EXPECT_EQ(t.size(), 3u);
}

TEST_P(transaction_contended, prelocked_may_be_unreserved_early)
{
	calm_transaction t(cls);

	elder_takes(a);
	ASSERT_TRUE(t.next_pass());
	ASSERT_EQ(t.reserve_one(b), 0);
	elder_wants(b);
	EXPECT_EQ(t.reserve_one(a), -EDEADLK);
	ASSERT_TRUE(t.next_pass());
	ASSERT_EQ(t.reserve_one(b), 0);
	EXPECT_EQ(elder.finish(), 0);
	t.unreserve(a);
	EXPECT_FALSE(a.is_reserved());
	EXPECT_EQ(t.size(), 1u);
	ASSERT_EQ(t.reserve_one(a), 0);
	EXPECT_EQ(listed(t), (object_list{&b, &a}));
	EXPECT_FALSE(t.next_pass());
	EXPECT_EQ(t.size(), 2u);
}

TEST_P(transaction_contended, prelocked_may_be_dropped_for_another)
{
	party second(cls);
	calm_transaction t(cls);

	age(second);
	elder_takes(a);
	ASSERT_EQ(second.lock(lock_of(c)), 0);
	ASSERT_TRUE(t.next_pass());
	ASSERT_EQ(t.reserve_one(b), 0);
	elder_wants(b);
	EXPECT_EQ(t.reserve_one(a), -EDEADLK);

	ASSERT_TRUE(t.next_pass());
	ASSERT_EQ(t.reserve_one(b), 0);
	EXPECT_EQ(elder.finish(), 0);
	second.start([&] {
		int rc = lock_of(a).lock(&second.ctx()); // what is prelocked
		second.ctx().unlock_all();
		return rc;
	});
	ASSERT_TRUE(waits(lock_of(a)));
	EXPECT_EQ(t.reserve_one(c), -EDEADLK);
	EXPECT_TRUE(t.is_contended());
	EXPECT_EQ(t.retries(), 2u);
	EXPECT_EQ(second.finish(), 0);
	EXPECT_FALSE(a.is_reserved());

	ASSERT_TRUE(t.next_pass());
	ASSERT_EQ(t.reserve_one(b), 0);
	ASSERT_EQ(t.reserve_one(a), 0);
	EXPECT_EQ(listed(t), (object_list{&b, &a})); // now c does not show
	ASSERT_EQ(t.reserve_one(c), 0);
	EXPECT_FALSE(t.next_pass());
	EXPECT_EQ(listed(t), (object_list{&c, &b, &a}));
}

// Whoever reserves in several steps must start from the first; run() does that.
TEST_P(transaction_contended, what_was_reserved_before_is_gone_too)
{
	calm_transaction t(cls);
	int passes = 0;

	elder_takes(a);
	EXPECT_EQ(t.run([&](transaction &self) {
		passes++;
		if (int err = self.reserve_one(c))
			return err;
		int err = self.reserve(std::array{&b, &a}, and_elder_strikes());
		if (passes == 1) {
			EXPECT_EQ(err, -EDEADLK);
			EXPECT_FALSE(c.is_reserved());
		}
		return err;
	}),
		  0);
	EXPECT_EQ(elder.finish(), 0);
	EXPECT_EQ(passes, 2);
	EXPECT_EQ(listed(t), (object_list{&a, &c, &b}));
}

// The body finds out what to reserve by what it holds, and the elder changes that meanwhile.
TEST_P(transaction_contended, body_decides_by_what_it_holds)
{
	calm_transaction t(cls);
	reservation_object *linked_from_b = &a; // guarded by b

	elder_takes(a);
	EXPECT_EQ(t.run([&](transaction &self) {
		if (int err = self.reserve_one(b))
			return err;
		reservation_object *target = linked_from_b;
		if (!struck) {
			struck = true;
			elder.start([&] {
				int rc = lock_of(b).lock(&elder.ctx());
				linked_from_b = &d;
				elder.ctx().unlock_all();
				return rc;
			});
			EXPECT_TRUE(waits(lock_of(b)));
		}
		return self.reserve_one(*target);
	}),
		  0);
	EXPECT_EQ(elder.finish(), 0);
	EXPECT_EQ(t.retries(), 1u);
	EXPECT_EQ(listed(t), (object_list{&b, &d}));
	EXPECT_FALSE(a.is_reserved());
}

// A body may forget to return the error: everything is dropped, so the pass counts for nothing.
TEST_P(transaction_contended, contention_that_the_body_overlooks)
{
	calm_transaction t(cls);
	int passes = 0;

	elder_takes(a);
	EXPECT_EQ(t.run([&](transaction &self) {
		passes++;
		EXPECT_EQ(self.reserve(std::array{&c, &b}), 0);
		if (passes == 1)
			elder_wants(b);
		EXPECT_EQ(self.reserve_one(a), passes == 1 ? -EDEADLK : 0);
		return 0;
	}),
		  0);
	EXPECT_EQ(elder.finish(), 0);
	EXPECT_EQ(passes, 2);
	EXPECT_EQ(t.size(), 3u);
}

TEST_P(transaction_contended, error_after_contention_releases_what_was_prelocked)
{
	calm_transaction t(cls);
	int passes = 0;

	elder_takes(a);
	EXPECT_EQ(t.run([&](transaction &self) {
		if (int err = self.reserve_one(b))
			return err;
		if (++passes > 1)
			return -ENOMEM;
		elder_wants(b);
		return self.reserve_one(a);
	}),
		  -ENOMEM);
	EXPECT_EQ(elder.finish(), 0);
	EXPECT_EQ(t.size(), 0u);
	expect_all_free();
	EXPECT_EQ(t.begin(), t.end());
}

// A body that gives up the contended object breaks no rule: the fixture would see a report.
TEST_P(transaction_contended, given_up_and_used_for_others)
{
	calm_transaction t(cls);

	elder_takes(a);
	ASSERT_EQ(t.reserve_one(b), 0);
	elder_wants_and_keeps(b);
	EXPECT_EQ(t.reserve_one(a), -EDEADLK);
	EXPECT_TRUE(t.is_contended());
	t.release_all();
	EXPECT_FALSE(t.is_contended());
	ASSERT_EQ(t.reserve(std::array{&c, &d}), 0); // does not wait for a
	EXPECT_EQ(listed(t), (object_list{&c, &d}));
	EXPECT_EQ(t.size(), 2u);
	EXPECT_EQ(elder.finish(), 0);
	elder.unlock_all();
}

TEST_P(transaction_contended, ended_after_contention)
{
	elder_takes(a);
	{
		calm_transaction t(cls);
		ASSERT_EQ(t.reserve_one(b), 0);
		elder_wants(b);
		EXPECT_EQ(t.reserve_one(a), -EDEADLK);
	}
	EXPECT_EQ(elder.finish(), 0);
}

// A pass that begins with try_reserve() owes the contended object a visit like any other.
TEST_P(transaction_contended, try_reserve_first)
{
	calm_transaction t(cls);

	elder_takes(a);
	ASSERT_TRUE(t.next_pass());
	ASSERT_EQ(t.reserve_one(b), 0);
	elder_wants_and_keeps(b);
	EXPECT_EQ(t.reserve_one(a), -EDEADLK);
	EXPECT_EQ(elder.finish(), 0);

	ASSERT_TRUE(t.next_pass());
	EXPECT_FALSE(t.try_reserve(c)); // not before the contended one, which is held
	EXPECT_FALSE(t.try_reserve(a));
	EXPECT_TRUE(t.is_contended());
	EXPECT_FALSE(c.is_reserved());
	elder.unlock_all();
	EXPECT_TRUE(t.try_reserve(c));
	EXPECT_EQ(listed(t), (object_list{&c}));
	ASSERT_EQ(t.reserve_one(b), 0);
	EXPECT_TRUE(t.try_reserve(a));  // prelocked
	EXPECT_FALSE(t.try_reserve(a)); // reserved
	EXPECT_EQ(listed(t), (object_list{&a, &c, &b}));
	EXPECT_FALSE(t.next_pass());
	EXPECT_EQ(t.size(), 3u);
}

// What would be wrong: to hold something else while waiting for the contended object, and to take that for an error.
TEST_P(transaction_contended, try_reserve_in_every_pass)
{
	calm_transaction t(cls);
	int passes = 0;

	elder_takes(a);
	EXPECT_EQ(t.run([&](transaction &self) {
		bool tried = self.try_reserve(c);
		EXPECT_EQ(tried, c.is_reserved());
		if (int err = self.reserve_one(b))
			return err;
		if (++passes == 1)
			elder_wants(b);
		return self.reserve_one(a);
	}),
		  0);
	EXPECT_EQ(elder.finish(), 0);
	EXPECT_EQ(passes, 2);
}

// ---- Waits that end early ------------------------------------------------------------------------------------------------

TEST_P(transaction_contended, wait_that_ends_early_releases_everything)
{
	elder_takes(c);
	for (int64_t ns : {int64_t{0}, millisecond}) {
		party requester(cls);
		std::optional<calm_transaction> t;
		requester.run([&] { t.emplace(cls, for_at_most(ns)); });
		// The requester waits for the elder: it holds nothing.
		EXPECT_EQ(requester.run([&] { return t->reserve(std::array{&c, &a}); }), -ETIME);
		EXPECT_EQ(t->context().acquired(), 0u);
		EXPECT_FALSE(t->is_contended());
		EXPECT_FALSE(a.is_reserved());
		requester.run([&] { t.reset(); });
	}
	elder.unlock_all();
	expect_order_reports({RESV_REPORT_RECURSION}); // a party has a context of its own
}

// Wound-wait: the younger waits with what it holds. Wait-die: it has backed off, and waits with nothing.
TEST_P(transaction_contended, interrupted_while_holding)
{
	party holder(cls);
	std::optional<calm_transaction> t;
	actor worker;

	worker.run([&] { t.emplace(cls, interruptible); });
	ASSERT_EQ(holder.lock(lock_of(b)), 0);
	worker.start([&] { return t->reserve(std::array{&a, &b}); });
	ASSERT_TRUE(waits(lock_of(b)));
	EXPECT_EQ(a.is_reserved(), GetParam() != ww_algorithm::wait_die);
	worker.interrupt();
	EXPECT_EQ(worker.finish(), -EINTR);
	EXPECT_EQ(t->context().acquired(), 0u);
	EXPECT_FALSE(t->is_contended());
	EXPECT_FALSE(a.is_reserved());
	holder.unlock_all();
	EXPECT_EQ(worker.run([&] { return t->reserve(std::array{&a, &b}); }), 0);
	EXPECT_EQ(worker.run([&] { return int(t->size()); }), 2);
	worker.run([&] { t.reset(); });
}

TEST_P(transaction_contended, interrupted_while_it_waits_for_the_contended)
{
	for (const wait_request &request : {interruptible, killable, for_at_most(millisecond)}) {
		calm_transaction t(cls, request);
		bool timed = request.timeout_ns != RESV_WAIT_FOREVER;
		int passes = 0;

		struck = false;
		elder_takes(a);
		EXPECT_EQ(t.run([&](transaction &self) {
			passes++;
			int err = self.reserve_one(b);
			if (err != 0) {
				EXPECT_FALSE(self.is_contended());
				EXPECT_EQ(self.size(), 0u);
				return err;
			}
			elder_wants_and_keeps(b);
			err = self.reserve_one(a);
			EXPECT_EQ(err, -EDEADLK);
			if (!timed)
				resv_host_kill(resv_port_current());
			return err;
		}),
			  timed ? -ETIME : -EINTR);
		resv_host_clear_signals();
		EXPECT_EQ(passes, 2);
		EXPECT_EQ(t.size(), 0u);
		EXPECT_FALSE(t.is_contended());
		EXPECT_EQ(elder.finish(), 0);
		elder.unlock_all();
	}
}

TEST_P(transaction_contended, wait_that_ends_early_with_something_prelocked)
{
	calm_transaction t(cls, for_at_most(millisecond));
	party younger(cls);

	elder_takes(a);
	ASSERT_TRUE(younger.trylock(lock_of(c)));
	ASSERT_TRUE(t.next_pass());
	ASSERT_EQ(t.reserve_one(b), 0);
	elder_wants(b);
	EXPECT_EQ(t.reserve_one(a), -EDEADLK);
	EXPECT_EQ(elder.finish(), 0);
	ASSERT_TRUE(t.next_pass());
	EXPECT_EQ(t.reserve(std::array{&c, &b}), -ETIME); // holds a by now, and waits as the older one
	EXPECT_FALSE(a.is_reserved());
	EXPECT_EQ(t.size(), 0u);
	EXPECT_FALSE(t.is_contended());
}

// In one call of reserve(), whatever the error was: nothing is held, and the transaction may be used again.
TEST_P(transaction_contended, usable_after_an_error)
{
	calm_transaction t(cls, interruptible);

	elder_takes(a);
	EXPECT_EQ(t.reserve(std::array{&b, &a},
			    [&](reservation_object *object) {
				    if (object == &a && !struck) {
					    struck = true;
					    elder_wants_and_keeps(b);
					    resv_host_interrupt(resv_port_current());
				    }
				    return object;
			    }),
		  -EINTR);
	EXPECT_EQ(t.retries(), 1u);
	EXPECT_EQ(t.size(), 0u);
	EXPECT_EQ(elder.finish(), 0);
	ASSERT_EQ(t.reserve(std::array{&c, &d}), 0);
	EXPECT_EQ(listed(t), (object_list{&c, &d}));
	elder.unlock_all();
}

// ---- Stress --------------------------------------------------------------------------------------------------------------

// Four tasks move money between sixteen accounts, each guarded by its reservation. Nothing is lost, and TSan sees to it
// that nobody touches an account without its reservation.
class transaction_stress : public fixture, public testing::WithParamInterface<ww_algorithm> {
protected:
	ww_class &cls = class_of(GetParam());
};
INSTANTIATE_TEST_SUITE_P(each, transaction_stress, testing::ValuesIn(all_algorithms), algorithm_name);

TEST_P(transaction_stress, accounts_add_up)
{
	struct account {
		explicit account(ww_class &cls) : resv(cls) {}
		reservation_object resv;
		long balance = 1000;
		long moves = 0;
	};
	constexpr size_t tasks = 4, accounts = 16, rounds = config::debug_ww_mutexes ? 1500 : 15000;
	std::deque<account> bank;
	std::deque<actor> actors(tasks);

	for (size_t i = 0; i < accounts; i++)
		bank.emplace_back(cls);
	for (size_t task = 0; task < tasks; task++)
		actors[task].start([&, task] {
			std::minstd_rand random(unsigned(task) + 1);
			auto any = [&] { return &bank[random() % accounts]; };

			for (size_t round = 0; round < rounds; round++) {
				transaction t(cls);
				if (round % 8 == 0) { // one by one, each found through the last
					account *chain[4];
					int err = t.run([&](transaction &self) {
						size_t next = round % accounts;
						for (account *&link : chain) {
							link = &bank[next];
							int rc = self.reserve_one(link->resv);
							if (rc != 0 && rc != -EALREADY)
								return rc;
							next = size_t(link->moves) % accounts;
						}
						return 0;
					});
					if (err != 0)
						return err;
					chain[0]->balance -= 3;
					for (account *link : {chain[1], chain[2], chain[3]})
						link->balance++;
					chain[0]->moves++;
					continue;
				}
				std::array<account *, 5> set{any(), any(), any(), any(),
							     any()}; // perhaps twice
				if (int err = t.reserve(set, &account::resv))
					return err;
				if (round % 16 == 1)
					std::this_thread::yield(); // so that others meet what it holds
				set[0]->balance -= 4;
				for (size_t i = 1; i < set.size(); i++)
					set[i]->balance++;
				set[0]->moves++;
				if (round % 4 == 0)
					t.unreserve(set[0]->resv);
			}
			return 0;
		});
	for (actor &a : actors)
		EXPECT_EQ(a.finish(), 0);

	long money = 0, moves = 0;
	for (account &a : bank) {
		EXPECT_FALSE(a.resv.is_reserved());
		EXPECT_EQ(ww_test_access::waiters(lock_of(a.resv)), 0u);
		money += a.balance;
		moves += a.moves;
	}
	EXPECT_EQ(money, long(accounts) * 1000);
	EXPECT_EQ(moves, long(tasks * rounds));
}

} // namespace
} // namespace resv::test
