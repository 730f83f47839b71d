// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Guesses what one sequence goes on with, and learns from what became of its guesses.
struct SequenceDrafter: Sendable {
  private let limit: Int
  private var lookup = PromptLookup()
  private var acceptance = DraftAcceptance()
  /// The length of the match that the last guess came from; 0 for a guess that can't fail.
  private var matched = 0

  /// - Parameter limit: The most tokens to guess at once.
  init(limit: Int) { self.limit = limit }

  /// Guesses the next tokens.
  ///
  /// - Parameters:
  ///   - tokens: The sequence: that of the last call, and what came since.
  ///   - rows: The rows that the pass has anyway.
  ///   - room: The most tokens that have a place.
  /// - Returns: The guess; empty if there is none or it would not pay.
  mutating func draft(_ tokens: [Int32], besides rows: Int, room: Int) -> [Int32] {
    let limit = min(limit, room)
    guard limit > 0, let match = lookup.match(tokens, count: limit) else { return [] }
    matched = match.length
    let count = acceptance.draftCount(matching: match.length, besides: rows, limit: limit)
    return Array(match.draft.prefix(count))
  }

  /// Takes a guess that is certain instead.
  mutating func certain(_ tokens: [Int32], room: Int) -> [Int32] {
    matched = 0
    return Array(tokens.prefix(max(0, min(limit, room))))
  }

  /// Notes how many tokens of the last guess came true, and whether the next one did not.
  mutating func note(hits: Int, isMissed: Bool) {
    guard matched > 0 else { return }
    acceptance.note(matching: matched, hits: hits, isMissed: isMissed)
  }
}
