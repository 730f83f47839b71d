// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCache
import TenfoldCore

/// What every `CacheStore` keeps to.
///
/// ```swift
/// let violations = await CacheStoreContract.violations { time in InMemoryCacheStore(time: time.source) }
/// ```
public enum CacheStoreContract {
  /// Runs the suite.
  ///
  /// - Parameter store: Makes an empty store that reads the given clock, stretches no life by more than a tenth, and
  ///   holds at least 100 KB.
  /// - Returns: The clauses that are broken, with what was seen.
  public static func violations(
    of store: @Sendable (ManualTime) async throws -> any CacheStore
  ) async -> [ContractViolation] {
    var report = ContractReport()
    await report.scenario("what was set is found") { report in
      let store = try await store(ManualTime())
      var answer = entry("What is it?", "It is this.", documents: ["d1"])
      answer.embedding = TextEmbedding(
        values: [0.6, 0.8],
        embedder: EmbedderProfile(id: "contract", dimension: 2, maxTokens: 8)
      )
      answer.choiceProbabilities = [0.25, 0.75]
      answer.meanLogProbability = -0.5
      let missing = try await store.answer(for: key("What is it?"))
      report.check(missing == nil, "an empty store has nothing", observed: "\(String(describing: missing))")
      try await store.set(answer, for: key("What is it?"), timeToLive: .seconds(60))
      let hit = try await store.answer(for: key("What is it?"))
      report.check(
        hit?.answer == answer,
        "an entry comes back as it was set",
        observed: "\(String(describing: hit))"
      )
      report.check(hit?.isStale == false, "a fresh entry is not stale", observed: "stale")
      let embedded = try await store.embeddedEntries(in: key("").namespace, limit: 10)
      report.check(
        embedded.map(\.key) == [key("What is it?")] && embedded.first?.embedding == answer.embedding,
        "entries with vectors are listed by namespace",
        observed: "\(embedded.count) entries"
      )
      let foreign = try await store.embeddedEntries(in: key("", tenant: "other").namespace, limit: 10)
      report.check(foreign.isEmpty, "another namespace lists nothing", observed: "\(foreign.count) entries")
    }
    await report.scenario("several keys are looked up in order") { report in
      let store = try await store(ManualTime())
      try await store.set(entry("a", "1"), for: key("a"), timeToLive: nil)
      try await store.set(entry("b", "2"), for: key("b"), timeToLive: nil)
      let found = try await store.answers(for: [key("b"), key("x"), key("a")], allowingStale: false)
      report.check(
        found.map { $0?.answer.text } == ["2", nil, "1"],
        "several keys are answered in order",
        observed: "\(found.map { $0?.answer.text })"
      )
      let none = try await store.answers(for: [], allowingStale: false)
      report.check(none.isEmpty, "no keys give no answers", observed: "\(none.count)")
    }
    await report.scenario("namespaces are apart") { report in
      let store = try await store(ManualTime())
      try await store.set(entry("q", "mine"), for: key("q"), timeToLive: nil)
      for (name, other) in [
        ("tenant", key("q", tenant: "other")), ("model", key("q", model: "other")),
        ("model revision", key("q", revision: "2")), ("sampling", key("q", maxTokens: 7)),
        ("system prompt", key("q", instructions: "other")), ("corpus epoch", key("q", epoch: 2)),
      ] {
        let hit = try await store.answer(for: other)
        report.check(hit == nil, "another \(name) is a miss", observed: "\(hit?.answer.text ?? "")")
      }
    }
    await report.scenario("the last write counts") { report in
      let store = try await store(ManualTime())
      try await store.set(entry("q", "old", documents: ["d1"]), for: key("q"), timeToLive: nil)
      try await store.set(entry("q", "new", documents: ["d2"]), for: key("q"), timeToLive: nil)
      let hit = try await store.answer(for: key("q"))
      report.check(
        hit?.answer.text == "new",
        "the last write counts",
        observed: hit?.answer.text ?? "nothing"
      )
      let entries = await store.statistics().entries
      report.check(entries == 1, "a key has one entry", observed: "\(entries)")
      let removed = try await store.invalidate(documents: ["d1"])
      report.check(
        removed == 0,
        "a replaced entry's documents no longer count",
        observed: "\(removed) removed"
      )
    }
    await report.scenario("what is refused replaces too") { report in
      let store = try await store(ManualTime())
      let large = entry("q", String(repeating: "x", count: 4 << 20))
      for (answer, life) in [(entry("q", "new"), Duration.zero), (large, .seconds(60))] {
        try await store.set(entry("q", "old", documents: ["d1"]), for: key("q"), timeToLive: .seconds(60))
        let isKept = try await store.set(answer, for: key("q"), timeToLive: life)
        let hit = try await store.answer(for: key("q"), allowingStale: true)
        report.check(
          isKept ? hit?.answer.text == answer.text : hit == nil,
          "an answer that is refused leaves no older one behind",
          observed: "\(hit?.answer.text.prefix(20) ?? "")"
        )
        let removed = try await store.invalidate(documents: ["d1"])
        report.check(removed == 0, "what was replaced is gone", observed: "\(removed) removed")
      }
    }
    await report.scenario("lives end") { report in
      let time = ManualTime()
      let store = try await store(time)
      try await store.set(entry("q", "a"), for: key("q"), timeToLive: .seconds(100))
      time.advance(by: .seconds(80))
      let young = try await store.answer(for: key("q"))
      report.check(
        young?.isStale == false,
        "an entry lives as long as it was given",
        observed: "gone after 80 of 100 s"
      )
      time.advance(by: .seconds(40))
      let old = try await store.answer(for: key("q"))
      report.check(old == nil, "an entry is gone after its life", observed: "served after 120 of 100 s")
      let stale = try await store.answer(for: key("q"), allowingStale: true)
      report.check(
        stale == nil || stale?.isStale == true,
        "an old entry is flagged as stale",
        observed: "fresh"
      )
      let none = try await store.set(entry("z", "a"), for: key("z"), timeToLive: .zero)
      let gone = try await store.answer(for: key("z"))
      report.check(!none && gone == nil, "a life of zero keeps nothing", observed: "kept")
    }
    await report.scenario("entries can be removed") { report in
      let store = try await store(ManualTime())
      for name in ["a", "b", "c"] {
        try await store.set(
          entry(name, name, documents: [DocumentID(name), "all"]),
          for: key(name),
          timeToLive: nil
        )
      }
      let removed = try await store.remove([key("a"), key("x")])
      report.check(removed == 1, "removing counts what was there", observed: "\(removed)")
      let invalidated = try await store.invalidate(documents: ["b", "nothing"])
      let b = try await store.answer(for: key("b"))
      report.check(
        invalidated == 1 && b == nil,
        "a changed document takes its answers along",
        observed: "\(invalidated)"
      )
      let c = try await store.answer(for: key("c"))
      report.check(c != nil, "other answers stay", observed: "gone")
      try await store.set(entry("q", "theirs"), for: key("q", tenant: "other"), timeToLive: nil)
      let all = try await store.removeAll(of: "contract")
      let theirs = try await store.answer(for: key("q", tenant: "other"))
      report.check(
        all == 1 && theirs != nil,
        "a tenant's entries go without others'",
        observed: "\(all) removed"
      )
    }
    await report.scenario("entries are evicted to a size") { report in
      let store = try await store(ManualTime())
      for index in 0..<50 {
        try await store.set(entry("q\(index)", "text"), for: key("q\(index)"), timeToLive: nil)
      }
      let bytes = await store.statistics().bytes
      try await store.evict(toBytes: bytes / 2)
      let after = await store.statistics()
      report.check(
        after.bytes <= bytes / 2,
        "evicting keeps to the size",
        observed: "\(after.bytes) of \(bytes)"
      )
      report.check(after.entries > 0, "evicting to a size does not empty the store", observed: "empty")
      try await store.evict(toBytes: 0)
      let empty = await store.statistics()
      report.check(
        empty.entries == 0 && empty.bytes == 0,
        "evicting to zero empties it",
        observed: "\(empty)"
      )
    }
    await report.scenario("hostile texts are data") { report in
      let store = try await store(ManualTime())
      let texts = [
        "\u{0}", "a\u{0}b", "'; DROP TABLE cache_entry; --", "e\u{301}", "👩‍👩‍👧", "%_\\", "line\nline",
      ]
      for text in texts {
        try await store.set(entry(text, text, documents: [DocumentID(text)]), for: key(text), timeToLive: nil)
      }
      for text in texts {
        let hit = try await store.answer(for: key(text))
        report.check(
          hit?.answer.text == text,
          "any text comes back as it was",
          observed: "\(text.debugDescription)"
        )
      }
    }
    return report.violations
  }

  private static func key(
    _ question: String,
    tenant: TenantID = "contract",
    model: String = "model",
    revision: String = "1",
    maxTokens: Int = 256,
    instructions: String = "",
    epoch: UInt64 = 1
  ) -> CacheKey {
    let options = (try? GenerationOptions(maxTokens: maxTokens)) ?? .standard
    return CacheKey(
      namespace: CacheNamespace(
        tenant: tenant,
        model: ModelProfile(id: model, revision: revision, contextLength: 100),
        options: options,
        instructions: ContentDigest(of: instructions.utf8),
        corpusEpoch: epoch
      ),
      question: question
    )
  }

  private static func entry(_ question: String, _ text: String, documents: [DocumentID] = []) -> CachedAnswer
  {
    CachedAnswer(
      Completion(
        text: text,
        summary: GenerationSummary(
          reason: .endOfText,
          usage: TokenUsage(promptTokens: 10, completionTokens: 5),
          provenance: Provenance(
            answeredBy: .model(id: "model", tier: .small),
            documents: documents,
            cost: Money(nanodollars: 7)
          )
        )
      ),
      question: question
    )
  }
}
