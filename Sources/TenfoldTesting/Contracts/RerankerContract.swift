// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// What every `Reranker` must do, as clauses that return violations.
public enum RerankerContract {
  /// Runs every clause.
  ///
  /// - Parameter makeReranker: Makes a reranker.
  /// - Returns: The violations; none if the contract is kept.
  public static func violations(
    of makeReranker: () async throws -> any Reranker
  ) async -> [ContractViolation] {
    var report = ContractReport()
    let passages = RetrieverContract.documents.enumerated().map { place, document in
      RetrievedPassage(
        document: document.id,
        title: document.title,
        text: document.text,
        score: Float(-place)
      )
    }
    await report.scenario("the passages stay the same, best first") { report in
      let query = try RetrievalQuery("steel cables of a suspension bridge")
      let ranked = try await makeReranker().rerank(passages, for: query)
      report.check(
        ranked.map(\.document).sorted() == passages.map(\.document).sorted(),
        "no passage is lost or made up",
        observed: "\(ranked.map(\.document))"
      )
      report.check(
        ranked.allSatisfy { passage in
          passages.contains {
            $0.document == passage.document && $0.text == passage.text && $0.title == passage.title
          }
        },
        "title and text stay as they are",
        observed: "\(ranked)"
      )
      report.check(
        ranked.allSatisfy { $0.score.isFinite }
          && zip(ranked, ranked.dropFirst()).allSatisfy { $0.score >= $1.score },
        "scores are finite and not increasing",
        observed: "\(ranked.map(\.score))"
      )
      report.check(
        ranked.first?.document == "bridge",
        "the passage that fits comes first",
        observed: "\(ranked.map(\.document))"
      )
    }
    await report.scenario("no candidates stay none") { report in
      let ranked = try await makeReranker().rerank([], for: RetrievalQuery("fever"))
      report.check(ranked.isEmpty, "no candidates stay none", observed: "\(ranked)")
    }
    await report.scenario("a blank query loses nothing") { report in
      let ranked = try await makeReranker().rerank(passages, for: RetrievalQuery(" "))
      report.check(ranked.count == passages.count, "a blank query loses nothing", observed: "\(ranked.count)")
    }
    return report.violations
  }
}
