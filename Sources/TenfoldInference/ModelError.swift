// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// What went wrong while finding, reading or running a model, and what to do about it.
///
/// Compare `code`, never the text of `message`.
public struct ModelError: CodedError {
  /// The kinds of failure; the list can grow, so always keep a default branch.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    /// The name of the code, as printed.
    public let description: String

    private init(_ description: String) { self.description = description }

    /// The file ends before the bytes its header promises.
    public static let truncated = Self("truncated")
    /// A header field holds a value no valid file has.
    public static let invalidHeader = Self("invalidHeader")
    /// A tensor's shape, type, offset or contents is wrong.
    public static let invalidTensor = Self("invalidTensor")
    /// A tensor, metadata key or file that the architecture needs is missing.
    public static let missing = Self("missing")
    /// The format, tensor type, architecture or tokenizer is not one that this version reads.
    public static let unsupported = Self("unsupported")
    /// The tokenizer's vocabulary or merges are inconsistent.
    public static let invalidTokenizer = Self("invalidTokenizer")
    /// A draft model's vocabulary is not that of the model it is to draft for.
    public static let vocabularyMismatch = Self("vocabularyMismatch")
    /// The prompt has more tokens than the context holds.
    public static let promptTooLong = Self("promptTooLong")
    /// An option lies outside its documented range.
    public static let invalidOption = Self("invalidOption")
    /// The file's size or SHA-256 is not the pinned one; it was set aside, not used.
    public static let hashMismatch = Self("hashMismatch")
    /// No source of the model answered, or offline mode forbids asking.
    public static let unavailable = Self("unavailable")
    /// A transfer broke or a server answered with something else than the file.
    public static let downloadFailed = Self("downloadFailed")
    /// There is no room left on the disk, in memory or in the key-value cache.
    public static let storageFull = Self("storageFull")
    /// A file could not be opened, read, written or locked.
    public static let inputOutput = Self("inputOutput")
    /// The engine was shut down before the request ended.
    public static let engineStopped = Self("engineStopped")
  }

  /// The code, the message, and where the error was thrown.
  public let details: ErrorDetails<Code>

  /// Creates an error from its details.
  public init(_ details: ErrorDetails<Code>) { self.details = details }
}
