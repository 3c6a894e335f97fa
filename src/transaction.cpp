// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Reservations outlive the functions that take them here, so the thread-safety analysis has nothing to say.
#include <resv/transaction.hpp>

namespace resv {

bool transaction::next_pass()
{
	if (!started_) {
		started_ = true;
		return true;
	}
	if (contended_)
		return true;
	drop_prelocked();
	ctx_.done();
	return false;
}

// Everything is dropped at once, not when the caller comes back: whoever waits for it is older.
void transaction::back_off(reservation_object &object)
{
	ctx_.unlock_all();
	prelocked_ = nullptr;
	contended_ = &object;
	retries_++;
}

int transaction::reserve_after_contention(reservation_object &object) RESV_NO_ANALYSIS
{
	if (contended_) {
		int err = contended_->reserve_slow(&ctx_, request_);
		if (err != 0) {
			forget_contention(); // so that the caller sees an error and not a reason to start over
			return err;
		}
		prelocked_ = contended_;
		contended_ = nullptr;
	}
	if (&object == prelocked_) {
		prelocked_ = nullptr;
		return 0;
	}
	int err = object.reserve(&ctx_, request_);
	if (err == -EDEADLK)
		back_off(object);
	return err;
}

void transaction::drop_prelocked() RESV_NO_ANALYSIS
{
	if (!prelocked_)
		return;
	prelocked_->unreserve();
	prelocked_ = nullptr;
}

// The caller has given up on the contended object.
void transaction::forget_contention()
{
	contended_ = nullptr;
	prelocked_ = nullptr;
	ctx_.abandon();
}

void transaction::unreserve(reservation_object &object) RESV_NO_ANALYSIS
{
	if (&object == prelocked_)
		prelocked_ = nullptr;
	object.unreserve();
}

} // namespace resv
