// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import Testing

@testable import TenfoldInference

@Suite("Penalties, biases and a least length")
struct AnswerShapingTests {
  private static let prompt = "tell me more "

  @Test("an answer has its least number of tokens before the model can end it")
  func minTokens() async throws {
    let endless = try LocalLanguageModel.synthetic(endTokens: [])
    let free = try await endless.run(Self.prompt, GenerationOptions(maxTokens: 20)).ids
    let end = try #require(free.first)
    let model = try LocalLanguageModel.synthetic(endTokens: [end])
    let short = try await model.run(Self.prompt, GenerationOptions(maxTokens: 20))
    #expect(short.ids == [end] && short.completion.summary.reason == .endOfText)
    for count in [1, 5, 20] {
      let long = try await model.run(Self.prompt, GenerationOptions(maxTokens: 20, minTokens: count))
      // As if that token could not be said at all.
      let banned = try GenerationOptions(maxTokens: count, logitBias: [end: -100])
      let expected = try await endless.run(Self.prompt, banned)
      #expect(Array(long.ids.prefix(count)) == expected.ids, "\(count)")
      #expect(long.ids.count == 20 || long.ids.count > count && long.ids.last == end, "\(count)")
      #expect(long.completion.text.hasPrefix(expected.completion.text), "\(count)")
    }
    await endless.shutdown()
    await model.shutdown()
  }

  @Test("stop texts are looked for after the least number of tokens")
  func stopTexts() async throws {
    let model = try LocalLanguageModel.synthetic(endTokens: [])
    let free = try await model.run(Self.prompt, GenerationOptions(maxTokens: 30)).completion.text
    let letters = Array(free)
    let first = String(try #require(letters.first))
    #expect(try await model.run(Self.prompt, GenerationOptions(stop: [first])).completion.text.isEmpty)
    let next = String(letters[12])
    let options = try GenerationOptions(maxTokens: 30, minTokens: 12, stop: [first, next])
    let answer = try await model.run(Self.prompt, options)
    #expect(answer.completion.text == String(letters[..<12]))
    #expect(answer.completion.summary.reason == .stopText && answer.ids.count == 13)
    // A text that begins before and ends after is none of those.
    let across = try GenerationOptions(maxTokens: 30, minTokens: 12, stop: [String(letters[10..<14])])
    let other = try await model.run(Self.prompt, across).completion.text
    #expect(other.hasPrefix(String(letters[..<14])))
    await model.shutdown()
  }

  @Test(
    "a format that is complete ends a short answer, and one that can go on does so",
    arguments: [Float(0), 1]
  )
  func formats(temperature: Float) async throws {
    let model = try LocalLanguageModel.synthetic()
    func run(_ rules: String, maxTokens: Int = 40, minTokens: Int) async throws -> Completion {
      let options = try GenerationOptions(
        maxTokens: maxTokens,
        temperature: temperature,
        // The end wherever it may stand.
        logitBias: [127: 100],
        minTokens: minTokens,
        seed: 4,
        responseFormat: .grammar(rules)
      )
      return try await model.respond(to: .raw(Self.prompt, options))
    }
    #expect(try await run(#"root ::= [a-z]*"#, minTokens: 0).text.isEmpty)
    let open = try await run(#"root ::= [a-z]*"#, minTokens: 9)
    #expect(open.text.count == 9 && open.summary.usage.completionTokens == 10)
    #expect(open.summary.reason == .endOfText)
    let closed = try await run(#"root ::= "yes""#, minTokens: 9)
    #expect(closed.text == "yes" && closed.summary.reason == .endOfText)
    // Pairs fill up nine places but for the last one.
    let pairs = try await run(#"root ::= ([a-z] [0-9])*"#, maxTokens: 9, minTokens: 9)
    #expect(pairs.text.count == 8 && pairs.summary.reason == .maxTokens)
    // No token for the only way on.
    let stuck = try await run("root ::= \"a\" \"\u{E9}\"?", minTokens: 9)
    #expect(stuck.text == "a" && stuck.summary.reason == .endOfText)
    await model.shutdown()
  }

  @Test("a format goes before biases and penalties", arguments: [Float(0), 1])
  func formatsFirst(temperature: Float) async throws {
    let model = try LocalLanguageModel.synthetic()
    let options = try GenerationOptions(
      maxTokens: 40,
      temperature: temperature,
      frequencyPenalty: 2,
      presencePenalty: 2,
      logitBias: [97: -100, 98: -100, 120: 100],
      seed: 4,
      responseFormat: .grammar(#"root ::= [ab]{12} [ac]"#)
    )
    let text = try await model.respond(to: .raw(Self.prompt, options)).text
    #expect(text.count == 13 && text.dropLast().allSatisfy { "ab".contains($0) } && text.last == "c")
    await model.shutdown()
  }

  @Test("gives the same tokens when pages run out and prompts are computed again", .timeLimit(.minutes(10)))
  func preemption() async throws {
    let options = try [Float(0), 0.7].map {
      try GenerationOptions(
        maxTokens: 150,
        temperature: $0,
        frequencyPenalty: 0.3,
        presencePenalty: -0.4,
        logitBias: [32: 1.5, 101: -100],
        minTokens: 150,
        seed: 9
      )
    }
    let end: Set<Int32> = [116]
    let roomy = try LocalLanguageModel.synthetic(endTokens: end)
    let prompts = (0..<6).map { "prompt number \($0) " }
    var answers: [[Int32]] = []
    for (index, prompt) in prompts.enumerated() {
      answers.append(try await roomy.run(prompt, options[index % 2]).ids)
    }
    let expected = answers
    #expect(expected.allSatisfy { $0.count == 150 && !$0.contains(116) && !$0.contains(101) })
    let page = KeyValueMemory.bytesPerPage(roomy.model.configuration)
    let crowded = try LocalLanguageModel.synthetic(
      endTokens: end,
      options: .init(threads: 2, keyValueCacheBytes: page * 14)
    )
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (index, prompt) in prompts.enumerated() {
        group.addTask {
          let ids = try await crowded.run(prompt, options[index % 2]).ids
          #expect(ids == expected[index], "prompt \(index)")
        }
      }
      try await group.waitForAll()
    }
    #expect(crowded.statistics.preemptions > 0)
    await roomy.shutdown()
    await crowded.shutdown()
  }

  @Test("a bias of a token that the model doesn't have is refused before it is queued")
  func foreignToken() async throws {
    let model = try LocalLanguageModel.synthetic()
    let last = try GenerationOptions(maxTokens: 2, logitBias: [127: -1])
    _ = try await model.respond(to: .raw("x", last))
    let beyond = try GenerationOptions(maxTokens: 2, logitBias: [3: 1, 128: -1])
    let error = await #expect(throws: RequestError.self) { try await model.generate(.raw("x", beyond)) }
    #expect(error?.code == .invalidOption && error?.message.contains("128") == true)
    await model.shutdown()
  }
}
