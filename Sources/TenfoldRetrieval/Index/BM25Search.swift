// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldVectors

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// One search through the segments of an inverted index, a term at a time.
struct BM25Search {
  struct Term {
    let text: String
    /// The inverse document frequency times how often the query holds the term.
    let weight: Float
  }

  private(set) var terms: [Term] = []
  private(set) var scannedBytes = 0
  private let norms: BM25Norms
  private var scores: [Float] = []

  init(
    _ text: String,
    in snapshot: InvertedIndex.Snapshot,
    analyzer: any TextAnalyzer,
    parameters: BM25Parameters
  ) {
    norms = BM25Norms(
      parameters,
      meanLength: snapshot.count > 0 ? Double(snapshot.totalLength) / Double(snapshot.count) : 0
    )
    guard snapshot.count > 0 else { return }
    var order: [String] = []
    var occurrences: [String: Int] = [:]
    for term in analyzer.terms(in: text) {
      if occurrences[term] == nil { order.append(term) }
      occurrences[term, default: 0] += 1
    }
    for term in order {
      let frequency = snapshot.entries.reduce(0) {
        $0 + $1.segment.documentFrequency(of: term, deleted: $1.deleted)
      }
      guard frequency > 0 else { continue }
      let inverse = log(1 + (Double(snapshot.count - frequency) + 0.5) / (Double(frequency) + 0.5))
      terms.append(Term(text: term, weight: Float(inverse * Double(occurrences[term] ?? 1))))
    }
  }

  /// Starts on a segment.
  mutating func begin(_ entry: InvertedIndex.Entry) {
    scores = [Float](repeating: 0, count: entry.segment.documents.count)
  }

  /// Adds a term's part to the scores of the segment's documents.
  mutating func accumulate(_ term: Int, in entry: InvertedIndex.Entry) {
    scannedBytes += entry.segment.accumulate(
      terms[term].text,
      weight: terms[term].weight,
      norms: norms,
      into: &scores
    )
  }

  /// Offers the segment's documents.
  mutating func collect(_ entry: InvertedIndex.Entry, filter: Set<UInt64>?, into top: inout TopMatches) {
    guard !terms.isEmpty else { return }
    let documents = entry.segment.documents
    let hasDeletions = entry.deleted.count > 0
    scannedBytes += scores.count * 4
    for place in scores.indices where scores[place] > 0 {
      if hasDeletions, entry.deleted.contains(place) { continue }
      if let filter, !filter.contains(documents[place]) { continue }
      top.offer(id: documents[place], score: scores[place])
    }
  }
}

/// Adds up CPU time over the pauses of a search, in which its task may change threads.
struct SlicedCPUClock {
  /// Bytes after which a search gives way to other tasks: some 2 ms.
  private static let slice = 4 << 20

  private var start = ThreadCPUTime.now
  private var total = Duration.zero
  private var pausedAt = 0

  /// Gives way if enough was read since the last pause.
  mutating func pause(after scannedBytes: Int) async throws {
    guard scannedBytes - pausedAt >= Self.slice else { return }
    pausedAt = scannedBytes
    total += ThreadCPUTime.now - start
    try Task.checkCancellation()
    await Task.yield()
    start = ThreadCPUTime.now
  }

  /// The CPU time so far.
  func stop() -> Duration { total + (ThreadCPUTime.now - start) }
}
