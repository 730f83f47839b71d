// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Where an answer came from: who gave it, what it was based on, how long each stage took, what it cost.
public struct Provenance: Sendable, Codable {
  /// Who gave the answer.
  public var answeredBy: AnswerSource
  /// The models asked on the way, first to last; a cascade asks more than one.
  public var modelCalls: [ModelCall]
  /// The documents that the prompt was built from, best first.
  public var documents: [DocumentID]
  /// The stages, in the order in which they ended.
  public var stages: [StageRecord]
  /// What the answer cost in all.
  public var cost: Money
  /// Whether the same question could get a better answer at another time or with another context: money or time was short for
  /// the model that should have answered, or it failed, or documents could not be looked through.
  ///
  /// Caches don't keep such an answer, which is for this request only.
  public var isCurtailed: Bool

  /// Creates a record.
  public init(
    answeredBy: AnswerSource,
    modelCalls: [ModelCall] = [],
    documents: [DocumentID] = [],
    stages: [StageRecord] = [],
    cost: Money = .zero,
    isCurtailed: Bool = false
  ) {
    self.answeredBy = answeredBy
    self.modelCalls = modelCalls
    self.documents = documents
    self.stages = stages
    self.cost = cost
    self.isCurtailed = isCurtailed
  }

  private enum CodingKeys: CodingKey {
    case answeredBy
    case modelCalls
    case documents
    case stages
    case cost
    case isCurtailed
  }

  /// Decodes a record; ``isCurtailed`` may be absent.
  ///
  /// - Throws: `DecodingError` for a malformed record.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      answeredBy: try values.decode(AnswerSource.self, forKey: .answeredBy),
      modelCalls: try values.decode([ModelCall].self, forKey: .modelCalls),
      documents: try values.decode([DocumentID].self, forKey: .documents),
      stages: try values.decode([StageRecord].self, forKey: .stages),
      cost: try values.decode(Money.self, forKey: .cost),
      isCurtailed: try values.decodeIfPresent(Bool.self, forKey: .isCurtailed) ?? false
    )
  }
}
