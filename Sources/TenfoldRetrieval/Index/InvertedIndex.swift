// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldVectors

/// A text index: for each term the documents that hold it, ranked by BM25.
///
/// Documents go by numbers that the owner gives them. Each addition makes a small segment that never changes again;
/// segments of about the same size are merged into one, so that there are few. Searches see the state at their
/// beginning and never wait for additions. The statistics are those of the documents that are there: deleting one
/// leaves scores as if it had never been.
///
/// ```swift
/// let index = InvertedIndex()
/// try index.add([(number: 1, text: "Aspirin lowers fever.")])
/// let found = try await index.search("feverish", limit: 10)
/// ```
public final class InvertedIndex: Sendable {
  /// A segment and which of its documents are deleted.
  struct Entry: Sendable {
    let segment: InvertedSegment
    var deleted: DocumentBitmap

    init(_ segment: InvertedSegment, deleted: DocumentBitmap? = nil) {
      self.segment = segment
      self.deleted = deleted ?? DocumentBitmap(capacity: segment.documents.count)
    }

    var liveCount: Int { segment.documents.count - deleted.count }
  }

  /// What a search sees.
  struct Snapshot: Sendable {
    var entries: [Entry] = []
    var count = 0
    var totalLength = 0
    var epoch: UInt64 = 0
  }

  struct Position {
    var segment: UInt64
    var place: Int
  }

  /// What only those who change the index need; also the lock that lets them in one by one.
  struct Writer {
    var positions: [UInt64: Position] = [:]
    var nextSegment: UInt64 = 1
  }

  /// What is on disk; also the lock that lets those who save in one by one, so that nobody who changes the index waits
  /// for the disk.
  struct Saved {
    /// The directory saved to last and the segments that are whole in it.
    var directory: String?
    var segments: Set<UInt64> = []
  }

  /// How the index analyses and keeps documents.
  public let options: Options
  /// What is missing because its file was damaged; an index with damage can be searched but not changed.
  public let damage: [String]

  let writer: Mutex<Writer>
  let saved: Mutex<Saved>
  let published: Mutex<Snapshot>

  /// Creates an empty index.
  public convenience init(options: Options = Options()) {
    self.init(options: options, damage: [], writer: Writer(), saved: Saved(), snapshot: Snapshot())
  }

  init(
    options: Options,
    damage: [String],
    writer: sending Writer,
    saved: sending Saved,
    snapshot: Snapshot
  ) {
    self.saved = Mutex(saved)
    self.options = options
    self.damage = damage
    self.writer = Mutex(writer)
    self.published = Mutex(snapshot)
  }

  /// How many documents the index holds.
  public var count: Int { published.withLock { $0.count } }

  /// The state of the index; grows with every change.
  public var epoch: UInt64 { published.withLock { $0.epoch } }

  /// How many segments there are now.
  public var segmentCount: Int { published.withLock { $0.entries.count } }

  /// Adds documents; one whose number is already there replaces the old one.
  ///
  /// Analyses on the calling thread. Visible to searches that begin after this returns; in memory only until saved.
  ///
  /// - Parameter documents: Each document's number and text; of equal numbers the last counts.
  /// - Throws: ``RetrievalError`` with code ``RetrievalError/Code/readOnly`` when a part of the index is damaged.
  /// - Complexity: O(length of the texts), and now and then a merge of what was added before.
  public func add(_ documents: [(number: UInt64, text: String)]) throws(RetrievalError) {
    try checkWritable()
    guard !documents.isEmpty else { return }
    var builder = SegmentBuilder()
    var seen: Set<UInt64> = []
    for document in documents.reversed() where seen.insert(document.number).inserted {
      builder.add(document.number, terms: options.analyzer.terms(in: document.text))
    }
    writer.withLock { writer in
      var snapshot = published.withLock { $0 }
      for number in builder.documents { Self.delete(number, &writer, &snapshot) }
      let segment = builder.build(number: writer.nextSegment)
      writer.nextSegment += 1
      Self.append(segment, &writer, &snapshot)
      snapshot.count += builder.count
      snapshot.totalLength += builder.lengths.reduce(0) { $0 + Int($1) }
      merge(&writer, &snapshot)
      snapshot.epoch += 1
      published.withLock { $0 = snapshot }
    }
  }

  /// Removes documents.
  ///
  /// - Parameter numbers: Their numbers; unknown ones are ignored.
  /// - Returns: How many were there.
  /// - Throws: ``RetrievalError`` with code ``RetrievalError/Code/readOnly`` when a part of the index is damaged.
  @discardableResult
  public func remove(_ numbers: [UInt64]) throws(RetrievalError) -> Int {
    try checkWritable()
    return writer.withLock { writer in
      var snapshot = published.withLock { $0 }
      let removed = numbers.count { Self.delete($0, &writer, &snapshot) }
      guard removed > 0 else { return 0 }
      snapshot.entries.removeAll { $0.liveCount == 0 }
      snapshot.epoch += 1
      published.withLock { $0 = snapshot }
      return removed
    }
  }

  /// Finds the documents that fit a text best.
  ///
  /// Gives way to other tasks between terms when the lists are long, and stops there when the task is cancelled.
  ///
  /// - Parameters:
  ///   - text: What to look for; a term that occurs twice counts twice.
  ///   - limit: At most this many documents; 1 or more.
  ///   - filter: When set, only documents with these numbers are considered.
  ///   - parameters: The constants of BM25.
  /// - Returns: The documents that hold at least one term, best first and equals by lower number.
  /// - Throws: ``RetrievalError`` with code ``RetrievalError/Code/invalidOption`` for a limit below 1;
  ///   `CancellationError`.
  /// - Complexity: O(postings of the terms + documents in the index).
  public func search(
    _ text: String,
    limit: Int,
    filter: Set<UInt64>? = nil,
    parameters: BM25Parameters = .standard
  ) async throws -> TextSearchResult {
    guard limit >= 1 else { throw RetrievalError(.invalidOption, "limit is \(limit); it must be 1 or more") }
    let snapshot = published.withLock { $0 }
    var clock = SlicedCPUClock()
    var search = BM25Search(text, in: snapshot, analyzer: options.analyzer, parameters: parameters)
    var top = TopMatches(limit: min(limit, max(1, snapshot.count)))
    for entry in snapshot.entries {
      search.begin(entry)
      for term in search.terms.indices {
        search.accumulate(term, in: entry)
        try await clock.pause(after: search.scannedBytes)
      }
      search.collect(entry, filter: filter, into: &top)
      try await clock.pause(after: search.scannedBytes)
    }
    let matches = top.sorted.map { ScoredDocument(number: $0.id, score: $0.score) }
    return TextSearchResult(matches: matches, scannedBytes: search.scannedBytes, cpuTime: clock.stop())
  }

  // MARK: - Changing

  func checkWritable() throws(RetrievalError) {
    guard let first = damage.first else { return }
    throw RetrievalError(
      .readOnly,
      "the index is damaged and can only be searched (\(first)); build it again from the documents"
    )
  }

  @discardableResult
  private static func delete(_ number: UInt64, _ writer: inout Writer, _ snapshot: inout Snapshot) -> Bool {
    guard let position = writer.positions.removeValue(forKey: number),
      let index = snapshot.entries.firstIndex(where: { $0.segment.number == position.segment }),
      snapshot.entries[index].deleted.insert(position.place)
    else { return false }
    snapshot.count -= 1
    snapshot.totalLength -= Int(snapshot.entries[index].segment.lengths[position.place])
    return true
  }

  private static func append(_ segment: InvertedSegment, _ writer: inout Writer, _ snapshot: inout Snapshot) {
    snapshot.entries.append(Entry(segment))
    for (place, number) in segment.documents.enumerated() {
      writer.positions[number] = Position(segment: segment.number, place: place)
    }
  }

  /// Merges segments of about the same size until there are fewer of each size than the merge factor.
  private func merge(_ writer: inout Writer, _ snapshot: inout Snapshot) {
    snapshot.entries.removeAll { $0.liveCount == 0 }
    let factor = max(2, options.mergeFactor)
    func level(_ entry: Entry) -> Int {
      var level = 0
      var size = entry.liveCount
      while size >= factor {
        size /= factor
        level += 1
      }
      return level
    }
    while true {
      let levels = Dictionary(grouping: snapshot.entries.indices, by: { level(snapshot.entries[$0]) })
      guard let crowded = levels.filter({ $0.value.count >= factor }).min(by: { $0.key < $1.key }) else {
        return
      }
      var builder = SegmentBuilder()
      for index in crowded.value {
        builder.add(snapshot.entries[index].segment, deleted: snapshot.entries[index].deleted)
      }
      let merged = Set(crowded.value)
      snapshot.entries = snapshot.entries.indices.filter { !merged.contains($0) }.map { snapshot.entries[$0] }
      Self.append(builder.build(number: writer.nextSegment), &writer, &snapshot)
      writer.nextSegment += 1
    }
  }
}
