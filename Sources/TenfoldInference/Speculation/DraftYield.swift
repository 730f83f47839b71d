// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What one round of a draft model's guesses brings a sequence and takes, on average; recent rounds count more.
struct DraftYield: Sendable, Equatable {
  /// Tokens that came true.
  private(set) var accepted: Double
  /// Rows that the model checked for them.
  private(set) var checked: Double
  /// Passes of the draft model that the sequence took part in.
  private(set) var passes: Double
  /// Rows that those had for it: tokens to catch up with, and guesses that others follow.
  private(set) var rows: Double
  /// How many rounds the averages stand for.
  private var rounds: Double
  /// The most rounds that count.
  private let mostRounds: Double

  /// What is assumed before the first round: that 7 of 10 guesses come true.
  ///
  /// - Parameter limit: The most tokens guessed at once.
  init(limit: Int) {
    let count = Double(min(2, limit))
    accepted = count == 2 ? 0.7 + 0.49 : 0.7 * count
    checked = count
    passes = count
    rows = count
    rounds = 4
    mostRounds = 100
  }

  private init(_ all: Self) {
    (accepted, checked, passes, rows) = (all.accepted, all.checked, all.passes, all.rows)
    rounds = 6
    mostRounds = 20
  }

  /// Where a new sequence starts: as if some of its rounds had gone as those of all.
  var forSequence: Self { Self(self) }

  /// Notes a round.
  mutating func note(accepted: Int, checked: Int, passes: Int, rows: Int) {
    rounds = min(mostRounds, rounds + 1)
    self.accepted += (Double(accepted) - self.accepted) / rounds
    self.checked += (Double(checked) - self.checked) / rounds
    self.passes += (Double(passes) - self.passes) / rounds
    self.rows += (Double(rows) - self.rows) / rounds
  }
}
