// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Scenarios of what stands below the locks, and above them.
#include "scenario.hpp"

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

} // namespace

} // namespace resv::sim
