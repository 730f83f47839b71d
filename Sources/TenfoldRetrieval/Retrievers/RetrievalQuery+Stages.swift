// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

extension RetrievalQuery {
  /// Whether there is nothing to look for.
  var isBlank: Bool { text.allSatisfy(\.isWhitespace) }

  /// Runs `body` as a stage of the query's trace, if it has one.
  func measure<Value>(
    _ stage: String,
    _ body: (inout StageRecord) async throws -> Value
  ) async throws -> Value {
    if let trace { return try await trace.measure(stage, body) }
    var unread = StageRecord(stage: stage, work: .zero)
    return try await body(&unread)
  }

  /// The same query with another limit.
  func limited(to limit: Int) throws -> RetrievalQuery {
    try RetrievalQuery(
      text,
      embedding: embedding,
      limit: min(max(1, limit), Self.maximumLimit),
      allowedDocuments: allowedDocuments,
      trace: trace
    )
  }
}
