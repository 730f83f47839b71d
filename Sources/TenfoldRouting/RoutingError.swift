// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// Why a router, a cascade or a limiter could not be made or could not go on.
///
/// Refusals of single requests are `RequestError`s of `TenfoldCore`.
public struct RoutingError: CodedError {
  /// The kinds of failure; the list can grow, so always keep a default branch.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    /// The name of the code, as printed.
    public let description: String

    private init(_ description: String) { self.description = description }

    /// There is no model to choose from.
    public static let noCandidates = Self("noCandidates")
    /// Two models go by the same id.
    public static let duplicateModel = Self("duplicateModel")
    /// An option lies outside its documented range.
    public static let invalidOption = Self("invalidOption")
    /// The samples can't be fitted: too few, or all of one kind.
    public static let unfittable = Self("unfittable")
  }

  /// The code, the message, and where the error was thrown.
  public let details: ErrorDetails<Code>

  /// Creates an error from its details.
  public init(_ details: ErrorDetails<Code>) { self.details = details }
}
