// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// What a store knows about one job.
public struct JobSnapshot: Sendable {
  /// The job.
  public var id: RawJobID
  /// The stored name of the job's type.
  public var name: JobName
  /// Where it is in its life.
  public var state: JobState
  /// Runs so far, without released ones and expired leases.
  public var attempts: Int
  /// How often a lease expired since a run last saved a new checkpoint or step.
  public var crashCount: Int
  /// The number of the newest claim.
  public var fence: Int64
  /// How much is done, 0…1, if the job says.
  public var fraction: Double?
  /// What is going on, if the job says.
  public var message: String?
  /// The encoded output of a finished job.
  public var result: [UInt8]?
  /// The errors of failed runs, oldest first; at most the newest 20.
  public var errors: [String]
  /// The encoded job; empty once it is finished.
  public var payload: [UInt8]
  /// The queue the job belongs to.
  public var queue: QueueName
  /// Whose work this is.
  public var tenant: TenantID

  /// Creates a snapshot.
  ///
  /// - Parameters:
  ///   - id: The job.
  ///   - name: The stored name of the job's type.
  ///   - state: Where it is in its life.
  ///   - attempts: Runs so far.
  ///   - crashCount: How often a lease expired.
  ///   - fence: The number of the newest claim.
  ///   - fraction: How much is done.
  ///   - message: What is going on.
  ///   - result: The encoded output.
  ///   - errors: The errors of failed runs.
  ///   - payload: The encoded job.
  ///   - queue: The queue the job belongs to.
  ///   - tenant: Whose work this is.
  public init(
    id: RawJobID,
    name: JobName,
    state: JobState,
    attempts: Int,
    crashCount: Int,
    fence: Int64,
    fraction: Double? = nil,
    message: String? = nil,
    result: [UInt8]? = nil,
    errors: [String] = [],
    payload: [UInt8] = [],
    queue: QueueName = .standard,
    tenant: TenantID = ""
  ) {
    self.id = id
    self.name = name
    self.state = state
    self.attempts = attempts
    self.crashCount = crashCount
    self.fence = fence
    self.fraction = fraction
    self.message = message
    self.result = result
    self.errors = errors
    self.payload = payload
    self.queue = queue
    self.tenant = tenant
  }
}
