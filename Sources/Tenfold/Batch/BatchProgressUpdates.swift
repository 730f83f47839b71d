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
    /// When to look for lost lines next; hints, which any change in the store gives, don't put it off.
    private var nextLook: ContinuousClock.Instant?
    /// The last open line that was looked at; the next look goes on behind it.
    private var lastLine = 0

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
        let time = batches.options.time
        let look = nextLook ?? time.now + batches.options.pollInterval
        if time.now < look {
          nextLook = look
          try await waitForHint(wakeups, until: look)
        } else {
          try await settleLost()
          nextLook = time.now + batches.options.pollInterval
        }
      }
    }

    /// Waits for a hint, no longer than until `end`.
    private func waitForHint(
      _ wakeups: AsyncStream<JobWakeup>,
      until end: ContinuousClock.Instant
    ) async throws {
      let time = batches.options.time
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { for await _ in wakeups { return } }
        group.addTask { try await time.sleep(until: end) }
        defer { group.cancelAll() }
        try await group.next()
      }
    }

    /// Looks for open lines whose jobs will never end: at all of them when nothing runs any more, else at some each time,
    /// as most lines of a large batch only wait.
    private mutating func settleLost() async throws {
      let stats = try await batches.store.observe(.init(queues: [batches.options.queue]))
      // A damaged file may count any number.
      if stats.ready == 0, stats.running == 0 {
        try await batches.settleLost(id)
      } else {
        lastLine = try await batches.settleSomeLost(id, after: lastLine)
      }
    }
  }

  /// Begins to read.
  public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(self) }
}
