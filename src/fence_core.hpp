// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef RESV_FENCE_CORE_HPP
#define RESV_FENCE_CORE_HPP

#include <resv/fence.hpp>
#include <resv/report.h>

namespace resv {

/// The inside of fences, for the files that make them up.
class fence_core {
public:
	static constexpr unsigned signaled = fence::signaled_flag;
	static constexpr unsigned enabled = fence::enabled_flag;

	static atomic<unsigned> &flags(fence &f) { return f.flags_; }
	static atomic<unsigned> &references(fence &f) { return f.references_; }
	static atomic<const resv_fence_ops *> &ops(fence &f) { return f.ops_; }
	static resv_fence_cb *&callbacks(fence &f) { return f.pending.callbacks; }
	static int64_t &timestamp(fence &f) { return f.pending.timestamp; }
	static const int64_t &timestamp(const fence &f) { return f.pending.timestamp; }
	static resv_port_work &freed(fence &f) { return f.freed; }
	static int &error(fence &f) { return f.error_; }

	/// Holds a fence's lock.
	class guard {
	public:
		explicit guard(fence &f) : lock_(f.lock_), flags_(resv_port_spin_lock(lock_)) {}
		~guard() { resv_port_spin_unlock(lock_, flags_); }
		guard(const guard &) = delete;
		guard &operator=(const guard &) = delete;

	private:
		resv_port_spinlock *lock_;
		unsigned long flags_;
	};

	/// Does the fence have these ops? They must have a release, so that they are never detached.
	static bool has_ops(const fence &f, const resv_fence_ops &theirs)
	{
		return f.ops_.load(order::relaxed) == &theirs;
	}

	/// Is the fence an array or a chain? Says so without either, which a program may do without.
	static bool is_container(const fence &f)
	{
		return f.flags_.load(order::relaxed) & fence::container_flag;
	}

	/// Before anybody else knows the fence.
	static void make_container(fence &f) { f.flags_.store(fence::container_flag, order::relaxed); }

	/// Sets the flag and calls the callbacks. 0, or -EINVAL if that was done before. Under the lock.
	static int signal_locked(fence &f, int64_t timestamp_ns);

	/// The same, in a signalling section and with an error, or 0. Not under the lock.
	static int signal(fence &f, int64_t timestamp_ns, int its_error = 0);

	/// Tells the driver that somebody waits. False: the fence is signaled. Under the lock.
	static bool enable_locked(fence &f);

	/// Makes this the error, unless there is one or the fence is signaled. Under the lock.
	static void note_error_locked(fence &f, int its_error)
	{
		if (its_error != 0 && f.error_ == 0 && !f.test_signaled())
			f.error_ = its_error;
	}

	/// Adds a reference to those that there are.
	static void get(fence &f)
	{
		unsigned before = f.references_.fetch_add(1, order::relaxed);
		if (before - 1 >= most_references - 1) [[unlikely]]
			bad_references(f, before);
	}

	/// Drops a reference. True: it was the last one, and the fence is to be released; nobody waits for it.
	//
	// Release: whoever drops the last reference, and acquires, has all that was done with the others behind it.
	static bool drop(fence &f)
	{
		unsigned before = f.references_.fetch_add(-1u, order::acq_rel);
		if (before == 1)
			warn_if_awaited(f);
		else if (before - 1 >= most_references) [[unlikely]]
			bad_references(f, before);
		return before == 1;
	}

	/// The same, and releases the fence.
	static void put(fence &f)
	{
		if (drop(f))
			release(f);
	}

	static constexpr unsigned most_references = 0x7fffffff;

	/// Reports that `count` is what an operation found, and should not have. The fence is never freed.
	[[gnu::cold]] static void bad_references(fence &f, unsigned count);

	/// Writes a report about a fence.
	static void say(resv_report_kind kind, fence &f);

private:
	static void warn_if_awaited(fence &f);
	static void release(fence &f);
};

} // namespace resv

#endif // RESV_FENCE_CORE_HPP
