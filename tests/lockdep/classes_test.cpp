// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The annotator's table of classes: what is added is found, and nothing else, however full it is.

#include <tests/helpers.hpp>

#if RESV_PROVE_LOCKING

#include <lockdep/classes.hpp>

#include <memory>

namespace resv::test {
namespace {

using lockdep::class_id;
using lockdep::class_table;
using lockdep::first_class;

constexpr unsigned room = class_table::capacity - first_class;

class lockdep_classes : public testing::Test {
protected:
	class_id add(uintptr_t key)
	{
		const lockdep_map map(reinterpret_cast<const char *>(key), "a lock", 0, {});
		return table->add(map, 0);
	}

	/// As many keys as there is room for, different ones each turn, and as near to each other as keys are.
	static uintptr_t key(unsigned i, unsigned turn = 0) { return 0x10000 + 8 * (turn * room + i); }

	void fill(unsigned turn = 0)
	{
		for (unsigned i = 0; i < room; i++)
			ASSERT_EQ(add(key(i, turn)), first_class + i);
	}

	std::unique_ptr<class_table> table = std::make_unique<class_table>();
};

TEST_F(lockdep_classes, all_are_found_and_no_others)
{
	fill();
	EXPECT_EQ(add(key(room)), 0);
	EXPECT_EQ(table->count(), room);
	EXPECT_EQ(table->end(), class_table::capacity);
	for (unsigned i = 0; i < room; i++) {
		ASSERT_EQ(table->find(key(i)), first_class + i);
		ASSERT_EQ(table->find(key(i) + 1), 0);
	}
}

TEST_F(lockdep_classes, numbers_of_removed_ones_are_given_again)
{
	fill();
	for (unsigned i = 0; i < room; i += 3)
		table->remove(static_cast<class_id>(first_class + i));
	EXPECT_EQ(table->count(), room - (room + 2) / 3);
	for (unsigned i = 0; i < room; i++)
		ASSERT_EQ(table->find(key(i)), i % 3 == 0 ? 0 : first_class + i);
	for (unsigned i = 0; i < room; i += 3)
		ASSERT_EQ(add(key(i, 1)), first_class + i);
	EXPECT_EQ(add(key(room)), 0);
	for (unsigned i = 0; i < room; i++)
		ASSERT_EQ(table->find(key(i, i % 3 == 0)), first_class + i);
}

// They begin as any: what was known of those that had the number before is forgotten.
TEST_F(lockdep_classes, new_ones_are_new)
{
	const class_id cls = add(key(0));
	lockdep::lock_class &c = (*table)[cls];

	for (unsigned turn = 0; turn < 2; turn++) {
		c.usage.store(lockdep::in_shared, order::relaxed);
		c.compare.store([](const resv_lockdep_map *, const resv_lockdep_map *) { return -1; },
				order::relaxed);
		if (turn == 0)
			table->remove(cls);
		else
			table->reset();
		ASSERT_EQ(add(key(1)), cls);
		EXPECT_EQ(c.usage.load(order::relaxed), 0u);
		EXPECT_EQ(c.compare.load(order::relaxed), nullptr);
		EXPECT_EQ(c.version, 0);
	}
}

TEST_F(lockdep_classes, reset_makes_room)
{
	for (unsigned turn = 0; turn < 4; turn++) {
		fill(turn);
		if (turn == 1)
			table->remove(first_class + 5);
		table->reset();
		EXPECT_EQ(table->count(), 0u);
		EXPECT_EQ(table->end(), first_class);
		for (unsigned i = 0; i < room; i++)
			ASSERT_EQ(table->find(key(i, turn)), 0);
	}
}

// Each key's place is the one before the last key's, so that none of them is in front of an empty one: see
// class_table::home_of(). In the end something was everywhere, and a search finds no empty place to end at.
TEST_F(lockdep_classes, search_ends_without_an_empty_place)
{
	constexpr unsigned place_bits = lockdep::bits_for(2 * class_table::capacity);
	uintptr_t inverse = 1; // of the number that keys are multiplied by
	for (unsigned i = 0; i < 6; i++)
		inverse *= 2 - 0x9e3779b97f4a7c15u * inverse;
	const auto key_for = [&](unsigned place) {
		return (uintptr_t{place} << (64 - place_bits) | 1u << 20) * inverse;
	};
	const unsigned last = (1u << place_bits) - 1;

	const class_id stays = add(key_for(last));
	for (unsigned place = last; place-- != 0;)
		table->remove(add(key_for(place)));
	EXPECT_EQ(table->count(), 1u);
	EXPECT_EQ(table->find(key_for(0)), 0);
	EXPECT_EQ(table->find(key_for(last)), stays);
	EXPECT_EQ(table->find(key_for(last / 2)), 0);
	const class_id other = add(key_for(0));
	EXPECT_EQ(table->find(key_for(0)), other);
	EXPECT_NE(other, stays);
}

} // namespace
} // namespace resv::test

#endif // RESV_PROVE_LOCKING
