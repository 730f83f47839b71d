// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

extension EngineLoop {
  /// Charges a step to its sequences, each with its share of the rows.
  ///
  /// - Parameters:
  ///   - plan: The step.
  ///   - start: ``threadTime()`` before it.
  func charge(_ plan: [EngineScheduler.Work], since start: Duration) {
    let cpuTime = (Self.threadTime() - start) * threads
    let rows = plan.reduce(0) { $0 + $1.rowCount }
    for work in plan {
      let share = Double(work.rowCount) / Double(rows)
      sequences[work.id]?.charge(
        cpuTime: cpuTime * share,
        memoryBytes: Double(runner.model.streamedByteCount) * share
      )
    }
  }

  /// CPU time of this thread.
  ///
  /// The workers of a step's parallel regions are busy as long as this thread is, so a step's
  /// CPU time is this times their number.
  static func threadTime() -> Duration {
    var time = timespec()
    guard unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0 else { return .zero }
    return .seconds(time.tv_sec) + .nanoseconds(time.tv_nsec)
  }
}
