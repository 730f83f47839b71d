// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Why a router, a cascade or a limiter could not be made or could not go on.
///
/// Refusals of single requests are `RequestError`s of `TenfoldCore`.
public struct RoutingError: Error, Sendable, CustomStringConvertible {
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

  /// What kind of failure this is.
  public let code: Code
  /// What happened and what to do, for people.
  public let message: String
  /// The error that caused this one, where there was one.
  public let underlying: (any Error)?
  /// The source file that threw.
  public let file: String
  /// The line that threw.
  public let line: Int

  /// Creates an error that remembers where it was thrown.
  public init(
    _ code: Code,
    _ message: String,
    underlying: (any Error)? = nil,
    file: String = #fileID,
    line: Int = #line
  ) {
    self.code = code
    self.message = message
    self.underlying = underlying
    self.file = file
    self.line = line
  }

  /// The code and the message.
  public var description: String { "RoutingError.\(code): \(message)" }
}
