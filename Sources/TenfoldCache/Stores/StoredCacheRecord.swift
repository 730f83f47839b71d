// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// The part of an entry that SQLite keeps as one JSON text.
struct StoredCacheRecord: Codable {
  var namespace: CacheNamespace
  var question: String
  var text: String
  var reason: FinishReason
  var usage: TokenUsage
  var cost: Money
  var source: AnswerSource
  var documents: [DocumentID]
  var meanLogProbability: Double?
  var choiceProbabilities: [Double]
  var alias: CachedAnswer.Alias?
  var embedder: EmbedderProfile?

  init(_ answer: CachedAnswer, namespace: CacheNamespace) {
    self.namespace = namespace
    question = answer.question
    text = answer.text
    reason = answer.reason
    usage = answer.usage
    cost = answer.cost
    source = answer.source
    documents = answer.documents
    meanLogProbability = answer.meanLogProbability.flatMap { $0.isFinite ? $0 : nil }
    choiceProbabilities = answer.choiceProbabilities.map { $0.isFinite ? $0 : 0 }
    alias = answer.alias
    embedder = answer.embedding?.embedder
  }

  /// The answer, with its vector where one of the right size is stored.
  func answer(vector: [UInt8]?) -> CachedAnswer {
    let usage = usage
    var answer = CachedAnswer(
      Completion(
        text: text,
        summary: GenerationSummary(
          reason: reason,
          usage: usage,
          provenance: Provenance(answeredBy: source, documents: documents, cost: cost),
          meanLogProbability: meanLogProbability,
          choiceProbabilities: choiceProbabilities
        )
      ),
      question: question
    )
    answer.alias = alias
    if let vector, let embedder,
      vector.count == embedder.dimension.multipliedReportingOverflow(by: 4).partialValue
    {
      answer.embedding = TextEmbedding(values: Self.floats(vector), embedder: embedder)
    }
    return answer
  }

  /// Little-endian bytes of the numbers.
  static func bytes(_ floats: [Float]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(floats.count * 4)
    for float in floats {
      let pattern = float.bitPattern
      for shift in [UInt32(0), 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: pattern >> shift)) }
    }
    return bytes
  }

  static func floats(_ bytes: [UInt8]) -> [Float] {
    stride(from: 0, to: bytes.count - bytes.count % 4, by: 4).map { index in
      let pattern = (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[index + $1]) << UInt32(8 * $1) }
      return Float(bitPattern: pattern)
    }
  }
}
