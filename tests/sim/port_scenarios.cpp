// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Scenarios of what stands below the locks, and above them.
#include "scenario.hpp"

#include "src/port/sim/heap.hpp"
#include "src/wake_set.hpp"

#include <resv/transaction.hpp>

namespace resv::sim {

namespace {

struct post {
	parker mailbox{the_machine().id_of(0)};
	atomic<unsigned> letters{0};
	atomic<unsigned> told{0};
};

std::optional<post> the_post;

// Parks end early, or for no reason, or both.
const define letters({
	.name = "letters",
	.summary = "a task waits until 2 others have left a token each",
	.variants = 2,
	.begin =
		[](unsigned variant) {
			the_post.emplace();
			the_machine().share(&the_post, sizeof the_post);
			the_machine().label(&the_post->mailbox, sizeof(parker), "mailbox");
			the_machine().label(&the_post->letters, sizeof(unsigned), "letters");
			the_machine().spawn("a", [deadline = variant != 0 ? 1000 : RESV_WAIT_FOREVER] {
				while (the_post->letters.load(order::relaxed) != 2) {
					int rc = the_post->mailbox.wait(RESV_PARK_UNINTERRUPTIBLE, deadline);
					check(rc == 0 || (rc == -ETIME && deadline == 1000), "a wait failed");
				}
				// In a lock it is the spin bit that keeps a sleeper alive until it has been told.
				resv_port_critical_begin();
				while (the_post->told.load(order::relaxed) != 2)
					resv_port_relax(0);
				resv_port_critical_end();
			});
			for (const char *label : {"b", "c"})
				the_machine().spawn(label, [] {
					wake_set wakes;
					the_post->letters.fetch_add(1, order::relaxed);
					the_post->mailbox.tell(wakes);
					the_post->told.fetch_add(1, order::relaxed);
				});
		},
	.end = [] {},
	.options = {.spurious = 1},
});

struct shop {
	explicit shop(ww_algorithm algorithm) : cls(algorithm, "sim_acquire", "sim_mutex") {}

	ww_class cls;
	reservation_object objects[2] = {reservation_object(cls), reservation_object(cls)};
	unsigned holders[2] = {};
	resv_port_spinlock fence_lock{};
	resv::fence fence{nullptr, &fence_lock, 1, 1};
};

std::optional<shop> the_shop;

void use(unsigned n)
{
	check(++the_shop->holders[n] == 1, "two tasks hold a reservation");
	check(the_shop->objects[n].is_reserved(), "an object is not reserved after reserve()");
}

const define transactions({
	.name = "reserve",
	.summary = "2 transactions reserve 2 objects in opposite orders; one reserves them one by one, or "
		   "evicts",
	.variants = 8,
	.begin =
		[](unsigned variant) {
			the_shop.emplace(both_algorithms[digit(variant, 2)]);
			the_machine().share(&the_shop, sizeof the_shop);
			the_machine().spawn("a", [] {
				transaction t(the_shop->cls);
				reservation_object *both[] = {&the_shop->objects[0], &the_shop->objects[1]};
				check(t.reserve(both) == 0, "reserve() failed");
				use(0), use(1);
				the_shop->holders[0] = the_shop->holders[1] = 0;
			});
			bool evicts = digit(variant, 2) != 0;
			bool early = digit(variant, 2) != 0;
			the_machine().spawn("b", [evicts, early] {
				wait_request request;
				if (early)
					request = for_at_most(1000);
				transaction t(the_shop->cls, request);
				bool evicted = false;
				int rc = t.run([evicts, &evicted](transaction &pass) {
					int err = pass.reserve_one(the_shop->objects[1]);
					if (err == 0 && evicts)
						evicted = pass.try_reserve(the_shop->objects[0]);
					else if (err == 0)
						err = pass.reserve_one(the_shop->objects[0]);
					return err;
				});
				check(rc == 0 || (early && rc == -ETIME), "run() failed");
				check((rc == 0) == t.context().holds_any(),
				      "run() failed, or did not, and held something");
				if (rc != 0)
					return;
				use(1);
				the_shop->holders[1] = 0;
				if (!evicts || evicted) {
					use(0);
					the_shop->holders[0] = 0;
				}
			});
		},
	.end =
		[] {
			for (const reservation_object &object : the_shop->objects)
				check(!object.is_reserved(), "an object is reserved in the end");
		},
	.options = {},
});

/// Buffers share a reservation, or come up twice.
struct shared_buffer {
	reservation_object *reservation;
};

// Each time that an object comes up, there is room for one more fence.
void reserve_repeated(const lock_list &list, bool prepares)
{
	shared_buffer buffers[3];
	for (unsigned i = 0; i < list.size; i++)
		buffers[i].reservation = &the_shop->objects[list.at[i]];
	transaction t(the_shop->cls);
	int rc = prepares ? t.prepare(buffers, 1, &shared_buffer::reservation)
			  : t.reserve(buffers, &shared_buffer::reservation);
	check(rc == 0, "reserve() failed");
	check(t.size() == 2, "an object that comes up twice is counted twice, or not at all");
	use(0), use(1);
	for (unsigned i = 0; prepares && i < list.size; i++)
		check(buffers[i].reservation->add_fence(the_shop->fence, usage::read) == 0,
		      "there is no room for a fence each time that an object comes up");
	the_shop->holders[0] = the_shop->holders[1] = 0;
}

const define repeated({
	.name = "repeated",
	.summary =
		"2 transactions reserve 2 objects, one of which comes up twice, or prepare them for fences",
	.variants = 2 * 2 * 2,
	.begin =
		[](unsigned variant) {
			the_shop.emplace(both_algorithms[digit(variant, 2)]);
			the_machine().share(&the_shop, sizeof the_shop);
			share_heap();
			bool prepares = digit(variant, 2) != 0;
			static constexpr lock_list lists[] = {{3, {1, 0, 1}}, {3, {1, 1, 0}}};
			the_machine().spawn("a", [prepares] { reserve_repeated({3, {0, 1, 0}}, prepares); });
			the_machine().spawn(
				"b", [prepares, variant] { reserve_repeated(lists[variant], prepares); });
		},
	.end =
		[] {
			for (const reservation_object &object : the_shop->objects)
				check(!object.is_reserved(), "an object is reserved in the end");
		},
	.options = {},
});

// What a reader finds, and a writer replaces and has freed.
struct leaf {
	resv_port_work work = {};
	atomic<unsigned> value;

	explicit leaf(unsigned v) : value(v) {}
	static leaf *make(unsigned v) { return new (resv_port_alloc(sizeof(leaf))) leaf(v); }
};

struct shelf {
	atomic<leaf *> first{leaf::make(1)};
	resv_port_work notice = {}; // comes after the readers
	resv_port_work calls[2] = {};
	atomic<unsigned> reads{0};
	unsigned called = 0;
	bool noticed = false;
};

std::optional<shelf> the_shelf;

void read_leaf()
{
	unsigned value = the_shelf->first.load(order::acquire)->value.load(order::relaxed);
	check(value == 1 || value == 2, "a reader found what was never there");
	the_shelf->reads.fetch_add(1, order::relaxed);
}

void replace_leaf()
{
	leaf *old = the_shelf->first.exchange(leaf::make(2), order::acq_rel);
	resv_port_free_after_readers(&old->work, old);
}

void set_up_shelf(bool protect)
{
	share_heap();
	the_shelf.emplace();
	the_machine().share(&the_shelf, sizeof the_shelf);
	the_machine().label(&the_shelf->first, sizeof(leaf *), "first");
	the_machine().spawn("reader", [protect] {
		if (!protect)
			return read_leaf();
		resv_port_read_lock();
		resv_port_read_lock();
		read_leaf();
		resv_port_read_unlock();
		read_leaf();
		resv_port_read_unlock();
	});
}

// One writer asks from within a section of its own, and one drains.
const define readers({
	.name = "readers",
	.summary = "a reader in a section, a writer that has what it may see freed, or drains; another "
		   "that defers work",
	.variants = 4,
	.begin =
		[](unsigned variant) {
			set_up_shelf(true);
			if (digit(variant, 2) != 0)
				the_machine().spawn("other", [] {
					the_shelf->calls[0].fn = [](resv_port_work *) {
						the_shelf->called++;
					};
					resv_port_defer(&the_shelf->calls[0]);
				});
			the_machine().spawn("writer", [drains = variant != 0] {
				if (!drains)
					resv_port_read_lock();
				replace_leaf();
				the_shelf->notice.fn = [](resv_port_work *) { the_shelf->noticed = true; };
				resv_port_after_readers(&the_shelf->notice);
				if (drains) {
					resv_port_drain();
					check(the_shelf->noticed, "drain() did not wait");
				} else {
					check(!the_shelf->noticed, "a section is open");
					resv_port_read_unlock();
				}
			});
		},
	.end = [] { check(the_shelf->noticed, "nothing came after the readers"); },
});

const define unprotected({
	.name = "unprotected",
	.summary = "the same without sections: the reader finds freed memory",
	.variants = 1,
	.begin =
		[](unsigned) {
			set_up_shelf(false);
			the_machine().spawn("writer", [] { replace_leaf(); });
		},
	.end = [] {},
});

// Under a spin lock, and without: in the order of asking, and never before the lock is dropped.
const define deferred({
	.name = "defer",
	.summary = "2 tasks defer work; one of them with a spin lock held",
	.variants = 1,
	.begin =
		[](unsigned) {
			share_heap();
			the_shelf.emplace();
			the_machine().share(&the_shelf, sizeof the_shelf);
			the_machine().spawn("a", [] {
				resv_port_critical_begin();
				for (resv_port_work &call : the_shelf->calls) {
					call.fn = [](resv_port_work *work) {
						check(!the_machine().in_critical_section(),
						      "deferred work runs under a spin lock");
						check(work == &the_shelf->calls[the_shelf->called++],
						      "deferred work is out of order");
					};
					resv_port_defer(&call);
				}
				resv_port_critical_end();
			});
			the_machine().spawn("b", [] {
				the_shelf->notice.fn = [](resv_port_work *) { the_shelf->noticed = true; };
				resv_port_defer(&the_shelf->notice);
			});
		},
	.end =
		[] {
			check(the_shelf->noticed && the_shelf->called == 2,
			      "deferred work was not done in the end");
		},
});

} // namespace

} // namespace resv::sim
