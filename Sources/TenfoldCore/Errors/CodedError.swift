// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// An error with a code for programs and a message for people; each module has one.
///
/// Compare ``code``, never the text of ``message``.
///
/// ```swift
/// struct CrawlError: CodedError {
///   enum Code { case refused, timedOut }
///   let details: ErrorDetails<Code>
///   init(_ details: ErrorDetails<Code>) { self.details = details }
/// }
/// throw CrawlError(.timedOut, "example.org did not answer; try again later")
/// ```
public protocol CodedError: Error, CustomStringConvertible {
  /// The kinds of failure.
  associatedtype Code: Sendable

  /// The code, the message, and where the error was thrown.
  var details: ErrorDetails<Code> { get }

  /// Creates an error that says nothing beyond its details.
  init(_ details: ErrorDetails<Code>)
}

extension CodedError {
  /// Creates an error that remembers where it was thrown.
  public init(
    _ code: Code,
    _ message: String,
    underlying: (any Error)? = nil,
    file: String = #fileID,
    line: Int = #line
  ) {
    self.init(ErrorDetails(code: code, message: message, underlying: underlying, file: file, line: line))
  }

  /// What kind of failure this is.
  public var code: Code { details.code }
  /// What happened, where, and what to do, for people.
  public var message: String { details.message }
  /// The error that caused this one, where there was one.
  public var underlying: (any Error)? { details.underlying }
  /// The source file that threw.
  public var file: String { details.file }
  /// The line that threw.
  public var line: Int { details.line }

  /// The type, the code and the message.
  public var description: String { "\(Self.self).\(code): \(message)" }
}
