// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The working memory of one thread that cuts text into WordPieces.
struct WordPieceScratch: Sendable {
  /// Stretches of text as they were written, and their pieces.
  var cache = WordCache()
  var normalization = BertNormalizer.Memory()
}
