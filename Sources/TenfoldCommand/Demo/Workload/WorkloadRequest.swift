// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// One request of the replayed workload, and how its answer is judged.
struct WorkloadRequest: Sendable {
  /// How hard the request is meant to be.
  enum Kind: String, Sendable, Codable {
    /// A claim to be checked against evidence.
    case claim
    /// Something that stands in a document.
    case lookup
  }

  /// How the request relates to the ones before it.
  enum Wording: String, Sendable, Codable {
    case new
    case repeated
    case paraphrased
  }

  var kind: Kind
  var wording: Wording
  /// Which new request it goes back to.
  var base: Int
  /// What is looked for.
  var question: String
  /// What the model is asked.
  var instruction: String
  /// The two possible answers.
  var choices: [String]
  /// The claim's id in the data set, for judging retrieval.
  var claimID: String?
  /// The document that a lookup was made from.
  var documentID: DocumentID?
  /// The right answer, where the data set or the request's making says it.
  var expected: String?

  /// The request as the systems get it.
  func request(tenant: TenantID) throws -> InferenceRequest {
    InferenceRequest(
      prompt: kind == .claim ? .text(instruction) : .chat([.user(instruction)]),
      options: try GenerationOptions(maxTokens: 8, choices: choices),
      context: RequestContext(tenant: tenant),
      question: question
    )
  }
}
