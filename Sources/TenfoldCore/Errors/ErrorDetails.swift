// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What every error of Tenfold says: a code, a message, what caused it, and where it was thrown.
///
/// ```swift
/// let details = ErrorDetails(code: JobError.Code.queueFull, message: "the queue holds 10,000 jobs; try again later")
/// throw JobError(details)
/// ```
public struct ErrorDetails<Code: Sendable>: Sendable {
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

  /// Creates the details of an error; unless told otherwise it was thrown where this is called.
  public init(
    code: Code,
    message: String,
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
}
