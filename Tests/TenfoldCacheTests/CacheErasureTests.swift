// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldCache
import TenfoldCore
import TenfoldStorage
import TenfoldTestSupport
import TenfoldTesting
import Testing

@Suite("A tenant that is erased in the log is erased in the cache")
struct CacheErasureTests {
  private struct Interrupted: Error {}

  @Test("answers and vectors go, those of others stay, and an interruption only delays it")
  func erasing() async throws {
    let directory = try TemporaryDirectory()
    let database = try await SQLiteDatabase.open(
      .file(directory.file("host.db")),
      schemas: [SQLiteEventLog.schema, SQLiteCacheStore.schema, SQLiteWriteSink.schema]
    )
    let log = SQLiteEventLog(database: database)
    let model = ScriptedLanguageModel { .text("answer to \($0.question)") }
    let cache = ResponseCache(
      store: SQLiteCacheStore(database: database),
      model: model.profile,
      corpusEpoch: { 0 }
    )
    let semantic = SemanticCacheMiddleware(cache: cache, embedder: HashingTextEmbedder())
    let exact = ExactCacheMiddleware(cache: cache)
    let failures = Mutex(1)
    let sink = ErasureSink("cache", in: database) { tenant in
      try await semantic.removeAll(of: tenant)
      // The erasing is done, but nobody has noted it.
      let isInterrupted = failures.withLock { failures in
        failures -= 1
        return failures >= 0
      }
      if isInterrupted { throw Interrupted() }
    }
    for tenant in ["a", "b"] as [TenantID] {
      _ = try await ask([exact, semantic], model, InferenceRequest("why is it so?", tenant: tenant))
    }
    await cache.flush()
    _ = try await log.append([NewEvent(kind: "x", subject: "y", payload: [])])
    _ = try await log.erase("a")
    let events = try await log.events(after: 0, limit: 10)
    await #expect(throws: Interrupted.self) { try await sink.apply(events) }
    #expect(try await sink.position() == 0)
    try await sink.apply(events)
    #expect(try await sink.position() == events.last?.sequence)
    _ = try await ask([exact, semantic], model, InferenceRequest("why is it so?", tenant: "b"))
    #expect(model.requests.map(\.context.tenant) == ["a", "b"])
    // It answers anew for the tenant that was erased, and keeps that: what was done isn't done again.
    for _ in 0..<2 {
      _ = try await ask([exact, semantic], model, InferenceRequest("why is it so?", tenant: "a"))
      await cache.flush()
      try await sink.apply(events)
    }
    #expect(model.requests.map(\.context.tenant) == ["a", "b", "a"])
    await database.close()
  }
}
