// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// How two rankings become one.
public struct FusionMethod: Sendable, Hashable, CustomStringConvertible {
  private enum Kind: Hashable {
    case reciprocalRank(constant: Float)
    case convex(denseWeight: Float)
  }

  private let kind: Kind

  /// Adds one over (constant + rank) for each ranking that a document is in.
  ///
  /// - Parameter constant: How little the first ranks stand out; above 0. 60 is the published value.
  /// - Returns: The method.
  /// - Throws: ``RetrievalError`` with code ``RetrievalError/Code/invalidOption``, for NaN too.
  public static func reciprocalRank(constant: Float) throws(RetrievalError) -> Self {
    guard constant > 0, constant.isFinite else {
      throw RetrievalError(.invalidOption, "the rank constant is \(constant); it must be above 0")
    }
    return Self(kind: .reciprocalRank(constant: constant))
  }

  /// Reciprocal rank with the published constant of 60.
  public static let reciprocalRank = Self(kind: .reciprocalRank(constant: 60))

  /// Adds the scores, each brought to 0...1 between its theoretical minimum (0 for BM25, −1 for a cosine) and the
  /// best score of its ranking; a document that a ranking lacks has 0 there.
  ///
  /// - Parameter denseWeight: The share of the dense score in 0...1; 1 leaves the dense ranking alone.
  /// - Returns: The method.
  /// - Throws: ``RetrievalError`` with code ``RetrievalError/Code/invalidOption``, for NaN too.
  public static func convex(denseWeight: Float) throws(RetrievalError) -> Self {
    guard denseWeight >= 0, denseWeight <= 1 else {
      throw RetrievalError(.invalidOption, "the dense weight is \(denseWeight); it must be in 0...1")
    }
    return Self(kind: .convex(denseWeight: denseWeight))
  }

  /// The default: convex with a dense weight of 0.75.
  public static let standard = Self(kind: .convex(denseWeight: 0.75))

  /// The method and its constant.
  public var description: String {
    switch kind {
    case .reciprocalRank(let constant): "reciprocal rank \(constant)"
    case .convex(let weight): "convex \(weight)"
    }
  }

  /// Fuses two rankings, best first.
  ///
  /// - Parameters:
  ///   - sparse: A ranking by BM25 scores.
  ///   - dense: A ranking by cosines.
  /// - Returns: Every document of either, once, with its fused score; best first and equals by id.
  public func fuse(sparse: [RetrievedPassage], dense: [RetrievedPassage]) -> [RetrievedPassage] {
    var fused: [DocumentID: RetrievedPassage] = [:]
    func add(_ ranking: [RetrievedPassage], _ score: (Int, RetrievedPassage) -> Float) {
      var seen: Set<DocumentID> = []
      for passage in ranking where seen.insert(passage.document).inserted {
        let part = score(seen.count - 1, passage)
        fused[passage.document, default: passage.scored(0)].score += part
      }
    }
    switch kind {
    case .reciprocalRank(let constant):
      for ranking in [sparse, dense] { add(ranking) { rank, _ in 1 / (constant + Float(rank + 1)) } }
    case .convex(let weight):
      let parts: [(ranking: [RetrievedPassage], minimum: Float, weight: Float)] = [
        (sparse, 0, 1 - weight), (dense, -1, weight),
      ]
      for part in parts {
        let best = part.ranking.map(\.score).max() ?? 0
        let range = best - part.minimum
        add(part.ranking) { _, passage in
          range > 0 ? part.weight * max(0, (passage.score - part.minimum) / range) : 0
        }
      }
    }
    return fused.values.sorted(by: RetrievedPassage.isBetter(_:than:))
  }
}

extension RetrievedPassage {
  /// The same passage with another score.
  func scored(_ score: Float) -> RetrievedPassage {
    RetrievedPassage(document: document, title: title, text: text, score: score)
  }

  /// The order of results: higher scores first, equals by id.
  static func isBetter(_ lhs: RetrievedPassage, than rhs: RetrievedPassage) -> Bool {
    lhs.score != rhs.score ? lhs.score > rhs.score : lhs.document < rhs.document
  }
}
