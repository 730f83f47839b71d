// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

extension GrammarAutomaton {
  /// The most bytes that ``required(_:)`` looks ahead, and what the work of that may come to.
  static let longestRequirement = 256
  private static let requirementWork = 1 << 21
  /// The work of cutting a byte of an ending into tokens.
  private static let spellingWork = 16

  /// Whether the text can be ended with so many tokens.
  ///
  /// An ending has no more tokens than bytes, and those are counted already; only near the limit it is spelled out, as that
  /// takes as long as the ending is.
  func canEnd(_ state: Int32, within count: Int) -> Bool {
    if spellsEndings, let least = states[Int(state)].lazy.map(length).min(), least <= count { return true }
    return completion(state).map { $0.count <= count } ?? false
  }

  /// Tokens that lead from a state to an end on a shortest way; `nil` if the vocabulary has none.
  func completion(_ state: Int32) -> [Int32]? {
    if let known = completions[state] { return known }
    let best = states[Int(state)].min { length($0) < length($1) }
    let text = best.map(text)
    work += (text?.count ?? 0) * Self.spellingWork
    let tokens = text.flatMap { trie.tokens(for: $0) }
    completions[state] = .some(tokens)
    endingBytes += (tokens?.count ?? 0) * MemoryLayout<Int32>.stride
    return tokens
  }

  /// The bytes that come next whatever the model says: names of members, punctuation, constants.
  ///
  /// Where a space may stand or not, as after a comma, it is taken to stand, as it does in most text.
  func required(_ state: Int32) -> [UInt8] {
    if let known = requirements[state] { return known }
    var bytes: [UInt8] = []
    var place = state
    let limit = work + Self.requirementWork
    while bytes.count < Self.longestRequirement, work < limit, let byte = onlyByte(place) {
      bytes.append(byte)
      place = next(place, byte)
    }
    requirements[state] = bytes
    endingBytes += bytes.count
    return bytes
  }

  private func onlyByte(_ state: Int32) -> UInt8? {
    let space: UInt8 = 0x20
    var only: UInt8?
    var isOpen = false
    for place in states[Int(state)] {
      guard case .bytes(let low, let high, _) = grammar.nodes[Int(place.node)], low == high else {
        isOpen = true
        continue
      }
      // Within strings a space is one of a range.
      if low == space { return space }
      if let only, only != low { isOpen = true }
      only = low
    }
    return isOpen ? nil : only
  }

  private func length(_ place: Place) -> Int {
    grammar.distances[Int(place.node)] + frameLengths[Int(place.frame)]
  }

  private func text(_ place: Place) -> [UInt8] {
    var text = grammar.shortestText(from: place.node)
    var frame = place.frame
    while frame != 0 {
      text += grammar.shortestText(from: frames[Int(frame)].next)
      frame = frames[Int(frame)].parent
    }
    return text
  }
}
