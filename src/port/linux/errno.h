/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The kernel's error numbers, where the core's C++ looks for a C library's. */
#include <asm/errno.h>
