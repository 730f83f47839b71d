// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold
import TenfoldTesting
import Testing

@testable import TenfoldCommand

@Suite("The demo's report")
struct DemoReportTests {
  private static func request(_ kind: WorkloadRequest.Kind, expected: String?) -> WorkloadRequest {
    WorkloadRequest(
      kind: kind,
      wording: .new,
      base: 0,
      question: "<script>alert(1)</script>",
      instruction: "?",
      choices: ["yes", "no"],
      expected: expected
    )
  }

  private static func outcome(
    _ kind: WorkloadRequest.Kind,
    _ answer: String?,
    milliseconds: Int,
    source: AnswerSource = .exactCache(entry: "e", isStale: false)
  ) -> ReplayOutcome {
    var outcome = ReplayOutcome(
      request: request(kind, expected: "yes"),
      latency: .milliseconds(milliseconds),
      timeToFirstToken: .milliseconds(milliseconds / 2)
    )
    if let answer {
      let usage = TokenUsage(promptTokens: 100, completionTokens: 3)
      let call = ModelCall(model: "m", tier: .small, usage: usage, cost: .zero)
      let summary = GenerationSummary(
        reason: .choice,
        usage: usage,
        provenance: Provenance(answeredBy: source, modelCalls: [call])
      )
      outcome.completion = Completion(text: answer, summary: summary)
    } else {
      outcome.failure = "refused & <b>lost</b>"
    }
    return outcome
  }

  private static let replay = Replay.Result(
    outcomes: [
      outcome(.claim, "yes", milliseconds: 100, source: .model(id: "m", tier: .small)),
      outcome(.claim, "no", milliseconds: 200), outcome(.lookup, "yes", milliseconds: 300),
      outcome(.lookup, nil, milliseconds: 9_000),
    ],
    wall: .seconds(2),
    cpu: .seconds(3)
  )

  private static func report(
    _ first: Replay.Result,
    _ second: Replay.Result,
    ablations: [Ablation] = []
  ) -> DemoReport {
    let prices = PriceList(dollarsPerCoreHour: 0.036)
    return DemoReport(
      date: Date(timeIntervalSince1970: 0),
      machine: .init(
        cores: 2,
        memoryBandwidthGigabytesPerSecond: 9,
        instructionSet: "portable",
        system: "<OS>"
      ),
      workload: .init(),
      abstracts: 1_000,
      clients: 8,
      smallModel: "small",
      largeModel: nil,
      prices: prices,
      disabled: [],
      naive: SystemFigures(name: "naive", replay: first, judgements: [:], price: prices),
      tenfold: SystemFigures(name: "Tenfold", replay: second, judgements: [:], price: prices),
      agreement: 1,
      agreementOnEasy: 1,
      ablations: ablations,
      bottleneck: BottleneckReport(
        stages: StageCollector().snapshot,
        machine: MachineProfile(cores: 2, memoryBandwidth: 1e10)
      ),
      notes: ["a", "b", "c", "A request failed: refused & <b>lost</b>"]
    )
  }

  @Test(
    "what a technique is worth is the whole system's speed over that without it, on the terminal and in the page"
  )
  func ablation() throws {
    let price = PriceList(dollarsPerCoreHour: 0.036)
    func figures(_ wall: Duration) -> SystemFigures {
      var replay = Self.replay
      replay.wall = wall
      return SystemFigures(name: "x", replay: replay, judgements: [:], price: price)
    }
    let ablations = [
      Ablation(technique: "routing", figures: figures(.seconds(5))),
      Ablation(technique: "<none>", figures: figures(.seconds(1))),
    ]
    #expect(abs(ablations[0].gain(with: figures(.seconds(2))) - 2.5) < 1e-9)
    #expect(abs(ablations[1].gain(with: figures(.seconds(2))) - 0.5) < 1e-9)
    let table = Ablation.table(ablations, with: figures(.seconds(2))).split(separator: "\n")
    #expect(table.count == 5 && Set(table.map(\.count)).count == 1)
    #expect(table[3].contains("routing") && table[3].contains("2.50×"))
    let page = HTMLReport(report: Self.report(Self.replay, Self.replay, ablations: ablations)).page
    #expect(page.contains("What each technique is worth") && page.contains("&lt;none&gt;"))
    #expect(!HTMLReport(report: Self.report(Self.replay, Self.replay)).page.contains("What each technique"))
  }

  @Test("figures are those of the finished answers; failures are counted apart")
  func figures() {
    let figures = SystemFigures(
      name: "x",
      replay: Self.replay,
      judgements: [:],
      price: PriceList(dollarsPerCoreHour: 0.036)
    )
    #expect(figures.answers == 3 && figures.failures == 1)
    #expect(figures.answersPerSecond == 1.5)
    #expect(
      abs(figures.latencyMedianMilliseconds - 200) < 1e-6 && abs(figures.latencyP99Milliseconds - 300) < 1e-6
    )
    #expect(abs(figures.firstTokenMedianMilliseconds - 100) < 1e-6)
    #expect(figures.cpuSecondsPerThousand == 1000)
    // 1,000 CPU-seconds at 3.6 cents an hour are one cent.
    #expect(abs(figures.dollarsPerThousand - 0.01) < 1e-9)
    #expect(figures.labelAgreement == 0.5 && figures.labelledCount == 2)
    #expect(figures.lookupAccuracy == 1 && figures.lookupCount == 1)
    #expect(figures.sources == ["small model": 1, "exact cache": 2])
    #expect(figures.tiers["small"]?.calls == 3 && figures.tiers["small"]?.promptTokens == 300)
  }

  @Test("percentiles are of the nearest rank", arguments: [(0, 1.0), (1, 1), (50, 2), (99, 4), (100, 4)])
  func percentiles(percent: Int, value: Double) {
    #expect(SystemFigures.percentile([1, 2, 3, 4], percent) == value)
    #expect(SystemFigures.percentile([], percent) == 0)
  }

  @Test("the page is self-contained, and shows what others wrote as text")
  func page() {
    let page = HTMLReport(report: Self.report(Self.replay, Self.replay)).page
    #expect(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"))
    #expect(!page.contains("src=") && !page.contains("@import"))
    #expect(page.contains("refused &amp; &lt;b&gt;lost&lt;/b&gt;"))
    #expect(!page.contains("<b>lost"))
    #expect(page.contains("1.0×"))
  }

  @Test("a run in which nothing was answered still has a report")
  func nothing() throws {
    let none = Replay.Result(outcomes: [], wall: .zero, cpu: .zero)
    let report = Self.report(none, none)
    #expect(report.speedup == 0 && report.costRatio == 0)
    #expect(!HTMLReport(report: report).page.contains("nan"))
    #expect(ComparisonRow.table(ComparisonRow.rows(report)).contains("failures"))
  }

  @Test("the JSON file reads back")
  func json() throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "tenfold-\(UUID()).json").path
    defer { try? FileManager.default.removeItem(atPath: path) }
    try Self.report(Self.replay, Self.replay).writeJSON(to: path)
    let decoder = JSONDecoder()
    decoder.dateDecodingStrategy = .iso8601
    let report = try decoder.decode(DemoReport.self, from: Data(contentsOf: URL(filePath: path)))
    #expect(report.naive.answers == 3 && report.clients == 8)
  }

  @Test("columns of the table are aligned")
  func aligned() {
    let table = ComparisonRow.table(ComparisonRow.rows(Self.report(Self.replay, Self.replay)))
    #expect(Set(table.split(separator: "\n").map(\.count)).count == 1)
  }

  @Test(
    "numbers have separated thousands and a fixed number of decimals",
    arguments: [
      (1234.5, 1, "1,234.5"), (0.996, 2, "1.00"), (-0.001, 2, "0.00"), (-1e6, 0, "-1,000,000"),
      (.nan, 1, "–"),
    ]
  )
  func numbers(value: Double, digits: Int, text: String) {
    #expect(value.fixed(digits) == text)
  }
}
