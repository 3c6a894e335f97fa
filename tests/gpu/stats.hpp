// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef GPU_STATS_HPP
#define GPU_STATS_HPP

#include <resv/types.h>

namespace gpu {

/// Durations, counted in buckets of one eighth of a power of two.
class histogram {
public:
	void add(int64_t ns)
	{
		uint64_t value = ns > 0 ? static_cast<uint64_t>(ns) : 0;
		counts_[bucket_of(value)]++;
		max_ = value > max_ ? value : max_;
	}

	void merge(const histogram &other) { merge(other.counts_, other.max_); }

	uint64_t max() const { return max_; }

	/// The value that `percent` of all do not exceed, to within an eighth.
	uint64_t percentile(unsigned percent) const
	{
		uint64_t total = 0, seen = 0;
		for (uint64_t n : counts_)
			total += n;
		uint64_t wanted = (total * percent + 99) / 100;
		for (unsigned i = 0; i < buckets; i++) {
			seen += counts_[i];
			if (seen >= wanted && seen != 0)
				return last_of(i) < max_ ? last_of(i) : max_;
		}
		return 0;
	}

	static constexpr unsigned buckets = 62 * 8;
	uint64_t count_at(unsigned bucket) const { return counts_[bucket]; }

	/// Adds what another one, somewhere else, has counted.
	void merge(const uint64_t *counts, uint64_t max)
	{
		for (unsigned i = 0; i < buckets; i++)
			counts_[i] += counts[i];
		max_ = max > max_ ? max : max_;
	}

private:
	static constexpr unsigned bucket_of(uint64_t value)
	{
		if (value < 8)
			return static_cast<unsigned>(value);
		unsigned exponent = 63 - static_cast<unsigned>(__builtin_clzll(value));
		return (exponent - 2) * 8 + static_cast<unsigned>(value >> (exponent - 3) & 7);
	}
	static constexpr uint64_t last_of(unsigned bucket)
	{
		if (bucket < 8)
			return bucket;
		unsigned exponent = bucket / 8 + 2;
		return ((uint64_t{8} + bucket % 8 + 1) << (exponent - 3)) - 1;
	}

	uint64_t counts_[buckets]{};
	uint64_t max_ = 0;
};

/// What one actor counts; read once it has ended. How actors meet, the class of their locks counts.
struct counters {
	uint64_t jobs = 0;
	uint64_t jobs_by_ring = 0;
	uint64_t jobs_without_context = 0;
	uint64_t jobs_unreserved = 0; // breakage::skip_reservation
	uint64_t retries = 0;         // everything dropped, injected -EDEADLK included
	uint64_t interrupted = 0;     // -EINTR got, and the job begun again
	uint64_t timed_out = 0;       // the same for -ETIME
	uint64_t no_memory = 0;       // and for -ENOMEM
	uint64_t evictions = 0;
	uint64_t evictions_busy = 0;   // rounds that found nothing free
	uint64_t evictions_passed = 0; // rounds that passed over a busy one
	uint64_t no_space = 0;         // -ENOSPC got, and everything let go
	uint64_t bytes_moved = 0;
	uint64_t swapouts = 0;
	uint64_t recycled = 0;            // buffers
	uint64_t waits_for_unreserve = 0; // by the evictor
	uint64_t errors = 0;              // results that no reserve may return here
	int last_error = 0;
	histogram wait; // for all of a job's reservations

	void merge(const counters &other)
	{
		jobs += other.jobs;
		jobs_by_ring += other.jobs_by_ring;
		jobs_without_context += other.jobs_without_context;
		jobs_unreserved += other.jobs_unreserved;
		retries += other.retries;
		interrupted += other.interrupted;
		timed_out += other.timed_out;
		no_memory += other.no_memory;
		evictions += other.evictions;
		evictions_busy += other.evictions_busy;
		evictions_passed += other.evictions_passed;
		no_space += other.no_space;
		bytes_moved += other.bytes_moved;
		swapouts += other.swapouts;
		recycled += other.recycled;
		waits_for_unreserve += other.waits_for_unreserve;
		errors += other.errors;
		last_error = other.errors ? other.last_error : last_error;
		wait.merge(other.wait);
	}
};

} // namespace gpu

#endif // GPU_STATS_HPP
