// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// What a kernel refuses to do, and what to do about it.
///
/// Compare `code`, never the text of `message`.
public struct KernelError: CodedError {
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

  /// The code, the message, and where the error was thrown.
  public let details: ErrorDetails<Code>

  /// Creates an error from its details.
  public init(_ details: ErrorDetails<Code>) { self.details = details }
}
