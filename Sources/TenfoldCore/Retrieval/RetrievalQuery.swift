// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What to look for.
public struct RetrievalQuery: Sendable {
  /// The words to look for.
  public var text: String
  /// The vector of ``text``, if a stage before has made it.
  public var embedding: TextEmbedding?
  /// At most this many passages are returned; in 1...10,000.
  public let limit: Int
  /// When set, only these documents are considered.
  public var allowedDocuments: Set<DocumentID>?
  /// Where the search writes its stages, or `nil`.
  public var trace: RequestTrace?

  /// The largest ``limit``.
  public static let maximumLimit = 10_000

  /// Creates a query.
  ///
  /// - Parameters:
  ///   - text: The words to look for; an empty text finds nothing.
  ///   - embedding: The vector of `text`, if it is already there.
  ///   - limit: At most this many passages, in 1...10,000; one above the number of documents is fine.
  ///   - allowedDocuments: When set, only these are considered.
  ///   - trace: Where the search writes its stages.
  /// - Throws: ``RequestError`` with code ``RequestError/Code/invalidOption`` for a limit out of range.
  public init(
    _ text: String,
    embedding: TextEmbedding? = nil,
    limit: Int = 10,
    allowedDocuments: Set<DocumentID>? = nil,
    trace: RequestTrace? = nil
  ) throws(RequestError) {
    guard (1...Self.maximumLimit).contains(limit) else {
      throw RequestError(.invalidOption, "limit is \(limit); it must be in 1...\(Self.maximumLimit).")
    }
    self.text = text
    self.embedding = embedding
    self.limit = limit
    self.allowedDocuments = allowedDocuments
    self.trace = trace
  }
}
