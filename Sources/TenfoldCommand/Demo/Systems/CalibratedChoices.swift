// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold

/// A model that is asked about claims in the words it understands best, and whose taste for one of the two answers is
/// taken out of its judgement.
///
/// Small models favour one answer whatever the claim. The offset is the log-odds at which the model errs as often on
/// refuted claims as on supported ones, measured on the train split (`tenfold demo --calibrate`).
struct CalibratedChoices: LanguageModel {
  let model: any LanguageModel
  let wording: ClaimWording
  /// Subtracted from the log-odds of the first choice.
  let offset: Double

  init(model: any LanguageModel, wording: ClaimWording, offset: Double) {
    self.model = model
    self.wording = wording
    self.offset = offset
  }

  init(_ model: any LanguageModel, _ calibration: DemoCalibration) {
    let entry = calibration.models[model.profile.id]
    self.init(model: model, wording: entry?.wording ?? .continuation, offset: entry?.offset ?? 0)
  }

  var profile: ModelProfile { model.profile }

  func generate(_ request: InferenceRequest) async throws -> GenerationStream {
    guard request.options.choices == DemoPrompt.claimChoices else { return try await model.generate(request) }
    var completion = try await judge(request)
    guard let odds = Self.logOdds(completion.summary) else { return GenerationStream(completion) }
    let first = 1 / (1 + exp(-(odds - offset)))
    completion.summary.choiceProbabilities = [first, 1 - first]
    completion.text = DemoPrompt.claimChoices[first >= 0.5 ? 0 : 1]
    return GenerationStream(completion)
  }

  /// Asks about a claim; the answer is in the model's own words and not calibrated.
  func judge(_ request: InferenceRequest) async throws -> Completion {
    var asked = request
    asked.prompt = wording.prompt(request.question, request.passages)
    asked.options = try GenerationOptions(maxTokens: request.options.maxTokens, choices: wording.choices)
    return try await model.respond(to: asked)
  }

  /// The log-odds of the first of two choices.
  static func logOdds(_ summary: GenerationSummary) -> Double? {
    let p = summary.choiceProbabilities
    guard p.count == 2 else { return nil }
    return log(max(p[0], 1e-17)) - log(max(p[1], 1e-17))
  }
}
