// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Runs the scenarios that c_api_test.c plays in C, and checks that C and C++ mean the same objects.
#include "c_api_test.h"

#include <resv/reservation.hpp>
#include <resv/resv.h>

#include <gtest/gtest.h>

namespace {

#define RUN(name)                                       \
	TEST(c_api, name)                               \
	{                                               \
		const char *failure = c_api_##name();   \
		EXPECT_EQ(failure, nullptr) << failure; \
	}
C_API_SCENARIOS(RUN)
#undef RUN

TEST(c_api, shares_the_reservation_class_with_cxx)
{
	EXPECT_EQ(static_cast<void *>(&resv_reservation_ww_class),
		  static_cast<void *>(&resv::reservation_class));
}

TEST(c_api, reserves_what_cxx_made)
{
	resv::reservation_object object;
	auto *same = reinterpret_cast<resv_object *>(&object);
	static_assert(sizeof object == sizeof *same);

	ASSERT_TRUE(resv_trylock(same, nullptr));
	EXPECT_TRUE(object.is_reserved());
	resv_unlock(same);
	EXPECT_FALSE(object.is_reserved());
}

} // namespace
