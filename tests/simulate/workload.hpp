// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What is played on virtual CPUs, and on real ones to compare: transactions that take k of n objects in random order, touch
// them and release them, one after the other in each task; as in tests/bench/multi.cpp.
#ifndef RESV_TESTS_SIMULATE_WORKLOAD_HPP
#define RESV_TESTS_SIMULATE_WORKLOAD_HPP

#include <resv/transaction.hpp>

#include <algorithm>
#include <bit>
#include <cmath>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace simulate {

struct workload {
	const char *name;
	size_t k;
	size_t n;
	double zipf;
};

inline constexpr workload workloads[] = {
	{"2of64", 2, 64, 0},           {"8of64", 8, 64, 0},      {"32of64", 32, 64, 0},
	{"8of1024", 8, 1024, 0},       {"2of1m", 2, 1000000, 0}, {"16of1m-zipf", 16, 1000000, 0.9},
	{"800of100k", 800, 100000, 0},
};

/// One line for each class that is compared.
struct algorithm {
	const char *name;
	resv::ww_algorithm which;
};

inline constexpr algorithm algorithms[] = {
	{"wound-wait", resv::ww_algorithm::wound_wait},
	{"wait-die", resv::ww_algorithm::wait_die},
	{"adaptive",
	 resv::ww_algorithm::adaptive}, // is steady here, and changes its mind only if it is told to
};

/// The one of that name, or null.
template <typename T, size_t count>
const T *find(const T (&all)[count], const std::string &name)
{
	for (const T &one : all)
		if (name == one.name)
			return &one;
	return nullptr;
}

// What the transaction is for lies in a line of its own.
struct alignas(64) object {
	explicit object(resv::ww_class &cls) : reservation(cls) {}
	resv::reservation_object reservation;
	alignas(64) long contents = 0;
};

using set = std::vector<object *>;

/// The objects of a workload: an object is made when it is first asked for.
class pool {
public:
	pool(size_t n, resv::ww_class &cls) : class_(cls), all_(n) {}

	object &at(size_t i)
	{
		if (!all_[i])
			all_[i] = std::make_unique<object>(class_);
		return *all_[i];
	}
	size_t size() const { return all_.size(); }

private:
	resv::ww_class &class_;
	std::vector<std::unique_ptr<object>> all_;
};

/// Draws k different objects of n, again and again.
class picker {
public:
	picker(pool &from, size_t k, double zipf, unsigned seed)
		: from_(from), k_(k), zipf_(zipf), random_(seed), drawn_(std::bit_ceil(4 * k))
	{}

	/// Returns how often it had to draw.
	unsigned pick(set &objects)
	{
		unsigned times = 0;
		pass_++;
		objects.clear();
		for (; objects.size() < k_; times++) {
			size_t i = index();
			if (is_new(i))
				objects.push_back(&from_.at(i));
		}
		return times;
	}

private:
	// An entry of a hash table, which belongs to one pass.
	struct entry {
		size_t index = 0;
		unsigned pass = 0;
	};

	bool is_new(size_t index)
	{
		size_t place = index % drawn_.size();
		for (; drawn_[place].pass == pass_; place = (place + 1) % drawn_.size())
			if (drawn_[place].index == index)
				return false;
		drawn_[place] = {index, pass_};
		return true;
	}

	// Zipf by the continuous approximation of its distribution function.
	size_t index()
	{
		if (zipf_ == 0)
			return random_() % from_.size();
		double u = std::uniform_real_distribution<double>()(random_);
		double e = 1 - zipf_;
		double x = std::pow(u * (std::pow(static_cast<double>(from_.size()), e) - 1) + 1, 1 / e);
		return std::min(static_cast<size_t>(x) - 1, from_.size() - 1);
	}

	pool &from_;
	size_t k_;
	double zipf_;
	std::minstd_rand random_;
	std::vector<entry> drawn_;
	unsigned pass_ = 0;
};

} // namespace simulate

#endif // RESV_TESTS_SIMULATE_WORKLOAD_HPP
