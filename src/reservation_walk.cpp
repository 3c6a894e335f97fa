// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Readers of a reservation object's fences, who need not hold it. The protocol is drawn above class reservation_object.
#include "fence_table.hpp"

namespace resv {

// In a read-side section: the word in a slot, false if there is no such slot.
bool reservation_object::read_slot(unsigned i, uintptr_t *word) const
{
	if (i < inline_fences) {
		*word = slots_[i].load(order::acquire);
		return true;
	}
	fence_table *table = table_.load(order::acquire);
	if (!table || i - inline_fences >= table->count)
		return false;
	*word = table->slot(i - inline_fences).load(order::acquire);
	return true;
}

// The first fence from slot `*i` on that has not been signaled; `*i` becomes the number of its slot. False: there is
// none. Where the last reference has gone, the slot holds something else by now, or the table another: read again.
bool reservation_object::find_from(unsigned *i, usage up_to, fence_ref *found, usage *how) const
{
	bool there = false;
	resv_port_read_lock();
	for (uintptr_t word; read_slot(*i, &word);) {
		if (!word || usage_in(word) > up_to || in_word(word).test_signaled()) {
			++*i;
			continue;
		}
		if (resv_fence *f = resv_fence_get_rcu(in_word(word).c())) {
			*found = fence_ref(f);
			*how = usage_in(word);
			there = true;
			break;
		}
	}
	resv_port_read_unlock();
	return there;
}

// Drivers are asked outside of the section, with a reference: that may run callbacks. Then everything is read again. Two
// passes where a change is under way: it is over before the second begins, or not begun before the first ends.
bool reservation_object::ask_signaled(usage up_to) const
{
	for (unsigned passes = 0;;) {
		unsigned long version = version_.load(order::acquire);
		for (passes = version & 1 ? 2 : 1; passes != 0; passes--) {
			fence_ref found;
			usage how;
			unsigned i = 0;
			while (find_from(&i, up_to, &found, &how)) {
				if (!found->is_signaled())
					return false;
				version = version_.load(order::acquire);
				passes = version & 1 ? 2 : 1;
				i = 0;
			}
		}
		if (version_.load(order::relaxed) == version)
			return true;
	}
}

// Each fence that is there all the time keeps its slot until it has been signaled, or what takes its place is on its
// timeline: waiting slot by slot misses none.
int64_t reservation_object::wait(usage up_to, bool intr, int64_t timeout_ns) const
{
	lockdep::caller from(lockdep::return_address());
	if (timeout_ns < 0)
		return -EINVAL;
	if (timeout_ns == 0)
		return test_signaled(up_to) ? 1 : 0;
	resv_fence_might_wait();
	fence_ref found;
	usage how;
	for (unsigned i = 0; find_from(&i, up_to, &found, &how); i++) {
		int64_t left = found->wait_timeout(intr, timeout_ns);
		if (left <= 0)
			return left;
		timeout_ns = left;
	}
	return timeout_ns;
}

void reservation_object::set_deadline(usage up_to, int64_t deadline_ns) const
{
	fence_ref found;
	usage how;
	for (unsigned i = 0; find_from(&i, up_to, &found, &how); i++)
		found->set_deadline(deadline_ns);
}

// The words of all fences that have not been signaled, with references. Begins again when they change.
int reservation_object::collect(usage up_to, unsigned *num, uintptr_t **words) const
{
	uintptr_t *all = nullptr;
	unsigned count = 0, room = 0;
	fence_cursor cursor(*this, up_to);
	for (fence *f = cursor.first_unlocked();; f = cursor.next_unlocked()) {
		if (cursor.is_restarted())
			while (count != 0)
				resv_fence_put(in_word(all[--count]).c());
		if (!f)
			break;
		if (count == room) {
			room = room ? 2 * room : inline_fences;
			auto *more = static_cast<uintptr_t *>(resv_port_alloc(room * sizeof(uintptr_t)));
			for (unsigned i = 0; more && i < count; i++)
				more[i] = all[i];
			if (!more)
				while (count != 0)
					resv_fence_put(in_word(all[--count]).c());
			resv_port_free(all);
			all = more;
			if (!all)
				return -ENOMEM;
		}
		resv_fence_get(f->c());
		all[count++] = word_of(*f, cursor.current_usage());
	}
	if (count == 0) {
		resv_port_free(all);
		all = nullptr;
	}
	*num = count;
	*words = all;
	return 0;
}

fence *fence_cursor::first()
{
	index_ = 0;
	fence *f = next();
	restarted_ = true;
	return f;
}

// The reservation is held: nothing changes.
fence *fence_cursor::next()
{
	if constexpr (config::debug_ww_mutexes)
		const_cast<reservation_object *>(object_)->may_change();
	restarted_ = false;
	for (uintptr_t word; object_->read_slot(index_, &word);) {
		index_++;
		if (!word || reservation_object::usage_in(word) > up_to_)
			continue;
		current_ = reservation_object::usage_in(word);
		return &reservation_object::in_word(word);
	}
	return nullptr;
}

fence *fence_cursor::first_unlocked()
{
	version_ = object_->version_.load(order::acquire);
	index_ = 0;
	fence *f = next_unlocked();
	restarted_ = true;
	return f;
}

// What was found belongs to the version only if that is still the same afterwards.
fence *fence_cursor::next_unlocked()
{
	fence_ref found;
	restarted_ = false;
	for (;;) {
		bool there = object_->find_from(&index_, up_to_, &found, &current_);
		unsigned long now = object_->version_.load(order::acquire);
		if (now == version_) {
			index_++;
			resv_fence_put(held_);
			held_ = there ? found.release()->c() : nullptr;
			return held_ ? &fence::of(held_) : nullptr;
		}
		version_ = now;
		index_ = 0;
		restarted_ = true;
	}
}

} // namespace resv
