// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The annotator's C++ face: what a lock tells the lock-order checker. With CONFIG_PROVE_LOCKING unset every function
// here is empty and a lockdep_map takes no space.
#ifndef RESV_LOCKDEP_HPP
#define RESV_LOCKDEP_HPP

#include <resv/atomic_word.hpp>
#include <resv/config.h>
#include <resv/types.h>

namespace resv {

namespace config {
inline constexpr bool prove_locking = RESV_PROVE_LOCKING;
} // namespace config

/// Identifies a lock class by its address; must be static. One address for each of the 8 subclasses.
struct lock_class_key {
	char subclass[8]{};
};

/// Where a held entry's access is exclusive, shared, or shared and recursive.
enum class lock_read : unsigned { exclusive = 0, shared = 1, recursive = 2 };

#if RESV_PROVE_LOCKING

/// What the annotator knows of one lock instance: its class and its name.
class lockdep_map {
public:
	/// `name` may be null for a static lock, whose class's name cannot be read yet: see name_once().
	constexpr explicit lockdep_map(const lock_class_key &key, const char *name = nullptr,
				       unsigned subclass = 0)
		: key_(&key.subclass[subclass]), name_(name)
	{}
	constexpr const char *key() const { return key_; }
	const char *name() const { return name_.load(order::relaxed); }

	/// Names a map that was made without a name.
	void name_once(const char *name)
	{
		if (!name_.load(order::relaxed))
			name_.store(name, order::relaxed);
	}

private:
	const char *key_; // its address is the class
	atomic<const char *> name_;
};

namespace lockdep {

/// How an acquisition is annotated. `nest`: a held lock that serializes all acquisitions of this class.
struct acquisition {
	unsigned subclass = 0;
	bool trylock = false;
	lock_read read = lock_read::exclusive;
	bool check = true;
	const lockdep_map *nest = nullptr;
};

/// The calling task takes the lock (`trylock`: took it without waiting). Semantics: Linux lock_acquire().
/// `ip` is the address that reports name as the place. Context: any.
void acquire(const lockdep_map &map, const acquisition &how, uintptr_t ip);

/// The calling task drops the lock. Semantics: Linux lock_release(). Context: any.
void release(const lockdep_map &map, uintptr_t ip);

/// The calling task waits for the lock's holder without taking the lock: checks and records the order of an
/// acquisition that is dropped at once. Semantics: Linux lock_sync(). Context: any.
void sync(const lockdep_map &map, const acquisition &how, uintptr_t ip);

} // namespace lockdep

#else

struct no_lock_class_key {};

class lockdep_map {
public:
	constexpr explicit lockdep_map(const no_lock_class_key &, const char * = nullptr) {}
};

#endif

} // namespace resv

#endif // RESV_LOCKDEP_HPP
