// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Random numbers, and picking buffers by popularity; without float.
#ifndef GPU_RANDOM_HPP
#define GPU_RANDOM_HPP

#include "os.hpp"

namespace gpu {

/// A bijection that scatters its argument over all 64 bits (the finalizer of splitmix64).
constexpr uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

/// splitmix64: one word of state, never stuck, any seed will do.
class random_source {
public:
	explicit constexpr random_source(uint64_t seed = 0) : state_(seed) {}

	constexpr uint64_t next() { return mix(state_ += 0x9e3779b97f4a7c15); }

	/// Uniform in [0, n).
	constexpr unsigned below(unsigned n) { return static_cast<unsigned>(((next() >> 32) * n) >> 32); }

	/// True in `share` of a hundred cases.
	constexpr bool percent(unsigned share) { return share != 0 && below(100) < share; }

private:
	uint64_t state_;
};

/// Picks 0 .. n-1 with probability proportional to 1 / (i + 1)^skew. With skew 0 that is uniform.
class zipf {
public:
	/// `skew` in hundredths, at most 400. False: no memory.
	[[nodiscard]] bool create(unsigned n, unsigned skew);

	unsigned pick(random_source &random) const;

private:
	unsigned n_ = 0;
	array<uint64_t> cumulative_; // empty if uniform
};

} // namespace gpu

#endif // GPU_RANDOM_HPP
