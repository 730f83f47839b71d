// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// What makes two requests equal.
struct CoalescingKey: Hashable {
  let tenant: TenantID
  let prompt: InferencePrompt
  let options: GenerationOptions
  let cachePolicy: CachePolicy

  /// The key of a request, or `nil` when its answer must be its own.
  init?(_ request: InferenceRequest) {
    guard request.context.cachePolicy.allowsExactHit else { return nil }
    guard request.options.temperature == 0 || request.options.seed != nil else { return nil }
    tenant = request.context.tenant
    prompt = request.prompt
    options = request.options
    cachePolicy = request.context.cachePolicy
  }
}
