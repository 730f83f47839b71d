// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Finds where the last tokens of a sequence occurred before, and what followed them there.
///
/// Places with the same pair of tokens are chained from the latest to the earliest, as compressors of the LZ77 family
/// do it, so that a look-up compares a bounded number of places however long the sequence is.
struct PromptLookup: Sendable {
  /// What may follow.
  struct Match: Equatable, Sendable {
    /// The tokens that followed.
    var draft: [Int32]
    /// How many tokens before them are the sequence's last ones, in 2...``PromptLookup/longestMatch``.
    var length: Int
  }

  /// Matches are not compared any further.
  static let longestMatch = 16
  /// How many places are compared.
  private static let placesTried = 16

  /// The last index of the latest occurrence of each pair.
  private var latest: [UInt64: Int32] = [:]
  /// For each index, that of the occurrence before of the pair ending there, or -1.
  private var earlier: [Int32] = []

  /// Guesses what follows.
  ///
  /// - Parameters:
  ///   - tokens: The sequence: that of the last call, and what came since.
  ///   - count: How many tokens to guess.
  /// - Returns: What followed the longest match, the latest of equal ones; past the sequence's end it repeats itself.
  ///   `nil` if the last two tokens are new.
  /// - Complexity: Constant in the sequence's length, plus constant time for each token since the last call.
  mutating func match(_ tokens: [Int32], count: Int) -> Match? {
    index(tokens)
    let last = tokens.count - 1
    guard last > 0, count > 0 else { return nil }
    var best: (place: Int, length: Int) = (-1, 0)
    var place = Int(earlier[last])
    var tried = 0
    while place > 0, tried < Self.placesTried, best.length < Self.longestMatch {
      var length = 2
      while length < Self.longestMatch, length <= place, tokens[place - length] == tokens[last - length] {
        length += 1
      }
      if length > best.length { best = (place, length) }
      place = Int(earlier[place])
      tried += 1
    }
    guard best.length > 0 else { return nil }
    var draft: [Int32] = []
    for index in best.place + 1...best.place + count {
      draft.append(index <= last ? tokens[index] : draft[index - last - 1])
    }
    return Match(draft: draft, length: best.length)
  }

  private mutating func index(_ tokens: [Int32]) {
    for index in earlier.count..<max(earlier.count, tokens.count) {
      guard index > 0 else {
        earlier.append(-1)
        continue
      }
      let pair =
        UInt64(UInt32(bitPattern: tokens[index - 1])) << 32 | UInt64(UInt32(bitPattern: tokens[index]))
      earlier.append(latest.updateValue(Int32(index), forKey: pair) ?? -1)
    }
  }
}
