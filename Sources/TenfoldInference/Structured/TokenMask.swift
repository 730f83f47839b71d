// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A set of tokens, a bit for each.
struct TokenMask: Sendable {
  private var words: [UInt64]

  /// The empty set of tokens below `count`.
  init(count: Int) { words = Array(repeating: 0, count: (count + 63) / 64) }

  var byteCount: Int { words.count * MemoryLayout<UInt64>.stride }

  var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

  /// Whether a token is in the set.
  func contains(_ token: Int32) -> Bool {
    guard token >= 0 else { return false }
    let (word, bit) = (Int(token) / 64, Int(token) % 64)
    guard word < words.count else { return false }
    return words[word] & Self.bits(bit) != 0
  }

  /// Adds a token below the set's limit.
  mutating func insert(_ token: Int32) {
    words[Int(token) / 64] |= Self.bits(Int(token) % 64)
  }

  private static func bits(_ bit: Int) -> UInt64 { (1 as UInt64) << UInt64(bit) }

  /// Makes the logits of all tokens that are not in the set infinitely small.
  ///
  /// - Parameters:
  ///   - logits: One for each token of the model.
  ///   - others: Tokens that are kept besides.
  func apply(to logits: UnsafeMutableBufferPointer<Float>, keeping others: Set<Int32>) {
    let kept = others.filter { logits.indices.contains(Int($0)) && !contains($0) }
      .map { (Int($0), unsafe logits[Int($0)]) }
    for start in stride(from: 0, to: logits.count, by: 64) {
      let number = start / 64
      var excluded = number < words.count ? ~words[number] : .max
      let end = min(start + 64, logits.count)
      // Most words are all one or all the other.
      if excluded == .max {
        for index in start..<end { unsafe logits[index] = -.infinity }
        continue
      }
      while excluded != 0 {
        let index = start + excluded.trailingZeroBitCount
        if index < end { unsafe logits[index] = -.infinity }
        excluded &= excluded - 1
      }
    }
    for (index, logit) in kept { unsafe logits[index] = logit }
  }
}
