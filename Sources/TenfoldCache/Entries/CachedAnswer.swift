// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

public import TenfoldCore

/// An answer that a cache keeps, and what it was based on.
///
/// ```swift
/// let answer = CachedAnswer(completion, question: request.question)
/// try await store.set(answer, for: key, timeToLive: .seconds(3600))
/// ```
public struct CachedAnswer: Sendable, Hashable {
  /// Whose answer this wording is served: written when a question was answered from another wording's entry.
  public struct Alias: Hashable, Sendable, Codable {
    /// The entry that holds the answer to the other wording.
    public var entry: String
    /// The cosine of the two wordings.
    public var similarity: Float

    /// Creates an alias.
    public init(entry: String, similarity: Float) {
      self.entry = entry
      self.similarity = similarity
    }
  }

  /// The question in the words in which it was asked.
  public var question: String
  /// The answer.
  public var text: String
  /// Why the answer ended.
  public var reason: FinishReason
  /// What the answer took when it was made: what a hit saves.
  public var usage: TokenUsage
  /// What the answer cost when it was made.
  public var cost: Money
  /// Who made it.
  public var source: AnswerSource
  /// The documents that it draws on.
  public var documents: [DocumentID]
  /// The mean natural-log probability of its tokens, where the model knew it.
  public var meanLogProbability: Double?
  /// The probability of each of the request's choices; empty without choices.
  public var choiceProbabilities: [Double]
  /// The vector of ``question``, where the semantic cache made one.
  public var embedding: TextEmbedding?
  /// Set when this is another wording's answer.
  public var alias: Alias?

  /// Creates an entry from a whole answer.
  ///
  /// - Parameters:
  ///   - completion: The answer and its summary.
  ///   - question: The question as received.
  ///   - embedding: The question's vector, where there is one.
  public init(_ completion: Completion, question: String, embedding: TextEmbedding? = nil) {
    self.question = question
    self.text = completion.text
    self.reason = completion.summary.reason
    self.usage = completion.summary.usage
    self.cost = completion.summary.provenance.cost
    self.source = completion.summary.provenance.answeredBy
    self.documents = completion.summary.provenance.documents
    self.meanLogProbability = completion.summary.meanLogProbability
    self.choiceProbabilities = completion.summary.choiceProbabilities
    self.embedding = embedding
    self.alias = nil
  }

  /// The tokens that a hit saves; a generated token counts as four of the prompt, which is what it costs.
  public var savedTokens: Int {
    let generated = usage.completionTokens.multipliedReportingOverflow(by: 4)
    let sum = max(0, usage.promptTokens).addingReportingOverflow(
      generated.overflow ? 0 : max(0, generated.partialValue)
    )
    return sum.overflow ? .max : max(1, sum.partialValue)
  }

  /// About how much memory the entry takes.
  public var byteCount: Int {
    // 320: the fixed fields, the dictionary slot and the heap node, measured to the nearest power of two or so.
    320 + text.utf8.count + 2 * question.utf8.count + 4 * (embedding?.values.count ?? 0)
      + documents.reduce(0) { $0 + 32 + $1.rawValue.utf8.count } + 8 * choiceProbabilities.count
  }
}
