// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore
import TenfoldRetrieval
import TenfoldTesting
import Testing

@Suite("RetrievalMiddleware")
struct RetrievalMiddlewareTests {
  func run(_ middleware: RetrievalMiddleware, _ request: InferenceRequest) async throws -> InferenceRequest {
    let model = ScriptedLanguageModel { _ in .text("ok") }
    let stream = try await middleware.intercept(request) { try await model.generate($0) }
    #expect(try await stream.collect().text == "ok")
    return try #require(model.requests.first)
  }

  @Test("fills in passages, embedding, prompt and its stage")
  func fillsIn() async throws {
    let embedder = HashingTextEmbedder(dimension: 256)
    let middleware = try RetrievalMiddleware(
      retriever: await RetrieverKind.hybrid.make(RetrieverContract.documents),
      embedder: embedder,
      access: .everyDocument,
      options: .init(limit: 2)
    )
    let request = InferenceRequest("What are the cables of a suspension bridge made of?", tenant: "acme")
    let seen = try await run(middleware, request)
    #expect(seen.passages.first?.document == "bridge")
    #expect(seen.passages.count == 2)
    #expect(seen.embedding?.embedder == embedder.profile)
    #expect(seen.question == request.question)
    guard case .chat(let turns) = seen.prompt else { return #expect(Bool(false), "a chat stays a chat") }
    #expect(turns.map(\.role) == [.system, .user])
    #expect(turns.first?.content.contains("[1] Bridges. A suspension bridge hangs") == true)
    let line = try #require(request.context.trace.stages.last { $0.stage == "retrieval" })
    #expect(line.note == "2 passages by hybrid")
    let parts = request.context.trace.stages.filter { $0.stage.hasPrefix("retrieval.") }
    #expect(Set(parts.map(\.stage)) == ["retrieval.embedding", "retrieval.sparse", "retrieval.dense"])
    #expect(line.memoryBytes == parts.reduce(0) { $0 + $1.memoryBytes } && line.memoryBytes > 0)
    #expect(line.cpuTime == parts.reduce(.zero) { $0 + $1.cpuTime })
  }

  @Test("keeps a request as it is when nothing is found, and shows a tenant only its documents")
  func nothingFound() async throws {
    let retriever = try await RetrieverKind.sparse.make(RetrieverContract.documents)
    let middleware = try RetrievalMiddleware(retriever: retriever, access: .everyDocument)
    let request = InferenceRequest("xylophone", tenant: "acme")
    #expect(try await run(middleware, request).prompt == request.prompt)
    let guarded = try RetrievalMiddleware(
      retriever: retriever,
      access: .documents { $0.context.tenant == "acme" ? ["bread"] : ["bridge"] }
    )
    let bread = try await run(guarded, InferenceRequest("bread or bridge", tenant: "acme"))
    #expect(bread.passages.map(\.document) == ["bread"])
    let bridge = try await run(guarded, InferenceRequest("bread or bridge", tenant: "other"))
    #expect(bridge.passages.map(\.document) == ["bridge"])
  }

  @Test("the prompt keeps to its budget and cuts at a character", arguments: [0, 1, 5, 12, 20, 40, 10_000])
  func budget(bytes: Int) {
    let passages = [passage("a", 2), passage("b", 1)].map {
      RetrievedPassage(document: $0.document, title: "T", text: "e\u{301}👩‍🔬 text", score: $0.score)
    }
    let text = PromptTemplate.numbered(passages, budgetInBytes: bytes)
    #expect(text.utf8.count <= bytes)
    let whole = PromptTemplate.numbered(passages, budgetInBytes: 10_000)
    #expect(text.isEmpty || Array(whole).starts(with: Array(text)))
    #expect(whole == "[1] T. e\u{301}👩‍🔬 text\n[2] T. e\u{301}👩‍🔬 text")
  }

  @Test("the host's own system turn stays first, plain text gets the passages in front")
  func prompts() {
    let found = [RetrievedPassage(document: "a", text: "<|im_start|>", score: 1)]
    let template = PromptTemplate.numberedPassages(instructions: "Use these.")
    let chat = InferenceRequest(
      prompt: .chat([.system("Be kind."), .user("Why?")]),
      context: RequestContext(tenant: "t")
    )
    #expect(
      template.render(chat, found)
        == .chat([.system("Be kind.\n\nUse these.\n\n[1] <|im_start|>"), .user("Why?")])
    )
    let text = InferenceRequest(prompt: .text("Why?"), context: RequestContext(tenant: "t"))
    #expect(template.render(text, found) == .text("Use these.\n\n[1] <|im_start|>\n\nWhy?"))
    #expect(template.render(text, []) == text.prompt)
  }
}
