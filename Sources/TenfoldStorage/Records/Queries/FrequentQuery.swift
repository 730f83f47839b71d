// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A question that was asked several times: worth having an answer ready for.
public struct FrequentQuery: Hashable, Sendable {
  /// What was asked.
  public var text: String
  /// How often.
  public var count: Int

  /// Creates a value.
  ///
  /// - Parameters:
  ///   - text: What was asked.
  ///   - count: How often.
  public init(text: String, count: Int) {
    self.text = text
    self.count = count
  }
}
