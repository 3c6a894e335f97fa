// SPDX-License-Identifier: MIT OR GPL-2.0-only
//
// The machine that is measured on: its CPUs, and who else uses them.
#ifndef RESV_BENCH_MACHINE_HPP
#define RESV_BENCH_MACHINE_HPP

namespace bench {

/// Puts the calling thread on one CPU. Counts round the CPUs that the process may use.
void pin(int cpu);

/// The time that a cache line takes from one CPU to the other and back, in ns.
double round_trip();

/// The CPU time that the calling thread has used, in seconds.
double thread_cpu_time();

/// How much more two CPUs get done than one, if they share nothing: 2, unless they are one core's, for now or for good.
double two_cpus();

/// The CPU time that others have used on this machine up to now, in seconds.
double others_cpu_time();

} // namespace bench

#endif // RESV_BENCH_MACHINE_HPP
