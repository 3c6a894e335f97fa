// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What the suites of LRUs share: buffers that count their references, and answers for walks.
#ifndef RESV_TESTS_LRU_HELPERS_HPP
#define RESV_TESTS_LRU_HELPERS_HPP

#include "helpers.hpp"

#include <resv/lru.hpp>

#include <atomic>

namespace resv::test {

/// A buffer that is on two devices at most.
struct lru_buffer {
	lru_entry entry, elsewhere;
	reservation_object own;
	std::atomic<int> references{1};
	bool suits = true; // guarded by the LRU's lock

	bool get()
	{
		int now = references.load();
		while (now != 0 && !references.compare_exchange_weak(now, now + 1))
			;
		return now != 0;
	}
	void put() { references.fetch_sub(1); }
};

inline lru_buffer &buffer_of(lru_entry &entry)
{
	return *reinterpret_cast<lru_buffer *>(&entry); // its first member
}
inline lru_buffer &buffer_of(resv_lru_entry *entry)
{
	return *reinterpret_cast<lru_buffer *>(entry);
}

inline constexpr resv_lru_ops lru_buffer_ops = {
	[](resv_lru_entry *entry) { return buffer_of(entry).get(); },
	[](resv_lru_entry *entry) { buffer_of(entry).put(); },
};

/// Says yes where the buffer suits.
struct suitable {
	bool operator()(lru_entry &entry, reservation_object &, bool) const { return buffer_of(entry).suits; }
};

/// A device, and buffers on it, the first being the oldest.
class with_lru : public fixture {
protected:
	explicit with_lru(size_t n = 6)
	{
		for (size_t i = 0; i < n; i++)
			add();
	}
	~with_lru() override
	{
		for (lru_buffer &b : buffers) {
			lru::del(b.entry);
			EXPECT_EQ(b.references.load(), 1);
			EXPECT_FALSE(b.own.is_reserved());
			b.own.destroy();
		}
		device.destroy();
	}

	lru_buffer &add()
	{
		lru_buffer &b = buffers.emplace_back();
		device.add(b.entry, b.own);
		return b;
	}
	lru_buffer &operator[](size_t n) { return buffers[n]; }
	int number(const lru_entry &entry)
	{
		for (size_t i = 0; i < buffers.size(); i++)
			if (&buffers[i].entry == &entry)
				return static_cast<int>(i);
		return -1;
	}

	/// The buffers' numbers in the order of the LRU.
	std::vector<int> order()
	{
		std::vector<int> result;
		lru_cursor cursor(device);
		while (lru_entry *entry = cursor.next()) {
			result.push_back(number(*entry));
			buffer_of(*entry).put();
		}
		return result;
	}

	/// Reserves the first that suits; its number, or the error.
	int first(ww_acquire_ctx *ctx)
	{
		reservation_object *object = nullptr;
		int err = device.reserve_first(ctx, suitable{}, object);
		EXPECT_EQ(err == 0, object != nullptr);
		return err != 0 ? err : number_of(*object);
	}
	int number_of(const reservation_object &object)
	{
		for (size_t i = 0; i < buffers.size(); i++)
			if (&buffers[i].own == &object)
				return static_cast<int>(i);
		return -1;
	}

	lru device{&lru_buffer_ops};
	std::deque<lru_buffer> buffers;
};

/// A transaction without injected errors.
struct calm_lru_transaction : transaction {
	explicit calm_lru_transaction(const wait_request &request = {})
		: transaction(reservation_class, request)
	{
		outlast_injection(context());
	}
};

} // namespace resv::test

#endif // RESV_TESTS_LRU_HELPERS_HPP
