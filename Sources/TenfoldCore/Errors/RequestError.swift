// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Why a request was refused or given up, and what the caller can do.
///
/// ```swift
/// do { try await pipeline.respond(to: request) }
/// catch let error as RequestError where error.code == .overloaded {
///   respond(status: 429, retryAfter: error.retryAfter)
/// }
/// ```
public struct RequestError: CodedError {
  /// The kinds of refusal; the list can grow, so always keep a default branch.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    /// The name of the code, as printed.
    public let description: String

    private init(_ description: String) { self.description = description }

    /// An option lies outside its documented range; the message names the range.
    public static let invalidOption = Self("invalidOption")
    /// The response format uses something that the model can't keep; the message names it.
    public static let unsupportedFormat = Self("unsupportedFormat")
    /// No answer at all satisfies the response format.
    public static let unsatisfiableFormat = Self("unsatisfiableFormat")
    /// The request holds no text to answer.
    public static let emptyRequest = Self("emptyRequest")
    /// More work is waiting than can be done in time; see ``RequestError/retryAfter``.
    public static let overloaded = Self("overloaded")
    /// The deadline passed before the answer was complete.
    public static let deadlineExceeded = Self("deadlineExceeded")
    /// The tenant's budget, or the request's cost ceiling, does not cover the work.
    public static let budgetExhausted = Self("budgetExhausted")
    /// No model that could answer is healthy.
    public static let unavailable = Self("unavailable")
    /// An answering model broke off; the underlying error says why.
    public static let modelFailed = Self("modelFailed")
  }

  /// The code, the message, and where the error was thrown.
  public let details: ErrorDetails<Code>
  /// How long to wait before a retry can succeed, where that is known.
  public let retryAfter: Duration?

  /// Creates an error from its details.
  public init(_ details: ErrorDetails<Code>) {
    self.details = details
    self.retryAfter = nil
  }

  /// Creates an error that says when to try again.
  public init(
    _ code: Code,
    _ message: String,
    retryAfter: Duration?,
    underlying: (any Error)? = nil,
    file: String = #fileID,
    line: Int = #line
  ) {
    self.details = ErrorDetails(code: code, message: message, underlying: underlying, file: file, line: line)
    self.retryAfter = retryAfter
  }
}

extension RequestError {
  /// The error of a stream that ended without a summary.
  package static func missingSummary(file: String = #fileID, line: Int = #line) -> Self {
    let message = "The stream ended without a summary; the model that made it is at fault."
    return Self(ErrorDetails(code: .modelFailed, message: message, file: file, line: line))
  }
}

extension RequestError: RequestFault {
  /// Whether a replica of the model would refuse the request alike.
  public var isRequestsFault: Bool {
    [.invalidOption, .unsupportedFormat, .unsatisfiableFormat, .emptyRequest].contains(code)
  }
}
