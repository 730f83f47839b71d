// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import Tenfold

/// A request in which some text is `text`.
private typealias Spelling = @Sendable (String) throws -> InferenceRequest

private let spellings: [(String, Spelling)] = [
  ("text", { InferenceRequest(prompt: .text($0), context: .init(tenant: "t"), question: "q") }),
  ("turn", { InferenceRequest(prompt: .chat([.system($0), .user("q")]), context: .init(tenant: "t")) }),
  ("role", { request(.init(role: ChatRole($0), content: "c")) }),
  ("question", { InferenceRequest(prompt: .text("p"), context: .init(tenant: "t"), question: $0) }),
  ("choice", { InferenceRequest("q", tenant: "t", options: try .init(choices: [$0, "no"])) }),
  ("stop", { InferenceRequest("q", tenant: "t", options: try .init(stop: [$0])) }),
  ("grammar", { InferenceRequest("q", tenant: "t", options: try .init(responseFormat: .grammar($0))) }),
  ("passage", { request(RetrievedPassage(document: "d", text: $0, score: 1)) }),
  ("title", { request(RetrievedPassage(document: "d", title: $0, text: "x", score: 1)) }),
  ("document", { request(RetrievedPassage(document: DocumentID($0), text: "x", score: 1)) }),
]

private func request(_ turn: ChatMessage) -> InferenceRequest {
  InferenceRequest(prompt: .chat([turn, .user("q")]), context: .init(tenant: "t"))
}

private func request(_ passage: RetrievedPassage) -> InferenceRequest {
  var request = InferenceRequest("q", tenant: "t")
  request.passages = [passage]
  return request
}

@Suite("Requests share a computation")
struct CoalescingKeyTests {
  @Test("if their texts have the same bytes, not only the same characters", arguments: spellings)
  private func bytes(name: String, spell: Spelling) throws {
    let composed = try #require(CoalescingKey(try spell("caf\u{E9}")))
    let same = try #require(CoalescingKey(try spell("caf\u{E9}")))
    let decomposed = try #require(CoalescingKey(try spell("cafe\u{301}")))
    #expect(composed == same && composed.hashValue == same.hashValue, "\(name)")
    #expect(composed != decomposed, "\(name)")
    #expect(Set([composed, same, decomposed]).count == 2, "\(name)")
  }
}
