// SPDX-License-Identifier: MIT OR GPL-2.0-only
#ifndef GPU_HOST_DEMO_HPP
#define GPU_HOST_DEMO_HPP

#include <string>

namespace gpu {

/// False: `error` lists those that there are.
bool find_demo(const std::string &name, std::string &error);

/// Plays the one that there is, and tells on stdout what happens. A demo that hangs, as it should, ends the process with
/// exit code 0. False: something went otherwise than told.
bool play_demo();

} // namespace gpu

#endif // GPU_HOST_DEMO_HPP
