// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// What most suites include, and what takes most of the time that they take to compile: it is compiled once for all of them.
// A suite includes what it uses all the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>
