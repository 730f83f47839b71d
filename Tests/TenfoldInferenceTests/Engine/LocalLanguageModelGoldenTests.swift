// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if !DEBUG
import Foundation
import Synchronization
import TenfoldCore
import Testing

@testable import TenfoldInference

@Suite("Golden: a whole engine", .serialized, .enabled(if: DecoderGolden.isThere(DecoderGolden.smol)))
struct LocalLanguageModelGoldenTests {
  private struct Row: Decodable {
    struct Message: Decodable {
      var role: String
      var content: String
    }
    var prompt: String?
    var messages: [Message]?
    var prompt_ids: [Int32]
    var ids: [Int32]
    var gaps: [Double]

    var request: InferenceRequest {
      get throws {
        let chat = messages?.map { ChatMessage(role: ChatRole($0.role), content: $0.content) }
        return InferenceRequest(
          prompt: chat.map { .chat($0) } ?? .text(prompt ?? ""),
          options: try GenerationOptions(maxTokens: 64),
          context: RequestContext(tenant: "golden")
        )
      }
    }
  }

  private func load(
    _ path: String? = DecoderGolden.smol,
    speculation: DecoderSpeculation = .promptLookup
  ) async throws -> LocalLanguageModel {
    let path = try #require(path, "The model is missing: set TENFOLD_MODELS to a model store.")
    return try await LocalLanguageModel.load(
      gguf: path,
      options: .init(contextLength: 2_048, speculation: speculation)
    )
  }

  private func ids(
    _ model: LocalLanguageModel,
    _ request: InferenceRequest
  ) async throws -> (ids: [Int32], usage: TokenUsage) {
    let box = Box()
    let summary = try await model.start(request) { box.append($0) }.collect().summary
    return (box.values, summary.usage)
  }

  private final class Box: Sendable {
    private let list = Mutex<[Int32]>([])
    func append(_ token: Int32) { list.withLock { $0.append(token) } }
    var values: [Int32] { list.withLock { $0 } }
  }

  @Test("answers as the reference up to the first narrow choice, alone and among eight")
  func answers() async throws {
    let rows = try Array(DecoderGolden.lines("smollm2_greedy.jsonl", as: Row.self).suffix(8))
    let model = try await load()
    var alone: [[Int32]] = []
    for (number, row) in rows.enumerated() {
      let (ids, usage) = try await ids(model, row.request)
      #expect(usage.promptTokens == row.prompt_ids.count, "row \(number)")
      for (index, pair) in zip(ids, row.ids).enumerated() where pair.0 != pair.1 {
        #expect(row.gaps[index] <= 1, "row \(number), step \(index)")
        break
      }
      alone.append(ids)
    }
    await model.shutdown()
    let crowd = try await load()
    let together = try await withThrowingTaskGroup(of: (Int, [Int32]).self) { group in
      for (number, row) in rows.enumerated() {
        group.addTask { (number, try await ids(crowd, row.request).ids) }
      }
      return try await group.reduce(into: [Int: [Int32]]()) { $0[$1.0] = $1.1 }
    }
    for number in rows.indices { #expect(together[number] == alone[number], "row \(number)") }
    #expect(crowd.statistics.steps < crowd.statistics.generatedTokens)
    await crowd.shutdown()
  }

  @Test(
    "gives the same tokens with guesses and without",
    arguments: [DecoderGolden.smol, DecoderGolden.qwenHalf].compactMap(\.self)
  )
  func speculation(path: String) async throws {
    let rows = try DecoderGolden.lines("smollm2_greedy.jsonl", as: Row.self).suffix(4)
    let text = "The red fox met the grey wolf. The red fox said: the grey wolf is old, the red fox is young."
    let requests =
      try rows.map { try $0.request } + [
        InferenceRequest(
          "Repeat word for word: \(text)",
          tenant: "golden",
          options: try .init(maxTokens: 60)
        ),
        InferenceRequest(
          "Repeat word for word: \(text)",
          tenant: "golden",
          options: try .init(maxTokens: 60, temperature: 0.7, topP: 0.9, seed: 4)
        ),
      ]
    let plain = try await load(path, speculation: .off)
    let guessing = try await load(path)
    for (number, request) in requests.enumerated() {
      let (expected, actual) = (try await ids(plain, request), try await ids(guessing, request))
      #expect(actual.ids == expected.ids, "request \(number)")
    }
    let statistics = guessing.statistics
    print(
      "\(statistics.acceptedTokens) of \(statistics.draftedTokens) guesses came true,",
      "\(statistics.steps) passes for \(plain.statistics.steps)"
    )
    #expect(statistics.acceptedTokens > 0 && statistics.steps < plain.statistics.steps)
    await plain.shutdown()
    await guessing.shutdown()
  }

  @Test(
    "gives the same tokens with a draft model and without",
    .enabled(if: DecoderGolden.qwenLarge != nil && DecoderGolden.qwenHalf != nil, "1.5B is optional")
  )
  func draftModel() async throws {
    let draft = try await DraftModel.load(gguf: #require(DecoderGolden.qwenHalf))
    let plain = try await load(DecoderGolden.qwenLarge, speculation: .off)
    let guessing = try await load(
      DecoderGolden.qwenLarge,
      speculation: .draftModel(draft, promptLookup: false)
    )
    for (temperature, prompt) in [
      (Float(0), "Write a function that reverses a list."), (0.7, "What is a fox?"),
    ] {
      let request = InferenceRequest(
        prompt,
        tenant: "golden",
        options: try .init(maxTokens: 48, temperature: temperature, seed: 4)
      )
      let (expected, actual) = (try await ids(plain, request), try await ids(guessing, request))
      #expect(actual.ids == expected.ids, "\(prompt)")
    }
    let statistics = guessing.statistics
    print(
      "\(statistics.modelAcceptedTokens) of \(statistics.modelDraftedTokens) guesses came true,",
      "\(statistics.draftPasses) passes of the draft, \(statistics.steps) for \(plain.statistics.steps) of the model"
    )
    await plain.shutdown()
    await guessing.shutdown()
  }

  @Test("refuses a draft model with another vocabulary", .enabled(if: DecoderGolden.qwenHalf != nil))
  func otherVocabulary() async throws {
    let draft = try await DraftModel.load(gguf: #require(DecoderGolden.smol))
    let error = await #expect(throws: ModelError.self) {
      _ = try await load(DecoderGolden.qwenHalf, speculation: .draftModel(draft))
    }
    #expect(error?.code == .vocabularyMismatch && error?.message.contains("49152") == true)
  }

  @Test("spells what a schema calls for in few passes, and answers as without guesses")
  func schema() async throws {
    let schema = #"""
      {"type": "object", "properties": {"destination_airport_code": {"type": "string", "maxLength": 12},
        "number_of_passengers": {"type": "integer"}, "preferred_departure_time": {"enum": ["morning", "evening"]}},
        "required": ["destination_airport_code", "number_of_passengers", "preferred_departure_time"]}
      """#
    let request = InferenceRequest(
      "Book a flight to Oslo for three people.",
      tenant: "golden",
      options: try .init(maxTokens: 80, responseFormat: .jsonSchema(schema))
    )
    let plain = try await load(speculation: .off)
    let guessing = try await load()
    #expect(plain.profile.revision == guessing.profile.revision)
    #expect(plain.profile.revision.hasSuffix("-standard-float16"))
    let (expected, actual) = (try await ids(plain, request), try await ids(guessing, request))
    #expect(actual.ids == expected.ids)
    let statistics = guessing.statistics
    print(
      "\(statistics.acceptedTokens) of \(statistics.draftedTokens) guesses came true,",
      "\(statistics.steps) passes for \(plain.statistics.steps)"
    )
    #expect(statistics.steps * 5 < plain.statistics.steps * 4)
    await plain.shutdown()
    await guessing.shutdown()
  }

  @Test("is idle soon after its reader has left")
  func leaving() async throws {
    let model = try await load()
    var times: [Duration] = []
    for _ in 0..<5 {
      do {
        var pieces = 0
        for try await event in try await model.generate(
          InferenceRequest(
            "Tell me a long story.",
            tenant: "golden",
            options: GenerationOptions(maxTokens: 400)
          )
        ) {
          if case .text = event { pieces += 1 }
          if pieces == 3 { break }
        }
      }
      let left = ContinuousClock.now
      await model.waitForIdle()
      times.append(left.duration(to: .now))
    }
    print("idle after \(times.map { Int($0.inMilliseconds) }) ms")
    #expect(model.statistics.usedPages == 0)
    await model.shutdown()
  }

  @Test("fills in a schema from a text")
  func structured() async throws {
    let model = try await load()
    let schema = #"""
      {"type": "object", "properties": {"name": {"type": "string", "maxLength": 40},
        "age": {"type": "integer", "minimum": 0, "maximum": 150}, "city": {"type": "string", "maxLength": 40},
        "likes": {"type": "array", "items": {"type": "string", "maxLength": 20}, "maxItems": 4}},
        "required": ["name", "age", "city"]}
      """#
    let text = "Maria Lopez is 34 years old and lives in Lisbon. Give her name, age and city as JSON."
    for temperature in [Float(0), 0.7] {
      let options = try GenerationOptions(
        maxTokens: 80,
        temperature: temperature,
        seed: 1,
        responseFormat: .jsonSchema(schema)
      )
      let answer = try await model.respond(to: InferenceRequest(text, tenant: "golden", options: options))
        .text
      print(answer)
      struct Person: Decodable {
        var name: String
        var age: Int
        var city: String
        var likes: [String]?
      }
      let person = try JSONDecoder().decode(Person.self, from: Data(answer.utf8))
      #expect(person.name.count <= 40 && (0...150).contains(person.age) && person.likes?.count ?? 0 <= 4)
      if temperature == 0 { #expect(person.name.contains("Maria")) }
    }
    await model.shutdown()
  }

  @Test("gives the margin between yes and no in one pass")
  func choices() async throws {
    let model = try await load()
    func yes(_ question: String) async throws -> Double {
      let options = try GenerationOptions(choices: ["yes", "no"])
      let prompt = "\(question) Answer yes or no."
      let request = InferenceRequest(prompt, tenant: "golden", options: options)
      return try await model.respond(to: request).summary.choiceProbabilities[0]
    }
    let (sure, unsure) = (try await yes("Is fire hot?"), try await yes("Is ice hot?"))
    print("fire \(sure), ice \(unsure)")
    #expect(sure > unsure)
    #expect(model.statistics.steps == 2)
    await model.shutdown()
  }
}
#endif
