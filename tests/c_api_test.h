/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * What c_api_test.c, which is C, checks; c_api_test.cpp makes each a test case. A scenario returns NULL, or what did
 * not hold and where.
 */
#ifndef C_API_TEST_H
#define C_API_TEST_H

#define C_API_SCENARIOS(X)                    \
	X(classes_are_static)                 \
	X(structs_are_small)                  \
	X(lock_and_unlock)                    \
	X(lock_without_context)               \
	X(trylock)                            \
	X(duplicate)                          \
	X(unlock_all)                         \
	X(back_off_and_lock_slow)             \
	X(abandon)                            \
	X(signals_end_waits)                  \
	X(timeout)                            \
	X(reservation)                        \
	X(wait_for_unreserve)                 \
	X(exec_locks_one_after_another)       \
	X(exec_duplicates)                    \
	X(exec_meets_contention)              \
	X(exec_error_leaves_nothing_reserved) \
	X(exec_reserve)                       \
	X(fences)                             \
	X(fence_made_of_fences)               \
	X(exec_prepares)                      \
	X(lockdep_calls)                      \
	X(lockdep_assert_held)

#ifdef __cplusplus
extern "C" {
#endif

#define DECLARE(name) const char *c_api_##name(void);
C_API_SCENARIOS(DECLARE)
#undef DECLARE

#ifdef __cplusplus
}
#endif

#endif /* C_API_TEST_H */
