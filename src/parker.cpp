// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include "wake_set.hpp"

#include <resv/parker.hpp>

namespace resv {

int parker::wait(resv_port_park_mode mode, int64_t deadline_ns)
{
	for (;;) {
		int rc = 0;
		resv_port_park_prepare(mode);
		// sleeper                        waker, in tell()
		// prepare (full barrier)         exchange state_ -> token
		// exchange state_ -> parked      if it was parked: wake the task
		// token there already? no sleep
		if (state_.compare_exchange(empty, parked, order::acq_rel))
			rc = resv_port_park(mode, deadline_ns);
		resv_port_park_finish();
		// An exchange, not a load and a store: a token that another lock's holder leaves in between would be
		// lost. A token that comes with an error is consumed too: whoever leaves a lock passes the wake on.
		if (state_.exchange(empty, order::acq_rel) == token && rc == 0)
			return 0;
		if (rc != 0)
			return rc;
	}
}

void parker::tell(wake_set &wakes)
{
	if (state_.exchange(token, order::acq_rel) == parked)
		wakes.add(task_);
}

} // namespace resv
