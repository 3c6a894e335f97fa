// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What each job saw: the evidence for the serializability check.
#ifndef GPU_JOB_LOG_HPP
#define GPU_JOB_LOG_HPP

#include "os.hpp"

namespace gpu {

/// A job: the actor that ran it, and its number there, counted from 1. Number 0: no job.
struct job_id {
	uint32_t actor = 0;
	uint32_t number = 0;

	constexpr uint64_t packed() const { return uint64_t{actor} << 32 | number; }
	bool operator==(const job_id &) const = default;
};

/// One buffer that a job read, or read and then wrote; a write makes the version after the one seen.
class access {
public:
	explicit constexpr access(uint64_t word) : word_(word) {}
	constexpr access(uint32_t buffer, uint32_t version, bool write, bool torn)
		: word_(uint64_t{write} << 63 | uint64_t{torn} << 62 | uint64_t{buffer} << 32 | version)
	{}

	constexpr uint64_t word() const { return word_; }
	constexpr uint32_t buffer() const { return static_cast<uint32_t>(word_ >> 32 & 0x3fffffff); }
	constexpr uint32_t version() const { return static_cast<uint32_t>(word_); }
	constexpr bool write() const { return word_ >> 63; }

	/// The contents that the job found contradicted each other.
	constexpr bool torn() const { return word_ >> 62 & 1; }

private:
	uint64_t word_;
};

/// One actor's jobs, in the order in which it ran them: for each, the number of accesses in a word, then these.
class job_log {
public:
	/// Room for `words` of 8 bytes. False: no memory.
	[[nodiscard]] bool create(size_t words) { return words_.create_zeroed(words); }

	bool has_room(unsigned accesses) const { return words_.size() - used_ >= accesses + size_t{1}; }

	/// Opens the next job's entry: returns the words for its accesses. Context: has_room().
	uint64_t *begin(unsigned accesses)
	{
		words_[used_] = accesses;
		return &words_[used_ + 1];
	}

	/// Closes it.
	void commit()
	{
		used_ += count_at(used_) + 1;
		jobs_++;
	}

	/// Makes room for others. What jobs() counts goes on.
	void forget() { used_ = 0; }

	uint32_t jobs() const { return jobs_; }

	/// Words that there is room for in all.
	size_t capacity() const { return words_.size(); }

	/// The words in use. A job's position is that of its first word; the next job's is one past its accesses.
	size_t used() const { return used_; }
	const uint64_t *words() const { return words_.begin(); }
	unsigned count_at(size_t position) const { return static_cast<unsigned>(words_[position]); }
	access at(size_t position, unsigned i) const { return access(words_[position + 1 + i]); }

private:
	array<uint64_t> words_;
	size_t used_ = 0;
	uint32_t jobs_ = 0;
};

} // namespace gpu

#endif // GPU_JOB_LOG_HPP
