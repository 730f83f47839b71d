// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// A document as a host hands it in.
///
/// An embedder sees the beginning of a long text only; ``PassageSplitter`` cuts it into passages that fit.
public struct IndexedDocument: Hashable, Sendable, Codable {
  /// The host's own name for the document; adding another with the same name replaces this one.
  public var id: DocumentID
  /// The title; may be empty.
  public var title: String
  /// The text.
  public var text: String
  /// Whatever the host wants to find beside the document; not searched.
  public var metadata: [String: String]

  /// Creates a document.
  public init(id: DocumentID, title: String = "", text: String, metadata: [String: String] = [:]) {
    self.id = id
    self.title = title
    self.text = text
    self.metadata = metadata
  }

  /// What is searched: the title and the text.
  public var searchableText: String { title.isEmpty ? text : title + ". " + text }

  /// The document as a passage.
  ///
  /// - Parameter score: How well it fits a query.
  /// - Returns: The passage, with the whole text.
  public func passage(score: Float) -> RetrievedPassage {
    RetrievedPassage(document: id, title: title, text: text, score: score)
  }
}
