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

  /// Creates a record.
  public init(
    answeredBy: AnswerSource,
    modelCalls: [ModelCall] = [],
    documents: [DocumentID] = [],
    stages: [StageRecord] = [],
    cost: Money = .zero
  ) {
    self.answeredBy = answeredBy
    self.modelCalls = modelCalls
    self.documents = documents
    self.stages = stages
    self.cost = cost
  }
}
