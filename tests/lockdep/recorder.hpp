// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef RESV_TESTS_LOCKDEP_RECORDER_HPP
#define RESV_TESTS_LOCKDEP_RECORDER_HPP

#include <resv/lockdep.hpp>
#include <resv/port.h>

#if RESV_PROVE_LOCKING

namespace resv::lockdep {

/// One annotation, as it was made.
struct event {
	enum class kind : unsigned { acquire, release, sync };

	kind what;
	const lockdep_map *map;
	const lockdep_map *nest;
	bool trylock;
	lock_read read;
	resv_port_task task;
	uintptr_t where;
};

/// Keeps the first `capacity` annotations since the last reset(), of all tasks, in order. The linker hands it all that
/// locks tell the annotator (--wrap); it passes them on.
namespace recorder {

inline constexpr unsigned capacity = 1024;

/// Forgets everything.
void reset();

/// How many annotations were made since, kept or not.
unsigned long count();

/// The annotation number `index`, which must be below count() and capacity.
event at(unsigned index);

} // namespace recorder
} // namespace resv::lockdep

#endif

#endif // RESV_TESTS_LOCKDEP_RECORDER_HPP
