// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Clang's thread-safety attributes; nothing for other compilers. Attributes cannot be spelled without macros.
#ifndef RESV_THREAD_SAFETY_HPP
#define RESV_THREAD_SAFETY_HPP

#if defined(__clang__)
#define RESV_TSA(x) __attribute__((x))
#else
#define RESV_TSA(x)
#endif

#define RESV_CAPABILITY(name)  RESV_TSA(capability(name))
#define RESV_SCOPED_CAPABILITY RESV_TSA(scoped_lockable)
#define RESV_ACQUIRE(...)      RESV_TSA(acquire_capability(__VA_ARGS__))
#define RESV_RELEASE(...)      RESV_TSA(release_capability(__VA_ARGS__))
#define RESV_ASSERT(...)       RESV_TSA(assert_capability(__VA_ARGS__))
#define RESV_NO_ANALYSIS       RESV_TSA(no_thread_safety_analysis)

// For a function that returns 0 when it took the capability and -errno when it did not.
#define RESV_ACQUIRE_ON_ZERO RESV_TSA(try_acquire_capability(false))
// For a function that returns true when it took the capability.
#define RESV_ACQUIRE_ON_TRUE RESV_TSA(try_acquire_capability(true))

#endif // RESV_THREAD_SAFETY_HPP
