// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Decides how many tokens of one sequence are worth guessing, from how many guesses came true.
///
/// A guess is one more row of a pass. With *m* the cost of a further row relative to a pass of one, a pass of *B* rows
/// costs 1 + *m*(*B* − 1), and a token of it the *B*th part of that. So a guess pays as long as the probability that it
/// comes true, with all before it, is above *mB* / (1 + *m*(*B* − 1)). The probability is estimated from past guesses,
/// apart for short, middling and long matches, for what a format calls for and for how sure a draft model is, recent ones
/// counting more. What a draft model's own passes cost is ``DraftPolicy``'s matter.
struct DraftAcceptance: Sendable {
  /// Where a guess comes from.
  enum Source: Sendable, Equatable {
    /// What followed the sequence's last tokens where they stood before; how many of them.
    case match(length: Int)
    /// What the answer's format leaves no choice about, in the tokens that text is usually cut into.
    case format
    /// The likeliest token by a draft model; the probability that it gives it.
    case model(confidence: Double)

    fileprivate var record: Int {
      switch self {
      case .match(let length): length < 3 ? 0 : length < 6 ? 1 : 2
      case .format: 3
      case .model(let confidence): 4 + (DraftAcceptance.confidences.firstIndex { confidence < $0 } ?? 4)
      }
    }
  }

  /// Guesses of one class of matches.
  private struct Record {
    var hits: Double
    var tries: Double
    /// Chances to guess that were let go since the last guess.
    var skipped = 0

    /// As if four guesses had been made.
    init(prior: Double) {
      hits = prior * 4
      tries = 4
    }

    var rate: Double { hits / tries }
  }

  /// The cost of a further row relative to a pass of one row: 0.26 to 0.45 for 2 to 32 rows of SmolLM2 with AVX2,
  /// by `tenfold-bench inference --case batch`.
  static let rowCost = 0.35
  /// Where guessing doesn't pay, one chance in so many is taken all the same, to see whether that has changed.
  static let probeInterval = 16
  /// What remains of a record's weight after another guess: some 30 guesses count.
  private static let memory = 0.97

  /// The ends of the classes of a draft model's probabilities, but for the last.
  private static let confidences = [0.4, 0.7, 0.9, 0.98]

  private var records = [0.3, 0.5, 0.7, 0.9, 0.25, 0.5, 0.7, 0.85, 0.95].map { Record(prior: $0) }

  /// How often guesses of a source have come true.
  func rate(of source: Source) -> Double { records[source.record].rate }

  /// How often a draft model's guesses have come true, whatever its probabilities.
  var modelRate: Double {
    let models = records[4...]
    return models.reduce(0) { $0 + $1.hits } / models.reduce(0) { $0 + $1.tries }
  }

  /// How many tokens to guess.
  ///
  /// - Parameters:
  ///   - source: Where the guess comes from.
  ///   - rows: The rows that the pass has anyway, at least one.
  ///   - limit: The most to guess.
  /// - Returns: The number; 0 where guessing does not pay.
  mutating func draftCount(from source: Source, besides rows: Int, limit: Int) -> Int {
    let index = source.record
    let count = min(limit, Self.worth(records[index].rate, rows))
    if count > 0 {
      records[index].skipped = 0
      return count
    }
    records[index].skipped += 1
    guard records[index].skipped >= Self.probeInterval else { return 0 }
    records[index].skipped = 0
    return min(limit, 1)
  }

  /// Notes how many guesses came true, and whether the next one did not.
  mutating func note(_ source: Source, hits: Int, isMissed: Bool) {
    let index = source.record
    for isHit in repeatElement(true, count: hits) + (isMissed ? [false] : []) {
      records[index].hits = records[index].hits * Self.memory + (isHit ? 1 : 0)
      records[index].tries = records[index].tries * Self.memory + 1
    }
  }

  /// The largest number of guesses of which the last is still worth its row.
  private static func worth(_ rate: Double, _ rows: Int) -> Int {
    let threshold = rowCost * Double(rows) / (1 + rowCost * Double(rows - 1))
    guard rate > threshold else { return 0 }
    guard rate < 1 else { return .max }
    return Int(min(1e3, logarithm(threshold) / logarithm(rate)))
  }
}
