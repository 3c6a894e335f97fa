// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The annotator's C++ face: what a lock tells the lock-order checker. With CONFIG_PROVE_LOCKING unset a lockdep_map takes
// no space, and the functions are not there. Drivers that annotate locks of their own use resv/lockdep.h.
#ifndef RESV_LOCKDEP_HPP
#define RESV_LOCKDEP_HPP

#include <resv/atomic_word.hpp>
#include <resv/config.h>
#include <resv/lockdep.h>
#include <resv/types.h>

namespace resv {

namespace config {
inline constexpr bool prove_locking = RESV_PROVE_LOCKING;
inline constexpr bool lock_stat = RESV_LOCK_STAT;
inline constexpr bool lockdep_forward = RESV_LOCKDEP_FORWARD;
} // namespace config

/// Identifies a lock class by its address; must be static. One address for each of the 8 subclasses.
struct lock_class_key {
	char subclass[8]{};
};

/// Where a held entry's access is exclusive, shared, or shared and recursive.
enum class lock_read : uint8_t { exclusive = 0, shared = 1, recursive = 2 };

#if RESV_PROVE_LOCKING

/// How the locks of a class wait, and what kind they are; see resv/lockdep.h.
struct lock_traits {
	resv_lockdep_wait_type inner = RESV_LD_WAIT_INV;
	resv_lockdep_wait_type outer = RESV_LD_WAIT_INV;
	resv_lockdep_lock_type type = RESV_LD_LOCK_NORMAL;
};

namespace lockdep {
class map_access;
}

/// What the annotator knows of one lock instance: its class, its name, and, for a lock that is nested in another, who
/// holds it.
class lockdep_map {
public:
	/// `name` may be null for a static lock, whose class's name cannot be read yet: see name_once().
	constexpr explicit lockdep_map(const lock_class_key &key, const char *name = nullptr,
				       unsigned subclass = 0, const lock_traits &traits = {})
		: lockdep_map(&key.subclass[subclass], name, subclass, traits)
	{}
	/// `key` is that of the subclass.
	constexpr lockdep_map(const char *key, const char *name, unsigned subclass, const lock_traits &traits)
		: key_(key), name_(name), inner_(static_cast<uint8_t>(traits.inner)),
		  outer_(static_cast<uint8_t>(traits.outer)), type_(static_cast<uint8_t>(traits.type & 3)),
		  subclass_(static_cast<uint8_t>(subclass & 7))
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
	friend class lockdep::map_access;

	const char *key_; // its address is the class
	atomic<const char *> name_;
	atomic<uint32_t> classes_{0}; // the classes of subclasses 0 and 1, 16 bits each, once they are known
	uint8_t inner_, outer_;
	uint8_t type_ : 2;
	uint8_t subclass_ : 3; // that `key_` is of
	// Exclusive locks that nest in others are not listed in the held stack: an entry there counts them. This is the stack
	// and the entry that count this one, while it is held.
	uint8_t entry_ = 0;
	atomic<uintptr_t> holder_{0};
};

namespace lockdep {

/// Where the calling function returns to.
[[gnu::always_inline]] inline uintptr_t return_address()
{
	return reinterpret_cast<uintptr_t>(__builtin_return_address(0));
}

/// How an acquisition is annotated. `nest`: a held lock that serializes all acquisitions of this class.
struct acquisition {
	unsigned subclass = 0;
	bool trylock = false;
	lock_read read = lock_read::exclusive;
	bool check = true;
	const lockdep_map *nest = nullptr;

	/// Exclusive, checked, and nothing else.
	bool is_usual() const
	{
		return subclass == 0 && !trylock && read == lock_read::exclusive && check && !nest;
	}
};

// The names that tests intercept to see what the locks tell.

/// The calling task takes the lock (`trylock`: took it without waiting). Semantics: Linux lock_acquire().
/// `where` is the address that reports name as the place. Context: any.
void acquire(lockdep_map &map, acquisition how, uintptr_t where) __asm__("resv_lockdep_on_acquire");

/// The calling task drops the lock. Semantics: Linux lock_release(). Context: any.
void release(lockdep_map &map, uintptr_t where) __asm__("resv_lockdep_on_release");

/// The calling task waits for the lock's holder without taking the lock: checks and records the order of an
/// acquisition that is dropped at once. Semantics: Linux lock_sync(). Context: any.
void sync(lockdep_map &map, acquisition how, uintptr_t where) __asm__("resv_lockdep_on_sync");

/// The calling task is about to wait for a reservation, or might have to: reported where only trying is allowed, see
/// resv_lockdep_no_blocking_begin(). Context: any.
void may_block(lockdep_map &map, uintptr_t where);

/// With CONFIG_RESV_LOCK_STAT: the lock, which is held, was waited for this long. Context: any.
void waited(lockdep_map &map, int64_t ns);

/// `where`, or the place from where the library was called, if it knows: see caller. Context: any.
uintptr_t caller_or(uintptr_t where);

/// While the outermost one exists, the calling task's annotations name the place from where the library was called, and
/// not one inside of it.
class caller {
public:
	explicit caller(uintptr_t where);
	~caller();
	caller(const caller &) = delete;
	caller &operator=(const caller &) = delete;

private:
	void *stack_; // the context's, if this is the outermost one
};

} // namespace lockdep

#else

struct lock_traits {};
struct no_lock_class_key {};

class lockdep_map {
public:
	constexpr explicit lockdep_map(const no_lock_class_key &, const char * = nullptr, unsigned = 0,
				       const lock_traits & = {})
	{}
};

namespace lockdep {
constexpr uintptr_t return_address()
{
	return 0;
}
constexpr uintptr_t caller_or(uintptr_t where)
{
	return where;
}
class caller {
public:
	constexpr explicit caller(uintptr_t) {}
	~caller() {} // or compilers would take one for unused
};
} // namespace lockdep

#endif

} // namespace resv

#endif // RESV_LOCKDEP_HPP
