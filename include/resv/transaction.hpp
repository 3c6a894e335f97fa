// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Reserving many objects at once. The transaction owns the back-off loop, so that no driver has to write it:
//
//     resv::transaction t;
//     if (int err = t.reserve(objects))
//             return err;                  // nothing is held
//     ...                                  // everything is; the destructor releases it
//
// In Linux, struct drm_exec. Allocation-free: the objects are linked through themselves.
#ifndef RESV_TRANSACTION_HPP
#define RESV_TRANSACTION_HPP

#include <resv/reservation.hpp>

namespace resv {

namespace detail {

struct as_is {};

// An element of a range, as a reservation object: itself, what it points to, a member of it, or what a function makes
// of it.
template <typename Element, typename Projection>
requires(!__is_same(Projection, as_is)) reservation_object &object_of(Element &element,
								      const Projection &projection)
{
	if constexpr (requires { object_of(projection(element), as_is{}); })
		return object_of(projection(element), as_is{});
	else if constexpr (requires { object_of(element.*projection, as_is{}); })
		return object_of(element.*projection, as_is{});
	else
		return object_of((*element).*projection, as_is{});
}
inline reservation_object &object_of(reservation_object &object, as_is)
{
	return object;
}
inline reservation_object &object_of(reservation_object *object, as_is)
{
	return *object;
}

} // namespace detail

/// One attempt to hold several reservations. Lives on its task's stack.
class transaction {
public:
	/// `request` says how each wait may end early: by a signal, after a time.
	explicit transaction(ww_class &cls = reservation_class, const wait_request &request = {})
		: ctx_(cls), request_(request)
	{}
	transaction(const transaction &) = delete;
	transaction &operator=(const transaction &) = delete;

	/// Releases whatever is still held.
	~transaction()
	{
		if (ctx_.holds_any())
			release_all();
	}

	/// Reserves all of a range: of reservation objects, of pointers to them, or of anything from which
	/// `projection` (a function, which may be asked ahead of time, or a member) leads there. Duplicates and objects
	/// that share a reservation are fine: each is reserved once. On contention it drops everything, waits for the
	/// contended object and starts over with the same seniority, as often as it takes.
	/// Returns 0, or -EINTR or -ETIME as the request admits; then nothing is held. -EDEADLK only if the
	/// transaction held something before: then that is gone too, and whoever took it must take it again; run()
	/// does that. May sleep.
	template <typename Range, typename Projection = detail::as_is>
	RESV_NODISCARD int reserve(Range &&objects, const Projection &projection = {})
	{
		return reserve_set([&] { return reserve_each(objects, projection); });
	}

	/// The same, and makes room for `n` fences in each object, n for each time that it comes up in the range: see
	/// reservation_object::reserve_fences(). Returns -ENOMEM, too; then nothing is held.
	template <typename Range, typename Projection = detail::as_is>
	RESV_NODISCARD int prepare(Range &&objects, unsigned n, const Projection &projection = {})
	{
		return reserve_set([&] { return prepare_each(objects, n, projection); });
	}

	/// Reserves one more object. Returns 0; -EALREADY if it is reserved by this transaction already; -EDEADLK if
	/// all had to be dropped, and the caller must start over (run() does); -EINTR, -ETIME. May sleep.
	RESV_NODISCARD int reserve_one(reservation_object &object) RESV_NO_ANALYSIS
	{
		if (resuming_) [[unlikely]]
			return reserve_after_contention(object);
		int err = object.reserve(&ctx_, request_);
		if (err == -EDEADLK) [[unlikely]]
			back_off(object);
		return err;
	}

	/// The same for an object that the caller keeps alive only until this returns. So if all had to be dropped, it has
	/// waited for the object already, and the next pass has nothing to come back for. May sleep.
	RESV_NODISCARD int reserve_passing(reservation_object &object);

	/// As reserve_one(), and makes room for `n` fences, which may be 0: as many more in an object that was reserved
	/// already, for which it returns -EALREADY all the same. Returns -ENOMEM, too; an object that was not reserved
	/// before is not then.
	RESV_NODISCARD int prepare_one(reservation_object &object, unsigned n) RESV_NO_ANALYSIS
	{
		int rc = reserve_one(object);
		if (n == 0 || (rc != 0 && rc != -EALREADY))
			return rc;
		int err = object.reserve_fences(n);
		if (err == 0)
			return rc;
		if (rc == 0)
			unreserve(object);
		return err;
	}

	/// Reserves the object if that needs no waiting, for instance to evict it. In a pass after contention it succeeds
	/// only if the contended object, which comes first, can be had without waiting as well.
	RESV_NODISCARD bool try_reserve(reservation_object &object) RESV_NO_ANALYSIS
	{
		if (resuming_) [[unlikely]]
			return try_after_contention(object);
		return object.try_reserve(&ctx_);
	}

	/// Calls `body(*this)`, which reserves one object after another and returns the first error; again from its
	/// start for as long as that is contention. So body may decide what to reserve by what it already holds.
	/// Returns what body returned last; if that is not 0, nothing is held. Once only for each transaction.
	template <typename Body>
	RESV_NODISCARD int run(Body &&body)
	{
		int err = 0;
		while (next_pass()) {
			err = body(*this);
			if (err != 0 && (err != -EDEADLK || !is_contended()))
				break;
		}
		if (err != 0)
			release_all();
		return err;
	}

	/// Opens a pass of a hand-written loop, as run() does; false when the last pass met no contention.
	bool next_pass();

	/// Ends one reservation early.
	void unreserve(reservation_object &object);

	/// Ends all of them, with one full fence (see ww_acquire_ctx::unlock_all()). The transaction may be used again
	/// and keeps its seniority.
	void release_all()
	{
		ctx_.unlock_all();
		if (resuming_) [[unlikely]]
			forget_contention();
	}

	/// Has the last pass met contention, so that everything was dropped?
	bool is_contended() const { return resuming_ && !prelocked_; }

	/// Has this transaction reserved the object? Context: its task.
	bool holds(const reservation_object &object) const
	{
		return object.locking_ctx() == &ctx_ && !(prelocked_ && resuming_ == &object);
	}

	/// How many objects are reserved. Counts them: O(n).
	unsigned size() const { return ctx_.acquired() - prelocked_; }

	/// How often everything had to be dropped so far.
	unsigned retries() const { return retries_; }

	ww_acquire_ctx &context() { return ctx_; }

	/// Walks the reserved objects in the order of reserving.
	class iterator {
	public:
		explicit iterator(reservation_object *at) : at_(at) {}
		reservation_object &operator*() const { return *at_; }
		iterator &operator++()
		{
			at_ = owner_of(at_->lock_.next_held());
			return *this;
		}
		bool operator==(const iterator &) const = default;

	private:
		reservation_object *at_;
	};
	iterator begin() const { return iterator(first()); }
	iterator end() const { return iterator(nullptr); }

private:
	friend struct abi_check;

	// Reserves what `reserve_all` does, again after each contention, unless something was held before.
	template <typename Function>
	int reserve_set(Function reserve_all)
	{
		bool whole_set = !ctx_.holds_any();
		for (;;) {
			int err = reserve_all();
			if (err == 0) {
				if (!started_) // otherwise next_pass() does, at the end of the pass
					drop_prelocked();
				return 0;
			}
			if (err != -EDEADLK || !whole_set) {
				if (err != -EDEADLK)
					release_all();
				return err;
			}
		}
	}

	template <typename Range, typename Projection>
	int reserve_each(Range &objects, const Projection &projection)
	{
		return each(objects, projection, [&](reservation_object &o) { return reserve_one(o); });
	}

	template <typename Range, typename Projection>
	int prepare_each(Range &objects, unsigned n, const Projection &projection)
	{
		return each(objects, projection, [&](reservation_object &o) { return prepare_one(o, n); });
	}

	// The objects of a large set are far away, and nothing comes from there while a locked instruction waits for its own
	// line. So they are asked for some places ahead, where the range shows them.
	static constexpr size_t large = 64;
	static constexpr size_t ahead = 8;

	template <typename Range, typename Projection, typename Function>
	int each(Range &objects, const Projection &projection, Function reserve)
	{
		int err = 0;
		auto failed = [&](auto &&element) {
			err = reserve(detail::object_of(element, projection));
			return err != 0 && err != -EALREADY;
		};
		if constexpr (requires { objects.size(), objects.data() == &*objects.begin(); })
			if (const size_t n = objects.size(); n > large) {
				auto *elements = objects.data();
				for (size_t i = 0; i < n; i++) {
					if (i + ahead < n)
						fetch(detail::object_of(elements[i + ahead], projection));
					if (failed(elements[i]))
						return err;
				}
				return 0;
			}
		for (auto &&element : objects)
			if (failed(element))
				return err;
		return 0;
	}

	// What is written when it is reserved.
	static void fetch(const reservation_object &object)
	{
		__builtin_prefetch(&object.lock_, 1);
		__builtin_prefetch(&object.reserved_, 1);
	}

	static reservation_object *owner_of(ww_mutex *lock)
	{
		return reinterpret_cast<reservation_object *>(lock); // lock_ is its first member
	}

	// In resuming_, not to be followed: everything was dropped, but there is nothing to wait for.
	reservation_object *nothing() { return reinterpret_cast<reservation_object *>(this); }

	// What was prelocked is the first of all, and does not count until it is asked for.
	reservation_object *first() const
	{
		return owner_of(prelocked_ ? resuming_->lock_.next_held() : ctx_.first_held());
	}

	int reserve_after_contention(reservation_object &object);
	bool try_after_contention(reservation_object &object);
	void back_off(reservation_object &object);
	void asked_for();
	void drop_prelocked();
	void forget_contention();

	ww_acquire_ctx ctx_;
	wait_request request_;

	// What the last -EDEADLK was about. Nothing is held then. The next reserve waits for it, and it is prelocked_:
	// held, the first of all, but not yet asked for in this pass. Once it is asked for, there is nothing to resume.
	// If the pass ends without that, it is let go.
	reservation_object *resuming_ = nullptr;
	bool prelocked_ = false;
	bool started_ = false;
	unsigned retries_ = 0;
};

} // namespace resv

#endif // RESV_TRANSACTION_HPP
