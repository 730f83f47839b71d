// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldTestSupport
import TenfoldTesting
import Testing

@testable import Tenfold

private struct Broken: Error {}

@Suite("A conversation is remembered from one request to the next")
struct ConversationMiddlewareTests {
  private let model = ScriptedLanguageModel { .text("you said \($0.question)") }

  private func request(
    _ question: String,
    in conversation: ConversationID? = "c",
    of tenant: TenantID = "a",
    system: String? = nil
  ) -> InferenceRequest {
    InferenceRequest(
      prompt: .chat((system.map { [.system($0)] } ?? []) + [.user(question)]),
      context: RequestContext(tenant: tenant, conversation: conversation)
    )
  }

  private func ask(_ request: InferenceRequest, _ middleware: ConversationMiddleware) async throws {
    _ = try await Pipeline(model: model, middlewares: [middleware]).respond(to: request)
  }

  /// What the model was told by the newest request.
  private var told: [ChatMessage] {
    guard case .chat(let messages)? = model.requests.last?.prompt else { return [] }
    return messages
  }

  @Test("keeps the contract of a middleware")
  func contract() async {
    let violations = await InferenceMiddlewareContract.violations {
      Conversing(inner: ConversationMiddleware(memory: InMemoryConversationMemory()))
    }
    #expect(violations == [])
  }

  /// Makes each request part of a conversation.
  private struct Conversing: InferenceMiddleware {
    let inner: ConversationMiddleware

    func intercept(
      _ request: InferenceRequest,
      next: @escaping @Sendable (InferenceRequest) async throws -> GenerationStream
    ) async throws -> GenerationStream {
      var request = request
      request.context.conversation = "c"
      return try await inner.intercept(request, next: next)
    }
  }

  @Test("the model is told what was said, after its instructions; the question stays what it was")
  func remembering() async throws {
    let directory = try TemporaryDirectory()
    let database = try await SQLiteDatabase.open(
      .file(directory.file("log.db")),
      schemas: [SQLiteEventLog.schema]
    )
    let memory = SQLiteConversationMemory(log: SQLiteEventLog(database: database))
    let middleware = ConversationMiddleware(memory: memory, options: .init(wallClock: { 7 }))
    try await ask(request("one", system: "be kind"), middleware)
    #expect(told == [.system("be kind"), .user("one")])
    try await ask(request("two", system: "be brief"), middleware)
    let first: [ChatMessage] = [.user("one"), .assistant("you said one")]
    #expect(told == [.system("be brief")] + first + [.user("two")])
    #expect(model.requests.last?.question == "two")
    let turns = try await memory.turns(of: "c", for: "a", last: 9, .newest)
    #expect(turns.map(\.message) == first + [.user("two"), .assistant("you said two")])
    #expect(turns.allSatisfy { $0.time == 7 })
    // Nobody else hears of it: another conversation, another tenant, a question by itself.
    for other in [request("x", in: "d"), request("x", of: "b"), request("x", in: nil)] {
      try await ask(other, middleware)
      #expect(told == [.user("x")])
    }
    await database.close()
  }

  @Test("the newest turns that have room are told, and never an answer without its question")
  func room() async throws {
    let memory = InMemoryConversationMemory()
    let turns: [ChatMessage] = [.user("1111"), .assistant("2222"), .user("3333"), .assistant("4444")]
    try await memory.append(turns.map { ConversationTurn($0) }, to: "c", of: "a")
    for (characters, count) in [(16, 4), (15, 2), (8, 2), (7, 0), (0, 0)] {
      let middleware = ConversationMiddleware(memory: memory, options: .init(maximumCharacters: characters))
      var stream: GenerationStream? = try await middleware.intercept(request("q")) {
        try await model.generate($0)
      }
      #expect(told == turns.suffix(count) + [.user("q")], "\(characters)")
      // The reader leaves: nothing is kept of it.
      stream = nil
      _ = stream
    }
    try await ask(request("q"), ConversationMiddleware(memory: memory, options: .init(maximumTurns: 3)))
    #expect(told == turns.suffix(2) + [.user("q")])
  }

  @Test("an answer that fails is not remembered; a memory that can't be written doesn't fail one")
  func failures() async throws {
    let memory = FailingMemory()
    let middleware = ConversationMiddleware(memory: memory)
    let broken = ScriptedLanguageModel { _ in .failureAfter("half", Broken()) }
    await #expect(throws: Broken.self) {
      _ = try await Pipeline(model: broken, middlewares: [middleware]).respond(to: request("one"))
    }
    #expect(memory.appended.withLock { $0 } == 0)
    memory.fails.withLock { $0 = (append: true, read: false) }
    try await ask(request("two"), middleware)
    memory.fails.withLock { $0 = (append: false, read: true) }
    await #expect(throws: StorageError.self) { try await ask(request("three"), middleware) }
    #expect(model.requests.map(\.question) == ["two"])
  }

  @Test(
    "a memory that hangs, deaf to cancellation, fails a request at its deadline, or costs its turns",
    .timeLimit(.minutes(10)),
    arguments: [true, false]
  )
  func hanging(inRead: Bool) async {
    let time = ManualTime()
    let memory = FailingMemory()
    memory.hangs.withLock { $0 = (append: !inRead, read: inRead) }
    let admission = AdmissionMiddleware(time: time.source)
    let options = ConversationMiddleware.Options(deadlineGrace: .seconds(1))
    let conversation = ConversationMiddleware(memory: memory, options: options)
    let pipeline = Pipeline(model: model, middlewares: [admission, conversation])
    var request = request("one")
    request.context.trace = RequestTrace(time: time.source)
    request.context.deadline = time.now.advanced(by: .seconds(2))
    let sent = request
    await withTaskGroup(of: Void.self) { group in
      group.addTask {
        do {
          let answer = try await pipeline.respond(to: sent)
          #expect(!inRead && answer.text == "you said one")
        } catch {
          #expect(inRead && (error as? RequestError)?.code == .deadlineExceeded, "\(error)")
        }
      }
      await memory.hanging.wait { $0 == 1 }
      await time.waitForSleepers()
      time.advance(by: .seconds(inRead ? 2 : 3))
    }
    // Nobody waits for the memory, and the request's place is free; now it may end.
    #expect(admission.load.inFlight == 0)
    memory.isOver.withLock { $0 = true }
  }

  @Test("in a pipeline the caches see the whole conversation, so its answers don't serve another")
  func beforeTheCaches() async throws {
    let memory = InMemoryConversationMemory()
    var layers = PipelineLayers()
    layers.conversation = ConversationMiddleware(memory: memory)
    layers.exactCache = ExactCacheMiddleware(
      cache: ResponseCache(store: InMemoryCacheStore(), model: model.profile, corpusEpoch: { 0 })
    )
    let pipeline = layers.pipeline(model: model)
    for (question, conversation) in [("one", "c"), ("and?", "c"), ("and?", "d"), ("one", "e")] {
      _ = try await pipeline.respond(to: request(question, in: ConversationID(conversation)))
    }
    // The last one is the first one again.
    #expect(model.requests.map(\.question) == ["one", "and?", "and?"])
    // What a cache answered was said too.
    #expect(try await memory.turns(of: "e", for: "a", last: 9, .newest).count == 2)
  }

  /// A memory that fails or hangs when told to.
  private final class FailingMemory: ConversationMemory {
    let fails = Mutex((append: false, read: false))
    let hangs = Mutex((append: false, read: false))
    /// How many calls have hung.
    let hanging = WatchedState(0)
    /// Ends the hanging.
    let isOver = WatchedState(false)

    /// Doesn't look at cancellation.
    private func hang() async {
      hanging.withLock { $0 += 1 }
      while !isOver.withLock({ $0 }) { await Task.yield() }
    }

    let appended = Mutex(0)

    func append(
      _ turns: [ConversationTurn],
      to conversation: ConversationID,
      of tenant: TenantID
    ) async throws -> WriteToken {
      if hangs.withLock({ $0.append }) { await hang() }
      if fails.withLock({ $0.append }) { throw StorageError(.storageFull, "scripted") }
      return appended.withLock { count in
        count += turns.count
        return WriteToken(Int64(count))
      }
    }

    func turns(
      of conversation: ConversationID,
      for tenant: TenantID,
      last count: Int,
      _ consistency: ReadConsistency
    ) async throws -> [ConversationTurn] {
      if hangs.withLock({ $0.read }) { await hang() }
      if fails.withLock({ $0.read }) { throw StorageError(.inputOutput, "scripted") }
      return []
    }

    func forget(before time: Int64) async throws {}

    func erase(_ tenant: TenantID) async throws -> WriteToken { WriteToken(0) }
  }
}
