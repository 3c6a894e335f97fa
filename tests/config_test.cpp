// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What the options of Kconfig change, and what they do not.

#include <resv/resv.h>
#include <resv/transaction.hpp>

#include <gtest/gtest.h>

#include <cstring>
#include <type_traits>

namespace resv::test {
namespace {

constinit ww_class static_class{ww_algorithm::wound_wait, "static_acquire", "static_mutex"};
constinit ww_mutex static_mutex{static_class};
constinit reservation_object static_object;

RESV_DEFINE_WW_CLASS(c_wound_wait);
RESV_DEFINE_WD_CLASS(c_wait_die);
RESV_DEFINE_CLASS(c_adaptive, RESV_WW_ADAPTIVE, RESV_STAMPS_EAGER);

ww_class &seen_from_cpp(resv_ww_class *cls)
{
	return *reinterpret_cast<ww_class *>(cls);
}

TEST(config, options_depend_on_each_other_as_kconfig_says)
{
	EXPECT_EQ(config::prove_locking, RESV_PROVE_LOCKING == 1);
	EXPECT_EQ(config::debug_ww_mutexes, RESV_DEBUG_WW_MUTEXES == 1);
	EXPECT_EQ(config::debug_ww_slowpath, RESV_DEBUG_WW_SLOWPATH == 1);
	EXPECT_TRUE(config::debug_ww_mutexes || !config::prove_locking);
	EXPECT_TRUE(config::debug_ww_mutexes || !config::debug_ww_slowpath);
}

TEST(config, library_has_the_options_of_this_program)
{
	EXPECT_EQ(resv_config_tag, &RESV_CONFIG_TAG);
}

TEST(config, locks_are_four_words_and_more_for_each_kind_of_checks)
{
	size_t words = 4 + (config::debug_ww_mutexes ? 2 : 0) +
		       (config::prove_locking ? 3 + 1 + 2 * (8 / sizeof(void *)) : 0);

	EXPECT_EQ(sizeof(ww_mutex), words * sizeof(void *));
	// four fences, a table for more, its version, and two counts
	EXPECT_EQ(sizeof(reservation_object), sizeof(ww_mutex) + 6 * sizeof(void *) + 8);
	EXPECT_EQ(alignof(ww_mutex), alignof(void *));
}

TEST(config, lockdep_map_is_nothing_unless_locking_is_proved)
{
	EXPECT_EQ(std::is_empty_v<lockdep_map>, !config::prove_locking);
	EXPECT_EQ(std::is_empty_v<ww_class_keys>, !config::prove_locking);
}

TEST(config, locks_may_be_static)
{
	// The end of the program runs no destructor.
	EXPECT_TRUE(std::is_trivially_destructible_v<ww_class>);
	EXPECT_TRUE(std::is_trivially_destructible_v<ww_mutex>);
	EXPECT_TRUE(std::is_trivially_destructible_v<reservation_object>);
	EXPECT_TRUE(static_mutex.trylock(nullptr));
	static_mutex.unlock();
	EXPECT_TRUE(static_object.try_reserve(nullptr));
	static_object.unreserve();
}

TEST(config, nothing_that_others_point_to_can_be_copied)
{
	EXPECT_FALSE(std::is_copy_constructible_v<ww_mutex>);
	EXPECT_FALSE(std::is_copy_assignable_v<ww_mutex>);
	EXPECT_FALSE(std::is_copy_constructible_v<ww_acquire_ctx>);
	EXPECT_FALSE(std::is_copy_assignable_v<ww_acquire_ctx>);
	EXPECT_FALSE(std::is_copy_constructible_v<transaction>);
	EXPECT_FALSE(std::is_copy_assignable_v<transaction>);
	EXPECT_FALSE(std::is_copy_constructible_v<reservation_object>);
}

TEST(config, classes_say_what_they_are)
{
	EXPECT_EQ(static_class.algorithm(), ww_algorithm::wound_wait);
	EXPECT_STREQ(static_class.acquire_name(), "static_acquire");
	EXPECT_STREQ(static_class.mutex_name(), "static_mutex");
	EXPECT_EQ(reservation_class.algorithm(), ww_algorithm::wait_die);
	EXPECT_STREQ(reservation_class.acquire_name(), "reservation_ww_class_acquire");
	EXPECT_STREQ(reservation_class.mutex_name(), "reservation_ww_class_mutex");
}

TEST(config, c_storage_fits)
{
	EXPECT_EQ(sizeof(resv_ww_mutex), sizeof(ww_mutex));
	EXPECT_EQ(sizeof(resv_object), sizeof(reservation_object));
	EXPECT_EQ(sizeof(resv_ww_acquire_ctx), sizeof(ww_acquire_ctx));
	EXPECT_EQ(sizeof(resv_ww_class), sizeof(ww_class));
	EXPECT_GE(sizeof(resv_exec), sizeof(transaction));
	EXPECT_EQ(sizeof(resv_lockdep_map), config::prove_locking ? 3 * sizeof(void *) + 8 : 0u);
	EXPECT_EQ(sizeof(resv_lock_class_key), config::prove_locking ? sizeof(lock_class_key) : 0u);
	EXPECT_EQ(alignof(resv_ww_mutex), alignof(ww_mutex));
	EXPECT_EQ(alignof(resv_object), alignof(reservation_object));
	EXPECT_EQ(alignof(resv_ww_acquire_ctx), alignof(ww_acquire_ctx));
	EXPECT_EQ(alignof(resv_ww_class), alignof(ww_class));
}

TEST(config, c_classes_are_what_their_macros_say)
{
	ww_class &ww = seen_from_cpp(&c_wound_wait);
	ww_class &wd = seen_from_cpp(&c_wait_die);

	EXPECT_EQ(ww.algorithm(), ww_algorithm::wound_wait);
	EXPECT_EQ(wd.algorithm(), ww_algorithm::wait_die);
	EXPECT_STREQ(ww.acquire_name(), "c_wound_wait_acquire");
	EXPECT_STREQ(ww.mutex_name(), "c_wound_wait_mutex");
	EXPECT_STREQ(wd.acquire_name(), "c_wait_die_acquire");
	EXPECT_STREQ(wd.mutex_name(), "c_wait_die_mutex");
	EXPECT_EQ(seen_from_cpp(&c_adaptive).algorithm(), ww_algorithm::adaptive);
	EXPECT_STREQ(seen_from_cpp(&c_adaptive).mutex_name(), "c_adaptive_mutex");
	for (ww_class *cls : {&ww, &wd, &seen_from_cpp(&c_adaptive)}) {
		ww_acquire_ctx ctx(*cls);
		EXPECT_EQ(ctx.stamp() != 0, cls == &seen_from_cpp(&c_adaptive));
	}
	EXPECT_EQ(static_cast<void *>(&resv_reservation_ww_class), static_cast<void *>(&reservation_class));
}

// Without options an idle lock is all zero, wherever it was made.
TEST(config, idle_lock_is_zero)
{
	constexpr size_t lock_itself = 4 * sizeof(void *);
	const unsigned char zero[lock_itself] = {};
	resv_object object;

	memset(&object, 0xa5, sizeof(object));
	resv_init(&object);
	EXPECT_EQ(memcmp(&object, zero, lock_itself), 0);
	ASSERT_TRUE(resv_trylock(&object, nullptr));
	EXPECT_NE(memcmp(&object, zero, lock_itself), 0);
	resv_unlock(&object);
	EXPECT_EQ(memcmp(&object, zero, lock_itself), 0);
	resv_fini(&object);
}

} // namespace
} // namespace resv::test
