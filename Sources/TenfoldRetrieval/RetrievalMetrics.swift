// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// How good rankings are, by the usual measures.
///
/// All are means over the queries that have at least one relevant document; a query without a ranking counts 0.
///
/// ```swift
/// let metrics = RetrievalMetrics(rankings: ["q1": ["d3", "d1"]], judgements: ["q1": ["d1": 1]])
/// print(metrics.nDCG(at: 10))
/// ```
public struct RetrievalMetrics: Sendable {
  private struct Judged {
    let ranking: [DocumentID]
    let grades: [DocumentID: Int]
  }

  private let judged: [Judged]

  /// Creates the measures of some rankings.
  ///
  /// - Parameters:
  ///   - rankings: For each query the documents found, best first; a document that comes twice counts once.
  ///   - judgements: For each query the grades of documents: 0 is not relevant, higher is better.
  public init(rankings: [String: [DocumentID]], judgements: [String: [DocumentID: Int]]) {
    // In a fixed order, so that sums don't depend on the hashing of this run.
    judged = judgements.sorted { $0.key < $1.key }.compactMap { query, grades in
      guard grades.values.contains(where: { $0 > 0 }) else { return nil }
      var seen: Set<DocumentID> = []
      let ranking = (rankings[query] ?? []).filter { seen.insert($0).inserted }
      return Judged(ranking: ranking, grades: grades)
    }
  }

  /// How many queries have a relevant document.
  public var queryCount: Int { judged.count }

  /// The mean normalised discounted cumulative gain with linear gain.
  ///
  /// - Parameter depth: How many documents of each ranking count; less than 1 counts as 1.
  /// - Returns: A value in 0...1.
  public func nDCG(at depth: Int) -> Double {
    let depth = max(1, depth)
    return mean { judged in
      func gain(_ grades: some Sequence<Int>) -> Double {
        grades.enumerated().reduce(0) { $0 + Double(max(0, $1.element)) / log2(Double($1.offset + 2)) }
      }
      let ideal = gain(judged.grades.values.sorted(by: >).prefix(depth))
      return gain(judged.ranking.prefix(depth).map { judged.grades[$0] ?? 0 }) / ideal
    }
  }

  /// The mean share of the relevant documents that are among the first.
  ///
  /// - Parameter depth: How many documents of each ranking count; less than 1 counts as 1.
  /// - Returns: A value in 0...1.
  public func recall(at depth: Int) -> Double {
    mean { judged in
      let relevant = judged.grades.values.count { $0 > 0 }
      let found = judged.ranking.prefix(max(1, depth)).count { judged.grades[$0] ?? 0 > 0 }
      return Double(found) / Double(relevant)
    }
  }

  /// The mean of one over the rank of the first relevant document; 0 where there is none among the first.
  ///
  /// - Parameter depth: How many documents of each ranking count; less than 1 counts as 1.
  /// - Returns: A value in 0...1.
  public func reciprocalRank(at depth: Int) -> Double {
    mean { judged in
      let first = judged.ranking.prefix(max(1, depth)).firstIndex { judged.grades[$0] ?? 0 > 0 }
      return first.map { 1 / Double($0 + 1) } ?? 0
    }
  }

  private func mean(_ value: (Judged) -> Double) -> Double {
    judged.isEmpty ? 0 : judged.reduce(0) { $0 + value($1) } / Double(judged.count)
  }
}
