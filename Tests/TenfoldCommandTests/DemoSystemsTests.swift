// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Tenfold
import TenfoldTesting
import Testing

@testable import TenfoldCommand

@Suite("The demo's parts")
struct DemoSystemsTests {
  @Test("the bundled data set is whole")
  func dataset() throws {
    let dataset = try SciFactDataset()
    #expect(dataset.documents.count == 5_183 && dataset.claims.count == 1_109)
    #expect(Set(dataset.documents.map(\.id)).count == 5_183)
    #expect(dataset.judgements.count == 300)
  }

  @Test(
    "a smaller data set keeps every judged document and the file's order",
    arguments: [1, 500, 1_000, 9_999]
  )
  func limited(count: Int) throws {
    let whole = try SciFactDataset()
    let limited = whole.limited(to: count)
    let judged = Set(whole.claims.flatMap(\.relevant.keys))
    #expect(limited.documents.count == min(max(count, judged.count), whole.documents.count))
    let ids = Set(limited.documents.map(\.id))
    #expect(judged.isSubset(of: ids))
    #expect(limited.documents.map(\.id) == whole.documents.map(\.id).filter { ids.contains($0) })
    #expect(limited.judgements.count == 300)
  }

  @Test("a damaged data set is an error")
  func damaged() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "tenfold-\(UUID())")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try Data("no gzip".utf8).write(to: folder.appending(path: "corpus.jsonl.gz"))
    #expect(throws: (any Error).self) { try SciFactDataset(folder: folder) }
  }

  @Test("the bundled calibration knows the models the demo uses by default")
  func calibration() {
    let calibration = DemoCalibration.bundled()
    #expect(calibration.models[DemoModels.smallID] != nil && calibration.models[DemoModels.largeID] != nil)
    for entry in calibration.models.values { #expect(entry.offset.isFinite && (0...1).contains(entry.auroc)) }
  }

  @Test("what was measured goes to the cascade, other questions by their surface")
  func routing() async throws {
    let candidates = [("cascade", ModelTier.small), ("large", .large)].map {
      RouteCandidate(profile: ModelProfile(id: $0.0, contextLength: 4096, tier: $0.1))
    }
    func first(_ question: String, _ choices: [String]) async throws -> String? {
      let request = InferenceRequest(
        prompt: .text(question),
        options: try GenerationOptions(maxTokens: 4, choices: choices),
        context: RequestContext(tenant: "t"),
        question: question
      )
      return await DemoRouting().decide(request, among: candidates).order.first
    }
    let hard =
      "Explain step by step why the proof of 3 * 7 = 21 differs from that of 8 / 2 = 4, compare both, and derive why"
    #expect(try await first(hard, []) == "large")
    #expect(try await first(hard, DemoPrompt.claimChoices) == "cascade")
    #expect(try await first("What is it?", []) == "cascade")
  }

  private struct FixedConfidence: CompletionConfidence {
    let value: Double
    func confidence(in completion: Completion, for request: InferenceRequest) async throws -> Double { value }
  }

  /// Finds the same passage for everything.
  private struct OnePassage: Retriever {
    func retrieve(_ query: RetrievalQuery) async throws -> RetrievalResult {
      RetrievalResult(
        passages: [RetrievedPassage(document: "1", title: "T", text: "A passage.", score: 1)],
        answeredBy: "fake"
      )
    }
  }

  private static func request(choices: [String] = []) throws -> InferenceRequest {
    InferenceRequest(
      prompt: .chat([.user("?")]),
      options: try GenerationOptions(maxTokens: 4, choices: choices),
      context: RequestContext(tenant: "t"),
      question: "q"
    )
  }

  @Test("the naive system answers one request at a time, from the passage, and writes each answer down")
  func naive() async throws {
    let database = try await SQLiteDatabase.open(.inMemory, schemas: [NaiveSystem.schema])
    let model = ScriptedLanguageModel { _ in .text("yes") }
    let system = NaiveSystem(model: model, retriever: OnePassage(), log: database)
    try await withThrowingTaskGroup(of: String.self) { group in
      for _ in 0..<4 { group.addTask { try await system.respond(to: try Self.request()).text } }
      for try await text in group { #expect(text == "yes") }
    }
    let rows = try await database.read { transaction in
      try transaction.first("SELECT count(*) FROM answer") { try $0.int(0) }
    }
    #expect(rows == 4)
    #expect(model.requests.allSatisfy { "\($0.prompt)".contains("A passage.") })
    #expect(model.requests.allSatisfy { $0.context.cachePolicy == .bypass })
    await database.close()
  }

  @Test("a failed answer lets the next request in")
  func failure() async throws {
    struct Refusal: Error {}
    let database = try await SQLiteDatabase.open(.inMemory, schemas: [NaiveSystem.schema])
    let model = ScriptedLanguageModel { _ in .failure(Refusal()) }
    let system = NaiveSystem(model: model, retriever: OnePassage(), log: database)
    for _ in 0..<2 {
      await #expect(throws: Refusal.self) { try await system.respond(to: try Self.request()) }
    }
    #expect(model.requests.count == 2)
    await database.close()
  }

  @Test("techniques are known by their names; retrieval stays whatever is switched off")
  func techniques() {
    #expect(Set(DemoTechniques.names).count == DemoTechniques.names.count)
    #expect(DemoTechniques.names.contains("prefix-reuse") && !DemoTechniques.names.contains("retrieval"))
    let none = DemoTechniques(disabled: [])
    #expect(none.hasRouting && none.layers.isEmpty && none.cachePolicy == .standard)
    let all = DemoTechniques(disabled: Set(DemoTechniques.names + ["retrieval"]))
    #expect(!all.hasRouting && !all.cachePolicy.allowsPrefixReuse)
    #expect(all.layers == [.admission, .coalescing, .exactCache, .semanticCache])
  }

  @Test("without a large model, what would have been escalated is counted and answered")
  func tally() async throws {
    let model = ScriptedLanguageModel { _ in .text("small") }
    let unsure = EscalationTally(model, confidence: FixedConfidence(value: 0.3), threshold: 0.8)
    #expect(try await unsure.respond(to: try Self.request()).text == "small")
    #expect(unsure.count == 1)
    let sure = EscalationTally(model, confidence: FixedConfidence(value: 0.9), threshold: 0.8)
    #expect(try await sure.respond(to: try Self.request()).text == "small")
    // A large model that is right less often would not have been asked.
    let hopeless = EscalationTally(model, confidence: FixedConfidence(value: 0.3), threshold: 0.8) { _ in 0.2
    }
    #expect(try await hopeless.respond(to: try Self.request()).text == "small")
    #expect(sure.count == 0 && hopeless.count == 0)
    #expect(model.requests.count == 3)
  }

  @Test("the evidence is the best passage, in a system turn before the question")
  func template() throws {
    let passages = ["First.", "Second."].map {
      RetrievedPassage(document: "1", title: "T", text: $0, score: 1)
    }
    guard case .chat(let turns) = DemoPrompt.template.render(try Self.request(), passages) else {
      Issue.record("not a chat")
      return
    }
    #expect(turns.count == 2 && turns[0].role == .system)
    #expect(turns[0].content.contains("First.") && !turns[0].content.contains("Second."))
    #expect(DemoPrompt.template.render(try Self.request(), []) == (try Self.request()).prompt)
  }
}
