// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold

/// What `tenfold demo --calibrate` measured on the train split, by model.
struct DemoCalibration: Codable, Sendable {
  struct Entry: Codable, Sendable {
    /// How many train claims it was measured on.
    var claims: Int
    /// The area under the curve: how well the log-odds tell supported from refuted claims.
    var auroc: Double
    /// The log-odds of support at which both kinds of error are equally frequent.
    var offset: Double
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

  func offset(_ model: String) -> Double { models[model]?.offset ?? 0 }

  /// How sure a model's answers are; without a measurement only wide margins count.
  func confidence(_ model: String) -> DemoConfidence {
    let cautious = ConfidenceCalibration.logistic(slope: 4, offset: -2)
    return DemoConfidence(
      claims: MarginConfidence(choices: models[model]?.claimConfidence ?? cautious),
      lookups: MarginConfidence(choices: models[model]?.lookupConfidence ?? cautious)
    )
  }

  /// Measures a model on train claims with their own evidence.
  static func measure(_ model: any LanguageModel, dataset: SciFactDataset, count: Int) async throws -> Entry {
    let documents = Dictionary(dataset.documents.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    var generator = SeededGenerator(seed: 1)
    let claims = dataset.claims.filter { $0.split == "train" && $0.verdict != nil }
      .shuffled(using: &generator).prefix(count)
    let bar = ProgressBar("calibrating \(model.profile.id)", total: claims.count)
    var samples: [(odds: Double, isSupported: Bool)] = []
    for claim in claims {
      guard let id = claim.labels.keys.sorted().first, let document = documents[id] else { continue }
      var request = InferenceRequest(
        prompt: .text(DemoPrompt.claimInstruction(claim.text)),
        options: try GenerationOptions(maxTokens: 8, choices: DemoPrompt.claimChoices),
        context: RequestContext(tenant: "calibration")
      )
      request.prompt = DemoPrompt.template.render(request, [document.passage(score: 1)])
      let completion = try await model.respond(to: request)
      if let odds = CalibratedChoices.logOdds(completion.summary) {
        samples.append((odds, claim.verdict == .support))
      }
      bar.show(samples.count)
    }
    bar.finish()
    let yes = samples.filter(\.isSupported).map(\.odds)
    let no = samples.filter { !$0.isSupported }.map(\.odds)
    guard !yes.isEmpty, !no.isEmpty else {
      throw RoutingError(
        .unfittable,
        "Calibration needs supported and refuted claims; raise the number of claims."
      )
    }
    var wins = 0.0
    for a in yes { for b in no { wins += a > b ? 1 : a == b ? 0.5 : 0 } }
    // The cut at which both kinds of error are nearest to each other.
    let cuts = samples.map(\.odds).sorted()
    let offset = cuts.min { first, second in imbalance(first, yes, no) < imbalance(second, yes, no) } ?? 0
    let claimConfidence = ConfidenceCalibration.platt(
      fitting: samples.map { sample in
        let first = 1 / (1 + exp(-(sample.odds - offset)))
        return .init(score: abs(2 * first - 1), isRight: (sample.odds >= offset) == sample.isSupported)
      }
    )
    let lookups = try await measureLookups(model, dataset: dataset, count: count)
    return Entry(
      claims: samples.count,
      auroc: wins / Double(yes.count * no.count),
      offset: offset,
      claimConfidence: claimConfidence,
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

  private static func imbalance(_ cut: Double, _ yes: [Double], _ no: [Double]) -> Double {
    let missed = Double(yes.count { $0 < cut }) / Double(yes.count)
    let wrong = Double(no.count { $0 >= cut }) / Double(no.count)
    return abs(missed - wrong)
  }
}
