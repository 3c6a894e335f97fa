// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef GPU_KERNEL_CLIENT_KTAP_HPP
#define GPU_KERNEL_CLIENT_KTAP_HPP

#include <cstdio>
#include <string>

namespace gpu {

/// Test results as the kernel's own tests print them.
class ktap {
public:
	explicit ktap(unsigned tests) { printf("KTAP version 1\n1..%u\n", tests); }

	/// The test that ran before this; what is wrong with it, in lines, if anything is.
	void result(const std::string &name, const std::string &wrong)
	{
		note(wrong);
		printf("%s %u %s\n", wrong.empty() ? "ok" : "not ok", ++number_, name.c_str());
		fflush(stdout);
		good_ &= wrong.empty();
	}

	static void note(const std::string &lines)
	{
		for (size_t begin = 0; begin < lines.size();) {
			size_t end = std::min(lines.find('\n', begin), lines.size());
			printf("# %s\n", lines.substr(begin, end - begin).c_str());
			begin = end + 1;
		}
		fflush(stdout);
	}

	bool good() const { return good_; }

private:
	unsigned number_ = 0;
	bool good_ = true;
};

/// Collects what does not hold in one test.
class expectations {
public:
	void equal(const char *what, long long got, long long wanted)
	{
		if (got != wanted)
			wrong_ += std::string(what) + ": got " + std::to_string(got) + ", expected " +
				  std::to_string(wanted) + "\n";
	}
	void truth(const char *what, bool holds)
	{
		if (!holds)
			wrong_ += std::string(what) + ": is not so\n";
	}
	const std::string &wrong() const { return wrong_; }

private:
	std::string wrong_;
};

} // namespace gpu

#endif // GPU_KERNEL_CLIENT_KTAP_HPP
