// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A part of an inverted index that never changes; deletions are noted beside it.
final class InvertedSegment: Sendable {
  /// The file's number, unique within its index.
  let number: UInt64
  /// The host's number of each document, by its place in the segment.
  let documents: [UInt64]
  /// How many terms each document has.
  let lengths: [UInt32]
  /// Where each term's postings are.
  let terms: [String: PostingList]
  /// All posting lists, one after the other.
  let postings: [UInt8]

  init(
    number: UInt64,
    documents: [UInt64],
    lengths: [UInt32],
    terms: [String: PostingList],
    postings: [UInt8]
  ) {
    self.number = number
    self.documents = documents
    self.lengths = lengths
    self.terms = terms
    self.postings = postings
  }

  /// In how many documents a term occurs, deleted ones left out.
  func documentFrequency(of term: String, deleted: DocumentBitmap) -> Int {
    guard let list = terms[term] else { return 0 }
    guard deleted.count > 0 else { return list.count }
    var count = 0
    let postings = postings
    let bytes = postings.span
    var cursor = list.cursor
    while cursor.advance(bytes) { if !deleted.contains(cursor.document) { count += 1 } }
    return count
  }

  /// Adds a term's part of the score to each document that holds it.
  ///
  /// - Parameters:
  ///   - term: The term.
  ///   - weight: The term's weight in the query.
  ///   - norms: For each document `k1 × (1 − b + b × length / mean length)`.
  ///   - scores: One sum for each document.
  /// - Returns: How many bytes of postings were read.
  func accumulate(_ term: String, weight: Float, norms: BM25Norms, into scores: inout [Float]) -> Int {
    guard let list = terms[term] else { return 0 }
    let (postings, lengths) = (postings, lengths)
    let bytes = postings.span
    let lengthSpan = lengths.span
    var sums = scores.mutableSpan
    var cursor = list.cursor
    while cursor.advance(bytes) {
      let frequency = Float(cursor.frequency)
      sums[cursor.document] +=
        weight * frequency / (frequency + norms.norm(ofLength: lengthSpan[cursor.document]))
    }
    return (list.blocks.last?.end ?? list.start) - list.start
  }
}

/// How a document's length holds it back.
struct BM25Norms: Sendable {
  private let base: Float
  private let slope: Float

  init(_ parameters: BM25Parameters, meanLength: Double) {
    base = parameters.k1 * (1 - parameters.b)
    slope = meanLength > 0 ? Float(Double(parameters.k1 * parameters.b) / meanLength) : 0
  }

  @inline(__always)
  func norm(ofLength length: UInt32) -> Float { base + slope * Float(length) }
}
