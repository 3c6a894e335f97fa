// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What the targets share. An input is bytes; each target says what it takes them for. What it finds wrong ends the
// program, and libFuzzer then keeps the input.
#ifndef RESV_TESTS_FUZZ_HPP
#define RESV_TESTS_FUZZ_HPP

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace resv::fuzz {

inline void check(bool good, const std::string &what)
{
	if (good)
		return;
	fprintf(stderr, "%s\n", what.c_str());
	abort();
}

/// Bytes that decide something, one after the other. When there are no more they are 0.
class input {
public:
	input() = default;
	input(const uint8_t *data, size_t size) : at_(data), end_(data + size) {}

	bool empty() const { return at_ == end_; }
	uint8_t byte() { return empty() ? 0 : *at_++; }
	unsigned below(unsigned n) { return byte() % n; }

	template <typename T>
	T value()
	{
		T result{};
		size_t size = static_cast<size_t>(end_ - at_);
		size = size < sizeof result ? size : sizeof result;
		if (size != 0)
			memcpy(&result, at_, size);
		at_ += size;
		return result;
	}

private:
	const uint8_t *at_ = nullptr;
	const uint8_t *end_ = nullptr;
};

/// A file, and the settings that go with it on the command line: what follows each zero byte is one.
struct file_input {
	std::string text;
	std::vector<std::string> settings;

	file_input(const uint8_t *data, size_t size)
	{
		std::string_view all(reinterpret_cast<const char *>(data), size);
		size_t end = all.find('\0');
		text = all.substr(0, end);
		while (end != all.npos) {
			all.remove_prefix(end + 1);
			end = all.find('\0');
			settings.emplace_back(all.substr(0, end));
		}
	}
};

/// The error begins with the file's name, and with the number of one of its lines if there must be one.
inline void check_place(const std::string &error, const std::string &file, const std::string &text,
			bool needs_line)
{
	check(error.starts_with(file + ":"), "no file in: " + error);
	char *end = nullptr;
	const unsigned long line = strtoul(error.c_str() + file.size() + 1, &end, 10);
	if (!needs_line && *end != ':')
		return;
	size_t lines = 1;
	for (char c : text)
		lines += c == '\n';
	check(*end == ':' && line >= 1 && line <= lines, "no such line: " + error);
}

} // namespace resv::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif // RESV_TESTS_FUZZ_HPP
