/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
#ifndef RESV_TESTS_LRU_C_TEST_H
#define RESV_TESTS_LRU_C_TEST_H

#include <resv/resv.h>

#ifdef __cplusplus
extern "C" {
#endif

int lru_c_order(void);
int lru_c_try(void);
int lru_c_wait(void);
int lru_c_describe(void);

#ifdef __cplusplus
}
#endif

#endif /* RESV_TESTS_LRU_C_TEST_H */
