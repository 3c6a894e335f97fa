// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The fences of a reservation object: what its holder changes, and what needs no walk. The protocol is drawn above class
// reservation_object.
#include "fence_core.hpp"
#include "fence_table.hpp"

#include "../lockdep/report.hpp"

namespace resv {

namespace {

constexpr unsigned most_fences = 1u << 20; // beyond that there is no memory

[[gnu::cold, gnu::noinline]] void say(resv_report_kind kind, const reservation_object &object)
{
	report r(kind);
	r.task() << " was using the reservation object at " << static_cast<const void *>(&object) << ".\n";
}

} // namespace

// Debug builds look, and refuse whoever would get in the holder's way.
bool reservation_object::may_change() RESV_NO_ANALYSIS
{
	if constexpr (config::debug_ww_mutexes)
		if (!lock_.is_held_by_caller()) {
			lock_.assert_held(); // reports it
			return false;
		}
	return true;
}

// By the holder: nobody else writes table_.
unsigned reservation_object::capacity() const
{
	const fence_table *table = table_.load(order::relaxed);
	return inline_fences + (table ? table->count : 0);
}

atomic<uintptr_t> &reservation_object::slot(unsigned i)
{
	return i < inline_fences ? slots_[i] : table_.load(order::relaxed)->slot(i - inline_fences);
}

// Writer: see the table above the class. Does nothing to references and used_.
void reservation_object::set(atomic<uintptr_t> &at, uintptr_t word)
{
	unsigned long version = version_.load(order::relaxed);
	version_.store(version + 1, order::release);
	at.store(word, order::release);
	version_.store(version + 2, order::release);
}

// Frees the slots of signaled fences.
void reservation_object::prune()
{
	for (unsigned i = 0, end = capacity(); i < end; i++) {
		uintptr_t word = slot(i).load(order::relaxed);
		if (!word || !in_word(word).test_signaled())
			continue;
		set(slot(i), 0);
		used_--;
		resv_fence_put(in_word(word).c());
	}
}

// Makes it so many slots. The copy is complete before readers can see it; each slot keeps its number, and so it is no
// change to who looks at the version.
int reservation_object::grow(unsigned capacity)
{
	unsigned count = capacity - inline_fences;
	void *memory = resv_port_alloc(sizeof(fence_table) + count * sizeof(atomic<uintptr_t>));
	if (!memory)
		return -ENOMEM;
	auto *table = static_cast<fence_table *>(memory); // zeroed memory is a table without slots
	fence_table *old = table_.load(order::relaxed);
	table->count = count;
	for (unsigned i = 0; old && i < old->count; i++)
		table->slot(i).store(old->slot(i).load(order::relaxed), order::relaxed);
	table_.store(table, order::release);
	if (old)
		resv_port_free_after_readers(&old->freed, old);
	return 0;
}

// Sees to it that so many slots are free beside those that were promised. Prunes only when it runs short: looking at
// every fence is what costs.
int reservation_object::make_places(unsigned n)
{
	if (n > most_fences)
		return -ENOMEM;
	if (used_ + reserved_ + n <= capacity())
		return 0;
	prune();
	unsigned wanted = used_ + reserved_ + n;
	if (wanted <= capacity())
		return 0;
	if (wanted > most_fences)
		return -ENOMEM;
	return grow(wanted > 2 * capacity() ? wanted : 2 * capacity());
}

int reservation_object::make_room(unsigned n)
{
	lockdep::caller from(lockdep::return_address());
	if (!may_change())
		return -EINVAL;
	if (n == 0) {
		say(RESV_REPORT_NO_FENCES, *this);
		return -EINVAL;
	}
	int err = make_places(n);
	if (err == 0)
		reserved_ += n;
	return err;
}

int reservation_object::add_fence(fence &f, usage how)
{
	lockdep::caller from(lockdep::return_address());
	if constexpr (config::debug_ww_mutexes)
		if (!may_change())
			return -EINVAL;
	if (reserved_ == 0) [[unlikely]] {
		say(RESV_REPORT_NO_FENCE_SLOT, *this);
		return -ENOSPC;
	}
	if (fence_core::is_container(f)) [[unlikely]]
		fence_core::say(RESV_REPORT_FENCE_CONTAINER, f);
	reserved_--;
	fence_core::get(f);

	// The place of one that it stands for, or else the first that is free or whose fence has been signaled.
	atomic<uintptr_t> *place = nullptr;
	unsigned seen = 0;
	for (unsigned i = 0, end = capacity(); i < end && (!place || seen < used_); i++) {
		atomic<uintptr_t> &at = slot(i);
		uintptr_t word = at.load(order::relaxed);
		if (!word) {
			place = place ? place : &at;
			continue;
		}
		seen++;
		const fence &old = in_word(word);
		if (old.context == f.context && usage_in(word) >= how && old.seqno <= f.seqno) {
			place = &at;
			break;
		}
		if (!place && old.test_signaled())
			place = &at;
	}
	if (!place) // there is one, since it was promised
		__builtin_unreachable();
	uintptr_t old = place->load(order::relaxed);
	set(*place, word_of(f, how));
	if (old)
		fence_core::put(in_word(old));
	else
		used_++;
	return 0;
}

void reservation_object::replace_fences(uint64_t context, fence &f, usage how)
{
	lockdep::caller from(lockdep::return_address());
	if (!may_change())
		return;
	for (unsigned i = 0, end = capacity(); i < end; i++) {
		uintptr_t word = slot(i).load(order::relaxed);
		if (!word || in_word(word).context != context)
			continue;
		resv_fence_get(f.c());
		set(slot(i),
		    word_of(f, how)); // each in its place, so that who has passed one of them meets the next
		resv_fence_put(in_word(word).c());
	}
}

// New ones are added before old ones go, and one that is there already stays where it is: a reader misses none that is in
// both sets.
int reservation_object::copy_fences(const reservation_object &from)
{
	lockdep::caller caller(lockdep::return_address());
	if (!may_change())
		return -EINVAL;
	uintptr_t *words = nullptr;
	unsigned count = 0;
	int err = from.collect(usage::bookkeep, &count, &words);
	if (err == 0)
		err = make_places(count);

	// Returns the number of the word among those that are to be; `count` if it is not one of them.
	auto number = [&](uintptr_t word) {
		unsigned n = 0;
		while (n < count && words[n] != word)
			n++;
		return n;
	};
	if (err == 0) {
		for (unsigned n = 0, at = 0; n < count; n++) {
			bool there = false; // before, or because it is in `from` twice
			for (unsigned i = 0; i < capacity() && !there; i++)
				there = slot(i).load(order::relaxed) == words[n];
			if (there)
				continue;
			while (slot(at).load(order::relaxed))
				at++;
			resv_fence_get(in_word(words[n]).c());
			set(slot(at), words[n]);
			used_++;
		}
		for (unsigned i = 0, end = capacity(); i < end; i++) {
			uintptr_t word = slot(i).load(order::relaxed);
			if (!word || number(word) != count)
				continue;
			set(slot(i), 0);
			used_--;
			resv_fence_put(in_word(word).c());
		}
	}
	for (unsigned n = 0; n < count; n++)
		resv_fence_put(in_word(words[n]).c());
	resv_port_free(words);
	return err;
}

void reservation_object::drop_fences()
{
	for (unsigned i = 0, end = capacity(); i < end; i++)
		if (uintptr_t word = slot(i).load(order::relaxed)) {
			set(slot(i), 0);
			resv_fence_put(in_word(word).c());
		}
	if (fence_table *table = table_.load(order::relaxed)) {
		table_.store(nullptr, order::relaxed); // publishes nothing
		resv_port_free_after_readers(&table->freed, table);
	}
}

} // namespace resv
