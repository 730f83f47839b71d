// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold
import TenfoldTesting
import Testing

@testable import TenfoldCommand

@Suite("Claims")
struct ClaimTests {
  private static func request(_ claim: String = "Ice is warm.") throws -> InferenceRequest {
    var request = InferenceRequest(
      prompt: .text("as it came"),
      options: try GenerationOptions(maxTokens: 8, choices: DemoPrompt.claimChoices),
      context: RequestContext(tenant: "t"),
      question: claim
    )
    request.passages = ["Ice is cold.", "Second."].map {
      RetrievedPassage(document: "1", title: "On ice", text: $0, score: 1)
    }
    return request
  }

  @Test("a model is asked in its words and answers in the demo's", arguments: ClaimWording.allCases, [0, 1])
  func translates(wording: ClaimWording, choice: Int) async throws {
    let model = ScriptedLanguageModel { _ in .text(wording.choices[choice]) }
    let judge = CalibratedChoices(model: model, wording: wording, offset: 0)
    let answer = try await judge.respond(to: try Self.request())
    #expect(answer.text == DemoPrompt.claimChoices[choice])
    #expect(answer.summary.choiceProbabilities[choice] > 0.99)
    let asked = try #require(model.requests.first)
    #expect(asked.options.choices == wording.choices && asked.options.maxTokens == 8)
    let prompt = "\(asked.prompt)"
    #expect(prompt.contains("On ice. Ice is cold.") && prompt.contains("Claim: Ice is warm."))
    #expect(!prompt.contains("Second."))
  }

  @Test("the offset moves the border between the answers")
  func offset() async throws {
    let model = ScriptedLanguageModel { _ in .text(" supports") }
    let judge = CalibratedChoices(model: model, wording: .continuation, offset: 1_000)
    #expect(try await judge.respond(to: try Self.request()).text == " contradicts")
  }

  @Test("what is no claim passes as it is")
  func others() async throws {
    let model = ScriptedLanguageModel { _ in .text("yes") }
    var request = try Self.request()
    request.options = try GenerationOptions(maxTokens: 8, choices: ["yes", "no"])
    let judge = CalibratedChoices(model: model, wording: .question, offset: 9)
    #expect(try await judge.respond(to: request).text == "yes")
    #expect(model.requests.first?.prompt == request.prompt)
  }

  @Test("the area under the curve and the offset of known odds")
  func samples() {
    let apart = ClaimSamples(wording: .continuation, supported: [3, 4, 5], refuted: [0, 1, 2])
    #expect(apart.auroc == 1 && apart.offset == 3 && apart.count == 6)
    let mixed = ClaimSamples(wording: .continuation, supported: [0, 2], refuted: [1, 1])
    #expect(mixed.auroc == 0.5)
    let same = ClaimSamples(wording: .continuation, supported: [1], refuted: [1])
    #expect(same.auroc == 0.5)
    #expect(ClaimSamples(wording: .continuation, supported: [1], refuted: []).auroc == 0)
  }

  @Test("calibration asks about train claims with their own evidence, and keeps both kinds apart")
  func calibrates() async throws {
    let dataset = try SciFactDataset()
    let verdicts = Dictionary(
      dataset.claims.map { ($0.text, $0.verdict) },
      uniquingKeysWith: { first, _ in first }
    )
    let model = ScriptedLanguageModel { request in
      .text(ClaimWording.conclusion.choices[verdicts[request.question] == .support ? 0 : 1])
    }
    let samples = try await ClaimSamples(model, .conclusion, dataset: dataset, count: 20)
    #expect(samples.count == 20 && samples.auroc == 1)
    #expect(!samples.supported.isEmpty && !samples.refuted.isEmpty)
  }
}
