// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold

/// What `tenfold demo --calibrate` measured on the train split, by model.
struct DemoCalibration: Codable, Sendable {
  struct Entry: Codable, Sendable {
    /// How the model is best asked about claims.
    var wording: ClaimWording
    /// How many train claims it was measured on.
    var claims: Int
    /// The area under the curve: how well the log-odds tell supported from refuted claims.
    var auroc: Double
    /// The log-odds of support at which both kinds of error are equally frequent.
    var offset: Double
    /// The share of claims answered right.
    var claimAccuracy: Double
    /// The probability that a claim's answer is right, over the margin of the calibrated answer.
    var claimConfidence: ConfidenceCalibration
    /// The probability that a lookup's answer is right, over its margin.
    var lookupConfidence: ConfidenceCalibration
    /// The share of lookups answered right.
    var lookupAccuracy: Double
  }

  var models: [String: Entry]

  /// The measurement that comes with the program; empty where the file is missing.
  static func bundled() -> Self {
    guard let url = Bundle.module.url(forResource: "calibration", withExtension: "json"),
      let data = try? Data(contentsOf: url),
      let value = try? JSONDecoder().decode(Self.self, from: data)
    else { return Self(models: [:]) }
    return value
  }

  /// How sure a model's answers are; without a measurement only wide margins count.
  func confidence(_ model: String) -> DemoConfidence {
    let cautious = ConfidenceCalibration.logistic(slope: 4, offset: -2)
    return DemoConfidence(
      claims: MarginConfidence(choices: models[model]?.claimConfidence ?? cautious),
      lookups: MarginConfidence(choices: models[model]?.lookupConfidence ?? cautious)
    )
  }

  /// How often a model answers claims or lookups right; what was not measured it is taken to know.
  func accuracy(_ model: String, _ request: InferenceRequest) -> Double {
    guard let entry = models[model], !request.options.choices.isEmpty else { return 1 }
    return request.options.choices == DemoPrompt.claimChoices ? entry.claimAccuracy : entry.lookupAccuracy
  }

  /// Measures a model on train claims with their own evidence, in several wordings, and on lookups.
  static func measure(
    _ model: any LanguageModel,
    wordings: [ClaimWording],
    dataset: SciFactDataset,
    count: Int
  ) async throws -> Entry {
    var best: ClaimSamples?
    for wording in wordings {
      let samples = try await ClaimSamples(model, wording, dataset: dataset, count: count)
      ConsoleText.complain("\(model.profile.id), \(wording.rawValue): AUROC \(samples.auroc.fixed(3))")
      if samples.auroc > best?.auroc ?? 0 { best = samples }
    }
    guard let best else {
      throw RoutingError(
        .unfittable,
        "Calibration needs supported and refuted claims; raise the number of claims."
      )
    }
    let lookups = try await measureLookups(model, dataset: dataset, count: count)
    return Entry(
      wording: best.wording,
      claims: best.count,
      auroc: best.auroc,
      offset: best.offset,
      claimAccuracy: best.accuracy,
      claimConfidence: best.confidence,
      lookupConfidence: .platt(fitting: lookups),
      lookupAccuracy: Double(lookups.count(where: \.isRight)) / Double(max(1, lookups.count))
    )
  }

  /// Asks lookups made with another seed than any workload's default.
  private static func measureLookups(
    _ model: any LanguageModel,
    dataset: SciFactDataset,
    count: Int
  ) async throws -> [ConfidenceCalibration.Sample] {
    let options = Workload.Options(
      count: count,
      repeatShare: 0,
      paraphraseShare: 0,
      easyShare: 1,
      seed: 1_000_003
    )
    let workload = Workload(options: options, dataset: dataset)
    let documents = Dictionary(
      dataset.documents.map { ($0.id, $0) },
      uniquingKeysWith: { first, _ in first }
    )
    var samples: [ConfidenceCalibration.Sample] = []
    for lookup in workload.requests {
      guard let document = lookup.documentID.flatMap({ documents[$0] }) else { continue }
      var request = try lookup.request(tenant: "calibration")
      request.prompt = DemoPrompt.template.render(request, [document.passage(score: 1)])
      let completion = try await model.respond(to: request)
      guard let score = MarginConfidence.score(of: completion) else { continue }
      samples.append(.init(score: score, isRight: completion.text == lookup.expected))
    }
    return samples
  }
}
