// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// What became of one request.
struct ReplayOutcome: Sendable {
  var request: WorkloadRequest
  /// From the client's asking to the whole answer.
  var latency: Duration
  /// From the client's asking to the first text.
  var timeToFirstToken: Duration
  /// The answer, or `nil` after a failure.
  var completion: Completion?
  /// What went wrong.
  var failure: String?

  /// The choice with the highest probability.
  var answer: String? { completion?.text }
}
