// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// The figures of one system, as printed and as written to `report.json`.
struct SystemFigures: Sendable, Codable {
  struct TierFigures: Sendable, Codable {
    var model: String
    var calls = 0
    var promptTokens = 0
    var completionTokens = 0
  }

  var name: String
  var answers: Int
  var failures: Int
  var wallSeconds: Double
  var answersPerSecond: Double
  var latencyMedianMilliseconds: Double
  var latencyP99Milliseconds: Double
  var firstTokenMedianMilliseconds: Double
  var firstTokenP99Milliseconds: Double
  /// Latency in milliseconds at every percentile from 0 to 100.
  var latencyPercentiles: [Double]
  var tiers: [String: TierFigures]
  /// Answers by source: `small`, `large`, `exact cache`, `semantic cache`, `coalesced`.
  var sources: [String: Int]
  var cpuSecondsPerThousand: Double
  var dollarsPerThousand: Double
  var nDCG10: Double
  /// Share of labelled claims, repeats and paraphrases included, answered as the label says.
  var labelAgreement: Double
  var labelledCount: Int
  /// Share of the lookups answered with the word that stands in the passage.
  var lookupAccuracy: Double
  var lookupCount: Int
  /// The median of each stage's time, in milliseconds.
  var stageMedianMilliseconds: [String: Double]

  init(name: String, replay: Replay.Result, judgements: [String: [DocumentID: Int]], price: PriceList) {
    self.name = name
    let outcomes = replay.outcomes
    let finished = outcomes.filter { $0.completion != nil }
    answers = finished.count
    failures = outcomes.count - finished.count
    wallSeconds = replay.wall.inSeconds
    answersPerSecond = wallSeconds > 0 ? Double(finished.count) / wallSeconds : 0
    let latencies = finished.map(\.latency.inMilliseconds).sorted()
    let firsts = finished.map(\.timeToFirstToken.inMilliseconds).sorted()
    latencyPercentiles = (0...100).map { Self.percentile(latencies, $0) }
    latencyMedianMilliseconds = Self.percentile(latencies, 50)
    latencyP99Milliseconds = Self.percentile(latencies, 99)
    firstTokenMedianMilliseconds = Self.percentile(firsts, 50)
    firstTokenP99Milliseconds = Self.percentile(firsts, 99)
    let perThousand = 1000 / Double(max(1, finished.count))
    cpuSecondsPerThousand = replay.cpu.inSeconds * perThousand
    dollarsPerThousand = price.cost(ofCPUTime: replay.cpu).dollars * perThousand

    var tiers: [String: TierFigures] = [:]
    var sources: [String: Int] = [:]
    var stages: [String: [Double]] = [:]
    for completion in finished.compactMap(\.completion) {
      let provenance = completion.summary.provenance
      sources[Self.label(provenance.answeredBy), default: 0] += 1
      for call in provenance.modelCalls {
        var figures = tiers[call.tier.name] ?? TierFigures(model: call.model)
        figures.calls += 1
        figures.promptTokens += call.usage.promptTokens
        figures.completionTokens += call.usage.completionTokens
        tiers[call.tier.name] = figures
      }
      for stage in provenance.stages {
        stages[stage.stage, default: []].append((stage.wait + stage.work).inMilliseconds)
      }
    }
    self.tiers = tiers
    self.sources = sources
    stageMedianMilliseconds = stages.mapValues { Self.percentile($0.sorted(), 50) }

    var rankings: [String: [DocumentID]] = [:]
    for outcome in finished {
      guard let id = outcome.request.claimID, rankings[id] == nil, outcome.request.wording == .new else {
        continue
      }
      rankings[id] = outcome.completion?.summary.provenance.documents
    }
    nDCG10 = RetrievalMetrics(rankings: rankings, judgements: judgements.filter { rankings[$0.key] != nil })
      .nDCG(at: 10)

    func accuracy(_ kind: WorkloadRequest.Kind) -> (share: Double, count: Int) {
      let judged = finished.filter { $0.request.kind == kind && $0.request.expected != nil }
      let right = judged.count { $0.answer == $0.request.expected }
      return (judged.isEmpty ? 0 : Double(right) / Double(judged.count), judged.count)
    }
    (labelAgreement, labelledCount) = accuracy(.claim)
    (lookupAccuracy, lookupCount) = accuracy(.lookup)
  }

  /// The nearest-rank percentile of sorted values; 0 without values.
  static func percentile(_ sorted: [Double], _ percent: Int) -> Double {
    guard !sorted.isEmpty else { return 0 }
    let rank = Int((Double(percent) / 100 * Double(sorted.count)).rounded(.up))
    return sorted[min(sorted.count - 1, max(0, rank - 1))]
  }

  static func label(_ source: AnswerSource) -> String {
    switch source {
    case .model(_, let tier): "\(tier.name) model"
    case .exactCache: "exact cache"
    case .semanticCache: "semantic cache"
    case .coalesced: "coalesced"
    }
  }
}
