// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Runs what lru_c_test.c, which is C, has.
#include "lru_c_test.h"

#include "helpers.hpp"

namespace resv::test {
namespace {

class lru_c : public fixture {};

TEST_F(lru_c, order)
{
	EXPECT_EQ(lru_c_order(), 0);
}

TEST_F(lru_c, tries)
{
	EXPECT_EQ(lru_c_try(), 0);
}

TEST_F(lru_c, waits)
{
	EXPECT_EQ(lru_c_wait(), 0);
}

TEST_F(lru_c, describes)
{
	EXPECT_EQ(lru_c_describe(), 0);
}

} // namespace
} // namespace resv::test
