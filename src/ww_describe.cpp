// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Who holds a lock, and who waits for it, in words.
#include "wait_list.hpp"

#include "../lockdep/line_writer.hpp"

#include <resv/ww_mutex.hpp>

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
		out_ << "  taken at " << place{where} << ", ";
		auto us = static_cast<unsigned long>((resv_port_clock() - since) / 1000);
		unsigned long fraction = us % 1000;
		out_ << us / 1000
		     << (fraction < 10    ? ".00"
			 : fraction < 100 ? ".0"
					  : ".")
		     << fraction << " ms ago\n";
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

} // namespace resv
