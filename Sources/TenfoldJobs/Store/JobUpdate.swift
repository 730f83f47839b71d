// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What a run reports while it goes on; it rides on the heartbeat.
public struct JobUpdate: Sendable {
  /// How much is done, 0…1; a store keeps no less and no more, and takes what is no number for `nil`.
  public var fraction: Double?
  /// What is going on, for people; a store keeps the first 4 KiB.
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

extension Double {
  /// The fraction that this stands for: between 0 and 1, `nil` for what is no number or endless.
  var asFraction: Double? { isFinite ? min(1, max(0, self)) : nil }
}
