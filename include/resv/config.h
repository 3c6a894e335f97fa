/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * The options of Kconfig, as the code sees them.
 *
 * The build generates <resv/autoconf.h> from Kconfig and puts it on the include path. A module build has no such
 * header: it passes the same CONFIG_ values on both compilers' command lines. Struct layouts depend on options only
 * through the RESV_ macros below, and a program whose options differ from the library's does not link (see
 * RESV_CONFIG_TAG).
 */
#ifndef RESV_CONFIG_H
#define RESV_CONFIG_H

#if __has_include(<resv/autoconf.h>)
#include <resv/autoconf.h>
#endif

/*
 * A module must not redefine the kernel's own CONFIG_PROVE_LOCKING for its C files, since kernel structs depend on
 * it; there the option is spelled CONFIG_RESV_PROVE_LOCKING.
 */
#if defined(CONFIG_RESV_PROVE_LOCKING) || (defined(CONFIG_PROVE_LOCKING) && !defined(__KERNEL__))
#define RESV_PROVE_LOCKING 1
#else
#define RESV_PROVE_LOCKING 0
#endif

/* PROVE_LOCKING selects the ww_mutex checks, here as in Kconfig. */
#if defined(CONFIG_RESV_DEBUG_WW_MUTEXES) || RESV_PROVE_LOCKING
#define RESV_DEBUG_WW_MUTEXES 1
#else
#define RESV_DEBUG_WW_MUTEXES 0
#endif

#ifdef CONFIG_RESV_DEBUG_WW_SLOWPATH
#define RESV_DEBUG_WW_SLOWPATH 1
#else
#define RESV_DEBUG_WW_SLOWPATH 0
#endif

#ifdef CONFIG_RESV_SPIN_TURNS
#define RESV_SPIN_TURNS CONFIG_RESV_SPIN_TURNS
#else
#define RESV_SPIN_TURNS 512
#endif

#ifdef CONFIG_RESV_STEADY
#define RESV_STEADY 1
#else
#define RESV_STEADY 0
#endif

/* How much the annotator can keep in mind. */
#ifdef CONFIG_RESV_LOCKDEP_CLASSES
#define RESV_LOCKDEP_CLASSES CONFIG_RESV_LOCKDEP_CLASSES
#else
#define RESV_LOCKDEP_CLASSES 4096
#endif

#ifdef CONFIG_RESV_LOCKDEP_EDGES
#define RESV_LOCKDEP_EDGES CONFIG_RESV_LOCKDEP_EDGES
#else
#define RESV_LOCKDEP_EDGES 32768
#endif

#ifdef CONFIG_RESV_LOCKDEP_HELD
#define RESV_LOCKDEP_HELD CONFIG_RESV_LOCKDEP_HELD
#else
#define RESV_LOCKDEP_HELD 48
#endif

#ifdef CONFIG_RESV_LOCKDEP_TRACES
#define RESV_LOCKDEP_TRACES CONFIG_RESV_LOCKDEP_TRACES
#else
#define RESV_LOCKDEP_TRACES 65536
#endif

#ifdef CONFIG_RESV_LOCKDEP_REPORTS
#define RESV_LOCKDEP_REPORTS CONFIG_RESV_LOCKDEP_REPORTS
#else
#define RESV_LOCKDEP_REPORTS 100
#endif

#ifdef CONFIG_RESV_LOCK_STAT
#define RESV_LOCK_STAT 1
#else
#define RESV_LOCK_STAT 0
#endif

#ifdef CONFIG_RESV_LOCKDEP_FORWARD
#define RESV_LOCKDEP_FORWARD 1
#else
#define RESV_LOCKDEP_FORWARD 0
#endif

#ifdef CONFIG_RESV_PANIC_ON_REPORT
#define RESV_PANIC_ON_REPORT 1
#else
#define RESV_PANIC_ON_REPORT 0
#endif

/*
 * Names the options that change a struct's layout. The library defines the symbol of its own options; every user
 * refers to the symbol of his: a mismatch is an undefined reference that says which options the user had.
 */
#if RESV_PROVE_LOCKING
#define RESV_CONFIG_TAG resv_config_with_prove_locking
#elif RESV_DEBUG_WW_MUTEXES
#define RESV_CONFIG_TAG resv_config_with_debug_ww_mutexes
#else
#define RESV_CONFIG_TAG resv_config_without_debug
#endif

#ifdef __cplusplus
extern "C" const char RESV_CONFIG_TAG;
#else
extern const char RESV_CONFIG_TAG;
#endif
__attribute__((used)) static const char *const resv_config_tag = &RESV_CONFIG_TAG;

#endif /* RESV_CONFIG_H */
