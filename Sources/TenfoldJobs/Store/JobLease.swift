// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// One run of a job, held until settled, released or expired.
public struct JobLease: Sendable {
  /// Which run of which job: what every later call must show.
  public struct Reference: Hashable, Sendable {
    /// The job.
    public var id: RawJobID
    /// The number of the claim: it rises with each one, so an older run can be told apart and refused.
    public var fence: Int64

    /// Creates a reference.
    public init(id: RawJobID, fence: Int64) {
      self.id = id
      self.fence = fence
    }
  }

  /// Which run of which job this is.
  public var reference: Reference
  /// The queue the job came from.
  public var queue: QueueName
  /// Whose work this is.
  public var tenant: TenantID
  /// The stored name of the job's type.
  public var name: JobName
  /// The encoded job.
  public var payload: [UInt8]
  /// The number of this run, from 1; runs that were released or whose lease expired don't count.
  public var attempt: Int
  /// Runs that may end in an error.
  public var maximumAttempts: Int
  /// How often a lease of this job expired since a run last ended by itself, or saved a new checkpoint or step.
  public var crashCount: Int
  /// How many may expire before the job is a dead letter; a store that doesn't know leaves it at the largest number.
  public var crashLimit: Int
  /// What the newest run saved with ``JobUpdate/checkpoint``.
  public var checkpoint: [UInt8]?
  /// Outputs of the steps that earlier runs finished.
  public var steps: [String: [UInt8]]
  /// Trace context of whoever enqueued the job.
  public var trace: [String: String]
  /// How long the job could have started before it was handed out, by the store's clock.
  ///
  /// It begins where the job's delay, or the pause before this attempt, was over. Waiting for its key, its rate or a paused
  /// queue counts.
  public var waited: Duration

  /// Creates a lease.
  ///
  /// - Parameters:
  ///   - reference: Which run of which job this is.
  ///   - queue: The queue the job came from.
  ///   - name: The stored name of the job's type.
  ///   - payload: The encoded job.
  ///   - attempt: The number of this run, from 1.
  ///   - maximumAttempts: Runs that may end in an error.
  ///   - crashCount: How often a lease of this job expired.
  ///   - checkpoint: What the newest run saved.
  ///   - trace: Trace context of whoever enqueued the job.
  ///   - tenant: Whose work this is.
  ///   - steps: Outputs of the steps that earlier runs finished.
  ///   - waited: How long the job could have started before it was handed out.
  ///   - crashLimit: How many leases may expire before the job is a dead letter.
  public init(
    reference: Reference,
    queue: QueueName,
    name: JobName,
    payload: [UInt8],
    attempt: Int,
    maximumAttempts: Int,
    crashCount: Int,
    checkpoint: [UInt8]?,
    trace: [String: String],
    tenant: TenantID = "",
    steps: [String: [UInt8]] = [:],
    waited: Duration = .zero,
    crashLimit: Int = .max
  ) {
    self.reference = reference
    self.queue = queue
    self.name = name
    self.payload = payload
    self.attempt = attempt
    self.maximumAttempts = maximumAttempts
    self.crashCount = crashCount
    self.checkpoint = checkpoint
    self.trace = trace
    self.tenant = tenant
    self.steps = steps
    self.waited = waited
    self.crashLimit = crashLimit
  }

  /// Whether the job becomes a dead letter if this lease is lost, as others of its were.
  var isLastChance: Bool { crashCount > 0 && crashCount >= max(1, crashLimit) - 1 }
}
