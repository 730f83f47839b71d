// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// What this process has used.
enum ProcessUsage {
  /// The CPU time of all threads so far.
  static var cpuTime: Duration {
    var value = timespec()
    // The clock exists on every supported system; a failure leaves zero.
    _ = unsafe clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &value)
    return .seconds(Int64(value.tv_sec)) + .nanoseconds(Int64(value.tv_nsec))
  }
}
