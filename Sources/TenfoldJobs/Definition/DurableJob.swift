// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Work that is written down before it is done, so that it survives the process.
///
/// A job may run more than once (after a crash, or when its worker was too slow to renew its lease), so its effects
/// should be idempotent; see ``JobContext`` for checkpoints and for the fence to carry along external writes.
///
/// ```swift
/// struct EmbedDocuments: DurableJob {
///   static let name: JobName = "embed.v1"
///   var documents: [Int]
/// }
/// let queue = JobQueue(store: store)
/// let handle = try await queue.enqueue(EmbedDocuments(documents: [1, 2, 3]))
/// ```
public protocol DurableJob: Codable, Sendable {
  /// What a run gives back; kept for as long as ``JobOptions/resultRetention`` says.
  associatedtype Output: Codable & Sendable = NoOutput
  /// The stored name with its version.
  static var name: JobName { get }
  /// Does the work. Jobs whose handler is given to the worker as a closure don't implement this.
  func run(_ context: JobContext) async throws -> Output
}

extension DurableJob {
  /// Fails: a job without its own `run` needs a handler, see ``JobHandlers/handle(_:with:)``.
  public func run(_ context: JobContext) async throws -> Output {
    throw JobError(.unknownName, "\(Self.name) has neither run(_:) nor a handler at this worker")
  }
}
