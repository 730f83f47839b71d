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
  /// Charges passes to their sequences, each with its share of the rows.
  ///
  /// - Parameters:
  ///   - work: The sequences and their rows.
  ///   - start: ``threadTime()`` before the passes.
  ///   - bytes: The bytes of weights that the passes have read.
  func charge(_ work: [(id: Int, rows: Int)], since start: Duration, streaming bytes: Int) {
    let cpuTime = (Self.threadTime() - start) * threads
    let rows = work.reduce(0) { $0 + $1.rows }
    guard rows > 0 else { return }
    for (id, count) in work {
      let share = Double(count) / Double(rows)
      sequences[id]?.charge(cpuTime: cpuTime * share, memoryBytes: Double(bytes) * share)
    }
  }

  /// Charges what following a sequence's format took to its tenant; the other threads had nothing to do with it.
  ///
  /// - Parameters:
  ///   - id: The sequence.
  ///   - start: ``threadTime()`` before that.
  /// - Returns: The time, which is to be charged to the sequence.
  func chargeFormat(_ id: Int, since start: Duration) -> Duration {
    let time = Self.threadTime() - start
    scheduler.charge(time, to: id)
    return time
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
