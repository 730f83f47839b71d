// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// The work on its format that an answer may still cause, in looks at a place for a byte.
///
/// Each mask is bounded, but an answer has one for each token, and all other answers wait meanwhile. So an answer has a few
/// seconds of work from the start, and earns what ordinary formats take with each of its tokens.
struct FormatBudget: Sendable {
  /// As much as 32 of the largest masks: some three seconds.
  static let most = 1 << 30
  /// A new place of a grammar takes this for a large vocabulary; most tokens find theirs known.
  static let earned = 1 << 20

  private let limit: Int
  private(set) var left: Int

  /// - Parameter limit: What there is at the start, and at most.
  init(limit: Int = Self.most) {
    self.limit = limit
    left = limit
  }

  /// Notes that a token was chosen.
  mutating func earn() { left = min(limit, left + min(Self.earned, limit)) }

  /// Notes work that was done.
  mutating func spend(_ work: Int) { left -= work }

  /// - Throws: `RequestError` with code `unsupportedFormat` if more was done than the answer had.
  func check() throws(RequestError) {
    guard left >= 0 else { throw GrammarAutomaton.tooMuchWork() }
  }
}
