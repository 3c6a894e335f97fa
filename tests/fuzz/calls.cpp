// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Two or three tasks on the simulated machine call what the input says, in the order that it says: locks with and without
// contexts, transactions, fences, LRUs; by the rules. A further task, the driver, signals the fences. Whatever they do:
//
//   - a lock has one holder at a time, and a context gets it no sooner than an older one that waits
//   - each result is one that the call may have; -EDEADLK goes to contexts that hold something, never to the oldest
//   - nobody finds a fence signaled that is not, and who holds an object misses none that is
//   - in the end each task has got on, nothing is held, and all references and memory have been returned
#include "fuzz.hpp"

#include "src/port/sim/heap.hpp"
#include "src/port/sim/machine.hpp"
#include "tests/sim/order.hpp"
#include "tests/ww_test_access.hpp"

#include <resv/lru.hpp>

#include <cerrno>
#include <csignal>
#include <optional>

using resv::fuzz::input;

namespace resv::sim {

namespace {

constexpr unsigned max_callers = 3;
constexpr unsigned max_jobs = 6;   // of a caller
constexpr unsigned max_notes = 24; // of a buffer
constexpr unsigned buffers = 4;
constexpr unsigned max_calls = 24; // of a caller
constexpr unsigned nobody = ~0u;

input the_input;

void check(bool good, const char *what)
{
	if (!good)
		the_machine().fail(what);
}

unsigned below(unsigned n)
{
	return the_input.below(n);
}
bool one_in(unsigned n)
{
	return below(n) == n - 1; // never once there is no more input
}

// ---- What they share -------------------------------------------------------------------------------------------------

/// A fence that the driver signals, as number `seqno` of its caller.
struct job {
	resv::fence f;
	atomic<unsigned> done{0};

	job(uint64_t caller, uint64_t seqno);
	static job *of(resv_fence *f) { return reinterpret_cast<job *>(f); }
};

struct buffer {
	lru_entry entry;           // added and taken off by who holds the object
	reservation_object object; // right behind it
	unsigned references = 0;
	unsigned holder = nobody;
	unsigned promised = 0; // places for fences

	// Each fence that was added.
	struct note {
		unsigned caller, seqno;
		usage how;
	} notes[max_notes];
	unsigned noted = 0;

	explicit buffer(ww_class &cls) : object(cls) {}
	static buffer &of(lru_entry &e) { return reinterpret_cast<buffer &>(e); }
	static buffer &of(reservation_object &o)
	{
		return *reinterpret_cast<buffer *>(reinterpret_cast<char *>(&o) - sizeof(lru_entry));
	}
	ww_mutex &lock() { return reinterpret_cast<ww_mutex &>(object); }
};

extern const resv_lru_ops keep_buffers;

struct site {
	ww_class cls;
	lru list{&keep_buffers};
	lru_bulk bulk{list};
	alignas(buffer) unsigned char memory[buffers][sizeof(buffer)];
	unsigned callers;

	// The driver's work: what was submitted, in the low half, and the callers that have ended.
	atomic<unsigned> asked{0};
	job *pending[max_callers][max_jobs];
	unsigned submitted[max_callers] = {};
	unsigned begun[max_callers] = {};    // to be signaled, in order
	unsigned signaled[max_callers] = {}; // and that has returned
	unsigned made = 0, released = 0;

	// The stamps of the contexts that wait, by lock and task.
	unsigned long waiting[buffers][max_callers] = {};

	site(ww_algorithm algorithm, unsigned caller_count)
		: cls(algorithm, "fuzz_acquire", "fuzz_mutex"), callers(caller_count)
	{}
	buffer &at(unsigned n) { return reinterpret_cast<buffer &>(memory[n]); }
};

std::optional<site> the_site;

constexpr unsigned one_ended = 1u << 16;

bool get_buffer(resv_lru_entry *e)
{
	reinterpret_cast<buffer *>(e)->references++;
	return true;
}
void put_buffer(resv_lru_entry *e)
{
	check(reinterpret_cast<buffer *>(e)->references-- != 0, "a reference is dropped that nobody has");
}
constexpr resv_lru_ops keep_buffers{.get = get_buffer, .put = put_buffer};

bool is_done(resv_fence *f)
{
	return job::of(f)->done.load(order::acquire) != 0;
}
void release_job(resv_fence *f)
{
	the_site->released++;
	resv_fence_free(f);
}
constexpr resv_fence_ops job_ops{.get_driver_name = nullptr,
				 .get_timeline_name = nullptr,
				 .enable_signaling = nullptr,
				 .signaled = is_done,
				 .release = release_job,
				 .set_deadline = nullptr};

job::job(uint64_t caller, uint64_t seqno) : f(&job_ops, nullptr, 1 + caller, seqno) {}

void trace(ww_event event, const ww_mutex &lock, const ww_acquire_ctx &self, const ww_acquire_ctx *other)
{
	unsigned n = 0;
	while (&the_site->at(n).lock() != &lock)
		n++;
	check_order(the_site->waiting[n], event, self, other);
}

// ---- The driver ----------------------------------------------------------------------------------------------------------

unsigned wait_for_work(unsigned done)
{
	unsigned asked;
	resv_port_critical_begin();
	for (;;) {
		asked = the_site->asked.load(order::acquire);
		if (asked % one_ended != done || asked / one_ended == the_site->callers)
			break;
		resv_port_relax(0);
	}
	resv_port_critical_end();
	return asked;
}

void drive()
{
	for (unsigned done = 0; wait_for_work(done) % one_ended != done; done++) {
		unsigned caller = below(the_site->callers);
		while (the_site->begun[caller] == the_site->submitted[caller])
			caller = (caller + 1) % the_site->callers;
		job *j = the_site->pending[caller][the_site->begun[caller]++];
		j->done.store(1, order::release); // from here on anybody may signal it
		j->f.signal();
		the_site->signaled[caller]++;
		resv_fence_put(j->f.c());
	}
}

// ---- Callers ---------------------------------------------------------------------------------------------------------------

class caller {
public:
	explicit caller(unsigned number) : number_(number) {}
	void run();

private:
	static constexpr unsigned most_kept = 3;

	/// The fences of a buffer up to one usage, as they are noted now.
	struct expectation {
		buffer *b;
		usage up_to;
		unsigned noted;

		expectation(buffer &of, usage how) : b(&of), up_to(how), noted(of.noted) {}
		/// Has this been reached by all of them?
		bool all(const unsigned (&reached)[max_callers]) const
		{
			for (unsigned i = 0; i < noted; i++)
				if (b->notes[i].how <= up_to &&
				    b->notes[i].seqno > reached[b->notes[i].caller])
					return false;
			return true;
		}
		void check_over() const
		{
			check(all(the_site->begun), "a fence is not signaled, and said to be");
		}
	};

	static buffer &some_buffer() { return the_site->at(below(buffers)); }
	static usage some_usage() { return static_cast<usage>(below(4)); }
	wait_request some_request();
	void check_result(int rc, const wait_request &request, bool may_fail);

	bool holds(const buffer &b) const { return b.holder == number_; }
	buffer *some_held() const;
	void enter(buffer &b);
	void leave(buffer &b);
	void leave_all();

	void use_context();
	void lock(buffer &b, ww_acquire_ctx &ctx);
	void back_off(buffer &b, ww_acquire_ctx &ctx);
	void use_alone();
	void use_transaction();
	void use_transaction(transaction &t, const wait_request &request, unsigned how);
	int pass(transaction &t, const wait_request &request);
	void evict();
	void wait_for_unlock();

	void use_held();
	void use_held(buffer &b);
	static bool promise(buffer &b, unsigned n);
	void add_fence(buffer &b);
	void ask(buffer &b);
	void wait_for_fences(buffer &b);
	void gather(buffer &b);
	static void walk(buffer &b);
	void keep(resv_fence *f);
	void use_kept();
	void list(buffer &b);
	static void walk_list();
	static bool is_one_of(unsigned mask, lru_entry &e)
	{
		return mask >> (&buffer::of(e) - &the_site->at(0)) & 1;
	}

	unsigned number_;
	bool signals_ = false;
	resv_fence *kept_[most_kept] = {};
};

wait_request caller::some_request()
{
	switch (below(4)) {
	case 1:
		return signals_ ? interruptible : wait_request{};
	case 2:
		return for_at_most(1000);
	case 3:
		return for_at_most(0);
	default:
		return {};
	}
}

void caller::check_result(int rc, const wait_request &request, bool may_fail)
{
	check(rc == 0 || may_fail || (rc == -EINTR && signals_ && request.mode == RESV_PARK_INTERRUPTIBLE) ||
		      (rc == -ETIME && request.timeout_ns != RESV_WAIT_FOREVER),
	      "a call has a result that it may not have");
}

void caller::enter(buffer &b)
{
	check(b.holder == nobody, "two tasks hold a lock");
	b.holder = number_;
	b.promised = 0;
}

void caller::leave(buffer &b)
{
	check(holds(b), "a lock's holder lost it");
	b.holder = nobody;
}

// One of those that it holds, if there are any.
buffer *caller::some_held() const
{
	const unsigned first = below(buffers);
	for (unsigned n = 0; n < buffers; n++)
		if (buffer &b = the_site->at((first + n) % buffers); holds(b))
			return &b;
	return nullptr;
}

void caller::leave_all()
{
	for (unsigned n = 0; n < buffers; n++)
		if (holds(the_site->at(n)))
			leave(the_site->at(n));
}

// With a context: locks and fences in any order. Who has to back off does, or gives up.
void caller::use_context()
{
	ww_acquire_ctx ctx(the_site->cls);
	for (unsigned n = below(8); n != 0; n--) {
		buffer &b = some_buffer();
		switch (below(8)) {
		case 4:
			if (b.object.try_reserve(&ctx))
				enter(b);
			break;
		case 5:
			if (holds(b)) {
				leave(b);
				b.object.unreserve();
			}
			break;
		case 6:
			use_held();
			break;
		case 7:
			if (one_in(2)) {
				leave_all();
				ctx.unlock_all();
			} else {
				use_held();
			}
			break;
		default:
			lock(b, ctx);
			break;
		}
		check(ctx.holds_any() ||
			      the_machine().peek(ww_test_access::wounded_word(ctx), sizeof(unsigned)) == 0,
		      "a context that holds nothing is wounded");
	}
	if (one_in(4))
		ctx.done();
	leave_all();
	ctx.unlock_all();
}

void caller::lock(buffer &b, ww_acquire_ctx &ctx)
{
	const wait_request request = some_request();
	const bool held = holds(b), held_any = ctx.holds_any();
	const int rc = b.object.reserve(&ctx, request);
	check((rc == -EALREADY) == held, "-EALREADY, or not, for a lock that is not, or is, its own");
	check_result(rc, request, rc == -EALREADY || (rc == -EDEADLK && held_any && stamp_of(ctx) != 1));
	if (rc == 0)
		enter(b);
	else if (rc == -EDEADLK)
		back_off(b, ctx);
}

void caller::back_off(buffer &b, ww_acquire_ctx &ctx)
{
	leave_all();
	ctx.unlock_all();
	if (one_in(4))
		return ctx.abandon();
	const wait_request request = some_request();
	const int rc = b.object.reserve_slow(&ctx, request);
	check_result(rc, request, false);
	if (rc == 0)
		enter(b);
	else
		ctx.abandon();
}

// Without one: waits for the first lock only.
void caller::use_alone()
{
	buffer &first = some_buffer();
	const wait_request request = some_request();
	const int rc = first.object.reserve(nullptr, request);
	check_result(rc, request, false);
	if (rc != 0)
		return;
	enter(first);
	for (unsigned n = below(4); n != 0; n--) {
		buffer &b = some_buffer();
		if (one_in(2))
			use_held();
		else if (b.object.try_reserve(nullptr))
			enter(b);
	}
	for (unsigned n = 0; n < buffers; n++) {
		buffer &b = the_site->at(n);
		if (holds(b)) {
			leave(b);
			b.object.unreserve();
		}
	}
}

// One pass of a transaction that decides as it goes.
int caller::pass(transaction &t, const wait_request &request)
{
	for (unsigned n = 1 + below(5); n != 0; n--) {
		buffer &b = some_buffer();
		int rc = 0;
		switch (below(8)) {
		case 5:
			if (t.holds(b.object))
				t.unreserve(b.object);
			break;
		case 6:
			(void)t.try_reserve(b.object);
			break;
		case 7: {
			const unsigned suits = 1 + below(15), retries = below(3);
			reservation_object *found = nullptr;
			rc = the_site->list.reserve_wait(
				t,
				[suits](lru_entry &e, reservation_object &, bool) {
					return is_one_of(suits, e);
				},
				retries, found);
			if (rc == 0)
				check(t.holds(*found), "a victim is not the transaction's");
			if (rc == -EBUSY || rc == -ENOENT)
				rc = 0;
			break;
		}
		default:
			rc = t.prepare_one(b.object, below(3));
			check(rc != 0 || t.holds(b.object), "what was reserved is not held");
			if (rc == -EALREADY)
				rc = 0;
			break;
		}
		check_result(rc, request, rc == -EDEADLK || rc == -ENOMEM);
		if (rc != 0)
			return rc;
	}
	return 0;
}

// Once, or again with the same seniority.
void caller::use_transaction()
{
	const wait_request request = some_request();
	transaction t(the_site->cls, request);
	const bool again = one_in(2);
	use_transaction(t, request, below(again ? 3 : 4));
	if (!again)
		return;
	leave_all();
	t.release_all();
	use_transaction(t, request, below(4));
}

void caller::use_transaction(transaction &t, const wait_request &request, unsigned how)
{
	reservation_object *wanted[6];
	const unsigned count = 1 + below(6);
	int rc;
	if (how < 3) {
		for (unsigned i = 0; i < count; i++)
			wanted[i] = &some_buffer().object;
		struct range {
			reservation_object **first, **last;
			reservation_object **begin() const { return first; }
			reservation_object **end() const { return last; }
		} all{wanted, wanted + count};
		rc = how == 0 ? t.reserve(all) : t.prepare(all, how);
	} else {
		rc = t.run([&](transaction &) { return pass(t, request); });
	}
	check_result(rc, request, rc == -ENOMEM);
	check(rc == 0 || t.size() == 0, "a transaction has failed, and holds something");
	for (unsigned n = 0; n < buffers; n++) {
		buffer &b = the_site->at(n);
		const bool held = t.holds(b.object);
		check(held == (b.object.locking_ctx() == &t.context()),
		      "a transaction holds more than it says");
		if (held)
			enter(b);
	}
	for (unsigned i = 0; rc == 0 && how < 3 && i < count; i++) {
		check(t.holds(*wanted[i]), "a transaction has succeeded, and does not hold all");
		buffer::of(*wanted[i]).promised += how;
	}
	for (unsigned n = below(4); n != 0; n--)
		use_held();
	leave_all();
}

void caller::evict()
{
	ww_acquire_ctx ctx(the_site->cls);
	ww_acquire_ctx *const with = one_in(2) ? &ctx : nullptr;
	const unsigned suits = below(16);
	reservation_object *found = nullptr;
	const int rc = the_site->list.reserve_first(
		with, [suits](lru_entry &e, reservation_object &, bool) { return is_one_of(suits, e); },
		found);
	check(rc == 0 || rc == -EBUSY || rc == -ENOENT, "an eviction has a result that it may not have");
	check(suits != 0 || rc == -ENOENT, "what suits nobody is found");
	if (rc != 0)
		return;
	buffer &b = buffer::of(*found);
	check(is_one_of(suits, b.entry), "a victim does not suit");
	enter(b);
	use_held();
	leave(b);
	found->unreserve();
}

void caller::wait_for_unlock()
{
	const wait_request request = some_request();
	check_result(some_buffer().object.wait_for_unreserve(nullptr, request), request, false);
}

// ---- Fences ----------------------------------------------------------------------------------------------------------------

void caller::use_held()
{
	buffer *b = some_held();
	for (unsigned n = 1 + below(6); b && n != 0; n--)
		use_held(*b);
}

void caller::use_held(buffer &b)
{
	switch (below(8)) {
	case 0:
		(void)promise(b, 1 + below(3));
		break;
	case 4:
		list(b);
		break;
	case 5:
		ask(b);
		break;
	case 6:
		wait_for_fences(b);
		break;
	case 7:
		walk(b);
		break;
	default:
		add_fence(b);
		break;
	}
}

bool caller::promise(buffer &b, unsigned n)
{
	const int rc = b.object.reserve_fences(n);
	check(rc == 0 || rc == -ENOMEM, "a promise has a result that it may not have");
	if (rc == 0)
		b.promised += n;
	return rc == 0;
}

void caller::add_fence(buffer &b)
{
	unsigned &count = the_site->submitted[number_];
	if (count == max_jobs || b.noted == max_notes || (b.promised == 0 && !promise(b, 1)))
		return;
	void *memory = resv_port_alloc(sizeof(job));
	if (!memory)
		return;
	auto *j = new (memory) job(number_, count + 1);
	the_site->made++;
	const usage how = some_usage();
	check(b.object.add_fence(j->f, how) == 0, "a fence is not added for which there is room");
	b.promised--;
	b.notes[b.noted++] = {number_, count + 1, how};
	if (one_in(2))
		keep(resv_fence_get(j->f.c()));
	the_site->pending[number_][count++] = j;
	the_site->asked.fetch_add(1, order::acq_rel);
}

// What has been signaled before is signaled, and what is said to be is.
void caller::ask(buffer &b)
{
	const expectation wanted(b, some_usage());
	const bool over = wanted.all(the_site->signaled);
	const bool said = b.object.test_signaled(wanted.up_to);
	if (said)
		wanted.check_over();
	check(said || !over || !holds(b), "all fences are signaled, and said not to be");
}

void caller::wait_for_fences(buffer &b)
{
	const expectation wanted(b, some_usage());
	const bool intr = signals_ && one_in(2);
	const int64_t timeout = one_in(2) ? 1000 : RESV_WAIT_FOREVER;
	const int64_t left = b.object.wait(wanted.up_to, intr, timeout);
	if (left > 0)
		return wanted.check_over();
	check((left == 0 && timeout != RESV_WAIT_FOREVER) || (left == -EINTR && intr), "a wait failed");
}

// The fences as one, or one by one.
void caller::gather(buffer &b)
{
	const expectation wanted(b, some_usage());
	if (one_in(2)) {
		resv_fence *single = nullptr;
		if (b.object.get_singleton(wanted.up_to, &single) != 0)
			return;
		if (!single || resv_fence_is_signaled(single))
			wanted.check_over();
		return keep(single);
	}
	unsigned count = 0;
	resv_fence **fences = nullptr;
	if (b.object.get_fences(wanted.up_to, &count, &fences) != 0)
		return;
	if (count == 0)
		wanted.check_over();
	for (unsigned i = 0; i < count; i++)
		keep(fences[i]);
	resv_port_free(fences);
}

void caller::walk(buffer &b)
{
	fence_cursor c(b.object, some_usage());
	for (resv::fence *f = c.first_unlocked(); f; f = c.next_unlocked())
		check(f->context - 1 < the_site->callers && f->seqno - 1 < max_jobs,
		      "a walk finds what is no fence");
}

void caller::keep(resv_fence *f)
{
	resv_fence *&place = kept_[below(most_kept)];
	resv_fence_put(place);
	place = f;
}

/// Waits for a fence, in its own way.
struct hook {
	resv_fence_cb cb;
	unsigned called;

	static void call(resv_fence *, resv_fence_cb *cb) { reinterpret_cast<hook *>(cb)->called++; }
};

void caller::use_kept()
{
	resv_fence *f = kept_[below(most_kept)], *other = kept_[below(most_kept)];
	if (!f)
		return;
	switch (below(4)) {
	case 0: {
		const int64_t left = resv_fence_wait(f, false);
		check(left == 0 && resv_fence_test_signaled(f), "a wait ends without a signal");
		break;
	}
	case 1: {
		hook h{};
		if (resv_fence_add_callback(f, &h.cb, hook::call) != 0)
			break;
		const bool back = resv_fence_remove_callback(f, &h.cb);
		check(h.called == (back ? 0 : 1), "a callback is called twice, or after it was taken back");
		break;
	}
	case 2: {
		resv_fence *both[] = {f, other};
		if (resv_fence *merged = resv_fence_merge(other ? 2 : 1, both))
			keep(merged);
		break;
	}
	default: {
		resv_fence *both[] = {f, other};
		unsigned first = 0;
		const int64_t left =
			resv_fence_wait_any_timeout(both, other ? 2 : 1, false, RESV_WAIT_FOREVER, &first);
		check(left > 0 && resv_fence_test_signaled(both[first]), "a wait ends without a signal");
		break;
	}
	}
}

// ---- LRU -------------------------------------------------------------------------------------------------------------------

// By who holds the buffer.
void caller::list(buffer &b)
{
	if (!b.entry.where())
		return the_site->list.add(b.entry, b.object);
	switch (below(4)) {
	case 0:
		lru::move_tail(b.entry);
		break;
	case 1:
		the_site->bulk.add(b.entry);
		break;
	case 2:
		lru_bulk::del(b.entry);
		break;
	default:
		lru::del(b.entry);
		break;
	}
}

void caller::walk_list()
{
	lru_cursor c(the_site->list);
	for (unsigned n = 1 + below(buffers); n != 0; n--) {
		lru_entry *e = c.next();
		if (!e)
			break;
		put_buffer(reinterpret_cast<resv_lru_entry *>(e));
	}
}

// ----------------------------------------------------------------------------------------------------------------------------

void caller::run()
{
	signals_ = one_in(2);
	the_machine().admit_signals(signals_);
	for (unsigned n = 0; n < max_calls && !the_input.empty(); n++) {
		switch (below(16)) {
		case 0:
		case 1:
		case 2:
			use_context();
			break;
		case 3:
			use_alone();
			break;
		case 4:
		case 5:
		case 6:
			use_transaction();
			break;
		case 7:
		case 8:
			evict();
			break;
		case 9:
			wait_for_unlock();
			break;
		case 10:
			ask(some_buffer());
			break;
		case 11:
			wait_for_fences(some_buffer());
			break;
		case 12:
			gather(some_buffer());
			break;
		case 13:
			walk(some_buffer());
			break;
		case 14:
			use_kept();
			break;
		default:
			if (one_in(2))
				the_site->bulk.move_tail();
			else
				walk_list();
			break;
		}
	}
	for (resv_fence *f : kept_)
		resv_fence_put(f);
	the_site->asked.fetch_add(one_ended, order::acq_rel);
}

// ---- Executions ------------------------------------------------------------------------------------------------------------

/// The input says whose turn it is, and for how many steps; once it is at its end, all get theirs.
class decided final : public search {
public:
	unsigned pick(thread_mask enabled) override
	{
		if (turns_ == 0 || !(enabled & bit(thread_))) {
			const bool in_turn = the_input.empty();
			const unsigned byte = the_input.byte();
			unsigned skipped = in_turn ? 1 : 1 + byte % 4;
			turns_ = in_turn ? 8 : 1 + byte / 4;
			while (skipped != 0) {
				thread_ = (thread_ + 1) % max_threads;
				skipped -= (enabled & bit(thread_)) != 0;
			}
		}
		turns_--;
		return thread_;
	}
	unsigned choose(unsigned outcomes) override { return below(outcomes); }
	bool next() override { return false; }

private:
	unsigned thread_ = max_threads - 1;
	unsigned turns_ = 0;
};

/// How much each task has allocated: where the machine would fail, and now and then, it gets nothing.
size_t allocated[max_tasks];

void begin(ww_algorithm algorithm, unsigned callers)
{
	share_heap();
	for (size_t &bytes : allocated)
		bytes = 0;
	the_site.emplace(algorithm, callers);
	the_machine().share(&the_site, sizeof the_site);
	the_site->cls.set_tracer(trace);
	for (unsigned n = 0; n < buffers; n++) {
		auto *b = new (the_site->memory[n]) buffer(the_site->cls);
		if (n != 0)
			the_site->list.add(b->entry, b->object);
	}
	static constexpr const char *names[] = {"a", "b", "c"};
	for (unsigned n = 0; n < callers; n++)
		the_machine().spawn(names[n], [n] { caller(n).run(); });
	the_machine().spawn("driver", drive);
}

void end()
{
	for (unsigned n = 0; n < buffers; n++) {
		buffer &b = the_site->at(n);
		check(b.holder == nobody && ww_test_access::owner(b.lock()) == 0,
		      "a lock is held in the end");
		check(ww_test_access::waiters(b.lock()) == 0, "a lock's waiters word is not 0 in the end");
		check(b.references == 0, "a reference to a buffer is left");
		check(b.object.test_signaled(usage::bookkeep), "a fence is not signaled in the end");
		lru::del(b.entry);
		b.object.destroy();
	}
	check(the_site->list.count() == 0, "the LRU is not empty in the end");
	the_site->bulk.destroy();
	the_site->list.destroy();
	resv_port_drain();
	check(the_site->made == the_site->released, "a reference to a fence is left");
	check(pieces_in_use() == 0, "memory is left");
}

} // namespace

void *real_alloc(size_t size) __asm__("__real_resv_port_alloc");
void *wrapped_alloc(size_t size) __asm__("__wrap_resv_port_alloc");

void *wrapped_alloc(size_t size)
{
	const size_t whole = piece_size(size);
	size_t &bytes = allocated[the_machine().current()];
	if (whole > heap_of_task - bytes || one_in(16))
		return nullptr;
	bytes += whole;
	return real_alloc(size);
}

} // namespace resv::sim

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	using namespace resv::sim;

	// The machine takes signals for itself; that of an abort is libFuzzer's again in the end.
	static const struct sigaction theirs = [] {
		struct sigaction now = {};
		sigaction(SIGABRT, nullptr, &now);
		return now;
	}();

	the_input = input(data, size);
	const auto algorithm = static_cast<resv::ww_algorithm>(below(3));
	const unsigned callers = 2 + below(2);
	machine::options how;
	how.running = static_cast<running_hint>(below(3));
	how.spurious = below(2);
	how.max_steps = 20000;
	decided decisions;
	if (the_machine().execute(
		    how, decisions, [&] { begin(algorithm, callers); }, end) == verdict::passed)
		return 0;
	fprintf(stderr, "%s\n%s\n", the_machine().failure().c_str(), the_machine().schedule().c_str());
	sigaction(SIGABRT, &theirs, nullptr);
	abort();
}
