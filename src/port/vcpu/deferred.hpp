// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef RESV_PORT_VCPU_DEFERRED_HPP
#define RESV_PORT_VCPU_DEFERRED_HPP

namespace resv::vcpu {

/// The calling task runs what was deferred, if it may be run now: where it drops the last spin lock, ends a section, parks,
/// drains or ends.
void run_deferred();

} // namespace resv::vcpu

#endif // RESV_PORT_VCPU_DEFERRED_HPP
