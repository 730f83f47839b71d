// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldStorage

/// Moves and deletes the blobs of a tiered store by a policy, as jobs.
///
/// Each move is idempotent and is retried like any job; a kill in the midst of one leaves the blob readable where it was
/// or where it went. A blob that gets new contents after its job was handed in is left alone by it, and so is one of which the
/// policy says something else by the time the job runs, as when it was read meanwhile.
///
/// ```swift
/// let lifecycle = BlobLifecycle(blobs: blobs, policy: policy)
/// let worker = JobWorker(store: store, options: .init(queues: ["blobs"])) { lifecycle.register(in: &$0) }
/// try await lifecycle.enqueueDue(in: JobQueue(store: store))  // now and then, as by a JobScheduler
/// ```
public struct BlobLifecycle: Sendable {
  /// The store whose blobs are moved.
  public let blobs: TieredBlobStore
  /// When they are.
  public let policy: LifecyclePolicy
  /// The queue of the moves: one of its own for each store of blobs whose moves are in one store of jobs.
  public let queue: QueueName

  /// Creates a life cycle; nothing moves before its jobs run.
  ///
  /// - Parameters:
  ///   - blobs: The store whose blobs are moved.
  ///   - policy: When they are.
  ///   - queue: The queue of the moves.
  public init(blobs: TieredBlobStore, policy: LifecyclePolicy, queue: QueueName = "blobs") {
    self.blobs = blobs
    self.policy = policy
    self.queue = queue
  }

  /// Lets a worker do the moves, as far as this policy still says so: the worker's policy and tiers must be those of whoever
  /// calls ``enqueueDue(in:)``.
  ///
  /// - Parameter handlers: The worker's handlers; the worker must serve ``queue``.
  public func register(in handlers: inout JobHandlers) {
    handlers.handle(MoveBlob.self) { job, _ in
      let key = try BlobKey(job.key)
      guard let tier = job.tier else {
        return try await blobs.delete(key) { isStillDue(job, $0) }
      }
      guard let record = try await blobs.record(key), isStillDue(job, record) else { return }
      try await blobs.move(key, to: tier, version: job.version)
    }
    handlers.handle(SweepBlobs.self) { _, _ in
      while try await blobs.sweep(limit: 500) == 500 {}
      try await blobs.removeLeftovers()
    }
  }

  /// Whether the policy says of a blob what a job was handed in for.
  private func isStillDue(_ job: MoveBlob, _ record: BlobRecord) -> Bool {
    guard record.version == job.version else { return false }
    let decision: LifecyclePolicy.Decision = job.tier.map { .move(to: $0) } ?? .delete
    return policy.decision(for: record, now: blobs.now, tiers: blobs.tiers.map(\.name)) == decision
  }

  /// Hands in a job for each blob that the policy wants elsewhere, and one that deletes what earlier moves left.
  ///
  /// A move that is waiting or running already isn't handed in again.
  ///
  /// - Parameter jobs: Where to.
  /// - Returns: How many blobs the policy wants elsewhere.
  /// - Throws: What the stores throw; `CancellationError`: what was handed in stays.
  /// - Complexity: O(blobs), in pages; one commit for each page that has moves.
  @discardableResult
  public func enqueueDue(in jobs: JobQueue) async throws -> Int {
    let names = blobs.tiers.map(\.name)
    let now = blobs.now
    var count = 0
    var last: BlobKey?
    while true {
      try Task.checkCancellation()
      let page = try await blobs.records(after: last, limit: 500)
      var moves: [(job: MoveBlob, options: JobOptions)] = []
      for record in page {
        let tier: String?
        switch policy.decision(for: record, now: now, tiers: names) {
        case .keep: continue
        case .move(let target): tier = target
        case .delete: tier = nil
        }
        let move = MoveBlob(key: record.key.rawValue, version: record.version, tier: tier)
        moves.append((move, options(record, tier)))
      }
      try await jobs.enqueue(moves)
      count += moves.count
      last = page.last?.key
      if page.count < 500 { break }
    }
    try await jobs.enqueue(
      SweepBlobs(),
      options: JobOptions(
        queue: queue,
        priority: .background,
        uniqueKey: "blob-sweep:\(queue)",
        resultRetention: .zero
      )
    )
    return count
  }

  private func options(_ record: BlobRecord, _ tier: String?) -> JobOptions {
    JobOptions(
      queue: queue,
      priority: .background,
      tenant: record.tenant,
      uniqueKey: "blob-move:\(queue):\(record.version):\(tier ?? ""):\(record.key)",
      resultRetention: .zero
    )
  }
}
