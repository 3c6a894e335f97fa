/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The options of this build, instead of those that Kconfig would generate: no checks, and spins that are over soon.
 */
#define CONFIG_RESV_SPIN_TURNS 2
