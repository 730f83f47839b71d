// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Finds control tokens written out in a text.
///
/// Longer tokens win over shorter ones anywhere in the text, then earlier over later, as the reference does.
struct SpecialTokenMatcher: Sendable {
  struct Match: Sendable {
    let range: Range<Int>
    let id: Int32
  }

  private struct Entry: Sendable {
    let bytes: [UInt8]
    let id: Int32
  }

  /// Longest first, by the first byte.
  private var entries: [[Entry]] = Array(repeating: [], count: 256)
  private(set) var isEmpty = true
  /// The bytes with which tokens begin.
  private var isFirst = [Bool](repeating: false, count: 256)
  /// That byte, where there is one and it is ASCII.
  private var onlyFirst: UInt8?

  init(_ tokens: [(bytes: [UInt8], id: Int32)]) {
    for token in tokens.sorted(by: { $0.bytes.count > $1.bytes.count }) {
      guard let first = token.bytes.first else { continue }
      entries[Int(first)].append(Entry(bytes: token.bytes, id: token.id))
      isEmpty = false
      isFirst[Int(first)] = true
    }
    if isFirst.count(where: { $0 }) == 1, let first = isFirst[..<128].firstIndex(of: true) {
      onlyFirst = UInt8(first)
    }
  }

  /// The matches in order of their place; they do not overlap.
  func matches(in text: [UInt8]) -> [Match] {
    guard !isEmpty else { return [] }
    var candidates: [Match] = []
    var index = nextStart(text.span, from: 0)
    while index < text.count {
      for entry in entries[Int(text[index])]
      where entry.bytes.count <= text.count - index
        && text[index..<index + entry.bytes.count].elementsEqual(entry.bytes)
      {
        candidates.append(Match(range: index..<index + entry.bytes.count, id: entry.id))
      }
      index = nextStart(text.span, from: index + 1)
    }
    guard candidates.count > 1 else { return candidates }
    candidates.sort {
      ($1.range.count, $0.range.lowerBound) < ($0.range.count, $1.range.lowerBound)
    }
    // Taken bytes are marked, so the cost is linear in the candidates' total length.
    var taken = [Bool](repeating: false, count: text.count)
    var accepted: [Match] = []
    for candidate in candidates
    where !taken[candidate.range.lowerBound] && !taken[candidate.range.upperBound - 1] {
      for index in candidate.range { taken[index] = true }
      accepted.append(candidate)
    }
    return accepted.sorted { $0.range.lowerBound < $1.range.lowerBound }
  }

  /// The next place with a byte that begins a token, or the end.
  private func nextStart(_ text: Span<UInt8>, from start: Int) -> Int {
    var index = start
    if let onlyFirst {
      while index + 8 <= text.count {
        let count = ASCIIBlock(text, index).leading(without: onlyFirst)
        index += count
        if count < 8 { return index }
      }
    }
    while index < text.count, !isFirst[Int(text[index])] { index += 1 }
    return index
  }
}
