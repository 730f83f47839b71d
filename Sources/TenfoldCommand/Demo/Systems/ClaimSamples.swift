// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold

/// What a model said about claims of the train split, each with its own evidence.
struct ClaimSamples: Sendable {
  let wording: ClaimWording
  /// The log-odds of support of the claims that are supported, and of those that are refuted.
  private(set) var supported: [Double] = []
  private(set) var refuted: [Double] = []

  init(wording: ClaimWording, supported: [Double], refuted: [Double]) {
    self.wording = wording
    self.supported = supported
    self.refuted = refuted
  }

  /// Asks a model.
  init(
    _ model: any LanguageModel,
    _ wording: ClaimWording,
    dataset: SciFactDataset,
    count: Int
  ) async throws {
    self.wording = wording
    let documents = Dictionary(dataset.documents.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    let judge = CalibratedChoices(model: model, wording: wording, offset: 0)
    var generator = SeededGenerator(seed: 1)
    let claims = dataset.claims.filter { $0.split == "train" && $0.verdict != nil }
      .shuffled(using: &generator).prefix(count)
    let bar = ProgressBar("calibrating \(model.profile.id), \(wording.rawValue)", total: claims.count)
    for (index, claim) in claims.enumerated() {
      bar.show(index)
      guard let id = claim.labels.keys.sorted().first, let document = documents[id] else { continue }
      var request = InferenceRequest(
        prompt: .text(claim.text),
        options: try GenerationOptions(maxTokens: 8, choices: DemoPrompt.claimChoices),
        context: RequestContext(tenant: "calibration"),
        question: claim.text
      )
      request.passages = [document.passage(score: 1)]
      guard let odds = CalibratedChoices.logOdds(try await judge.judge(request).summary) else { continue }
      if claim.verdict == .support { supported.append(odds) } else { refuted.append(odds) }
    }
    bar.finish()
  }

  var count: Int { supported.count + refuted.count }

  /// The area under the curve: how often a supported claim has higher odds than a refuted one; 0 without both kinds.
  var auroc: Double {
    guard !supported.isEmpty, !refuted.isEmpty else { return 0 }
    var wins = 0.0
    for a in supported { for b in refuted { wins += a > b ? 1 : a == b ? 0.5 : 0 } }
    return wins / Double(supported.count * refuted.count)
  }

  /// The log-odds at which both kinds of error are nearest to each other.
  var offset: Double {
    let cuts = (supported + refuted).sorted()
    return cuts.min { imbalance($0) < imbalance($1) } ?? 0
  }

  /// The share of claims answered right at that offset.
  var accuracy: Double {
    let offset = offset
    return Double(supported.count { $0 >= offset } + refuted.count { $0 < offset }) / Double(max(1, count))
  }

  /// The probability that a claim's answer is right, over the margin of the calibrated answer.
  var confidence: ConfidenceCalibration {
    let offset = offset
    return .platt(
      fitting: (supported.map { ($0, true) } + refuted.map { ($0, false) }).map { odds, isSupported in
        let first = 1 / (1 + exp(-(odds - offset)))
        return .init(score: abs(2 * first - 1), isRight: (odds >= offset) == isSupported)
      }
    )
  }

  private func imbalance(_ cut: Double) -> Double {
    let missed = Double(supported.count { $0 < cut }) / Double(max(1, supported.count))
    let wrong = Double(refuted.count { $0 >= cut }) / Double(max(1, refuted.count))
    return abs(missed - wrong)
  }
}
