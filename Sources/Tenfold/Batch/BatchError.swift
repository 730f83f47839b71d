// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// What is wrong with a batch, and what to do about it.
///
/// Compare `code`, never the text of `message`.
///
/// ```swift
/// do { try await batches.submit("questions.jsonl", as: "nightly", for: "acme") } catch let error as BatchError {
///   print(error.code, error.inputLine ?? 0, error.message)
/// }
/// ```
public struct BatchError: CodedError {
  /// The kinds of failure; the list can grow, so always keep a default branch.
  public struct Code: Hashable, Sendable, CustomStringConvertible, InvalidOptionCode {
    /// The name of the code, as printed and as written into output files.
    public let description: String

    init(_ description: String) { self.description = description }

    /// The input has no line with a request.
    public static let emptyInput = Self("emptyInput")
    /// A line is not UTF-8, not JSON, or lacks a field.
    public static let malformedLine = Self("malformedLine")
    /// A line is longer than ``BatchInference/Options/maximumLineInBytes``.
    public static let lineTooLong = Self("lineTooLong")
    /// Two lines have the same `custom_id`.
    public static let duplicateID = Self("duplicateID")
    /// A line asks for something that this batch can't do, or with an option outside its range.
    public static let unsupportedRequest = Self("unsupportedRequest")
    /// The batch of this name was begun with another input or for another tenant.
    public static let inputChanged = Self("inputChanged")
    /// There is no batch of this name.
    public static let notFound = Self("notFound")
    /// The batch has lines without an answer yet.
    public static let notFinished = Self("notFinished")
    /// The batch, or the job of a line, was cancelled.
    public static let cancelled = Self("cancelled")
    /// The job of a line took its process down too often, or failed for good.
    public static let dead = Self("dead")
    /// The input can't be opened or read.
    public static let inputOutput = Self("inputOutput")
    /// An option lies outside its documented range.
    public static let invalidOption = Self("invalidOption")
  }

  /// The code, the message, and where the error was thrown.
  public let details: ErrorDetails<Code>
  /// The line of the input that it is about, from 1.
  public let inputLine: Int?
  /// The `custom_id` of that line, if it could be read: the line's result carries it.
  var customID: String?

  /// Creates an error from its details.
  public init(_ details: ErrorDetails<Code>) {
    self.details = details
    self.inputLine = nil
  }

  /// Creates an error about a line of the input.
  public init(
    _ code: Code,
    _ message: String,
    inputLine: Int?,
    underlying: (any Error)? = nil,
    file: String = #fileID,
    line: Int = #line
  ) {
    self.details = ErrorDetails(code: code, message: message, underlying: underlying, file: file, line: line)
    self.inputLine = inputLine
  }

  /// The code, the line of the input and the message.
  public var description: String {
    "BatchError.\(code): " + (inputLine.map { "line \($0): " } ?? "") + message
  }
}
