// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What a run reports while it goes on; it rides on the heartbeat.
public struct JobUpdate: Sendable {
  /// How much is done, 0…1.
  public var fraction: Double?
  /// What is going on, for people.
  public var message: String?
  /// What the next run needs to go on from here.
  public var checkpoint: [UInt8]?
  /// Outputs of finished steps by name; they are added to those of earlier updates.
  public var steps: [String: [UInt8]]

  /// Creates an update; `nil` leaves a field as it is.
  ///
  /// - Parameters:
  ///   - fraction: How much is done, 0…1.
  ///   - message: What is going on, for people.
  ///   - checkpoint: What the next run needs.
  ///   - steps: Outputs of finished steps by name.
  public init(
    fraction: Double? = nil,
    message: String? = nil,
    checkpoint: [UInt8]? = nil,
    steps: [String: [UInt8]] = [:]
  ) {
    self.fraction = fraction
    self.message = message
    self.checkpoint = checkpoint
    self.steps = steps
  }
}
