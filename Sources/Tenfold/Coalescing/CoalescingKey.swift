// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// What makes two requests equal: all that the answer, its cost or its turn depends on, but the deadline.
struct CoalescingKey: Hashable {
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

  /// The key of a request, or `nil` when its answer must be its own.
  init?(_ request: InferenceRequest) {
    guard request.context.cachePolicy.allowsExactHit else { return nil }
    guard request.options.temperature == 0 || request.options.seed != nil else { return nil }
    tenant = request.context.tenant
    prompt = request.prompt
    options = request.options
    cachePolicy = request.context.cachePolicy
    question = request.question
    passages = request.passages
    priority = request.context.priority
    costCeiling = request.context.costCeiling
  }
}
