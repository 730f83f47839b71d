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

  init(_ tokens: [(bytes: [UInt8], id: Int32)]) {
    for token in tokens.sorted(by: { $0.bytes.count > $1.bytes.count }) {
      guard let first = token.bytes.first else { continue }
      entries[Int(first)].append(Entry(bytes: token.bytes, id: token.id))
      isEmpty = false
    }
  }

  /// The matches in order of their place; they do not overlap.
  func matches(in text: [UInt8]) -> [Match] {
    guard !isEmpty else { return [] }
    var candidates: [Match] = []
    for index in text.indices where !entries[Int(text[index])].isEmpty {
      for entry in entries[Int(text[index])]
      where entry.bytes.count <= text.count - index
        && text[index..<index + entry.bytes.count].elementsEqual(entry.bytes)
      {
        candidates.append(Match(range: index..<index + entry.bytes.count, id: entry.id))
      }
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
}
