// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// In words: who holds a lock, and who waits for it; what a reservation object's fences are; and both for all that is on
// an LRU.
#include "wait_list.hpp"

#include "../lockdep/line_writer.hpp"

#include <resv/lru.hpp>
#include <resv/reservation.hpp>

namespace resv {

// Exists while the spin bit is held: so a context that holds the lock or waits for it does not end (see ww_mutex).
class ww_description {
public:
	ww_description(ww_mutex &lock, line_writer &out) : lock_(lock), out_(out), list_(lock) {}

	void write()
	{
		out_ << "lock at " << static_cast<const void *>(&lock_) << ": ";
		// Acquire: what the holder's context is made of; partner: ww_mutex::take_fast(), which publishes it.
		uintptr_t owner = lock_.owner_.load(order::acquire);
		if (owner == 0)
			out_ << "free\n";
		else
			write_holder(owner);
		if (const waiter *first = list_.first()) {
			const waiter *w = first;
			do {
				write_waiter(*w);
				w = w->next;
			} while (w != first);
		}
	}

private:
	void write_holder(uintptr_t owner)
	{
		bool alone = owner & ww_mutex::no_context;
		auto *ctx = reinterpret_cast<const ww_acquire_ctx *>(owner);
		out_ << "held by ";
		write_who(alone ? nullptr : ctx, alone ? owner & ~ww_mutex::no_context : ctx->task());
		if constexpr (config::prove_locking)
			write_taking(lock_.debug_);
	}

	template <typename Debug>
	void write_taking(const Debug &debug)
	{
		int64_t since = debug.since.load(order::relaxed);
		uintptr_t where = debug.where.load(order::relaxed);
		if (since == 0) // it does not say yet, or not any more
			return;
		out_ << "  taken at " << place{where} << ", " << milliseconds{resv_port_clock() - since}
		     << " ago\n";
	}

	void write_waiter(const waiter &w)
	{
		out_ << (w.observer ? "  waits for its unlock: " : w.spinning ? "  spins: " : "  waits: ");
		write_who(w.ctx, w.mailbox.task());
	}

	void write_who(const ww_acquire_ctx *ctx, resv_port_task task)
	{
		char name[64];
		resv_port_task_name(task, name, sizeof(name));
		out_ << name;
		if (!ctx) {
			out_ << ", without a context\n";
			return;
		}
		out_ << ", context " << static_cast<const void *>(ctx);
		if (unsigned long stamp = ctx->stamp())
			out_ << ", stamp " << stamp;
		else
			out_ << ", no stamp yet";
		out_ << (ctx->wounded() ? ", wounded\n" : "\n");
	}

	ww_mutex &lock_;
	line_writer &out_;
	wait_list list_;
};

void ww_mutex::describe(void (*emit)(const char *line, void *data), void *data)
{
	line_writer out(emit, data);
	ww_description(*this, out).write();
}

// ---- Reservation objects -------------------------------------------------------------------------------------------

namespace {

const char *name_of(usage how)
{
	switch (how) {
	case usage::kernel:
		return "kernel";
	case usage::write:
		return "write";
	case usage::read:
		return "read";
	case usage::bookkeep:
		break;
	}
	return "bookkeep";
}

// With a reference. What it says of the signal belongs together: the error and the time do not change after it.
void write_fence(line_writer &out, usage how, fence &f)
{
	bool signaled = f.test_signaled();
	out << "  " << name_of(how) << " fence at " << static_cast<const void *>(&f) << ": ";
	if (!signaled) { // names of ops that are detached meanwhile say that it is signaled
		resv_port_read_lock();
		out << resv_fence_driver_name(f.c()) << ' ' << resv_fence_timeline_name(f.c()) << ' ';
		resv_port_read_unlock();
	}
	out << static_cast<unsigned long>(f.context) << ':' << static_cast<unsigned long>(f.seqno);
	if (!signaled) {
		out << ", not signaled\n";
		return;
	}
	out << ", signaled " << milliseconds{resv_port_clock() - f.timestamp()} << " ago";
	if (int status = f.status(); status < 0)
		out << ", error -" << static_cast<unsigned long>(-static_cast<long>(status));
	out << '\n';
}

} // namespace

// Each line by itself: which fence was in the slot, and what it was then.
bool reservation_object::write_fences(line_writer &out) const
{
	bool to_come = false;
	for (unsigned i = 0;; i++) {
		uintptr_t word;
		fence_ref found;
		resv_port_read_lock();
		bool there = read_slot(i, &word);
		while (there && word && !(found = fence_ref(resv_fence_get_rcu(in_word(word).c()))))
			there = read_slot(i, &word); // another one is there by now
		resv_port_read_unlock();
		if (!there)
			return to_come;
		if (!found)
			continue;
		to_come |= !found->test_signaled();
		write_fence(out, usage_in(word), *found);
	}
}

void reservation_object::describe(void (*emit)(const char *line, void *data), void *data)
{
	line_writer out(emit, data);
	ww_description(lock_, out).write();
	write_fences(out);
}

// ---- LRUs ----------------------------------------------------------------------------------------------------------

void lru::describe(void (*emit)(const char *line, void *data), void *data)
{
	line_writer out(emit, data);
	unsigned long entries = 0, reserved = 0, awaited = 0;
	out << "LRU at " << static_cast<const void *>(this) << ", the oldest first:\n";
	{
		lru_cursor cursor(*this);
		// What moves to the end meanwhile comes round again, but not for ever.
		for (unsigned long left = 2 * count(); left != 0; left--) {
			lru_entry *entry = cursor.next();
			if (!entry)
				break;
			if (reservation_object *object = object_of(*entry)) {
				entries++;
				reserved += object->is_reserved();
				ww_description(object->lock_, out).write();
				awaited += object->write_fences(out);
			}
			if (ops_)
				ops_->put(reinterpret_cast<resv_lru_entry *>(entry));
		}
	}
	out << entries << " on the LRU, " << reserved << " reserved, " << awaited << " with fences to come\n";
}

} // namespace resv
