// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// How much CPU time the calling thread has used.
package enum ThreadCPUTime {
  /// The time since the thread began; take differences only where nothing is awaited between.
  package static var now: Duration {
    var time = timespec()
    // A failure leaves 0, and the difference of two readings 0.
    unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return .seconds(Int64(time.tv_sec)) + .nanoseconds(Int64(time.tv_nsec))
  }
}
