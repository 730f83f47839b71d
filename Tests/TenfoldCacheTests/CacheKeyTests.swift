// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCache
import TenfoldCore
import Testing

@Suite("A cache key")
struct CacheKeyTests {
  @Test(
    "white space that can't matter is dropped, the rest is kept",
    arguments: [
      ("  What   is\tBM25?  ", "What is BM25?"), ("\n a b \n", "a b"), ("if x:\n    y", "if x:\n    y"),
      ("a\r\nb\rc", "a\nb\nc"), ("", ""), (" \t\n", ""), ("A b", "A b"), ("a  b\nc", "a  b\nc"),
    ]
  )
  func normalizes(question: String, expected: String) {
    #expect(KeyNormalization.whitespace.apply(to: question) == expected)
    #expect(KeyNormalization.whitespace.apply(to: expected) == expected)
  }

  @Test("case is folded only where asked")
  func cases() {
    #expect(KeyNormalization.whitespace.apply(to: "US") != KeyNormalization.whitespace.apply(to: "us"))
    #expect(KeyNormalization.caseInsensitive.apply(to: "US") == "us")
    #expect(KeyNormalization.none.apply(to: " a  b ") == " a  b ")
  }

  @Test("every field of the namespace keeps answers apart")
  func namespaces() throws {
    let base = InferenceRequest("q", tenant: "a")
    func key(
      _ request: InferenceRequest,
      _ model: ModelProfile = testProfile,
      _ epoch: UInt64 = 0
    ) -> CacheKey {
      CacheKey(
        namespace: CacheNamespace(of: request, model: model, corpusEpoch: epoch),
        question: request.question
      )
    }
    var keys = [key(base), key(InferenceRequest("q", tenant: "b")), key(base, testProfile, 1)]
    keys.append(key(base, ModelProfile(id: "scripted", revision: "2", contextLength: 4096)))
    keys.append(key(base, ModelProfile(id: "other", contextLength: 4096)))
    for options in [
      try GenerationOptions(maxTokens: 8), try GenerationOptions(temperature: 1),
      try GenerationOptions(topK: 1),
      try GenerationOptions(topP: 0.5), try GenerationOptions(minP: 0.5), try GenerationOptions(seed: 0),
      try GenerationOptions(repetitionPenalty: 2), try GenerationOptions(stop: ["a"]),
      try GenerationOptions(choices: ["a"]), try GenerationOptions(stop: ["a", "b"]),
      try GenerationOptions(stop: ["a"], choices: ["b"]), try GenerationOptions(frequencyPenalty: 1),
      try GenerationOptions(presencePenalty: 1), try GenerationOptions(minTokens: 1),
      try GenerationOptions(logitBias: [1: 1]), try GenerationOptions(logitBias: [1: 2]),
      try GenerationOptions(logitBias: [2: 1]), try GenerationOptions(logitBias: [1: 1, 2: 2]),
      try GenerationOptions(logitBias: [1: 2, 2: 1]), try GenerationOptions(logitBias: [0: 0]),
    ] {
      keys.append(key(InferenceRequest("q", tenant: "a", options: options)))
    }
    for messages in [
      [ChatMessage.system("s"), .user("q")], [.system("t"), .user("q")],
      [.user("hello"), .assistant("hi"), .user("q")], [.user("context q")], [.system("sq"), .user("q")],
    ] {
      keys.append(
        key(InferenceRequest(prompt: .chat(messages), context: RequestContext(tenant: "a"), question: "q"))
      )
    }
    keys.append(key(InferenceRequest(prompt: .text("q"), context: RequestContext(tenant: "a"))))
    var withPassage = base
    withPassage.passages = [RetrievedPassage(document: "d", text: "t", score: 1)]
    keys.append(key(withPassage))
    #expect(Set(keys).count == keys.count)
    #expect(Set(keys.map(\.namespace)).count == keys.count)
    #expect(key(base) == key(InferenceRequest("q", tenant: "a")))
    // A dictionary that was filled the other way round gives its tokens in another order.
    let tokens = (0..<1_000).map { Int32($0 * 37) }
    func biased(_ tokens: [Int32]) throws -> CacheKey {
      var bias: [Int32: Float] = [:]
      for token in tokens { bias[token] = Float(token % 100) }
      return key(InferenceRequest("q", tenant: "a", options: try GenerationOptions(logitBias: bias)))
    }
    #expect(try biased(tokens) == biased(tokens.reversed()))
  }

  @Test("equal hash values don't make equal keys")
  func collisions() {
    let keys = (0..<2000).map { makeKey("question \($0)") }
    #expect(Set(keys).count == 2000)
    #expect(Set(keys.map(\.digest)).count == 2000)
  }
}
