// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "random.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

namespace {

// How often each of n was picked, as a part of all picks.
std::vector<double> picks(unsigned n, unsigned skew, unsigned draws)
{
	gpu::zipf popularity;
	gpu::random_source random(7);
	std::vector<double> parts(n);
	EXPECT_TRUE(popularity.create(n, skew));
	for (unsigned i = 0; i < draws; i++)
		parts.at(popularity.pick(random)) += 1.0 / draws;
	return parts;
}

TEST(gpu_random, below_stays_below_and_reaches_everything)
{
	gpu::random_source random(1);
	std::vector<unsigned> seen(7);
	for (unsigned i = 0; i < 7000; i++)
		seen.at(random.below(7))++;
	for (unsigned n : seen)
		EXPECT_NEAR(n, 1000, 150);
}

TEST(gpu_random, percent)
{
	gpu::random_source random(1);
	unsigned hits = 0;
	for (unsigned i = 0; i < 10000; i++) {
		EXPECT_FALSE(random.percent(0));
		EXPECT_TRUE(random.percent(100));
		hits += random.percent(30);
	}
	EXPECT_NEAR(hits, 3000, 200);
}

TEST(gpu_random, seeds_differ)
{
	gpu::random_source a(1), b(2), again(1);
	uint64_t first = a.next();
	EXPECT_NE(first, b.next());
	EXPECT_EQ(first, again.next());
}

TEST(gpu_zipf, without_skew_all_are_alike)
{
	for (double part : picks(10, 0, 20000))
		EXPECT_NEAR(part, 0.1, 0.01);
}

// The integer weights against the formula in floating point.
TEST(gpu_zipf, follows_the_power_law)
{
	for (unsigned skew : {50u, 80u, 100u, 137u, 200u}) {
		constexpr unsigned n = 20;
		std::vector<double> expected;
		for (unsigned i = 1; i <= n; i++)
			expected.push_back(std::pow(i, -double(skew) / 100));
		double sum = std::accumulate(expected.begin(), expected.end(), 0.0);
		std::vector<double> got = picks(n, skew, 50000);
		for (unsigned i = 0; i < n; i++)
			EXPECT_NEAR(got[i], expected[i] / sum, 0.01) << "skew " << skew << ", " << i;
	}
}

TEST(gpu_zipf, large_and_steep)
{
	std::vector<double> parts = picks(100000, 400, 1000);
	EXPECT_GT(parts[0], 0.8); // 1 / zeta(4) is 0.92
}

TEST(gpu_zipf, one)
{
	EXPECT_NEAR(picks(1, 0, 10)[0], 1, 0.001);
	EXPECT_NEAR(picks(1, 100, 10)[0], 1, 0.001);
}

} // namespace
