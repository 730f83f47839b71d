// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// One request on its way to the engine's thread: already tokenised and checked.
struct EngineRequest: Sendable {
  var id: Int
  var prompt: [Int32]
  var options: GenerationOptions
  var context: RequestContext
  var documents: [DocumentID]
  /// The given answers, where there are any.
  var choices: ChoiceTrie?
  /// What the answer has to look like, where it is not plain text.
  var format: CompiledFormat?
  /// Finds where the answer has to stop; made by the caller, as its tables grow with the texts.
  var stop: StopMatcher
  /// Seeds the sampler where the options don't.
  var seed: UInt64
  var arrival: ContinuousClock.Instant
  var continuation: GenerationStream.Continuation
  /// Receives every generated token on the engine's thread; for tests.
  var onToken: (@Sendable (Int32) -> Void)?
}
