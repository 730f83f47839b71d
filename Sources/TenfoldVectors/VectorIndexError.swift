// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// What went wrong while filling, searching, saving or opening a vector index, and what to do about it.
///
/// Compare `code`, never the text of `message`.
///
/// ```swift
/// do { index = try ExactVectorIndex.open(path, profile: embedder.profile) }
/// catch let error as VectorIndexError where error.code == .modelMismatch { index = try await reindex() }
/// ```
public struct VectorIndexError: CodedError {
  /// The kinds of failure; the list can grow, so always keep a default branch.
  public struct Code: Hashable, Sendable, CustomStringConvertible {
    /// The name of the code, as printed.
    public let description: String

    private init(_ description: String) { self.description = description }

    /// The file holds vectors of another embedder; they must never be compared with this one's.
    public static let modelMismatch = Self("modelMismatch")
    /// A newer version wrote the file; nothing was changed.
    public static let futureFormat = Self("futureFormat")
    /// The bytes on disk are not what was written; the message names the section.
    public static let corrupt = Self("corrupt")
    /// There is no room left for the file; the one that was there before is intact.
    public static let storageFull = Self("storageFull")
    /// A file could not be opened, read, written, synced or renamed.
    public static let inputOutput = Self("inputOutput")
    /// A value lies outside its documented range.
    public static let invalidOption = Self("invalidOption")
    /// A vector has another number of values than the index.
    public static let dimensionMismatch = Self("dimensionMismatch")
    /// A query holds NaN or infinity, or has no length.
    public static let invalidVector = Self("invalidVector")
  }

  /// The code, the message, and where the error was thrown.
  public let details: ErrorDetails<Code>
  /// With ``Code/modelMismatch``: the embedder of the index.
  public let indexModel: EmbedderProfile?
  /// With ``Code/modelMismatch``: the embedder in use now.
  public let currentModel: EmbedderProfile?

  /// Creates an error from its details.
  public init(_ details: ErrorDetails<Code>) {
    self.details = details
    self.indexModel = nil
    self.currentModel = nil
  }

  /// Creates an error about two embedders.
  public init(
    _ code: Code,
    _ message: String,
    indexModel: EmbedderProfile?,
    currentModel: EmbedderProfile?,
    underlying: (any Error)? = nil,
    file: String = #fileID,
    line: Int = #line
  ) {
    self.details = ErrorDetails(code: code, message: message, underlying: underlying, file: file, line: line)
    self.indexModel = indexModel
    self.currentModel = currentModel
  }

  init(_ failure: SectionFileError, file: String = #fileID, line: Int = #line) {
    let code: Code =
      switch failure.kind {
      case .corrupt: .corrupt
      case .futureFormat: .futureFormat
      case .storageFull: .storageFull
      case .missing, .inputOutput: .inputOutput
      }
    self.init(code, failure.message, underlying: failure, file: file, line: line)
  }
}
