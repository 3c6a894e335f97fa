// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// Reservations outlive the functions that take them here, so the thread-safety analysis has nothing to say.
#include <resv/transaction.hpp>

namespace resv {

bool transaction::next_pass()
{
	lockdep::caller from(lockdep::return_address());
	if (!started_) {
		started_ = true;
		return true;
	}
	if (is_contended()) {
		if (resuming_ == nothing())
			asked_for();
		return true;
	}
	drop_prelocked();
	ctx_.done();
	return false;
}

// Everything is dropped at once, not when the caller comes back: whoever waits for it is older.
void transaction::back_off(reservation_object &object)
{
	lockdep::caller from(lockdep::return_address());
	ctx_.unlock_all();
	resuming_ = &object;
	prelocked_ = false;
	retries_++;
}

int transaction::reserve_after_contention(reservation_object &object) RESV_NO_ANALYSIS
{
	lockdep::caller from(lockdep::return_address());
	if (resuming_ == nothing()) {
		asked_for();
		return reserve_one(object);
	}
	if (!prelocked_) {
		int err = resuming_->reserve_slow(&ctx_, request_);
		if (err != 0) {
			forget_contention(); // so that the caller sees an error and not a reason to start over
			return err;
		}
		prelocked_ = true;
	}
	if (&object == resuming_) {
		asked_for();
		return 0;
	}
	int err = object.reserve(&ctx_, request_);
	if (err == -EDEADLK)
		back_off(object);
	return err;
}

int transaction::reserve_passing(reservation_object &object) RESV_NO_ANALYSIS
{
	lockdep::caller from(lockdep::return_address());
	int err = reserve_one(object);
	if (err != -EDEADLK)
		return err;
	err = object.reserve_slow(&ctx_, request_);
	if (err != 0) {
		forget_contention();
		return err;
	}
	object.unreserve();
	resuming_ = nothing();
	return -EDEADLK;
}

bool transaction::try_after_contention(reservation_object &object) RESV_NO_ANALYSIS
{
	lockdep::caller from(lockdep::return_address());
	if (resuming_ == nothing()) {
		asked_for();
		return object.try_reserve(&ctx_);
	}
	if (!prelocked_) {
		if (!resuming_->try_reserve(&ctx_))
			return false;
		prelocked_ = true;
	}
	if (&object == resuming_) {
		asked_for();
		return true;
	}
	return object.try_reserve(&ctx_);
}

void transaction::asked_for()
{
	resuming_ = nullptr;
	prelocked_ = false;
}

void transaction::drop_prelocked() RESV_NO_ANALYSIS
{
	if (!prelocked_)
		return;
	resuming_->unreserve();
	asked_for();
}

// The caller has given up on the contended object.
void transaction::forget_contention()
{
	asked_for();
	ctx_.abandon();
}

void transaction::unreserve(reservation_object &object) RESV_NO_ANALYSIS
{
	lockdep::caller from(lockdep::return_address());
	if (&object == resuming_)
		asked_for();
	object.unreserve();
}

} // namespace resv
