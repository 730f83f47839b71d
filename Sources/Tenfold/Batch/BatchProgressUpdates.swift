// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldJobs

/// The progress of a batch as it changes: the present state first, the finished one last.
///
/// Changes that come together are seen as one, so a slow reader costs nothing. Cancelling the reading task ends the
/// sequence with `CancellationError` and leaves the batch alone.
///
/// ```swift
/// for try await progress in batches.progress(of: "nightly") {
///   print("\(progress.succeeded + progress.failed) of \(progress.total)")
/// }
/// ```
public struct BatchProgressUpdates: AsyncSequence, Sendable {
  /// A change of the progress.
  public typealias Element = BatchProgress

  let batches: BatchInference
  let id: BatchID

  /// Reads one batch's progress.
  public struct AsyncIterator: AsyncIteratorProtocol {
    let batches: BatchInference
    let id: BatchID
    private var last: BatchProgress?
    private var lastDead: Int?

    init(_ updates: BatchProgressUpdates) {
      batches = updates.batches
      id = updates.id
    }

    /// Waits for the next change.
    ///
    /// - Returns: The progress after it; `nil` once the finished state was given.
    /// - Throws: ``BatchError`` with code ``BatchError/Code/notFound``, `CancellationError`, or what the store throws.
    public mutating func next() async throws -> BatchProgress? {
      if last?.isFinished ?? false { return nil }
      while true {
        try Task.checkCancellation()
        // The stream comes first, so that no change between looking and waiting is missed.
        let wakeups = batches.store.wakeups
        let progress = try await batches.status(of: id)
        if progress != last {
          last = progress
          return progress
        }
        if try await !hint(wakeups) { try await settleLostIfStill() }
      }
    }

    /// Waits for a hint; `false` when there was none for a while.
    private func hint(_ wakeups: AsyncStream<JobWakeup>) async throws -> Bool {
      let (time, pause) = (batches.options.time, batches.options.pollInterval)
      return try await withThrowingTaskGroup(of: Bool.self) { group in
        group.addTask {
          for await _ in wakeups { return true }
          return true
        }
        group.addTask {
          try await time.sleep(until: time.now + pause)
          return false
        }
        defer { group.cancelAll() }
        return try await group.next() ?? false
      }
    }

    /// When nothing runs any more, or a job died, lines may be left whose jobs will never end.
    private mutating func settleLostIfStill() async throws {
      let stats = try await batches.store.observe(.init(queues: [batches.options.queue]))
      guard stats.ready + stats.running == 0 || stats.dead != lastDead else { return }
      lastDead = stats.dead
      try await batches.settleLost(id)
    }
  }

  /// Begins to read.
  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self) }
}
