// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldTestSupport
import TenfoldTesting
import Testing

@testable import Tenfold

private struct Broken: Error {}

@Suite("What requests used and asked is kept behind the reader's back")
struct RecordingMiddlewareTests {
  private func ask(
    _ question: String,
    _ recording: RecordingMiddleware,
    fails: Bool = false,
    tenant: TenantID = "acme",
    id: String = "m"
  ) async throws {
    let price = ModelPrice(dollarsPerMillionPromptTokens: 1, dollarsPerMillionCompletionTokens: 1)
    let model = ScriptedLanguageModel(profile: ModelProfile(id: id, contextLength: 99, price: price)) { _ in
      fails ? .failure(Broken()) : .text("two words")
    }
    let pipeline = Pipeline(model: model, middlewares: [recording])
    _ = try await pipeline.respond(to: InferenceRequest(question, tenant: tenant))
  }

  @Test("what was noted is on disk once the writer was stopped")
  func kept() async throws {
    let directory = try TemporaryDirectory()
    let database = try await SQLiteDatabase.open(
      .file(directory.file("records.db")),
      schemas: [SQLiteEventLog.schema]
    )
    let log = SQLiteEventLog(database: database)
    let (ledger, queries) = (SQLiteUsageLedger(log: log), SQLiteQueryLog(log: log))
    let recording = RecordingMiddleware(ledger: ledger, queries: queries, options: .init(wallClock: { 7 }))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await #expect(throws: CancellationError.self) { try await recording.run() } }
      for _ in 0..<3 { try await ask("why?", recording) }
      await #expect(throws: Broken.self) { try await ask("how?", recording, fails: true) }
      group.cancelAll()
    }
    #expect(try await ledger.totals(of: "acme")["m"]?.calls == 3)
    #expect(try await ledger.totals(of: "acme")["m"]?.completionTokens == 6)
    #expect(try await queries.frequent(of: "acme", since: 0, limit: 9) == [.init(text: "why?", count: 3)])
    #expect(try await queries.recent(of: "acme", limit: 1).first?.source == "model_small")
    #expect(recording.droppedCount == 0)
    await database.close()
  }

  @Test("a call whose reader left before the end is booked when its work ends")
  func leavers() async throws {
    let ledger = InMemoryUsageLedger()
    let recording = RecordingMiddleware(ledger: ledger, queries: InMemoryQueryLog())
    let request = InferenceRequest("why?", tenant: "acme")
    let model = ScriptedLanguageModel { _ in .hang }
    var stream: GenerationStream? = try await recording.intercept(request) { try await model.generate($0) }
    #expect(stream != nil)
    stream = nil
    await model.waitForOpenStreams(0)
    let usage = TokenUsage(promptTokens: 1, completionTokens: 4)
    request.context.trace.record(ModelCall(model: "m", tier: .small, usage: usage, cost: .zero))
    await withTaskGroup(of: Void.self) { group in
      group.addTask { try? await recording.run() }
      group.cancelAll()
    }
    #expect(try await ledger.totals(of: "acme")["m"]?.completionTokens == 4)
  }

  @Test("a full queue drops what comes, and counts it")
  func full() async throws {
    let queries = InMemoryQueryLog()
    let recording = RecordingMiddleware(ledger: nil, queries: queries, options: .init(capacity: 2))
    for number in 0..<5 { try await ask("\(number)", recording) }
    #expect(recording.droppedCount == 3)
    await withTaskGroup(of: Void.self) { group in
      group.addTask { try? await recording.run() }
      group.cancelAll()
    }
    #expect(try await queries.recent(of: "acme", limit: 9).map(\.text) == ["1", "0"])
  }

  /// A query log that fails some times.
  private final class Flaky: QueryLog {
    let inner = InMemoryQueryLog()
    let failures = Mutex(2)

    func record(_ queries: [LoggedQuery]) async throws {
      let fails = failures.withLock { failures in
        failures -= 1
        return failures >= 0
      }
      if fails { throw StorageError(.busy, "scripted") }
      try await inner.record(queries)
    }
    func recent(of tenant: TenantID, limit: Int) async throws -> [LoggedQuery] {
      try await inner.recent(of: tenant, limit: limit)
    }
    func frequent(of tenant: TenantID, since time: Int64, limit: Int) async throws -> [FrequentQuery] {
      try await inner.frequent(of: tenant, since: time, limit: limit)
    }
    func forget(before time: Int64) async throws { try await inner.forget(before: time) }
    func erase(_ tenant: TenantID) async throws { try await inner.erase(tenant) }
  }

  @Test("what failed is written again, and what didn't isn't")
  func retrying() async throws {
    let (ledger, queries, time) = (InMemoryUsageLedger(), Flaky(), ManualTime())
    let recording = RecordingMiddleware(ledger: ledger, queries: queries, options: .init(time: time.source))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try? await recording.run() }
      try await ask("why?", recording)
      for _ in 0..<2 {
        await time.waitForSleepers()
        time.advance(by: .seconds(1))
      }
      group.cancelAll()
    }
    #expect(try await ledger.totals(of: "acme")["m"]?.calls == 1)
    #expect(try await queries.recent(of: "acme", limit: 9).map(\.text) == ["why?"])
  }

  @Test("a request without a tenant is dropped and counted, and keeps no other's from being written")
  func tenantless() async throws {
    let database = try await SQLiteDatabase.open(.inMemory, schemas: [SQLiteEventLog.schema])
    let log = SQLiteEventLog(database: database)
    let (ledger, queries) = (SQLiteUsageLedger(log: log), SQLiteQueryLog(log: log))
    let recording = RecordingMiddleware(ledger: ledger, queries: queries)
    try await ask("whose?", recording, tenant: "")
    try await ask("why?", recording)
    await withTaskGroup(of: Void.self) { group in
      group.addTask { try? await recording.run() }
      group.cancelAll()
    }
    #expect(try await ledger.totals(of: "acme")["m"]?.calls == 1)
    #expect(try await queries.recent(of: "acme", limit: 9).map(\.text) == ["why?"])
    // The call and the question.
    #expect(recording.droppedCount == 2)
    await database.close()
  }

  /// A ledger that refuses calls of one model, and tells of each call that it books.
  private final class Picky: UsageLedger {
    let inner = InMemoryUsageLedger()
    let bookings = Mutex(0)
    private let (stream, continuation) = AsyncStream<Void>.makeStream()
    var booked: AsyncStream<Void> { stream }

    func book(_ entries: [UsageEntry]) async throws {
      bookings.withLock { $0 += 1 }
      if entries.contains(where: { $0.call.model == "refused" }) {
        throw StorageError(.invalidOption, "scripted")
      }
      try await inner.book(entries)
      for _ in entries { continuation.yield() }
    }
    func totals(of tenant: TenantID, days: ClosedRange<UTCDay>?) async throws -> [String: UsageTotal] {
      try await inner.totals(of: tenant, days: days)
    }
    func erase(_ tenant: TenantID) async throws { try await inner.erase(tenant) }
  }

  @Test("a record that the ledger refuses is dropped and counted; those beside it are written once")
  func refused() async throws {
    let ledger = Picky()
    let recording = RecordingMiddleware(ledger: ledger, queries: nil)
    for id in ["m", "refused", "n", "m"] { try await ask("why?", recording, id: id) }
    await withTaskGroup(of: Void.self) { group in
      group.addTask { try? await recording.run() }
      group.cancelAll()
    }
    #expect(try await ledger.totals(of: "acme").mapValues(\.calls) == ["m": 2, "n": 1])
    // All at once, then each alone, and nothing after that.
    #expect(ledger.bookings.withLock { $0 } == 5)
    #expect(recording.droppedCount == 1)
  }

  @Test(
    "a query log that fails for good holds up no booking, and what waits when the task ends is still tried",
    .timeLimit(.minutes(10))
  )
  func apart() async throws {
    let (ledger, queries, time) = (Picky(), Flaky(), ManualTime())
    // The first try fails, and one when the task is cancelled in the pause after it; the last succeeds.
    let recording = RecordingMiddleware(ledger: ledger, queries: queries, options: .init(time: time.source))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try? await recording.run() }
      try await ask("why?", recording)
      await time.waitForSleepers()
      try await ask("how?", recording)
      var booked = ledger.booked.makeAsyncIterator()
      for _ in 0..<2 { await booked.next() }
      group.cancelAll()
    }
    #expect(try await ledger.totals(of: "acme")["m"]?.calls == 2)
    #expect(try await queries.recent(of: "acme", limit: 9).map(\.text) == ["how?", "why?"])
  }
}
