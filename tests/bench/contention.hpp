// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The ways of locking a set of objects that many want.
#ifndef RESV_BENCH_CONTENTION_HPP
#define RESV_BENCH_CONTENTION_HPP

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace bench {

/// What a transaction wants: different objects, by their numbers.
using set = std::span<const unsigned>;

/// One way of locking a set.
class scheme {
public:
	virtual ~scheme() = default;

	/// Sees to it that there are objects 0 to n - 1. Nobody may be running.
	virtual void make(size_t n) = 0;

	/// Locks the set, touches each object, and unlocks. Returns how often it had to drop what it held.
	virtual unsigned run(set wanted) = 0;

	/// How often objects have been touched, by whomever; or less, if two did so at a time. Nobody may be running.
	virtual long touches() const = 0;

	std::string name;
	bool ours = false;
	bool presorted = false; ///< wants its sets in ascending order
};

using schemes = std::vector<std::unique_ptr<scheme>>;

/// Those that lock a set, and those that lock one object. `work` says how often an object is touched.
schemes multi_schemes(const long &work);
schemes single_schemes(const long &work);

} // namespace bench

#endif // RESV_BENCH_CONTENTION_HPP
