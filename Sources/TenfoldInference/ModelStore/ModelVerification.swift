// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What a check of one file found.
public struct ModelVerification: Hashable, Sendable {
  /// The kinds of result; the list can grow.
  public struct Outcome: Hashable, Sendable, CustomStringConvertible {
    /// The name of the outcome, as printed.
    public let description: String

    private init(_ description: String) { self.description = description }

    /// The file has the pinned size and hash.
    public static let intact = Self("intact")
    /// The file is not in the store.
    public static let missing = Self("missing")
    /// The file is something else; a blob was moved to the quarantine, a file put there by hand stays.
    public static let corrupt = Self("corrupt")
  }

  /// The model's id.
  public let model: String
  /// The file's name.
  public let file: String
  /// What was found.
  public let outcome: Outcome
  /// Where the file is now, or was looked for.
  public let path: String
}
