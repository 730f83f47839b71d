// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCache
import TenfoldCore
import TenfoldStorage
import TenfoldTesting
import Testing

@Suite("An in-memory cache store")
struct InMemoryCacheStoreTests {
  @Test("keeps the contract")
  func contract() async {
    let violations = await CacheStoreContract.violations { time in
      InMemoryCacheStore(options: .init(seed: 1), time: time.source)
    }
    #expect(violations == [])
  }

  @Test("stays within its bytes, whatever comes", arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64])
  func bounded(seed: UInt64) async throws {
    var generator = SeededGenerator(seed: seed)
    let store = InMemoryCacheStore(
      options: .init(capacityInBytes: 50_000, maximumEntryBytes: 20_000, seed: seed)
    )
    for step in 0..<2000 {
      let question = "q\(Int.random(in: 0..<300, using: &generator))"
      let key = makeKey(question)
      switch Int.random(in: 0..<10, using: &generator) {
      case 0: try await store.remove([key])
      case 1...4: _ = try await store.answer(for: key)
      default:
        let size = Int.random(in: 0..<(step % 50 == 0 ? 40_000 : 2000), using: &generator)
        let answer = makeAnswer(question, String(repeating: "x", count: size), tokens: size / 4)
        try await store.set(answer, for: key, timeToLive: nil)
      }
      let statistics = await store.statistics()
      #expect(statistics.bytes >= 0 && statistics.bytes <= 50_000, "seed \(seed), step \(step)")
    }
    try await store.evict(toBytes: 0)
    let end = await store.statistics()
    #expect(end.bytes == 0 && end.entries == 0, "seed \(seed)")
  }

  @Test("a scan of questions asked once does not push out what is asked often")
  func scan() async throws {
    let store = InMemoryCacheStore(options: .init(capacityInBytes: 200_000, seed: 1))
    let hot = (0..<50).map { "hot \($0)" }
    for question in hot { try await store.set(makeAnswer(question), for: makeKey(question), timeToLive: nil) }
    for _ in 0..<5 { for question in hot { _ = try await store.answer(for: makeKey(question)) } }
    for index in 0..<5000 {
      let question = "scan \(index)"
      _ = try await store.answer(for: makeKey(question))
      try await store.set(makeAnswer(question), for: makeKey(question), timeToLive: nil)
    }
    let found = try await store.answers(for: hot.map { makeKey($0) }, allowingStale: false)
    #expect(found.count { $0 != nil } == 50)
    #expect(await store.statistics().evictions > 0)
  }

  @Test("what saves more tokens by byte stays longer")
  func costAware() async throws {
    let store = InMemoryCacheStore(options: .init(capacityInBytes: 60_000, seed: 1))
    for index in 0..<200 {
      try await store.set(
        makeAnswer("dear \(index)", tokens: 1000),
        for: makeKey("dear \(index)"),
        timeToLive: nil
      )
      try await store.set(
        makeAnswer("cheap \(index)", tokens: 1),
        for: makeKey("cheap \(index)"),
        timeToLive: nil
      )
    }
    let dear = try await store.answers(for: (0..<200).map { makeKey("dear \($0)") }, allowingStale: false)
    let cheap = try await store.answers(for: (0..<200).map { makeKey("cheap \($0)") }, allowingStale: false)
    #expect(dear.count { $0 != nil } > 5 * (1 + cheap.count { $0 != nil }))
  }

  @Test("what is asked for again and again gets in, though it was refused at first")
  func persistence() async throws {
    let store = InMemoryCacheStore(options: .init(capacityInBytes: 10_000, seed: 1))
    for index in 0..<30 {
      let key = makeKey("old \(index)")
      try await store.set(makeAnswer("old \(index)", tokens: 50), for: key, timeToLive: nil)
      for _ in 0..<3 { _ = try await store.answer(for: key) }
    }
    let key = makeKey("new")
    var attempts = 0
    while try await store.answer(for: key) == nil, attempts < 100 {
      try await store.set(makeAnswer("new", tokens: 25), for: key, timeToLive: nil)
      attempts += 1
    }
    #expect(attempts > 1 && attempts < 100)
  }

  @Test("lives of entries written together end apart")
  func jitter() async throws {
    let time = ManualTime()
    let store = InMemoryCacheStore(
      options: .init(lifetime: .init(jitter: 0.1, staleGrace: .zero), seed: 9),
      time: time.source
    )
    let keys = (0..<200).map { makeKey("q\($0)") }
    for key in keys { try await store.set(makeAnswer(key.text), for: key, timeToLive: .seconds(1000)) }
    time.advance(by: .seconds(1000))
    let alive = try await store.answers(for: keys, allowingStale: false).count { $0 != nil }
    #expect(alive > 50 && alive < 150)
    time.advance(by: .seconds(101))
    let rest = try await store.answers(for: keys, allowingStale: false).count { $0 != nil }
    #expect(rest == 0)
  }

  @Test("answers that are over keep nobody out, however dear they were", arguments: [0, 1, 2])
  func expired(attemptsBefore: Int) async throws {
    let time = ManualTime()
    let store = InMemoryCacheStore(
      options: .init(capacityInBytes: 10_000, lifetime: .init(jitter: 0, staleGrace: .zero), seed: 1),
      time: time.source
    )
    for index in 0..<30 {
      let name = "dear \(index)"
      try await store.set(makeAnswer(name, tokens: 1_000_000), for: makeKey(name), timeToLive: nil)
    }
    #expect(await store.statistics().bytes > 9000)
    for index in 0..<attemptsBefore {
      let name = "cheap \(index)"
      #expect(try await store.set(makeAnswer(name, tokens: 1), for: makeKey(name), timeToLive: nil) == false)
    }
    time.advance(by: .seconds(2 * 86_400))
    #expect(try await store.set(makeAnswer("new", tokens: 1), for: makeKey("new"), timeToLive: nil))
    let statistics = await store.statistics()
    #expect(statistics.entries == 1 && statistics.expirations > 10)
  }

  @Test("a grace and a jitter without end are cut")
  func endlessGrace() async throws {
    let time = ManualTime()
    var lifetime = CacheLifetime(staleGrace: .seconds(Int64.max))
    lifetime.jitter = .infinity
    let store = InMemoryCacheStore(options: .init(lifetime: lifetime, seed: 1), time: time.source)
    try await store.set(makeAnswer("q"), for: makeKey("q"), timeToLive: .seconds(100))
    time.advance(by: .seconds(365 * 86_400))
    #expect(try await store.answer(for: makeKey("q"), allowingStale: true)?.isStale == true)
  }

  @Test("many tasks at once do no harm")
  func concurrent() async throws {
    let store = InMemoryCacheStore(options: .init(capacityInBytes: 20_000))
    await withTaskGroup(of: Void.self) { group in
      for worker in 0..<8 {
        group.addTask {
          for index in 0..<200 {
            let key = makeKey("q\(index % 40)", tenant: TenantID("t\(worker % 2)"))
            store.setNow(makeAnswer(key.text, "t\(worker % 2)"), for: key, timeToLive: nil)
            let hit = try? await store.answer(for: key)
            #expect(hit?.answer.text ?? "t\(worker % 2)" == "t\(worker % 2)")
          }
        }
      }
    }
    #expect(await store.statistics().bytes <= 20_000)
  }
}

@Suite("A SQLite cache store")
struct SQLiteCacheStoreTests {
  private func open(_ path: String? = nil, maximumBytes: Int? = nil) async throws -> SQLiteDatabase {
    try await SQLiteDatabase.open(
      path.map { .file($0) } ?? .inMemory,
      schemas: [SQLiteCacheStore.schema],
      options: .init(durability: .relaxed, maximumSizeInBytes: maximumBytes)
    )
  }

  private func withFile<Result>(_ body: (String) async throws -> Result) async throws -> Result {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
      "tenfold-cache-\(UUID().uuidString)"
    )
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder.appendingPathComponent("cache.sqlite").path)
  }

  @Test("keeps the contract")
  func contract() async {
    let violations = await CacheStoreContract.violations { time in
      SQLiteCacheStore(database: try await self.open(), options: .init(seed: 1), time: time.source)
    }
    #expect(violations == [])
  }

  @Test("survives a restart, lives included")
  func restart() async throws {
    try await withFile { path in
      let first = try await open(path)
      let store = SQLiteCacheStore(
        database: first,
        options: .init(lifetime: .init(jitter: 0)),
        wallClockMilliseconds: 1_000_000
      )
      var answer = makeAnswer("q", "kept", documents: ["d"])
      answer.embedding = TextEmbedding(values: [0, 1], embedder: TableEmbedder().profile)
      try await store.set(answer, for: makeKey("q"), timeToLive: .seconds(100))
      await first.close()
      for (wall, remains) in [(1_099_000, true), (1_101_000, false), (0, true)] as [(Int64, Bool)] {
        let database = try await open(path)
        let again = SQLiteCacheStore(database: database, wallClockMilliseconds: wall)
        let hit = try await again.answer(for: makeKey("q"))
        #expect((hit != nil) == remains, "at \(wall)")
        if let hit {
          #expect(hit.answer == answer)
          // A wall clock that was set back can't make a life longer than it was.
          #expect(hit.remaining <= .seconds(100))
        }
        await database.close()
      }
    }
  }

  @Test(
    "a row with times that no store has written is a miss",
    arguments: [
      (.min, 60_000), (0, .max), (.min, .max), (0, .min), (.max, .min), (.min, .min), (0, 0),
    ] as [(Int64, Int64)]
  )
  func damagedTimes(created: Int64, life: Int64) async throws {
    let database = try await open()
    let store = SQLiteCacheStore(database: database, options: .init(seed: 1), wallClockMilliseconds: 1000)
    var answer = makeAnswer("q", documents: ["d"])
    answer.embedding = TextEmbedding(values: [0, 1], embedder: TableEmbedder().profile)
    try await store.set(answer, for: makeKey("q"), timeToLive: nil)
    #expect(try await store.answer(for: makeKey("q")) != nil)
    try await database.write { transaction in
      try transaction.execute("UPDATE cache_entry SET created_ms = ?1, life_ms = ?2", created, life)
    }
    for allowsStale in [false, true] {
      #expect(try await store.answer(for: makeKey("q"), allowingStale: allowsStale) == nil)
    }
    _ = try await store.embeddedEntries(in: makeKey("q").namespace, limit: 10)
    try await store.set(answer, for: makeKey("q"), timeToLive: nil)
    #expect(try await store.answer(for: makeKey("q")) != nil)
    await database.close()
  }

  @Test("a grace and a jitter without end are cut")
  func endlessGrace() async throws {
    let time = ManualTime()
    var lifetime = CacheLifetime(staleGrace: .seconds(Int64.max))
    lifetime.jitter = .infinity
    let database = try await open()
    let store = SQLiteCacheStore(
      database: database,
      options: .init(lifetime: lifetime, seed: 1),
      time: time.source
    )
    try await store.set(makeAnswer("q"), for: makeKey("q"), timeToLive: .seconds(100))
    time.advance(by: .seconds(365 * 86_400))
    #expect(try await store.answer(for: makeKey("q"), allowingStale: true)?.isStale == true)
    await database.close()
  }

  @Test("stays within its bytes and keeps what saves most")
  func bounded() async throws {
    let store = SQLiteCacheStore(database: try await open(), options: .init(capacityInBytes: 60_000, seed: 1))
    for index in 0..<200 {
      let name = "q\(index)"
      try await store.set(
        makeAnswer(name, tokens: index % 2 == 0 ? 1000 : 1),
        for: makeKey(name),
        timeToLive: nil
      )
    }
    let statistics = await store.statistics()
    #expect(statistics.bytes <= 60_000 && statistics.entries > 0)
    let dear = try await store.answers(for: (0..<200).map { makeKey("q\($0)") }, allowingStale: false)
      .compactMap { $0 }.count { $0.answer.usage.completionTokens == 1000 }
    #expect(dear * 2 > statistics.entries)
  }

  @Test("a full disk is a miss with a flag, reads go on, and it recovers")
  func full() async throws {
    try await withFile { path in
      let database = try await open(path, maximumBytes: 200_000)
      let store = SQLiteCacheStore(database: database)
      let cache = ResponseCache(store: store, model: testProfile, corpusEpoch: { 0 })
      let exact = ExactCacheMiddleware(cache: cache)
      let model = ScriptedLanguageModel { request in
        .text(request.question == "small" ? "ok" : String(repeating: "x", count: 40_000))
      }
      _ = try await ask([exact], model, InferenceRequest("small", tenant: "a"))
      await cache.flush()
      for index in 0..<20 {
        let answer = try await ask([exact], model, InferenceRequest("q\(index)", tenant: "a"))
        #expect(answer.text.count == 40_000)
        await cache.flush()
      }
      let statistics = await cache.statistics()
      #expect(statistics.failures > 0)
      let hit = try await ask([exact], model, InferenceRequest("small", tenant: "a"))
      guard case .exactCache = hit.summary.provenance.answeredBy else {
        Issue.record("the entry from before the disk was full is gone: \(hit.summary.provenance.answeredBy)")
        return
      }
      try await store.evict(toBytes: 0)
      try await store.set(makeAnswer("after"), for: makeKey("after"), timeToLive: nil)
      #expect(try await store.answer(for: makeKey("after")) != nil)
      await database.close()
    }
  }
}
