// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Guesses what one sequence goes on with, and learns from what became of its guesses.
struct SequenceDrafter: Sendable {
  private let limit: Int
  private let looksUp: Bool
  private var lookup = PromptLookup()
  private var acceptance = DraftAcceptance()
  /// Where the last guess came from; `nil` for one that can't fail.
  private var source: DraftAcceptance.Source?

  /// - Parameters:
  ///   - limit: The most tokens to guess at once.
  ///   - looksUp: Whether guesses are looked up among earlier tokens.
  init(limit: Int, looksUp: Bool = true) {
    self.limit = limit
    self.looksUp = looksUp
  }

  /// Guesses the next tokens.
  ///
  /// - Parameters:
  ///   - tokens: The sequence: that of the last call, and what came since.
  ///   - rows: The rows that the pass has anyway.
  ///   - room: The most tokens that have a place.
  /// - Returns: The guess; empty if there is none or it would not pay.
  mutating func draft(_ tokens: [Int32], besides rows: Int, room: Int) -> [Int32] {
    let limit = min(limit, room)
    guard limit > 0, looksUp, let match = lookup.match(tokens, count: limit) else { return [] }
    return worth(match.draft, from: .match(length: match.length), besides: rows, limit: limit)
  }

  /// Guesses the tokens of a text that has to come.
  ///
  /// - Parameters:
  ///   - tokens: The text as it is usually cut; the model may cut it otherwise.
  ///   - rows: The rows that the pass has anyway.
  ///   - room: The most tokens that have a place.
  /// - Returns: As much of it as would pay.
  mutating func spell(_ tokens: [Int32], besides rows: Int, room: Int) -> [Int32] {
    worth(tokens, from: .format, besides: rows, limit: min(limit, room, tokens.count))
  }

  private mutating func worth(
    _ draft: [Int32],
    from source: DraftAcceptance.Source,
    besides rows: Int,
    limit: Int
  ) -> [Int32] {
    guard limit > 0 else { return [] }
    self.source = source
    return Array(draft.prefix(acceptance.draftCount(from: source, besides: rows, limit: limit)))
  }

  /// Takes a guess that is certain instead.
  mutating func certain(_ tokens: [Int32], room: Int) -> [Int32] {
    source = nil
    return Array(tokens.prefix(max(0, min(limit, room))))
  }

  /// Notes how many tokens of the last guess came true, and whether the next one did not.
  mutating func note(hits: Int, isMissed: Bool) {
    guard let source else { return }
    acceptance.note(source, hits: hits, isMissed: isMissed)
  }
}
