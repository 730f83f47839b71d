// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import Tenfold

/// Stands where the large model would: answers with the small one and counts what would have been escalated.
final class EscalationTally: LanguageModel {
  let profile: ModelProfile
  private let small: any LanguageModel
  private let tally = Mutex(0)

  init(_ small: any LanguageModel) {
    self.small = small
    var profile = small.profile
    profile.id = "\(profile.id) (no large model)"
    profile.tier = .large
    self.profile = profile
  }

  /// How many requests would have gone to a large model.
  var count: Int { tally.withLock { $0 } }

  func generate(_ request: InferenceRequest) async throws -> GenerationStream {
    tally.withLock { $0 += 1 }
    request.context.trace.record(
      StageRecord(stage: "escalation", work: .zero, note: "would have gone to a large model")
    )
    return try await small.generate(request)
  }
}
