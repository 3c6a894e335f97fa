// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Scenarios of LRUs: a walk, and somebody who changes what it comes by.
#include "scenario.hpp"

#include "src/port/sim/heap.hpp"

#include <resv/lru.hpp>

namespace resv::sim {

namespace {

/// A buffer that goes with its last reference. The LRU has none: whoever finds it there asks for one.
struct buffer {
	lru_entry entry;
	reservation_object own;
	atomic<unsigned> references{1};

	static buffer *create() { return new (resv_port_alloc(sizeof(buffer))) buffer; }
	static buffer &of(lru_entry &e) { return reinterpret_cast<buffer &>(e); }
	static buffer &of(resv_lru_entry *e) { return *reinterpret_cast<buffer *>(e); }

	bool get()
	{
		for (;;) {
			unsigned n = references.load(order::relaxed);
			if (n == 0 || references.compare_exchange(n, n + 1, order::acquire))
				return n != 0;
		}
	}
	void put()
	{
		if (references.fetch_add(~0u, order::acq_rel) != 1)
			return;
		lru::del(entry);
		check(!own.is_reserved(), "a buffer is freed while it is reserved");
		own.destroy();
		resv_port_free(this);
	}
};

constexpr resv_lru_ops buffer_ops{
	.get = [](resv_lru_entry *e) { return buffer::of(e).get(); },
	.put = [](resv_lru_entry *e) { buffer::of(e).put(); },
};

/// What a task does to the oldest buffer while it has reserved it, or afterwards.
enum class change : uint8_t { none, object, leave, move, last_put };
constexpr unsigned changes = 5;

struct rack {
	// As many as a walk looks at closely between two pauses, but one.
	static constexpr unsigned dull_entries = 15;

	lru device{&buffer_ops}, other{&buffer_ops};
	buffer *buffers[2] = {};
	reservation_object second; // what the oldest buffer's entry may get
	reservation_object common; // that of all dull entries
	lru_entry dull[dull_entries];
	unsigned holders = 0; // of the oldest buffer's own reservation
	bool changed = false; // its own is not its entry's any more
};

std::optional<rack> the_rack;

void set_up_rack(unsigned buffers, unsigned dull = 0)
{
	share_heap();
	the_rack.emplace();
	the_machine().share(&the_rack, sizeof the_rack);
	the_machine().label(&the_rack->device, 8, "device.lock");
	the_machine().label(&the_rack->other, 8, "other.lock");
	for (unsigned i = 0; i < dull; i++)
		the_rack->device.add(the_rack->dull[i], the_rack->common);
	for (unsigned i = 0; i < buffers; i++) {
		buffer *b = the_rack->buffers[i] = buffer::create();
		the_machine().label(&b->own, sizeof b->own, lock_name(i));
		the_machine().label(&b->references, sizeof(unsigned), lock_name(i) + ".references");
		the_rack->device.add(b->entry, b->own);
	}
}

/// An LRU is a ring of entries that are its own, and of no cursors. As C knows it, which can look.
void check_list(lru &l)
{
	auto &list = reinterpret_cast<resv_lru &>(l);
	unsigned long met = 0;
	for (const resv_lru_entry *e = &list.head; met <= list.count; e = e->next, met++) {
		check(e->next->prev == e, "an LRU is no ring in the end");
		if (e->next == &list.head)
			break;
		check(e->next->lru == &list && e->next->object,
		      "what is on an LRU is not its own in the end");
	}
	check(met == list.count, "an LRU has not as many entries as it says");
	check(!list.cursors, "a cursor is left on an LRU");
}

void check_lists()
{
	check_list(the_rack->device);
	check_list(the_rack->other);
}

/// Takes a reference to what it finds; dull entries do not suit.
struct finder {
	int operator()(lru_entry &e, reservation_object &object, bool reserved)
	{
		if (&object == &the_rack->common)
			return 0;
		if (!reserved)
			return 1;
		if (!buffer::of(e).get())
			return 0;
		found = &buffer::of(e);
		return 1;
	}
	buffer *found = nullptr;
};

void check_found(const finder &f, reservation_object &object)
{
	check(f.found, "a walk ends without asking about what it found");
	if (&object != &f.found->own)
		return check(f.found == the_rack->buffers[0] && &object == &the_rack->second,
			     "a walk ends with another entry's reservation");
	if (f.found != the_rack->buffers[0])
		return;
	check(!the_rack->changed, "a walk ends with a reservation that is not the entry's any more");
	check(++the_rack->holders == 1, "two tasks hold a reservation");
	the_rack->common.is_reserved(); // lets others come
	the_rack->holders--;
}

int try_to_evict()
{
	finder f;
	reservation_object *object = nullptr;
	int rc = the_rack->device.reserve_first(nullptr, f, object);
	if (rc == 0) {
		check_found(f, *object);
		object->unreserve();
		f.found->put();
	}
	return rc;
}

int wait_and_evict()
{
	finder f;
	transaction t;
	reservation_object *object = nullptr;
	int rc = t.run([&](transaction &pass) { return the_rack->device.reserve_wait(pass, f, 1, object); });
	if (rc == 0) {
		check_found(f, *object);
		t.release_all();
		f.found->put();
	}
	return rc;
}

// With its reservation, as drivers do.
void change_oldest(change what)
{
	buffer &b = *the_rack->buffers[0];
	check(b.own.reserve(nullptr) == 0, "reserve() failed");
	check(++the_rack->holders == 1, "two tasks hold a reservation");
	if (what == change::object)
		lru::set_object(b.entry, the_rack->second);
	if (what == change::leave || what == change::move)
		lru::del(b.entry);
	if (what == change::move)
		the_rack->other.add(b.entry, b.own);
	the_rack->changed = what != change::none && what != change::last_put;
	the_rack->holders--;
	b.own.unreserve();
	if (what == change::last_put)
		b.put();
}

// Where there is a second buffer, it suits and is free all the time.
const define evicting({
	.name = "evict",
	.summary = "a walk of an LRU reserves the oldest buffer that it can; its holder gives it another "
		   "object, takes it off, moves it to another LRU, or drops it",
	.variants = 2 * 2 * changes,
	.begin =
		[](unsigned variant) {
			bool waits = digit(variant, 2) != 0;
			bool alone = digit(variant, 2) != 0;
			auto what = static_cast<change>(variant);
			set_up_rack(alone ? 1 : 2);
			the_machine().spawn("walker", [waits, alone, what] {
				int rc = waits ? wait_and_evict() : try_to_evict();
				if (!alone || (waits && (what == change::none || what == change::object)))
					check(rc == 0, "a walk finds nothing, though there is something");
				else
					check(rc == 0 || rc == -ENOENT || rc == -EBUSY, "a walk failed");
			});
			the_machine().spawn("holder", [what] { change_oldest(what); });
		},
	.end = check_lists,
});

const define rivals({
	.name = "rivals",
	.summary = "the same, with two walks that look for the one buffer; one of them tries, the other one "
		   "waits",
	.variants = changes,
	.begin =
		[](unsigned variant) {
			set_up_rack(1);
			the_machine().spawn("a", [] { (void)try_to_evict(); });
			the_machine().spawn("b", [] { (void)wait_and_evict(); });
			the_machine().spawn("holder",
					    [what = static_cast<change>(variant)] { change_oldest(what); });
		},
	.end = check_lists,
});

// The transaction that evicts holds something, and is sent back from the buffer, which may be gone before it comes back.
const define passing({
	.name = "passing",
	.summary = "a transaction reserves an object and then what a walk finds; another one both in the "
		   "opposite order, and may drop the buffer",
	.variants = 2,
	.begin =
		[](unsigned variant) {
			set_up_rack(1);
			the_machine().spawn("walker", [] {
				finder f;
				transaction t;
				int rc = t.run([&](transaction &pass) {
					reservation_object *object = nullptr;
					int err = pass.reserve_one(the_rack->second);
					return err != 0 ? err
							: the_rack->device.reserve_wait(pass, f, 1, object);
				});
				check(rc == 0 || rc == -ENOENT || rc == -EBUSY, "a walk failed");
				t.release_all();
				if (f.found)
					f.found->put();
			});
			the_machine().spawn("holder", [variant] {
				buffer &b = *the_rack->buffers[0];
				transaction t;
				reservation_object *both[] = {&b.own, &the_rack->second};
				check(t.reserve(both) == 0, "reserve() failed");
				t.release_all();
				if (variant != 0)
					b.put();
			});
		},
	.end = check_lists,
});

// The walk pauses behind the oldest buffer if that is still reserved then. The other one is there all the time.
const define pausing({
	.name = "pause",
	.summary = "a walk of an LRU pauses, and the entry that it has come to leaves, moves to the end, or "
		   "goes",
	.variants = 3,
	.begin =
		[](unsigned variant) {
			set_up_rack(2, rack::dull_entries);
			check(the_rack->buffers[0]->own.try_reserve(nullptr),
			      "a reservation that nobody has is had");
			the_machine().spawn("walker", [] {
				check(try_to_evict() == 0, "a walk finds nothing, though there is something");
			});
			the_machine().spawn("other", [variant] {
				buffer &b = *the_rack->buffers[0];
				if (variant == 0)
					lru::del(b.entry);
				else if (variant == 1)
					lru::move_tail(b.entry);
				b.own.unreserve();
				if (variant == 2)
					b.put();
			});
		},
	.end = check_lists,
});

// Neither holds the reservation: the entry's place is the locks' alone.
const define migrating({
	.name = "migrate",
	.summary =
		"an entry is moved to another LRU; meanwhile somebody makes it the newest, or takes it off",
	.variants = 2,
	.begin =
		[](unsigned variant) {
			set_up_rack(2);
			the_machine().spawn("mover", [] {
				buffer &b = *the_rack->buffers[0];
				lru::del(b.entry);
				the_rack->other.add(b.entry, b.own);
			});
			the_machine().spawn("other", [variant] {
				lru_entry &e = the_rack->buffers[0]->entry;
				variant == 0 ? lru::move_tail(e) : lru::del(e);
			});
		},
	.end = check_lists,
});

/// A cursor whose memory is spoilt when its walk has ended.
class cursor_on_stack {
public:
	cursor_on_stack() { new (bytes_) lru_cursor(the_rack->device); }
	~cursor_on_stack()
	{
		cursor().~lru_cursor();
		memset(bytes_, 0xa5, sizeof bytes_);
	}
	lru_entry *next() { return cursor().next(); }

private:
	lru_cursor &cursor() { return *reinterpret_cast<lru_cursor *>(bytes_); }
	alignas(lru_cursor) unsigned char bytes_[sizeof(lru_cursor)];
};

// The second buffer stays, and is met once; the oldest at most once.
const define listing({
	.name = "cursor",
	.summary = "a task goes along an LRU with a cursor, or ends that halfway; another takes an entry "
		   "off, moves both, or drops a buffer",
	.variants = 2 * 3,
	.begin =
		[](unsigned variant) {
			set_up_rack(2);
			bool halfway = digit(variant, 2) != 0;
			the_machine().spawn("walker", [halfway, moves = variant == 1] {
				unsigned met[2] = {};
				{
					cursor_on_stack at;
					while (lru_entry *e = at.next()) {
						buffer &b = buffer::of(*e);
						met[&b == the_rack->buffers[1]]++;
						b.put();
						if (halfway)
							break;
					}
				}
				if (!halfway && !moves)
					check(met[0] <= 1 && met[1] == 1,
					      "a walk does not meet each entry once");
			});
			the_machine().spawn("other", [variant] {
				buffer &b = *the_rack->buffers[0];
				if (variant == 0)
					lru::del(b.entry);
				else if (variant == 1)
					for (buffer *each : the_rack->buffers)
						lru::move_tail(each->entry);
				else
					b.put();
			});
		},
	.end = check_lists,
});

} // namespace

} // namespace resv::sim
