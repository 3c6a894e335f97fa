// SPDX-License-Identifier: MIT OR GPL-2.0-only
#include <resv/reservation.hpp>

namespace resv {

constinit ww_class reservation_class{ww_algorithm::wait_die, "reservation_ww_class_acquire",
				     "reservation_ww_class_mutex"};

} // namespace resv
