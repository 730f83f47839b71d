// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// The answers to a request that asked for several.
struct EngineGroup {
  /// The sequences that are not at their end.
  var members: Set<Int>
  /// The answers that are.
  var ended: [EngineSequence] = []
  /// Whether all answers have been started.
  var isForked = false

  /// The finished answers that are not streamed, in their order.
  var alternatives: [AlternativeAnswer] {
    ended.filter { $0.alternative > 0 }.sorted { $0.alternative < $1.alternative }.map(\.answer)
  }
}
