// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Finds the first stop text in a growing answer and holds back what could be the beginning of one.
///
/// Each text is an automaton of Knuth, Morris and Pratt, so that a byte costs constant time however long and
/// repetitive the texts are.
struct StopMatcher: Sendable {
  private struct Automaton {
    let pattern: [UInt8]
    /// For each matched length, the next shorter prefix that is also its end.
    let fallback: [Int32]
    var matched = 0

    init(_ text: String) {
      pattern = Array(text.utf8)
      var fallback = [Int32](repeating: 0, count: pattern.count + 1)
      var length = 0
      for index in pattern.indices.dropFirst() {
        while length > 0, pattern[index] != pattern[length] { length = Int(fallback[length]) }
        if pattern[index] == pattern[length] { length += 1 }
        fallback[index + 1] = Int32(length)
      }
      self.fallback = fallback
    }

    /// Takes a byte; true when the pattern ends with it.
    mutating func take(_ byte: UInt8) -> Bool {
      while matched > 0, matched == pattern.count || pattern[matched] != byte {
        matched = Int(fallback[matched])
      }
      if pattern[matched] == byte { matched += 1 }
      return matched == pattern.count
    }
  }

  private var automata: [Automaton]
  /// Bytes not yet released.
  private var held: [UInt8] = []

  /// - Parameter stop: Texts that are not empty.
  init(_ stop: [String]) { automata = stop.map(Automaton.init) }

  /// Takes the next piece of the answer.
  ///
  /// - Returns: What may be shown now, and whether a stop text was reached; after that nothing more is taken.
  mutating func take(_ piece: String) -> (text: String, isStopped: Bool) {
    guard !automata.isEmpty else { return (piece, false) }
    for byte in piece.utf8 {
      held.append(byte)
      var longest = 0
      for index in automata.indices where automata[index].take(byte) {
        longest = max(longest, automata[index].pattern.count)
      }
      if longest > 0 {
        let text = String(decoding: held.dropLast(longest), as: UTF8.self)
        held = []
        return (text, true)
      }
    }
    let possible = automata.reduce(0) { max($0, $1.matched) }
    // A stop text begins at a scalar's first byte, so what is released ends at a scalar's last.
    let text = String(decoding: held.dropLast(possible), as: UTF8.self)
    held.removeFirst(held.count - possible)
    return (text, false)
  }

  /// What was held back, now that no more follows.
  mutating func flush() -> String {
    defer { held = [] }
    return String(decoding: held, as: UTF8.self)
  }
}
