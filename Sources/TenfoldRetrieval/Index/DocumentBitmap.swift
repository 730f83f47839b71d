// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A set of a segment's documents.
struct DocumentBitmap: Sendable, Equatable {
  private(set) var words: [UInt64]
  /// How many documents are in the set.
  private(set) var count: Int

  /// An empty set with room for documents 0..<capacity.
  init(capacity: Int) {
    words = [UInt64](repeating: 0, count: (capacity + 63) / 64)
    count = 0
  }

  init(words: [UInt64]) {
    self.words = words
    count = words.reduce(0) { $0 + $1.nonzeroBitCount }
  }

  func contains(_ document: Int) -> Bool { words[document >> 6] >> UInt64(document & 63) & 1 == 1 }

  /// Puts a document in; false if it was there.
  mutating func insert(_ document: Int) -> Bool {
    guard !contains(document) else { return false }
    words[document >> 6] |= 1 << UInt64(document & 63)
    count += 1
    return true
  }
}
