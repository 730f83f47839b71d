// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What a worker asks a store for.
public struct ClaimRequest: Sendable {
  /// The queues to take from, the first ones first.
  public var queues: [QueueName]
  /// How many jobs at most.
  public var maximum: Int
  /// How long the leases run, from the moment of the claim by the store's clock.
  public var leaseFor: Duration
  /// Who asks, for people.
  public var workerID: String

  /// Creates a request.
  ///
  /// - Parameters:
  ///   - queues: The queues to take from, the first ones first.
  ///   - maximum: How many jobs at most.
  ///   - leaseFor: How long the leases run.
  ///   - workerID: Who asks, for people.
  public init(
    queues: [QueueName] = [.standard],
    maximum: Int,
    leaseFor: Duration = .seconds(10),
    workerID: String = ""
  ) {
    self.queues = queues
    self.maximum = maximum
    self.leaseFor = leaseFor
    self.workerID = workerID
  }
}
