// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// Adds up how sure a model was of the tokens of one answer.
struct CertaintyMeter {
  private var count = 0
  private var sum = 0.0
  private var minimum = 0.0
  private var places = 0
  private var entropy = 0.0
  private var margin = 0.0

  /// Notes a token.
  mutating func take(_ choice: TokenSampler.Choice) {
    count += 1
    sum += choice.logProbability
    minimum = min(minimum, choice.logProbability)
    guard let place = choice.place else { return }
    places += 1
    entropy += place.entropy
    margin += place.margin
  }

  /// The certainty so far; `nil` without tokens.
  var certainty: AnswerCertainty? {
    guard count > 0 else { return nil }
    return AnswerCertainty(
      meanLogProbability: sum / Double(count),
      minimumLogProbability: minimum,
      meanEntropy: places > 0 ? entropy / Double(places) : nil,
      meanMargin: places > 0 ? margin / Double(places) : nil
    )
  }
}
