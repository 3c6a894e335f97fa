// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What is in the buffers. A job reads all of its buffers, then writes those it is to write; what it writes depends on
// everything that it read. None of it is atomic: only the reservations keep jobs apart, and where they do not, some
// later reader finds a page whose words contradict each other, or the log shows a version that two jobs wrote.
#ifndef GPU_PAGE_HPP
#define GPU_PAGE_HPP

#include "job_log.hpp"
#include "random.hpp"

namespace gpu {

/// A buffer that a job uses.
struct use {
	uint32_t buffer : 31;
	uint32_t write : 1;
};

/// What a job makes of the contents: the same function for the device and for the serial replay.
///
///     state = begin(job); for each buffer: state = read(state, digest); for each one written: digest = write(...)
struct job_function {
	static constexpr uint64_t begin(job_id job) { return mix(job.packed()); }
	static constexpr uint64_t read(uint64_t state, uint64_t digest) { return mix(state ^ digest); }
	static constexpr uint64_t write(uint64_t state, uint32_t buffer, uint32_t version)
	{
		return mix(state + (uint64_t{buffer} << 32 | version));
	}
	static constexpr uint64_t initial(uint32_t buffer) { return mix(buffer); }
};

/// How a job that holds the reservations reads and writes: plainly, so that TSan proves that it may. Volatile: as many
/// steps as are written here.
struct reserved_access {
	static uint64_t load(const volatile uint64_t &word) { return word; }
	static void store(volatile uint64_t &word, uint64_t value) { word = value; }
	static void pause() {}
};

/// How a job does it that was told to skip its reservations (breakage::skip_reservation): out of TSan's sight, and as
/// if it were preempted at the worst moments.
struct unreserved_access {
	[[gnu::noinline]] __attribute__((no_sanitize("thread"))) static uint64_t
	load(const volatile uint64_t &word)
	{
		return word;
	}
	[[gnu::noinline]] __attribute__((no_sanitize("thread"))) static void store(volatile uint64_t &word,
										   uint64_t value)
	{
		word = value;
	}
	static void pause()
	{
		for (unsigned turn = 64; turn < 128; turn++)
			resv_port_relax(turn); // yields now and then
	}
};

/// Pages: one for each buffer, or, where memory is limited, one for each place that a buffer may be at (see memory.hpp).
class page_store {
public:
	struct snapshot {
		uint64_t digest;
		uint32_t version;
		bool intact;
	};

	/// `words` are what a page has beside its header; a multiple of `align` words is set aside for it. False: no memory.
	[[nodiscard]] bool create(unsigned pages, unsigned words, unsigned align = 8)
	{
		words_ = words;
		stride_ = (header + words + align - 1) / align * align;
		if (!data_.create_zeroed(size_t{pages} * stride_))
			return false;
		pages_ = pages;
		for (uint32_t i = 0; i < pages; i++)
			write<reserved_access>(i, 0, job_function::initial(i), {});
		return true;
	}

	unsigned size() const { return pages_; }

	static constexpr uint64_t poisoned =
		0x6b6b6b6b6b6b6b6b; // in all words of what is not a buffer's home

	template <typename Access = reserved_access>
	snapshot read(uint32_t at) const
	{
		return look<Access>(page_at(at), words_);
	}

	/// The same for a page wherever it is.
	template <typename Access = reserved_access>
	static snapshot look(const volatile uint64_t *page, unsigned words)
	{
		uint64_t version = Access::load(page[0]);
		uint64_t digest = Access::load(page[1]);
		uint64_t writer = Access::load(page[2]);
		uint64_t base = base_of(version, digest, writer);
		bool intact = true;
		for (unsigned i = 0; i < words; i++)
			intact &= Access::load(page[header + i]) == base * (2 * i + 1);
		return {digest, static_cast<uint32_t>(version), intact};
	}

	template <typename Access = reserved_access>
	void write(uint32_t at, uint32_t version, uint64_t digest, job_id writer)
	{
		uint64_t *page = &data_[size_t{at} * stride_];
		uint64_t base = base_of(version, digest, writer.packed());
		Access::store(page[0], version);
		Access::store(page[1], digest);
		Access::pause();
		for (unsigned i = 0; i < words_; i++)
			Access::store(page[header + i], base * (2 * i + 1));
		Access::store(page[2], writer.packed());
	}

	/// What a new buffer holds.
	void clear(uint32_t at, uint32_t buffer) { write(at, 0, job_function::initial(buffer), {}); }

	void copy(uint32_t from, uint32_t to)
	{
		for (size_t i = 0; i < header + words_; i++)
			data_[to * stride_ + i] = data_[from * stride_ + i];
	}

	/// Leaves what nobody may take for a buffer's contents, neither old nor new.
	void poison(uint32_t at)
	{
		for (size_t i = 0; i < header + words_; i++)
			data_[at * stride_ + i] = poisoned;
	}

	const uint64_t *page_at(uint32_t at) const { return &data_[size_t{at} * stride_]; }
	size_t page_bytes() const { return (header + words_) * sizeof(uint64_t); }

private:
	static constexpr unsigned header = 3; // version, digest, writer

	static constexpr uint64_t base_of(uint64_t version, uint64_t digest, uint64_t writer)
	{
		return mix(digest ^ mix(version) ^ writer);
	}

	array<uint64_t> data_;
	size_t stride_ = 0;
	unsigned words_ = 0;
	unsigned pages_ = 0;
};

/// Runs one job and logs what it saw. `places`: the page of each buffer, if it is not that of its number. Context: the
/// buffers are reserved, or all fences of theirs have been signaled that the job had to wait for; `log` has room.
template <typename Access = reserved_access>
void execute(page_store &pages, job_id job, const use *uses, unsigned count, job_log &log,
	     const uint32_t *places = nullptr)
{
	auto page_of = [&](unsigned i) { return places ? places[i] : uint32_t{uses[i].buffer}; };
	uint64_t state = job_function::begin(job);
	uint64_t *entries = log.begin(count);
	for (unsigned i = 0; i < count; i++) {
		page_store::snapshot seen = pages.read<Access>(page_of(i));
		entries[i] = access(uses[i].buffer, seen.version, uses[i].write, !seen.intact).word();
		state = job_function::read(state, seen.digest);
	}
	Access::pause();
	for (unsigned i = 0; i < count; i++) {
		if (!uses[i].write)
			continue;
		uint32_t version = access(entries[i]).version() + 1;
		pages.write<Access>(page_of(i), version, job_function::write(state, uses[i].buffer, version),
				    job);
	}
	log.commit();
}

} // namespace gpu

#endif // GPU_PAGE_HPP
