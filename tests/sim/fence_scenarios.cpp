// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Scenarios of fences, and of those who read a reservation object's without holding it. Nobody contends for the objects:
// their only writer does without reserving them, which builds without debug options do not notice.
#include "scenario.hpp"

#include "src/port/sim/heap.hpp"

#include <resv/release.h>
#include <resv/reservation.hpp>

namespace resv::sim {

namespace {

/// A fence, and what its driver has written before he showed it, and before he signaled it.
struct job {
	resv::fence f;
	resv_port_spinlock lock{};
	atomic<unsigned> made{0}, done{0};

	job(const resv_fence_ops *ops, uint64_t context, uint64_t seqno) : f(ops, &lock, context, seqno) {}
	static job *create(uint64_t context, uint64_t seqno, const resv_fence_ops *ops = nullptr)
	{
		return new (resv_port_alloc(sizeof(job))) job(ops, context, seqno);
	}
	static job &of(resv::fence &f) { return reinterpret_cast<job &>(f); }

	// Under the lock, as in a driver's interrupt handler: no fence comes in between.
	void signal()
	{
		unsigned long flags = resv_port_spin_lock(&lock);
		done.store(1, order::relaxed);
		resv_fence_signal_locked(f.c());
		resv_port_spin_unlock(&lock, flags);
	}
	void put() { resv_fence_put(f.c()); }
};

struct site {
	reservation_object object, from;
	job *jobs[3] = {};
	resv_fence *links[3] = {};
	atomic<unsigned> over{0};
	resv_port_work unload = {};
	bool loaded = true;
	bool evicted = false; // somebody has reserved the object in time
	resv_release release = {};
	unsigned freed = 0;
};

std::optional<site> the_site;

void set_up_site()
{
	share_heap();
	the_site.emplace();
	the_machine().share(&the_site, sizeof the_site);
	the_machine().label(&the_site->object, sizeof(reservation_object), "object");
}

void add(job &j, usage how = usage::write)
{
	check(the_site->object.reserve_fences(1) == 0, "reserve_fences() failed");
	j.made.store(1, order::relaxed);
	check(the_site->object.add_fence(j.f, how) == 0, "add_fence() failed");
}

/// At least one that has not been signaled is there at each moment.
void walk_site()
{
	unsigned met = 0;
	fence_cursor c(the_site->object, usage::write);
	for (resv::fence *f = c.first_unlocked(); f; f = c.next_unlocked()) {
		if (c.is_restarted())
			met = 0;
		met++;
		check(job::of(*f).made.load(order::relaxed) == 1, "a fence is found before it is complete");
	}
	check(met != 0, "a walk missed a fence that was there");
}

void test_site()
{
	check(!the_site->object.test_signaled(usage::write),
	      "what was never signaled at one moment is said to be");
}

// The second job begins on another timeline before the first ends; the third takes the place of the first, before the
// second ends.
const define slots({
	.name = "slots",
	.summary = "a writer adds fences and signals those before; a reader walks, or asks whether all are "
		   "signaled",
	.variants = 2,
	.begin =
		[](unsigned variant) {
			set_up_site();
			for (unsigned i = 0; i < 3; i++)
				the_site->jobs[i] = job::create(1 + i % 2, 1 + i);
			add(*the_site->jobs[0]);
			the_machine().spawn("writer", [] {
				for (unsigned i = 1; i < 3; i++) {
					add(*the_site->jobs[i]);
					the_site->jobs[i - 1]->signal();
					the_site->jobs[i - 1]->put();
				}
			});
			the_machine().spawn("reader", variant == 0 ? walk_site : test_site);
		},
	.end = [] {},
});

// Each fence takes the place of the one before, whose last reference goes with that.
const define places({
	.name = "places",
	.summary = "a writer replaces a fence again and again, and a reader looks for the one that is there",
	.variants = 2,
	.begin =
		[](unsigned variant) {
			set_up_site();
			for (unsigned i = 0; i < 3; i++)
				the_site->jobs[i] = job::create(1, 1 + i);
			add(*the_site->jobs[0]);
			the_site->jobs[0]->put();
			the_machine().spawn("writer", [] {
				for (unsigned i = 1; i < 3; i++) {
					add(*the_site->jobs[i]);
					the_site->jobs[i]->put();
				}
			});
			the_machine().spawn("reader", variant == 0 ? walk_site : test_site);
		},
	.end = [] {},
});

// What stands for two fences of a timeline takes the place of each. Of two sets of fences, one is in both.
const define sets({
	.name = "sets",
	.summary = "a writer puts one fence in the place of two, or gives the object another set of fences; "
		   "a reader looks for one that is there",
	.variants = 2 * 2,
	.begin =
		[](unsigned variant) {
			set_up_site();
			bool walks = digit(variant, 2) != 0;
			bool copies = variant != 0;
			for (unsigned i = 0; i < 3; i++)
				the_site->jobs[i] = job::create(copies ? 1 + i : 1, 1 + i);
			job &last = *the_site->jobs[2];
			add(*the_site->jobs[0]);
			add(*the_site->jobs[1], copies ? usage::write : usage::read);
			the_site->jobs[0]->put();
			last.made.store(1, order::relaxed);
			for (job *each : {the_site->jobs[1], &last}) {
				check(the_site->from.reserve_fences(1) == 0, "reserve_fences() failed");
				check(the_site->from.add_fence(each->f, usage::write) == 0,
				      "add_fence() failed");
			}
			the_machine().spawn("writer", [copies, &last] {
				if (copies)
					check(the_site->object.copy_fences(the_site->from) == 0,
					      "copy_fences() failed");
				else
					the_site->object.replace_fences(1, last.f, usage::write);
			});
			the_machine().spawn("reader", walks ? walk_site : test_site);
		},
	.end = [] {},
});

// The fence in the first slot is replaced and gone while the waiter may look at it; the one in the second is there all
// the time.
const define await_all({
	.name = "await",
	.summary = "a task waits for an object's fences, one of which is replaced meanwhile",
	.variants = 1,
	.begin =
		[](unsigned) {
			set_up_site();
			for (unsigned i = 0; i < 3; i++)
				the_site->jobs[i] = job::create(1 + i / 2, 1 + i);
			add(*the_site->jobs[0]);
			add(*the_site->jobs[2]);
			the_machine().spawn("waiter", [] {
				check(the_site->object.wait(usage::write, false) == RESV_WAIT_FOREVER,
				      "a wait failed");
				check(the_site->over.load(order::relaxed) == 1, "a wait ended too early");
			});
			the_machine().spawn("writer", [] {
				add(*the_site->jobs[1]);
				for (job *each : the_site->jobs) {
					if (each == the_site->jobs[2])
						the_site->over.store(1, order::relaxed);
					each->signal();
					each->put();
				}
			});
		},
	.end = [] {},
});

// The last reference to the buffer goes while the driver signals its fences and an evictor tries it. A real evictor finds
// it on an LRU, and not any more once it is freed. One that has it from the beginning keeps it from being freed.
const define destruction({
	.name = "destruction",
	.summary = "a buffer is released while its fences are signaled, and while somebody tries to evict "
		   "it, or does",
	.variants = 2 * 2,
	.begin =
		[](unsigned variant) {
			set_up_site();
			unsigned last = digit(variant, 2);
			the_site->evicted = variant != 0 && the_site->object.try_reserve(nullptr);
			for (unsigned i = 0; i <= last; i++)
				add(*(the_site->jobs[i] = job::create(1 + i, 1)));
			the_machine().spawn("releaser", [] {
				auto *object = reinterpret_cast<resv_object *>(&the_site->object);
				resv_release_buffer(&the_site->release, object, object, nullptr, 0,
						    [](resv_release *) {
							    check(the_site->over.load(order::relaxed) == 1,
								  "a buffer is freed too early");
							    check(!the_site->evicted,
								  "a buffer is freed while it is reserved");
							    the_site->object.destroy();
							    the_site->freed++;
						    });
			});
			the_machine().spawn("driver", [last] {
				for (unsigned i = 0; i <= last; i++) {
					if (i == last)
						the_site->over.store(1, order::relaxed);
					the_site->jobs[i]->signal();
					the_site->jobs[i]->put();
				}
			});
			the_machine().spawn("evictor", [] {
				if (!the_site->evicted && !the_site->object.try_reserve(nullptr))
					return;
				the_site->over.load(order::relaxed); // lets others come
				the_site->evicted = false;
				the_site->object.unreserve();
			});
		},
	.end =
		[] {
			resv_port_drain();
			check(the_site->freed == 1, "a buffer is not freed once");
		},
});

// The fence that is looked for is the last but one of a full table, when that grows.
const define growth({
	.name = "growth",
	.summary = "a writer makes more room for fences, and a reader looks for one that is there",
	.variants = 2,
	.begin =
		[](unsigned variant) {
			set_up_site();
			for (unsigned i = 0; i < 4; i++)
				add(*job::create(10 + i, 1), usage::bookkeep);
			add(*(the_site->jobs[0] = job::create(1, 1)));
			for (unsigned i = 0; i < 3; i++)
				add(*job::create(20 + i, 1), usage::bookkeep);
			the_site->jobs[1] = job::create(2, 1);
			the_machine().spawn("writer", [] { add(*the_site->jobs[1]); });
			the_machine().spawn("reader", variant == 0 ? walk_site : test_site);
		},
	.end = [] {},
});

// The place of the new fence is in front of the old one's. That is signaled by somebody who has seen the new one: not before
// the place was filled, but while the writer may still be at it. What the version counts is odd or even in the beginning.
const define overlap({
	.name = "overlap",
	.summary = "a driver signals a fence once another one is there, which a writer adds; a reader asks "
		   "whether all are signaled",
	.variants = 2,
	.begin =
		[](unsigned variant) {
			set_up_site();
			job *over = job::create(3, 1);
			add(*over, usage::bookkeep);
			if (variant != 0)
				add(*job::create(4, 1), usage::bookkeep);
			add(*(the_site->jobs[0] = job::create(1, 1)));
			the_site->jobs[1] = job::create(2, 1);
			over->signal();
			the_machine().spawn("writer", [] { add(*the_site->jobs[1], usage::kernel); });
			the_machine().spawn("driver", [] {
				if (!the_site->object.test_signaled(usage::kernel))
					the_site->jobs[0]->signal();
			});
			the_machine().spawn("reader", test_site);
		},
	.end = [] {},
});

// ---- One fence -------------------------------------------------------------------------------------------------------

// The loads let other tasks come between the caller and the check.
bool asked(resv_fence *)
{
	the_site->over.load(order::relaxed);
	check(the_site->loaded, "a driver is asked whose module is gone");
	return false;
}

void hurried(resv_fence *, int64_t)
{
	the_site->over.load(order::relaxed);
	check(the_site->loaded, "a driver is hurried whose module is gone");
}

constexpr resv_fence_ops module_ops{.get_driver_name = nullptr,
				    .get_timeline_name = nullptr,
				    .enable_signaling = nullptr,
				    .signaled = asked,
				    .release = nullptr,
				    .set_deadline = hurried};

void use_site_after_signal(bool over)
{
	if (!over)
		return;
	check(the_site->jobs[0]->f.test_signaled(), "a fence is over that is not signaled");
	check(the_site->jobs[0]->done.load(order::relaxed) == 1, "a signal comes before what led to it");
}

const define unloading({
	.name = "unload",
	.summary = "a driver signals his fence and unloads his module; others ask the fence",
	.variants = 2,
	.begin =
		[](unsigned variant) {
			set_up_site();
			the_site->jobs[0] = job::create(1, 1, &module_ops);
			the_machine().spawn("driver", [] {
				the_site->jobs[0]->signal();
				the_site->unload.fn = [](resv_port_work *) { the_site->loaded = false; };
				resv_port_after_readers(&the_site->unload);
			});
			the_machine().spawn("other", [variant] {
				if (variant != 0)
					the_site->jobs[0]->f.set_deadline(1);
				use_site_after_signal(the_site->jobs[0]->f.is_signaled());
			});
		},
	.end = [] { check(!the_site->loaded, "the module was not unloaded"); },
});

// Of three links the one in the middle is signaled. Both tasks look for the one before the last, and drop that.
const define chains({
	.name = "chain",
	.summary = "2 tasks walk along a chain, and drop the same link from it; the last reference goes, too",
	.variants = 2,
	.begin =
		[](unsigned variant) {
			set_up_site();
			resv_fence *before = nullptr;
			for (unsigned i = 0; i < 3; i++) {
				the_site->jobs[i] = job::create(1 + i, 1);
				if (i == 1)
					the_site->jobs[i]->f.signal();
				resv_fence_chain *link = resv_fence_chain_alloc();
				resv_fence_chain_init(link, before, the_site->jobs[i]->f.c(), 1 + i);
				before = the_site->links[i] = &link->base;
			}
			for (const char *label : {"a", "b"})
				the_machine().spawn(label, [gives_up = variant != 0 && *label == 'b'] {
					resv_fence *last = the_site->links[2];
					resv_fence *found = resv_fence_chain_walk(resv_fence_get(last));
					check(found == the_site->links[0], "a walk misses a link");
					check(!resv_fence_test_signaled(found),
					      "a link is signaled too early");
					if (!gives_up)
						resv_fence_put(found);
					else
						found = resv_fence_chain_walk(found);
					check(!gives_up || !found, "a chain has no end");
				});
		},
	.end =
		[] {
			resv_fence_put(the_site->links[2]);
			resv_port_drain();
		},
});

/// A callback whose memory is spoilt once it was taken back, or called.
struct on_stack {
	alignas(resv_fence_cb) unsigned char bytes[sizeof(resv_fence_cb)];

	resv_fence_cb &cb() { return reinterpret_cast<resv_fence_cb &>(bytes); }
	~on_stack() { memset(bytes, 0xa5, sizeof bytes); }
};

const define waits({
	.name = "fence-wait",
	.summary = "a task waits for a fence, perhaps not for long; another hangs a callback on it and takes "
		   "it back; a third signals",
	.variants = 4,
	.begin =
		[](unsigned variant) {
			set_up_site();
			the_site->jobs[0] = job::create(1, 1);
			int64_t timeout = digit(variant, 2) != 0 ? 1000 : RESV_WAIT_FOREVER;
			the_machine().spawn("waiter", [timeout] {
				int64_t left = the_site->jobs[0]->f.wait_timeout(false, timeout);
				check(left > 0 || timeout != RESV_WAIT_FOREVER, "a wait failed");
				use_site_after_signal(left > 0);
			});
			if (digit(variant, 2) != 0)
				the_machine().spawn("passer-by", [] {
					on_stack passing;
					resv::fence &f = the_site->jobs[0]->f;
					if (f.add_callback(passing.cb(),
							   [](resv_fence *, resv_fence_cb *) {}) == 0 &&
					    !f.remove_callback(passing.cb()))
						use_site_after_signal(true);
				});
			the_machine().spawn("driver", [] { the_site->jobs[0]->signal(); });
		},
	.end = [] {},
});

} // namespace

} // namespace resv::sim
