// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A vector and the number it goes by.
public struct IdentifiedVector: Hashable, Sendable {
  /// The number that the owner of the index gave it.
  public var id: UInt64
  /// The values; any length but 0.
  public var values: [Float]

  /// Creates a vector.
  public init(id: UInt64, values: [Float]) {
    self.id = id
    self.values = values
  }
}
