// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// LRUs. The list is a ring through the LRU's head; the first entry is the oldest. Cursors are entries without an object.
//
// A walk past reserved objects reads two cold cache lines for each, the entry's and that of the object's owner word. To
// know early what to read, each entry names another one some places further on, and its object. These are hints: they
// may be stale, name what has been freed, and are only ever prefetched. Who appends an entry, and who walks, sets the hint
// of the entry that many places before; the LRU itself has those of the first ones, from the last walk.
//
// Reservations that are made here are handed to the caller, which the thread-safety analysis cannot follow.
#include "../lockdep/report.hpp"

#include <resv/lru.hpp>

namespace resv {

class lru::guard {
public:
	explicit guard(lru &on) : lru_(on), flags_(resv_port_spin_lock(&on.lock_)) {}
	~guard() { resv_port_spin_unlock(&lru_.lock_, flags_); }
	guard(const guard &) = delete;
	guard &operator=(const guard &) = delete;

	/// Lets others have the lock, and interrupts come.
	void pause()
	{
		resv_port_spin_unlock(&lru_.lock_, flags_);
		resv_port_relax(0);
		flags_ = resv_port_spin_lock(&lru_.lock_);
	}

private:
	lru &lru_;
	unsigned long flags_;
};

/// The lock of the LRU that an entry is on, if it is on one.
class lru::owner_guard {
public:
	explicit owner_guard(const lru_entry &entry)
	{
		while ((at_ = entry.where()) != nullptr) {
			flags_ = resv_port_spin_lock(&at_->lock_);
			if (entry.where() == at_)
				return;
			resv_port_spin_unlock(&at_->lock_, flags_); // it has moved
		}
	}
	~owner_guard()
	{
		if (at_)
			resv_port_spin_unlock(&at_->lock_, flags_);
	}
	owner_guard(const owner_guard &) = delete;
	owner_guard &operator=(const owner_guard &) = delete;

	lru *where() const { return at_; }

private:
	lru *at_;
	unsigned long flags_ = 0;
};

namespace {

void say(resv_report_kind kind, const lru &on, const char *what, const void *entry)
{
	report r(kind);
	r.task() << " was using the LRU at " << static_cast<const void *>(&on) << ", " << what;
	if (entry)
		r << " at " << entry;
	r << ".\n";
}

} // namespace

// ---- The list ------------------------------------------------------------------------------------------------------

lru::lru(const resv_lru_ops *ops) : ops_(ops)
{
	head_.next_ = head_.prev_ = &head_;
}

void lru::destroy()
{
	if (count() == 0)
		return;
	say(RESV_REPORT_LRU_NOT_EMPTY, *this, "which is destroyed but not empty", nullptr);
	guard locked(*this);
	for (lru_entry *entry = head_.next_, *next; entry != &head_; entry = next) {
		next = entry->next_;
		if (!entry->is_cursor())
			remove(*entry);
	}
}

// Null if it is on no LRU any more.
reservation_object *lru::object_of(const lru_entry &entry)
{
	owner_guard locked(entry);
	return locked.where() ? entry.object_ : nullptr;
}

void lru::link_behind(lru_entry &at, lru_entry &entry)
{
	entry.prev_ = &at;
	entry.next_ = at.next_;
	at.next_->prev_ = &entry;
	at.next_ = &entry;
}

void lru::unlink(lru_entry &entry)
{
	entry.next_->prev_ = entry.prev_;
	entry.prev_->next_ = entry.next_;
}

void lru::append(lru_entry &entry)
{
	link_behind(*head_.prev_, entry);
	note_newest(entry);
}

// Takes the entry off; it is nobody's then.
void lru::remove(lru_entry &entry)
{
	if (entry.bulk_)
		entry.bulk_->leave(entry);
	forget_newest(entry);
	unlink(entry);
	entry.next_ = entry.prev_ = nullptr;
	entry.object_ = nullptr;
	entry.lru_.store(nullptr, order::relaxed);
	count_--;
}

void lru::note_newest(lru_entry &entry)
{
	lru_entry *&place = newest_[at_++ % ahead];
	if (place)
		place->hint(entry, 0);
	entry.ahead_ = lru_entry::newest_bit;
	entry.ahead_object_ = nullptr;
	place = &entry;
}

void lru::forget_newest(lru_entry &entry)
{
	if (!(entry.ahead_ & lru_entry::newest_bit))
		return;
	for (lru_entry *&place : newest_)
		if (place == &entry)
			place = nullptr;
	entry.ahead_ = 0;
}

// A walk has passed this one, and so many before it. Past the first it becomes worth while to fetch the next ones.
void lru::note_oldest(unsigned place, const lru_entry &entry)
{
	if (place == 0)
		for (const void *hint : oldest_)
			__builtin_prefetch(hint);
	if (oldest_[place] != &entry)
		oldest_[place] = &entry;
}

void lru::add(lru_entry &entry, reservation_object &object)
{
	if (entry.where())
		return say(RESV_REPORT_LRU_PLACE, *this, "and was adding an entry that is on one already,",
			   &entry);
	guard locked(*this);
	entry.object_ = &object;
	entry.lru_.store(this, order::relaxed);
	append(entry);
	count_++;
}

void lru::del(lru_entry &entry)
{
	owner_guard locked(entry);
	if (lru *at = locked.where())
		at->remove(entry);
}

void lru::move_tail(lru_entry &entry)
{
	owner_guard locked(entry);
	lru *at = locked.where();
	if (!at)
		return;
	lru_bulk *bulk = entry.bulk_;
	if (bulk && bulk->last_ == &entry)
		return;
	at->forget_newest(entry);
	if (!bulk) {
		unlink(entry);
		at->append(entry);
		return;
	}
	bulk->leave(entry);
	unlink(entry);
	link_behind(*bulk->last_, entry);
	bulk->last_ = &entry;
	entry.bulk_ = bulk;
}

void lru::set_object(lru_entry &entry, reservation_object &object)
{
	owner_guard locked(entry);
	if (locked.where())
		entry.object_ = &object;
}

unsigned long lru::count()
{
	guard locked(*this);
	return count_;
}

// ---- Ranges ---------------------------------------------------------------------------------------------------------

// The entry is no end of the range any more, nor in it; it is where it was.
void lru_bulk::leave(lru_entry &entry)
{
	entry.bulk_ = nullptr;
	if (first_ == last_) {
		first_ = last_ = nullptr;
	} else if (first_ == &entry) {
		do
			first_ = first_->next_;
		while (first_->is_cursor());
	} else if (last_ == &entry) {
		do
			last_ = last_->prev_;
		while (last_->is_cursor());
	}
}

void lru_bulk::destroy()
{
	lru::guard locked(*lru_);
	while (first_)
		leave(*first_);
	for (lru_entry *cursor = lru_->cursors_; cursor; cursor = lru::next_cursor(*cursor))
		if (cursor->bulk_ == this)
			cursor->bulk_ = nullptr;
}

void lru_bulk::add(lru_entry &entry)
{
	lru::guard locked(*lru_);
	if (entry.where() != lru_)
		return say(RESV_REPORT_LRU_PLACE, *lru_,
			   "and was adding an entry to a range of it that is not on it,", &entry);
	if (entry.bulk_)
		entry.bulk_->leave(entry);
	if (last_) {
		lru_->forget_newest(entry);
		lru::unlink(entry);
		lru::link_behind(*last_, entry);
	} else {
		first_ = &entry;
	}
	last_ = &entry;
	entry.bulk_ = this;
}

void lru_bulk::del(lru_entry &entry)
{
	lru::owner_guard locked(entry);
	lru *at = locked.where();
	lru_bulk *bulk = entry.bulk_;
	if (!at || !bulk)
		return;
	lru_entry *last = bulk->last_;
	bool inside = bulk->first_ != &entry && last != &entry;
	bulk->leave(entry);
	if (inside) {
		at->forget_newest(entry);
		lru::unlink(entry);
		lru::link_behind(*last, entry);
	}
}

void lru_bulk::move_tail()
{
	lru::guard locked(*lru_);
	if (!first_)
		return;
	// A walk that has come to the middle stays where the range was, or it would miss all that is behind that.
	lru_entry *before = first_->prev_;
	while (before->bulk_ == this) // a cursor: what was in front of it has left
		before = before->prev_;
	for (lru_entry *cursor = lru_->cursors_; cursor; cursor = lru::next_cursor(*cursor)) {
		if (cursor->bulk_ != this)
			continue;
		cursor->bulk_ = nullptr;
		lru::unlink(*cursor);
		lru::link_behind(*before, *cursor);
	}
	first_->prev_->next_ = last_->next_;
	last_->next_->prev_ = first_->prev_;

	lru_entry &newest = *lru_->head_.prev_;
	newest.next_ = first_;
	first_->prev_ = &newest;
	last_->next_ = &lru_->head_;
	lru_->head_.prev_ = last_;
}

// ---- Cursors --------------------------------------------------------------------------------------------------------

// The two for a cursor that a walk has while it does not have the lock.
void lru::put_behind(lru_entry &at, lru_entry &cursor)
{
	bool within = at.bulk_ && (at.is_cursor() || at.bulk_->last_ != &at);
	cursor.bulk_ = within ? at.bulk_ : nullptr;
	link_behind(at, cursor);
	cursor.ahead_ = reinterpret_cast<uintptr_t>(cursors_);
	cursors_ = &cursor;
}

void lru::take_off(lru_entry &cursor)
{
	unlink(cursor);
	if (cursors_ == &cursor) {
		cursors_ = next_cursor(cursor);
		return;
	}
	lru_entry *before = cursors_;
	while (next_cursor(*before) != &cursor)
		before = next_cursor(*before);
	before->ahead_ = cursor.ahead_;
}

lru_cursor::lru_cursor(lru &on)
{
	lru::guard locked(on);
	mark_.lru_.store(&on, order::relaxed);
	on.put_behind(on.head_, mark_);
}

lru_cursor::~lru_cursor()
{
	lru &on = *mark_.where();
	lru::guard locked(on);
	on.take_off(mark_);
}

lru_entry *lru_cursor::next()
{
	lru &on = *mark_.where();
	lru::guard locked(on);
	lru_entry *entry = mark_.next_;
	while (entry != &on.head_) {
		if (!entry->is_cursor() &&
		    (!on.ops_ || on.ops_->get(reinterpret_cast<resv_lru_entry *>(entry))))
			break;
		entry = entry->next_;
	}
	on.take_off(mark_);
	on.put_behind(*(entry == &on.head_ ? on.head_.prev_ : entry), mark_);
	return entry == &on.head_ ? nullptr : entry;
}

// ---- Reserving ------------------------------------------------------------------------------------------------------

/// One way down the list.
class lru::walk {
public:
	walk(lru &on, ww_acquire_ctx *ctx, transaction *t, resv_lru_accept_fn accept, void *data)
		: lru_(on), ctx_(ctx), transaction_(t), accept_(accept), data_(data)
	{}
	walk(const walk &) = delete;
	walk &operator=(const walk &) = delete;

	/// `choose`: also ends at one that is busy, suits, and can be kept alive.
	int run(bool choose);

	reservation_object *object = nullptr;
	lru_entry *chosen = nullptr; // kept alive by a reference

private:
	bool owns(const reservation_object &o) const
	{
		return transaction_ ? transaction_->holds(o) : ctx_ && o.locking_ctx() == ctx_;
	}
	bool take(reservation_object &o) RESV_NO_ANALYSIS
	{
		return transaction_ ? transaction_->try_reserve(o) : o.try_reserve(ctx_);
	}
	void drop(reservation_object &o) RESV_NO_ANALYSIS
	{
		transaction_ ? transaction_->unreserve(o) : o.unreserve();
	}
	int ask(lru_entry &entry, reservation_object &o, bool reserved)
	{
		return accept_(reinterpret_cast<resv_lru_entry *>(&entry),
			       reinterpret_cast<resv_object *>(&o), reserved, data_);
	}
	bool held(lru_entry &entry, reservation_object &o);
	bool look(lru_entry &entry, reservation_object &o);
	void go();

	// How much is done between two pauses: an entry that is passed counts 1, one that is looked at closely more.
	static constexpr int turn = 256;
	static constexpr int close_look = 16;

	lru &lru_;
	ww_acquire_ctx *ctx_;
	transaction *transaction_;
	resv_lru_accept_fn accept_;
	void *data_;
	bool choose_ = false;
	int result_ = -ENOENT; // unless the walk ends with another
};

// Held by somebody. Does the walk end here?
inline bool lru::walk::held(lru_entry &entry, reservation_object &o)
{
	if (result_ == -EBUSY && !choose_ && !owns(o)) [[likely]] // only one's own matter now
		return false;
	return look(entry, o);
}

// Does the walk end here? Then object and result_ say how.
[[gnu::noinline]] bool lru::walk::look(lru_entry &entry, reservation_object &o)
{
	if (owns(o)) {
		if (ask(entry, o, false) != RESV_LRU_OWN_TOO || ask(entry, o, true) == 0)
			return false;
		object = &o;
		result_ = -EALREADY;
		return true;
	}
	if (take(o)) {
		if (ask(entry, o, true) != 0) {
			object = &o;
			result_ = 0;
			return true;
		}
		drop(o);
		return false;
	}
	if ((result_ == -EBUSY && !choose_) || ask(entry, o, false) == 0)
		return false;
	result_ = -EBUSY;
	if (!choose_ || !lru_.ops_->get(reinterpret_cast<resv_lru_entry *>(&entry)))
		return false;
	object = &o;
	chosen = &entry;
	return true;
}

int lru::walk::run(bool choose)
{
	choose_ = choose;
	result_ = -ENOENT;
	resv_lockdep_no_blocking_begin();
	go();
	resv_lockdep_no_blocking_end();
	return result_;
}

void lru::walk::go()
{
	guard locked(lru_);
	lru_entry cursor;
	lru_entry *passed[ahead] = {};
	unsigned at = 0;
	int budget = turn;
	unsigned long left =
		2 * lru_.count_; // what moves to the end meanwhile comes round again, but not for ever

	for (lru_entry *entry = lru_.head_.next_; entry != &lru_.head_ && left != 0;) {
		reservation_object *o = entry->object_;
		if (!o) [[unlikely]] {
			entry = entry->next_;
			continue;
		}
		__builtin_prefetch(reinterpret_cast<const void *>(entry->ahead_));
		__builtin_prefetch(entry->ahead_object_);
		if (at < ahead) [[unlikely]]
			lru_.note_oldest(at, *entry);
		lru_entry *&before = passed[at++ % ahead];
		if (before)
			before->hint(*entry, before->ahead_ & lru_entry::newest_bit);
		before = entry;
		left--;
		budget--;

		if (o->is_reserved()) [[likely]] {
			if (held(*entry, *o))
				return;
		} else {
			budget -= close_look;
			if (look(*entry, *o))
				return;
		}
		if (budget > 0) [[likely]] {
			entry = entry->next_;
			continue;
		}
		lru_.put_behind(*entry, cursor);
		locked.pause();
		entry = cursor.next_;
		lru_.take_off(cursor);
		for (lru_entry *&p : passed) // some may be gone
			p = nullptr;
		budget = turn;
	}
}

int lru::try_first(ww_acquire_ctx *ctx, resv_lru_accept_fn accept, void *data, reservation_object *&object)
{
	walk w(*this, ctx, nullptr, accept, data);
	int err = w.run(false);
	if (w.object)
		object = w.object;
	return err;
}

int lru::wait_first(transaction &t, resv_lru_accept_fn accept, void *data, unsigned retries,
		    reservation_object *&object) RESV_NO_ANALYSIS
{
	for (unsigned tried = 0;; tried++) {
		walk w(*this, nullptr, &t, accept, data);
		int err = w.run(false);
		if (err == -EBUSY && tried != retries)
			err = w.run(true); // one may have become free
		if (!w.chosen) {
			if (w.object)
				object = w.object;
			return err;
		}

		err = t.reserve_passing(*w.object);
		bool suits = err == 0 && still_suits(*w.chosen, *w.object, accept, data);
		if (err == 0 && !suits)
			t.unreserve(*w.object);
		ops_->put(reinterpret_cast<resv_lru_entry *>(w.chosen));
		if (suits)
			object = w.object;
		if (suits || err != 0)
			return err;
	}
}

// It is reserved now, but while it was waited for the entry may have left, moved to another LRU, or got another object.
bool lru::still_suits(lru_entry &entry, reservation_object &object, resv_lru_accept_fn accept, void *data)
{
	resv_lockdep_no_blocking_begin();
	bool suits;
	{
		guard locked(*this);
		suits = entry.where() == this && entry.object_ == &object &&
			accept(reinterpret_cast<resv_lru_entry *>(&entry),
			       reinterpret_cast<resv_object *>(&object), true, data) != 0;
	}
	resv_lockdep_no_blocking_end();
	return suits;
}

} // namespace resv
