// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import TenfoldStorage

/// A store whose hints reach a worker on the thread that makes the change, a change of threads sooner than a stream.
protocol HintingJobStore: JobStore {
  var hub: HintHub<JobWakeup> { get }
  /// Hints that fewer jobs wait than did; apart from the others, as each claim gives one.
  var room: HintHub<Void> { get }
  /// Where workers wait that want jobs as they come; `nil` where a claim costs too little for that.
  var waiting: IdleWorkers? { get }
}

extension SQLiteJobStore: HintingJobStore {
  var waiting: IdleWorkers? { idleWorkers }
}

extension InMemoryJobStore: HintingJobStore {
  var waiting: IdleWorkers? { nil }
}
