// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A passage that was found.
public struct RetrievedPassage: Hashable, Sendable, Codable {
  /// The document it belongs to.
  public var document: DocumentID
  /// The document's title; may be empty.
  public var title: String
  /// The passage's text.
  public var text: String
  /// How well it fits, never NaN; comparable only within one result.
  public var score: Float

  /// Creates a passage.
  public init(document: DocumentID, title: String = "", text: String, score: Float) {
    self.document = document
    self.title = title
    self.text = text
    self.score = score
  }
}
