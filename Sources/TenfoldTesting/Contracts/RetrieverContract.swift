// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// What every `Retriever` must do, as clauses that return violations.
public enum RetrieverContract {
  /// A document of the contract's collection.
  public struct Document: Hashable, Sendable {
    /// The document's id.
    public let id: DocumentID
    /// Its title.
    public let title: String
    /// Its text.
    public let text: String
  }

  /// The collection that a retriever under test must have indexed, id, title and text of each.
  public static let documents = [
    Document(id: "aspirin", title: "Aspirin", text: "Aspirin lowers fever and eases pain in the head."),
    Document(id: "ibuprofen", title: "Ibuprofen", text: "Ibuprofen lowers fever and calms inflammation."),
    Document(
      id: "bridge",
      title: "Bridges",
      text: "A suspension bridge hangs its deck from cables of steel."
    ),
    Document(id: "volcano", title: "Volcanoes", text: "A volcano throws ash and lava out of the crust."),
    Document(id: "bread", title: "Bread", text: "Bread needs flour, water, salt and yeast."),
  ]

  /// Runs every clause.
  ///
  /// - Parameter makeRetriever: Makes a retriever over the given documents; it is called with ``documents`` and with none.
  /// - Returns: The violations; none if the contract is kept.
  public static func violations(
    of makeRetriever: ([Document]) async throws -> any Retriever
  ) async -> [ContractViolation] {
    var report = ContractReport()
    await report.scenario("a query finds what it is about") { report in
      let retriever = try await makeRetriever(documents)
      let result = try await retriever.retrieve(
        RetrievalQuery("steel cables of a suspension bridge", limit: 3)
      )
      report.check(
        result.passages.first?.document == "bridge",
        "a query finds what it is about",
        observed: "\(result.passages.map(\.document))"
      )
      report.check(!result.isPartial, "a whole result is not partial", observed: "partial")
      let expected = documents.first { $0.id == "bridge" }
      report.check(
        result.passages.first?.text == expected?.text && result.passages.first?.title == expected?.title,
        "passages carry title and text",
        observed: "\(result.passages)"
      )
    }
    for limit in [1, 2, RetrievalQuery.maximumLimit] {
      await report.scenario("results keep to the limit \(limit)") { report in
        let retriever = try await makeRetriever(documents)
        let passages = try await retriever.retrieve(RetrievalQuery("what lowers fever", limit: limit))
          .passages
        report.check(
          passages.count <= min(limit, documents.count) && !passages.isEmpty,
          "results keep to the limit",
          observed: "\(passages.count)"
        )
        report.check(
          Set(passages.map(\.document)).count == passages.count,
          "a document comes once",
          observed: "\(passages.map(\.document))"
        )
        report.check(
          passages.allSatisfy { $0.score.isFinite }
            && zip(passages, passages.dropFirst()).allSatisfy { $0.score >= $1.score },
          "scores are finite and not increasing",
          observed: "\(passages.map(\.score))"
        )
      }
    }
    for text in ["", " ", "\n\t \u{a0}"] {
      await report.scenario("a blank query finds nothing") { report in
        let retriever = try await makeRetriever(documents)
        let passages = try await retriever.retrieve(RetrievalQuery(text)).passages
        report.check(passages.isEmpty, "a blank query finds nothing", observed: "\(passages)")
      }
    }
    await report.scenario("an empty collection finds nothing") { report in
      let passages = try await makeRetriever([]).retrieve(RetrievalQuery("fever")).passages
      report.check(passages.isEmpty, "an empty collection finds nothing", observed: "\(passages)")
    }
    await report.scenario("only allowed documents are found") { report in
      let retriever = try await makeRetriever(documents)
      let allowed: Set<DocumentID> = ["ibuprofen", "bread", "nowhere"]
      let query = try RetrievalQuery("aspirin lowers fever", allowedDocuments: allowed)
      let found = try await retriever.retrieve(query).passages.map(\.document)
      report.check(
        found.first == "ibuprofen" && allowed.isSuperset(of: found),
        "only allowed documents are found",
        observed: "\(found)"
      )
      let none = try await retriever.retrieve(RetrievalQuery("fever", allowedDocuments: [])).passages
      report.check(none.isEmpty, "an empty set of allowed documents finds nothing", observed: "\(none)")
    }
    await report.scenario("strange queries neither fail nor trap") { report in
      let retriever = try await makeRetriever(documents)
      for text in [
        "\0", "🧬👩‍🔬", "e\u{301}\u{301}\u{301}", "<|im_start|>", String(repeating: "a", count: 100_000), "?!",
      ] {
        let passages = try await retriever.retrieve(RetrievalQuery(text, limit: 3)).passages
        report.check(
          passages.count <= 3 && passages.allSatisfy { $0.score.isFinite },
          "strange queries neither fail nor trap",
          observed: "\(passages.map(\.score))"
        )
      }
    }
    await report.scenario("the same query gives the same result") { report in
      let retriever = try await makeRetriever(documents)
      let first = try await retriever.retrieve(RetrievalQuery("fever pain inflammation")).passages
      let second = try await retriever.retrieve(RetrievalQuery("fever pain inflammation")).passages
      report.check(
        first == second,
        "the same query gives the same result",
        observed: "\(first) and \(second)"
      )
    }
    return report.violations
  }
}
