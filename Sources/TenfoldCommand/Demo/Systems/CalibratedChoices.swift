// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold

/// A model whose taste for one of two words is taken out of its judgement of claims.
///
/// Small models favour one word whatever the claim. The offset is the log-odds at which the model errs as often on
/// refuted claims as on supported ones, measured on the train split (`tenfold demo --calibrate`).
struct CalibratedChoices: LanguageModel {
  let model: any LanguageModel
  /// Subtracted from the log-odds of the first choice.
  let offset: Double

  var profile: ModelProfile { model.profile }

  func generate(_ request: InferenceRequest) async throws -> GenerationStream {
    guard request.options.choices == DemoPrompt.claimChoices else { return try await model.generate(request) }
    var completion = try await model.respond(to: request)
    guard let odds = Self.logOdds(completion.summary) else { return GenerationStream(completion) }
    let first = 1 / (1 + exp(-(odds - offset)))
    completion.summary.choiceProbabilities = [first, 1 - first]
    completion.text = DemoPrompt.claimChoices[first >= 0.5 ? 0 : 1]
    return GenerationStream(completion)
  }

  /// The log-odds of the first of two choices.
  static func logOdds(_ summary: GenerationSummary) -> Double? {
    let p = summary.choiceProbabilities
    guard p.count == 2 else { return nil }
    return log(max(p[0], 1e-17)) - log(max(p[1], 1e-17))
  }
}
