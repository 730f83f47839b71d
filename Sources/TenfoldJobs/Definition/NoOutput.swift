// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The output of a job that gives nothing back.
public struct NoOutput: Codable, Sendable, Hashable {
  /// Creates the only value.
  public init() {}
}
