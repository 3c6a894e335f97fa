// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "random.hpp"

namespace gpu {

namespace {

constexpr unsigned fraction_bits = 24; // of logarithms
constexpr unsigned weight_bits = 40;   // of weights: the most popular has weight 1 << weight_bits

constexpr unsigned floor_log2(unsigned x)
{
	return 31 - static_cast<unsigned>(__builtin_clz(x));
}

// Binary logarithm of x >= 1: squaring the mantissa doubles the logarithm, which yields one bit at a time.
constexpr uint64_t fixed_log2(unsigned x)
{
	uint64_t log = floor_log2(x);
	uint64_t mantissa = uint64_t{x} << (31 - log); // 1 <= mantissa < 2, as 1.31
	for (unsigned bit = 0; bit < fraction_bits; bit++) {
		mantissa = (mantissa * mantissa) >> 31;
		log <<= 1;
		if (mantissa >> 32) {
			mantissa >>= 1;
			log |= 1;
		}
	}
	return log;
}

constexpr uint64_t square_root(uint64_t x)
{
	uint64_t root = 0;
	for (uint64_t bit = uint64_t{1} << 31; bit; bit >>= 1)
		if ((root | bit) * (root | bit) <= x)
			root |= bit;
	return root;
}

// 2^-(2^-i) as 0.32, for each bit of a logarithm's fraction, the highest first.
struct root_table {
	uint64_t factor[fraction_bits]{};

	constexpr root_table()
	{
		uint64_t root = uint64_t{1} << 31; // one half
		for (uint64_t &f : factor)
			f = root = square_root(root << 32);
	}
};
constexpr root_table roots;

// 2^-x, as a weight; at least 1, so that nothing is impossible.
constexpr uint64_t fixed_exp2_of_minus(uint64_t x)
{
	uint64_t whole = x >> fraction_bits;
	if (whole >= weight_bits)
		return 1;
	uint64_t result = uint64_t{1} << 32;
	for (unsigned bit = 0; bit < fraction_bits; bit++)
		if (x >> (fraction_bits - 1 - bit) & 1)
			result = (result * roots.factor[bit]) >> 32;
	result = (result << (weight_bits - 32)) >> whole;
	return result ? result : 1;
}

} // namespace

bool zipf::create(unsigned n, unsigned skew)
{
	n_ = n;
	if (skew == 0)
		return true;
	if (!cumulative_.create_zeroed(n))
		return false;
	uint64_t sum = 0;
	for (unsigned i = 0; i < n; i++)
		cumulative_[i] = sum += fixed_exp2_of_minus(fixed_log2(i + 1) * skew / 100);
	return true;
}

unsigned zipf::pick(random_source &random) const
{
	if (cumulative_.size() == 0)
		return random.below(n_);
	uint64_t target = random.next() % cumulative_[n_ - 1];
	unsigned low = 0, high = n_ - 1;
	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		if (cumulative_[middle] > target)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

} // namespace gpu
