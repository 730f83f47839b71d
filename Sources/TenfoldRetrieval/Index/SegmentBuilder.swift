// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldVectors

/// Gathers documents until they become a segment.
struct SegmentBuilder: Sendable {
  private(set) var documents: [UInt64] = []
  private(set) var lengths: [UInt32] = []
  private var termNumbers: [String: Int] = [:]
  private var termDocuments: [[UInt32]] = []
  private var termFrequencies: [[UInt32]] = []

  /// How many documents are in.
  var count: Int { documents.count }

  /// Adds a document with its terms, repeats included.
  mutating func add(_ document: UInt64, terms: [String]) {
    let place = UInt32(documents.count)
    documents.append(document)
    lengths.append(UInt32(clamping: terms.count))
    for term in terms {
      let number: Int
      if let known = termNumbers[term] {
        number = known
      } else {
        number = termDocuments.count
        termNumbers[term] = number
        termDocuments.append([])
        termFrequencies.append([])
      }
      if let last = termDocuments[number].last, last == place {
        let end = termFrequencies[number].count - 1
        termFrequencies[number][end] &+= 1
      } else {
        termDocuments[number].append(place)
        termFrequencies[number].append(1)
      }
    }
  }

  /// Adds the documents of a segment that are not deleted.
  mutating func add(_ segment: InvertedSegment, deleted: DocumentBitmap) {
    var places = [UInt32](repeating: .max, count: segment.documents.count)
    for (index, document) in segment.documents.enumerated() where !deleted.contains(index) {
      places[index] = UInt32(documents.count)
      documents.append(document)
      lengths.append(segment.lengths[index])
    }
    let postings = segment.postings
    let bytes = postings.span
    for (term, list) in segment.terms {
      let number = termNumbers[term] ?? termDocuments.count
      var found: [UInt32] = number < termDocuments.count ? termDocuments[number] : []
      var frequencies: [UInt32] = number < termDocuments.count ? termFrequencies[number] : []
      let before = found.count
      var cursor = list.cursor
      while cursor.advance(bytes) {
        guard places[cursor.document] != .max else { continue }
        found.append(places[cursor.document])
        frequencies.append(cursor.frequency)
      }
      guard found.count > before else { continue }
      if number == termDocuments.count {
        termNumbers[term] = number
        termDocuments.append(found)
        termFrequencies.append(frequencies)
      } else {
        termDocuments[number] = found
        termFrequencies[number] = frequencies
      }
    }
  }

  /// The segment of everything that was added.
  func build(number: UInt64) -> InvertedSegment {
    var bytes = ByteWriter()
    var terms: [String: PostingList] = [:]
    terms.reserveCapacity(termNumbers.count)
    // By term, so that the same documents give the same file.
    for (term, number) in termNumbers.sorted(by: { $0.key < $1.key }) {
      terms[term] = PostingList(
        documents: termDocuments[number],
        frequencies: termFrequencies[number],
        appendingTo: &bytes
      )
    }
    return InvertedSegment(
      number: number,
      documents: documents,
      lengths: lengths,
      terms: terms,
      postings: bytes.bytes
    )
  }
}
