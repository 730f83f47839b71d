// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import TenfoldStorage

/// A store whose hints reach a worker on the thread that makes the change, a change of threads sooner than a stream.
protocol HintingJobStore: JobStore {
  var hub: HintHub<JobWakeup> { get }
}

extension SQLiteJobStore: HintingJobStore {}
extension InMemoryJobStore: HintingJobStore {}
