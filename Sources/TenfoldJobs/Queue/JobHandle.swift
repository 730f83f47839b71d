// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A job that was handed in: ask how it does, wait for it, cancel it.
///
/// ```swift
/// let handle = try await queue.enqueue(EmbedDocuments(documents: [1, 2, 3]))
/// print(try await handle.snapshot?.fraction ?? 0)
/// let output = try await handle.value
/// ```
public struct JobHandle<Work: DurableJob>: Sendable {
  /// The job.
  public let id: JobID<Work>
  let store: any JobStore

  /// What the store knows about the job; `nil` when it is unknown or forgotten.
  public var snapshot: JobSnapshot? {
    get async throws { try await store.observe(.init(jobs: [id.raw], countsJobs: false)).jobs.first }
  }

  /// Waits until the job has ended and gives its output.
  ///
  /// It wakes with the store's hints; where another process may be settling the job it also looks twice a second.
  /// Cancelling the waiting task ends the waiting, not the job.
  public var value: Work.Output {
    get async throws {
      try await withThrowingTaskGroup(of: Work.Output?.self) { group in
        group.addTask { [self] in
          // The stream comes first, so that no change between looking and waiting is missed.
          let wakeups = store.wakeups
          if let output = try await look() { return output }
          for await _ in wakeups {
            if let output = try await look() { return output }
          }
          return nil
        }
        group.addTask { [self] in
          while store.isShared {
            try await Task.sleep(for: .milliseconds(500))
            if let output = try await look() { return output }
          }
          return nil
        }
        defer { group.cancelAll() }
        for try await output in group {
          if let output { return output }
        }
        throw CancellationError()
      }
    }
  }

  /// Asks for the job to end: at once while it waits, with the next heartbeat while it runs.
  ///
  /// - Throws: What the store throws.
  public func cancel() async throws { try await store.control(.cancel([id.raw])) }

  private func look() async throws -> Work.Output? {
    guard let snapshot = try await snapshot else {
      throw JobError(
        .notFound,
        "the store doesn't know job \(id), or no longer: see JobOptions.resultRetention"
      )
    }
    switch snapshot.state {
    case .ready, .running: return nil
    case .cancelled: throw JobError(.cancelled, "job \(id) was cancelled")
    case .dead:
      throw JobError(.dead, "job \(id) failed for good: \(snapshot.errors.last ?? "no error was recorded")")
    case .done:
      if let none = NoOutput() as? Work.Output { return none }
      return try JobCoding.decode(
        Work.Output.self,
        from: snapshot.result ?? [],
        what: "the output of job \(id)"
      )
    }
  }
}
