/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* For the host's tests in C. */
#include <linux/string.h>
