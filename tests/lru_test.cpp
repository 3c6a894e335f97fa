// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// LRUs: the order, ranges, cursors, and walks that only try. What waits is in lru_wait_test.cpp, what races in
// lru_race_test.cpp.
#include "lru_helpers.hpp"

#include <functional>
#include <utility>

namespace {

// What the task does when it next pauses: the linker puts the function below in front of resv_port_relax().
thread_local std::function<void()> in_pause;

} // namespace

extern "C" {

void __real_resv_port_relax(unsigned turn);
void __wrap_resv_port_relax(unsigned turn);

void __wrap_resv_port_relax(unsigned turn)
{
	if (in_pause)
		std::exchange(in_pause, nullptr)();
	__real_resv_port_relax(turn);
}

} // extern "C"

namespace resv::test {
namespace {

using numbers = std::vector<int>;

class lru_test : public with_lru {
protected:
	resv_lru_entry &in_c(size_t n) { return reinterpret_cast<resv_lru_entry &>(buffers[n].entry); }
	void fill_up_to(size_t n)
	{
		while (buffers.size() < n)
			add();
	}
	/// The hint of one names the other, and its object.
	void expect_hint(size_t of, size_t other)
	{
		EXPECT_EQ(in_c(of).ahead, reinterpret_cast<uintptr_t>(&buffers[other].entry)) << of;
		EXPECT_EQ(in_c(of).ahead_object, &buffers[other].own) << of;
	}
};

// ---- The order -------------------------------------------------------------------------------------------------------

TEST_F(lru_test, oldest_first)
{
	EXPECT_EQ(device.count(), 6u);
	EXPECT_EQ(order(), (numbers{0, 1, 2, 3, 4, 5}));
	EXPECT_EQ(buffers[0].entry.where(), &device);
}

TEST_F(lru_test, move_tail_makes_newest)
{
	lru::move_tail(buffers[1].entry);
	lru::move_tail(buffers[0].entry);
	lru::move_tail(buffers[0].entry);
	EXPECT_EQ(order(), (numbers{2, 3, 4, 5, 1, 0}));
}

TEST_F(lru_test, del_and_add_again)
{
	for (int i : {0, 3, 5})
		lru::del(buffers[size_t(i)].entry);
	EXPECT_EQ(order(), (numbers{1, 2, 4}));
	EXPECT_EQ(device.count(), 3u);
	EXPECT_EQ(buffers[3].entry.where(), nullptr);
	device.add(buffers[3].entry, buffers[3].own);
	EXPECT_EQ(order(), (numbers{1, 2, 4, 3}));
}

TEST_F(lru_test, what_is_on_no_lru_stays_so)
{
	lru::del(buffers[0].entry);
	lru::del(buffers[0].entry);
	lru::move_tail(buffers[0].entry);
	lru::set_object(buffers[0].entry, buffers[1].own);
	lru_bulk::del(buffers[0].entry);
	EXPECT_EQ(order(), (numbers{1, 2, 3, 4, 5}));
	EXPECT_EQ(buffers[0].entry.where(), nullptr);
}

TEST_F(lru_test, many_come_and_go)
{
	std::mt19937 random(7);
	std::vector<int> expected = order();
	for (int i = 0; i < 3000; i++) {
		size_t n = random() % buffers.size();
		auto at = std::find(expected.begin(), expected.end(), int(n));
		if (buffers.size() < 60 && random() % 8 == 0) {
			add();
			expected.push_back(int(buffers.size()) - 1);
		} else if (at == expected.end()) {
			device.add(buffers[n].entry, buffers[n].own);
			expected.push_back(int(n));
		} else {
			expected.erase(at);
			if (random() % 2) {
				lru::move_tail(buffers[n].entry);
				expected.push_back(int(n));
			} else {
				lru::del(buffers[n].entry);
			}
		}
	}
	EXPECT_EQ(order(), expected);
	EXPECT_EQ(device.count(), expected.size());
}

// ---- Ranges ----------------------------------------------------------------------------------------------------------

TEST_F(lru_test, range_moves_in_one_step_and_in_order)
{
	lru_bulk range(device);
	range.move_tail(); // empty
	for (int i : {1, 4, 2})
		range.add(buffers[size_t(i)].entry);
	EXPECT_EQ(order(), (numbers{0, 1, 4, 2, 3, 5}));
	range.move_tail();
	EXPECT_EQ(order(), (numbers{0, 3, 5, 1, 4, 2}));
	range.move_tail();
	EXPECT_EQ(order(), (numbers{0, 3, 5, 1, 4, 2}));
	lru::move_tail(buffers[0].entry);
	EXPECT_EQ(order(), (numbers{3, 5, 1, 4, 2, 0}));
	range.destroy();
	lru::move_tail(buffers[1].entry);
	EXPECT_EQ(order(), (numbers{3, 5, 4, 2, 0, 1}));
}

TEST_F(lru_test, newest_of_a_range_stays_in_it)
{
	lru_bulk range(device);
	for (size_t i : std::initializer_list<size_t>{0, 1, 2})
		range.add(buffers[i].entry);
	lru::move_tail(buffers[0].entry);
	EXPECT_EQ(order(), (numbers{1, 2, 0, 3, 4, 5}));
	lru::move_tail(buffers[2].entry);
	lru::move_tail(buffers[2].entry);
	EXPECT_EQ(order(), (numbers{1, 0, 2, 3, 4, 5}));
	range.move_tail();
	EXPECT_EQ(order(), (numbers{3, 4, 5, 1, 0, 2}));
	range.destroy();
}

TEST_F(lru_test, range_of_one)
{
	lru_bulk range(device);
	range.add(buffers[2].entry);
	lru::move_tail(buffers[2].entry); // it is the newest of its range
	EXPECT_EQ(order(), (numbers{0, 1, 2, 3, 4, 5}));
	range.add(buffers[2].entry);
	range.move_tail();
	EXPECT_EQ(order(), (numbers{0, 1, 3, 4, 5, 2}));
	range.add(buffers[0].entry);
	EXPECT_EQ(order(), (numbers{1, 3, 4, 5, 2, 0}));
	range.destroy();
}

TEST_F(lru_test, leaving_a_range)
{
	lru_bulk range(device), other(device);
	for (size_t i : std::initializer_list<size_t>{0, 1, 2, 3})
		range.add(buffers[i].entry);
	lru_bulk::del(buffers[1].entry); // from within: right behind it
	EXPECT_EQ(order(), (numbers{0, 2, 3, 1, 4, 5}));
	lru_bulk::del(buffers[0].entry);
	lru_bulk::del(buffers[3].entry); // from its ends: nothing moves
	EXPECT_EQ(order(), (numbers{0, 2, 3, 1, 4, 5}));
	range.add(buffers[0].entry);
	other.add(buffers[0].entry); // changes over
	range.move_tail();
	EXPECT_EQ(order(), (numbers{0, 3, 1, 4, 5, 2}));
	lru::del(buffers[2].entry); // the last of it
	range.move_tail();
	other.move_tail();
	EXPECT_EQ(order(), (numbers{3, 1, 4, 5, 0}));
	lru_bulk::del(buffers[2].entry); // from none: nothing happens
	lru_bulk::del(buffers[1].entry);
	EXPECT_EQ(order(), (numbers{3, 1, 4, 5, 0}));
	other.destroy();
}

TEST_F(lru_test, ends_of_a_range_are_deleted)
{
	lru_bulk range(device);
	lru_cursor cursor(device);
	for (size_t i : std::initializer_list<size_t>{0, 1, 2, 3})
		range.add(buffers[i].entry);
	buffer_of(*cursor.next()).put(); // there is a cursor behind 0
	lru::del(buffers[0].entry);
	lru::del(buffers[3].entry);
	range.move_tail();
	EXPECT_EQ(order(), (numbers{4, 5, 1, 2}));
	range.destroy();
}

// With a cursor in front of the end that goes: the end is an entry again.
TEST_F(lru_test, last_of_a_range_is_deleted_behind_a_cursor)
{
	lru_bulk range(device);
	for (size_t i : std::initializer_list<size_t>{0, 1, 2})
		range.add(buffers[i].entry);
	{
		lru_cursor cursor(device);
		for (size_t i : std::initializer_list<size_t>{0, 1}) {
			EXPECT_EQ(cursor.next(), &buffers[i].entry);
			buffers[i].put();
		}
		lru::del(buffers[2].entry);
	}
	range.add(buffers[4].entry);
	EXPECT_EQ(order(), (numbers{0, 1, 4, 3, 5}));
	range.move_tail();
	EXPECT_EQ(order(), (numbers{3, 5, 0, 1, 4}));
	range.destroy();
}

// Nothing is written to an entry that has left its LRU: its buffer may be gone.
TEST_F(lru_test, entry_that_has_left_is_left_alone)
{
	const resv_lru_entry &left = in_c(5);
	lru::del(buffers[5].entry);
	for (int i = 0; i < 2 * RESV_LRU_AHEAD; i++)
		add();
	EXPECT_EQ(left.ahead, 0u);
	EXPECT_EQ(left.ahead_object, nullptr);
	EXPECT_EQ(left.next, nullptr);
	EXPECT_EQ(left.prev, nullptr);
	EXPECT_EQ(left.object, nullptr);
}

// Nor if it was moved before, and the place that it had as one of the newest has come round.
TEST_F(lru_test, entry_that_was_moved_and_has_left_is_left_alone)
{
	lru::move_tail(buffers[0].entry);
	for (int i = 0; i < RESV_LRU_AHEAD - 6; i++)
		add();
	lru::del(buffers[0].entry);
	in_c(0).ahead = 0;
	for (int i = 0; i < 2 * RESV_LRU_AHEAD; i++)
		add();
	EXPECT_EQ(in_c(0).ahead, 0u);
	EXPECT_EQ(in_c(0).ahead_object, nullptr);
}

// ---- Hints -----------------------------------------------------------------------------------------------------------

TEST_F(lru_test, hint_is_given_when_the_other_comes)
{
	constexpr size_t ahead = RESV_LRU_AHEAD;
	fill_up_to(2 * ahead);
	for (size_t i = 0; i < ahead; i++)
		expect_hint(i, i + ahead);
	lru::move_tail(buffers[0].entry); // nothing is known of what will come after it
	EXPECT_EQ(in_c(0).ahead & ~uintptr_t{1}, 0u);
	EXPECT_EQ(in_c(0).ahead_object, nullptr);
	expect_hint(ahead, 0);
	lru_bulk range(device);
	range.add(buffers[1].entry);
	range.add(buffers[ahead + 1].entry); // it is not one of the newest any more
	add();
	EXPECT_EQ(in_c(ahead + 1).ahead, 0u);
	range.destroy();
}

// ---- Misuse ---------------------------------------------------------------------------------------------------------

TEST_F(lru_test, report_names_the_entry)
{
	char address[32];
	snprintf(address, sizeof(address), " at %#lx", reinterpret_cast<unsigned long>(&buffers[0].entry));
	device.add(buffers[0].entry, buffers[0].own);
	const std::vector<noted_report> reports = take_reports();
	ASSERT_EQ(reports.size(), 1u);
	EXPECT_NE(reports[0].text.find(address), std::string::npos) << reports[0].text;
}

// ---- Cursors ----------------------------------------------------------------------------------------------------------

class lru_cursor_test : public lru_test {
protected:
	int next()
	{
		lru_entry *entry = cursor.next();
		if (!entry)
			return -1;
		EXPECT_EQ(buffer_of(*entry).references.load(), 2);
		buffer_of(*entry).put();
		return number(*entry);
	}

	lru_cursor cursor{device};
};

TEST_F(lru_cursor_test, survives_what_happens_to_the_entry_under_it)
{
	EXPECT_EQ(next(), 0);
	lru::del(buffers[0].entry);
	EXPECT_EQ(next(), 1);
	lru::del(buffers[2].entry); // the next one
	EXPECT_EQ(next(), 3);
	lru::move_tail(buffers[3].entry);
	EXPECT_EQ(next(), 4);
	EXPECT_EQ(next(), 5);
	EXPECT_EQ(next(), 3);
	EXPECT_EQ(next(), -1);
	EXPECT_EQ(next(), -1);
	device.add(buffers[0].entry, buffers[0].own);
	EXPECT_EQ(next(), 0);
	EXPECT_EQ(next(), -1);
}

TEST_F(lru_cursor_test, several_at_one_place)
{
	lru_cursor other(device);
	EXPECT_EQ(next(), 0);
	EXPECT_EQ(order(), (numbers{0, 1, 2, 3, 4, 5}));
	EXPECT_EQ(other.next(), &buffers[0].entry);
	EXPECT_EQ(other.next(), &buffers[1].entry);
	buffers[0].put();
	buffers[1].put();
	EXPECT_EQ(next(), 1);
	EXPECT_EQ(next(), 2);
}

TEST_F(lru_cursor_test, stays_where_a_range_was)
{
	lru_bulk range(device);
	for (size_t i : std::initializer_list<size_t>{0, 1, 2})
		range.add(buffers[i].entry);
	EXPECT_EQ(next(), 0);
	{
		lru_cursor other(device);
		EXPECT_EQ(other.next(), &buffers[0].entry);
		buffers[0].put();
		EXPECT_EQ(next(), 1);
		range.move_tail();
		EXPECT_EQ(other.next(), &buffers[3].entry);
		buffers[3].put();
	}
	EXPECT_EQ(next(), 3);
	EXPECT_EQ(next(), 4);
	EXPECT_EQ(next(), 5);
	EXPECT_EQ(next(), 0);
	EXPECT_EQ(next(), 1);
	EXPECT_EQ(next(), 2);
	EXPECT_EQ(next(), -1);
	range.move_tail(); // all of it is newer than the cursor's place
	EXPECT_EQ(next(), 0);
	range.destroy();
}

// Once it has been passed by a range, or is behind its newest entry, it is not in the range.
TEST_F(lru_cursor_test, stays_where_a_range_was_once)
{
	lru_bulk range(device);
	range.add(buffers[0].entry);
	range.add(buffers[1].entry);
	EXPECT_EQ(next(), 0);
	range.move_tail(); // from around it
	lru::move_tail(buffers[2].entry);
	range.move_tail();
	EXPECT_EQ(next(), 3);
	EXPECT_EQ(order(), (numbers{3, 4, 5, 2, 0, 1}));
	range.destroy();
}

TEST_F(lru_cursor_test, is_behind_a_range_whose_newest_leaves)
{
	lru_bulk range(device);
	range.add(buffers[0].entry);
	range.add(buffers[1].entry);
	EXPECT_EQ(next(), 0);
	EXPECT_EQ(next(), 1);
	lru_bulk::del(buffers[1].entry);
	range.move_tail();
	EXPECT_EQ(order(), (numbers{1, 2, 3, 4, 5, 0}));
	EXPECT_EQ(next(), 2);
	range.destroy();
}

// A range finds those that are in it, whichever have ended.
TEST_F(lru_cursor_test, may_end_in_any_order)
{
	lru_bulk range(device);
	for (size_t i : std::initializer_list<size_t>{0, 1, 2})
		range.add(buffers[i].entry);
	EXPECT_EQ(next(), 0);
	std::optional<lru_cursor> first(device), second(device), third(device);
	for (std::optional<lru_cursor> *other : {&first, &second, &third}) {
		EXPECT_EQ((*other)->next(), &buffers[0].entry);
		buffers[0].put();
	}
	first.reset();
	range.move_tail();
	for (std::optional<lru_cursor> *other : {&second, &third}) {
		EXPECT_EQ((*other)->next(), &buffers[3].entry);
		buffers[3].put();
		other->reset();
	}
	EXPECT_EQ(next(), 3);
	range.destroy();
}

// A cursor knows nothing of the range any more that ended around it, though another one may be where that was.
TEST_F(lru_cursor_test, outlives_the_range_that_it_is_in)
{
	std::optional<lru_bulk> range(device);
	for (size_t i : std::initializer_list<size_t>{0, 1, 2})
		range->add(buffers[i].entry);
	EXPECT_EQ(next(), 0);
	range->destroy();
	range.emplace(device);
	range->add(buffers[4].entry);
	range->add(buffers[5].entry);
	range->move_tail();
	EXPECT_EQ(next(), 1);
	range->destroy();
}

TEST_F(lru_cursor_test, passes_over_what_nobody_keeps)
{
	buffers[1].references = 0;
	EXPECT_EQ(next(), 0);
	EXPECT_EQ(next(), 2);
	buffers[1].references = 1;
}

TEST_F(lru_test, cursor_on_lru_without_ops)
{
	lru plain;
	lru_buffer b;
	plain.add(b.entry, b.own);
	{
		lru_cursor cursor(plain);
		EXPECT_EQ(cursor.next(), &b.entry);
		EXPECT_EQ(cursor.next(), nullptr);
	}
	EXPECT_EQ(b.references.load(), 1);
	lru::del(b.entry);
	plain.destroy();
}

// ---- Walks -------------------------------------------------------------------------------------------------------------

// What holds some buffers.
class lru_walk_test : public lru_test {
protected:
	void hold(size_t n)
	{
		ASSERT_TRUE(other.run([&] { return buffers[n].own.try_reserve(&other.ctx()); }));
	}
	void only(std::initializer_list<size_t> suits)
	{
		for (lru_buffer &b : buffers)
			b.suits = false;
		for (size_t n : suits)
			buffers[n].suits = true;
	}

	calm_ctx ctx{reservation_class};
	party other{reservation_class};
};

TEST_F(lru_walk_test, reserves_the_oldest_that_is_free_and_suits)
{
	EXPECT_EQ(first(&ctx), 0);
	EXPECT_EQ(buffers[0].own.locking_ctx(), &ctx);
	hold(1);
	buffers[2].suits = false;
	EXPECT_EQ(first(&ctx), 3);
	EXPECT_FALSE(buffers[2].own.is_reserved()); // it was looked at, and let go
	lru::move_tail(buffers[4].entry);
	EXPECT_EQ(first(&ctx), 5);
	ctx.unlock_all();
}

TEST_F(lru_walk_test, without_context)
{
	EXPECT_EQ(first(nullptr), 0);
	EXPECT_EQ(first(nullptr), 1);
	only({0});
	EXPECT_EQ(first(nullptr), -EBUSY); // what the task holds without a context is not told apart
	buffers[0].own.unreserve();
	buffers[1].own.unreserve();
}

TEST_F(lru_walk_test, tells_busy_from_nothing)
{
	struct {
		const char *what;
		std::initializer_list<size_t> suit, held, own;
		int expected;
	} rows[] = {
		{"nothing suits", {}, {}, {}, -ENOENT},
		{"nothing suits, all is held", {}, {0, 1, 2, 3, 4, 5}, {}, -ENOENT},
		{"nothing suits, all is one's own", {}, {}, {0, 1, 2, 3, 4, 5}, -ENOENT},
		{"the one that suits is held", {3}, {3}, {}, -EBUSY},
		{"all that suit are held", {1, 3, 5}, {1, 3, 5}, {}, -EBUSY},
		{"one's own, and nothing else", {3}, {}, {3}, -ENOENT},
		{"one's own, and busy ones", {1, 2, 3}, {2}, {1, 3}, -EBUSY},
		{"one's own, and a free one", {1, 2}, {}, {1}, 2},
		{"busy, then free", {1, 2}, {1}, {}, 2},
		{"free, then busy", {1, 2}, {2}, {}, 1},
		{"all free", {0, 1, 2, 3, 4, 5}, {}, {}, 0},
		{"the newest", {5}, {0, 1, 2, 3, 4}, {}, 5},
	};
	for (const auto &row : rows) {
		only(row.suit);
		for (size_t n : row.held)
			hold(n);
		for (size_t n : row.own)
			ASSERT_TRUE(buffers[n].own.try_reserve(&ctx));
		EXPECT_EQ(first(&ctx), row.expected) << row.what;
		EXPECT_EQ(ctx.acquired(), row.own.size() + (row.expected >= 0)) << row.what;
		ctx.unlock_all();
		other.unlock_all();
	}
}

TEST_F(lru_walk_test, empty)
{
	lru nothing;
	reservation_object *object = nullptr;
	EXPECT_EQ(nothing.reserve_first(&ctx, suitable{}, object), -ENOENT);
	EXPECT_EQ(object, nullptr);
	nothing.destroy();
}

TEST_F(lru_walk_test, what_accept_is_told)
{
	hold(1);
	hold(3);
	ASSERT_TRUE(buffers[2].own.try_reserve(&ctx));
	std::vector<std::pair<int, bool>> asked;
	auto accept = [&](lru_entry &entry, reservation_object &o, bool reserved) {
		asked.emplace_back(number(entry), reserved);
		EXPECT_EQ(&o, &buffer_of(entry).own);
		EXPECT_EQ(o.locking_ctx() == &ctx, reserved || number(entry) == 2);
		return number(entry) == 1 || number(entry) == 2 || number(entry) == 5;
	};
	reservation_object *object = nullptr;
	EXPECT_EQ(device.reserve_first(&ctx, accept, object), 0);
	EXPECT_EQ(object, &buffers[5].own);
	// Once a busy one suits, others are not asked about.
	EXPECT_EQ(asked, (std::vector<std::pair<int, bool>>{
				 {0, true}, {1, false}, {2, false}, {4, true}, {5, true}}));
	ctx.unlock_all();
}

TEST_F(lru_walk_test, ones_own_if_asked_for)
{
	hold(0);
	ASSERT_TRUE(buffers[1].own.try_reserve(&ctx));
	ASSERT_TRUE(buffers[2].own.try_reserve(&ctx));
	auto own_too = [&](lru_entry &entry, reservation_object &, bool) {
		return buffer_of(entry).suits ? RESV_LRU_OWN_TOO : 0;
	};
	reservation_object *object = nullptr;
	EXPECT_EQ(device.reserve_first(&ctx, own_too, object), -EALREADY);
	EXPECT_EQ(object, &buffers[1].own);
	buffers[1].suits = false;
	EXPECT_EQ(device.reserve_first(&ctx, own_too, object), -EALREADY);
	EXPECT_EQ(object, &buffers[2].own);
	auto not_after_all = [&](lru_entry &, reservation_object &, bool reserved) {
		return reserved ? 0 : RESV_LRU_OWN_TOO;
	};
	EXPECT_EQ(device.reserve_first(&ctx, not_after_all, object), -EBUSY);
	buffers[2].suits = false;
	EXPECT_EQ(device.reserve_first(&ctx, own_too, object), 0);
	EXPECT_EQ(object, &buffers[3].own);
	EXPECT_EQ(ctx.acquired(), 3u);
	ctx.unlock_all();
}

TEST_F(lru_walk_test, two_devices_share_an_object)
{
	lru second(&lru_buffer_ops);
	lru_buffer imported;
	second.add(buffers[0].elsewhere, buffers[0].own); // the same buffer
	second.add(imported.entry, buffers[1].own);       // another buffer with a shared object
	reservation_object *object = nullptr;
	auto any = [](lru_entry &, reservation_object &, bool) { return true; };

	EXPECT_EQ(first(&ctx), 0); // the first device has it
	EXPECT_EQ(other.run([&] { return second.reserve_first(&other.ctx(), any, object); }), 0);
	EXPECT_EQ(object, &buffers[1].own);
	only({0, 1});
	EXPECT_EQ(first(&ctx), -EBUSY); // the second one has that
	EXPECT_EQ(second.reserve_first(&ctx, any, object), -EBUSY);
	lru::del(buffers[0].entry); // gone from one, not from the other
	EXPECT_EQ(second.count(), 2u);
	ctx.unlock_all();
	EXPECT_EQ(second.reserve_first(&ctx, any, object), 0);
	EXPECT_EQ(object, &buffers[0].own);
	ctx.unlock_all();
	lru::del(buffers[0].elsewhere);
	lru::del(imported.entry);
	second.destroy();
}

TEST_F(lru_walk_test, several_buffers_share_an_object)
{
	reservation_object shared;
	for (size_t i : std::initializer_list<size_t>{0, 1, 2})
		lru::set_object(buffers[i].entry, shared);
	only({1, 4});
	reservation_object *object = nullptr;
	EXPECT_EQ(device.reserve_first(&ctx, suitable{}, object), 0);
	EXPECT_EQ(object, &shared);
	EXPECT_EQ(first(&ctx), 4); // the object is one's own by now
	only({2});
	EXPECT_EQ(first(&ctx), -ENOENT);
	ctx.unlock_all();
	shared.destroy();
}

// An object is replaced while a walk has reserved it: what is unreserved is what was reserved.
TEST_F(lru_walk_test, object_replaced_while_reserved)
{
	reservation_object *object = nullptr;
	only({2});
	EXPECT_EQ(device.reserve_first(&ctx, suitable{}, object), 0);
	EXPECT_EQ(object, &buffers[2].own);
	reservation_object replacement;
	lru::set_object(buffers[2].entry, replacement);
	object->unreserve();
	EXPECT_EQ(device.reserve_first(&ctx, suitable{}, object), 0);
	EXPECT_EQ(object, &replacement);
	EXPECT_FALSE(buffers[2].own.is_reserved());
	object->unreserve();
	lru::del(buffers[2].entry);
	replacement.destroy();
}

TEST_F(lru_walk_test, reserves_more_than_48)
{
	fill_up_to(100);
	for (int i = 0; i < 100; i++)
		EXPECT_EQ(first(&ctx), i);
	EXPECT_EQ(first(&ctx), -ENOENT);
	EXPECT_EQ(ctx.acquired(), 100u);
	ctx.unlock_all();
}

TEST_F(lru_walk_test, blocking_reserve_in_accept_is_reported)
{
	reservation_object other_object;
	int asked = 0;
	auto accept = [&](lru_entry &, reservation_object &, bool) {
		if (asked++ == 0) {
			EXPECT_EQ(other_object.reserve(&ctx),
				  0); // free: nothing but the report stops anybody
			other_object.unreserve();
		}
		return false;
	};
	reservation_object *object = nullptr;
	EXPECT_EQ(device.reserve_first(&ctx, accept, object), -ENOENT);
	expect_order_reports({RESV_REPORT_BLOCKING});

	EXPECT_EQ(other_object.reserve(&ctx), 0); // afterwards it may
	ctx.unlock_all();
	other_object.destroy();
}

// A long walk lets others have the lock. What is deferred under a spin lock begins once that has been dropped.
TEST_F(lru_walk_test, long_walk_pauses)
{
	struct deferred : resv_port_work {
		std::atomic<bool> done{false};
	} work;
	work.fn = [](resv_port_work *w) { static_cast<deferred *>(w)->done = true; };

	fill_up_to(300);
	size_t asked = 0;
	auto accept = [&](lru_entry &, reservation_object &, bool) {
		asked++;
		if (asked == 1)
			resv_port_defer(&work);
		if (asked == 2) {
			EXPECT_FALSE(work.done);
		}
		if (asked == buffers.size()) {
			EXPECT_TRUE(eventually([&] { return work.done.load(); }));
		}
		return false;
	};
	reservation_object *object = nullptr;
	EXPECT_EQ(device.reserve_first(&ctx, accept, object), -ENOENT);
	EXPECT_EQ(asked, buffers.size());
	resv_port_drain();
}

// Also where all are reserved: now and then, and not after each.
TEST_F(lru_walk_test, long_walk_past_reserved_ones_pauses)
{
	fill_up_to(600);
	for (size_t i = 0; i < buffers.size(); i++)
		hold(i);
	unsigned pauses = 0;
	std::function<void()> count = [&] {
		pauses++;
		in_pause = count;
	};
	in_pause = count;
	EXPECT_EQ(first(&ctx), -EBUSY);
	in_pause = nullptr;
	EXPECT_EQ(pauses, 2u);
	other.unlock_all();
}

TEST_F(lru_walk_test, hints_are_put_right)
{
	constexpr size_t ahead = RESV_LRU_AHEAD;
	fill_up_to(3 * ahead);
	for (size_t i = 0; i < buffers.size(); i++)
		hold(i);
	lru::del(buffers[ahead].entry);
	EXPECT_EQ(first(&ctx), -EBUSY);
	expect_hint(0, ahead + 1);
	expect_hint(ahead - 1, 2 * ahead);
	expect_hint(ahead + 1, 2 * ahead + 1);
	for (size_t i = 0; i < ahead; i++)
		EXPECT_EQ(reinterpret_cast<resv_lru &>(device).oldest[i], &buffers[i].entry) << i;
	other.unlock_all();
}

// A walk finds the one that suits, whatever is done while it pauses.
class lru_pause_test : public lru_walk_test {
protected:
	lru_pause_test()
	{
		fill_up_to(100);
		only({90});
	}
	~lru_pause_test() override { in_pause = nullptr; }

	template <typename F>
	void walk_and(F change)
	{
		bool paused = false;
		in_pause = [&] {
			change();
			paused = true;
		};
		EXPECT_EQ(first(&ctx), 90);
		EXPECT_TRUE(paused);
		ctx.unlock_all();
	}
};

TEST_F(lru_pause_test, entries_that_were_passed_come_round_again)
{
	walk_and([&] {
		for (size_t i = 0; i < 10; i++)
			lru::move_tail(buffers[i].entry);
		lru::move_tail(buffers[90].entry);
	});
}

// Nothing is written to what has left: its buffer may be gone.
TEST_F(lru_pause_test, entries_leave)
{
	walk_and([&] {
		for (size_t i = 0; i < 50; i++) {
			lru::del(buffers[i].entry);
			in_c(i).ahead_object = nullptr;
		}
	});
	for (size_t i = 0; i < 50; i++)
		EXPECT_EQ(in_c(i).ahead_object, nullptr) << i;
}

TEST_F(lru_pause_test, object_replaced)
{
	reservation_object replacement;
	walk_and([&] {
		lru::set_object(buffers[89].entry, replacement);
		buffers[89].suits = true;
		EXPECT_EQ(first(nullptr), -1); // another walk, which takes what is not in `buffers`
	});
	EXPECT_TRUE(replacement.is_reserved());
	EXPECT_FALSE(buffers[89].own.is_reserved());
	replacement.unreserve();
	lru::del(buffers[89].entry);
	replacement.destroy();
}

TEST_F(lru_pause_test, all_leave)
{
	in_pause = [&] {
		for (lru_buffer &b : buffers)
			lru::del(b.entry);
	};
	EXPECT_EQ(first(&ctx), -ENOENT);
	EXPECT_FALSE(in_pause);
	EXPECT_EQ(device.count(), 0u);
}

} // namespace
} // namespace resv::test
