// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What is known of an embedder without asking it.
///
/// Vectors of embedders with different ids, revisions or dimensions must never be compared; indexes store the profile
/// and refuse to open with another one.
public struct EmbedderProfile: Hashable, Sendable, Codable, CustomStringConvertible {
  /// The embedder's name.
  public var id: String
  /// Changes whenever the same text could get another vector.
  public var revision: String
  /// How many numbers a vector has.
  public var dimension: Int
  /// Longer texts are cut after this many tokens.
  public var maxTokens: Int

  /// Creates a profile.
  public init(id: String, revision: String = "1", dimension: Int, maxTokens: Int) {
    self.id = id
    self.revision = revision
    self.dimension = dimension
    self.maxTokens = maxTokens
  }

  /// The name, the revision and the dimension.
  public var description: String { "\(id)@\(revision) (\(dimension) dimensions)" }
}
