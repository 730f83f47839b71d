// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// What makes two requests equal: all that the answer, its cost or its turn depends on, but the deadline.
///
/// Texts are compared by their bytes: a model sees another question in another spelling of the same characters.
struct CoalescingKey: Hashable {
  fileprivate struct Fields: Hashable {
    let tenant: TenantID
    let prompt: InferencePrompt
    let options: GenerationOptions
    let cachePolicy: CachePolicy
    /// What retrieval looks for, where the prompt holds more.
    let question: String
    let passages: [RetrievedPassage]
    /// A request that matters must not wait in the turn of one that matters less.
    let priority: RequestPriority
    let costCeiling: Money?
  }

  private let fields: Fields

  /// The key of a request, or `nil` when its answer must be its own.
  init?(_ request: InferenceRequest) {
    guard request.context.cachePolicy.allowsExactHit else { return nil }
    guard request.options.temperature == 0 || request.options.seed != nil else { return nil }
    fields = Fields(
      tenant: request.context.tenant,
      prompt: request.prompt,
      options: request.options,
      cachePolicy: request.context.cachePolicy,
      question: request.question,
      passages: request.passages,
      priority: request.context.priority,
      costCeiling: request.context.costCeiling
    )
  }

  static func == (left: Self, right: Self) -> Bool {
    left.fields == right.fields
      && left.fields.texts.elementsEqual(right.fields.texts) { $0.hasSameBytes(as: $1) }
  }
}

extension CoalescingKey.Fields {
  /// All texts that `==` compares by their characters; equal fields have as many, in the same order.
  fileprivate var texts: [String] {
    let said: [String] =
      switch prompt {
      case .text(let text): [text]
      case .chat(let messages): messages.flatMap { [$0.role.rawValue, $0.content] }
      }
    return said + [question, options.responseFormat.source] + options.stop + options.choices
      + passages.flatMap { [$0.document.rawValue, $0.title, $0.text] }
  }
}
