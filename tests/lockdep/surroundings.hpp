// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef LOCKDEP_SURROUNDINGS_HPP
#define LOCKDEP_SURROUNDINGS_HPP

#include "cases_os.h"

#include <tests/helpers.hpp>

namespace resv::test {

/// What cases in C need, on the host: see cases_os.h. One at a time.
class lockdep_surroundings : public testing::Test {
public:
	std::optional<actor> other;
	std::vector<std::string> lines; // that were printed, but for reports
	std::string reports;

protected:
	lockdep_surroundings();
	~lockdep_surroundings() override;

private:
	watchdog watchdog_{std::chrono::seconds(120)};
};

} // namespace resv::test

#endif // LOCKDEP_SURROUNDINGS_HPP
