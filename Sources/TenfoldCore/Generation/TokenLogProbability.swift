// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A token of an answer and how likely the model found it.
public struct TokenLogProbability: Hashable, Sendable, Codable {
  /// A token that could have stood in a place of the answer.
  public struct Candidate: Hashable, Sendable, Codable {
    /// The token's UTF-8, which need not be whole scalars; empty for a token that ends the answer.
    public var bytes: [UInt8]
    /// Its natural-log probability by the model itself, before temperature, penalties and formats.
    public var logProbability: Double

    /// Creates a candidate.
    public init(bytes: [UInt8], logProbability: Double) {
      self.bytes = bytes
      self.logProbability = logProbability
    }
  }

  /// The token that was chosen.
  public var chosen: Candidate
  /// The likeliest tokens of the place, likeliest first; the chosen one is among them if it is that likely.
  public var likeliest: [Candidate]

  /// Creates a record.
  public init(chosen: Candidate, likeliest: [Candidate] = []) {
    self.chosen = chosen
    self.likeliest = likeliest
  }
}
