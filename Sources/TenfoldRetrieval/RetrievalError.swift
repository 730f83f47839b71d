// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore
import TenfoldStorage
import TenfoldVectors

/// What went wrong while indexing or finding documents, and what to do about it.
///
/// Compare `code`, never the text of `message`.
///
/// ```swift
/// do { try await index.add(documents) }
/// catch let error as RetrievalError where error.code == .storageFull { pauseIndexing() }
/// ```
public struct RetrievalError: CodedError {
  /// The kinds of failure; the list can grow, so always keep a default branch.
  public struct Code: Hashable, Sendable, CustomStringConvertible, InvalidOptionCode {
    /// The name of the code, as printed.
    public let description: String

    private init(_ description: String) { self.description = description }

    /// The index was made with another embedder; see ``RetrievalError/indexModel``.
    public static let modelMismatch = Self("modelMismatch")
    /// A newer version wrote the index; nothing was changed.
    public static let futureFormat = Self("futureFormat")
    /// The bytes on disk are not what was written; the message names the part.
    public static let corrupt = Self("corrupt")
    /// There is no room left; what was acknowledged is intact and can be searched.
    public static let storageFull = Self("storageFull")
    /// A file or directory could not be opened, read, written or synced.
    public static let inputOutput = Self("inputOutput")
    /// A part of the index is damaged, so that it can be searched but not changed.
    public static let readOnly = Self("readOnly")
    /// An option or document lies outside its documented range.
    public static let invalidOption = Self("invalidOption")
    /// The embedder returned something else than one usable vector for each text.
    public static let invalidEmbedding = Self("invalidEmbedding")
    /// The collection is open already, in this process or another.
    public static let inUse = Self("inUse")
    /// The index was closed.
    public static let closed = Self("closed")
  }

  /// The code, the message, and where the error was thrown.
  public let details: ErrorDetails<Code>
  /// With ``Code/modelMismatch``: the embedder of the index, or `nil` if it has none.
  public let indexModel: EmbedderProfile?
  /// With ``Code/modelMismatch``: the embedder in use now, or `nil` if there is none.
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

  init(_ failure: StorageError, file: String = #fileID, line: Int = #line) {
    let code: Code =
      switch failure.code {
      case .corrupt: .corrupt
      case .futureFormat: .futureFormat
      case .storageFull: .storageFull
      case .readOnly: .readOnly
      case .closed: .closed
      default: .inputOutput
      }
    self.init(code, failure.message, underlying: failure, file: file, line: line)
  }
}
