// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What a kernel refuses to do, and what to do about it.
///
/// Compare ``code``, never the text of ``message``.
public struct KernelError: Error, Sendable, CustomStringConvertible {
  /// The kinds of failure; the list can grow, so always keep a default branch.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    /// The name of the code, as printed.
    public let description: String

    private init(_ description: String) { self.description = description }

    /// A number of rows, columns or elements is negative, too large, or does not fit its buffer.
    public static let invalidShape = Self("invalidShape")
    /// The width is not a whole number of the format's blocks.
    public static let invalidBlock = Self("invalidBlock")
    /// Weights or scales hold a value that the format cannot carry, such as NaN.
    public static let invalidValue = Self("invalidValue")
    /// The weight format cannot be used here.
    public static let unsupportedFormat = Self("unsupportedFormat")
    /// The instruction set asked for is unknown or this CPU lacks it.
    public static let unsupportedInstructionSet = Self("unsupportedInstructionSet")
    /// There is no memory left for a buffer.
    public static let outOfMemory = Self("outOfMemory")
    /// The matrix is singular or not positive definite, so the equation has no unique answer.
    public static let singularMatrix = Self("singularMatrix")
    /// An iterative algorithm of LAPACK did not converge.
    public static let notConverged = Self("notConverged")
  }

  /// What kind of failure this is.
  public let code: Code
  /// What happened, where, and what to do, for people.
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
  public var description: String { "KernelError.\(code): \(message)" }
}
