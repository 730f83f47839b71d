// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldCore

/// What helps against which limit: less work first, then work in parallel, then work done differently.
enum BottleneckAdvice {
  static func text(stage: String, resource: StageResource, waitShare: Double) -> String {
    var advice: String
    switch resource {
    case .compute:
      advice =
        "do less work for each request (answer from caches, send easy requests to a smaller model, retrieve fewer and "
        + "shorter passages, use INT8/INT4 weights), then add threads or replicas."
    case .memory:
      advice =
        "read fewer bytes for each token (4-bit weights, a smaller model) and share each read among more requests "
        + "(raise the number of concurrent sequences so that a batch streams the weights once)."
    case .inputOutput:
      advice =
        "group writes into fewer commits, move them off the reader's path, keep hot data in memory, or use a faster "
        + "disk."
    case .external:
      advice =
        "cache the service's answers, call it concurrently under a limit, hedge its slow calls, or replace it by a "
        + "local model for what is easy."
    }
    if waitShare > 0.5 {
      advice +=
        " Requests wait for \(stage) longer than they are worked on: it is saturated, so admit less or add replicas."
    }
    return advice
  }
}
