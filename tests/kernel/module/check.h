/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* For the suites that are only here. */
#ifndef TESTS_KERNEL_CHECK_H
#define TESTS_KERNEL_CHECK_H

#include "os.h"

#define TEXT2(x) #x
#define TEXT(x)  TEXT2(x)
#define CHECK(condition)                                                             \
	do {                                                                         \
		if (!(condition))                                                    \
			return KBUILD_BASENAME ".c:" TEXT(__LINE__) ": " #condition; \
	} while (0)

#define SUITE(name, tests)                                                           \
	static unsigned int get_##name##_test(unsigned int index, struct test *test) \
	{                                                                            \
		return suite_get(tests, ARRAY_SIZE(tests), index, test);             \
	}                                                                            \
	const struct suite name##_suite = {#name, get_##name##_test}

#endif /* TESTS_KERNEL_CHECK_H */
