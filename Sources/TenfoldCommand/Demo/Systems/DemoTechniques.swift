// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// What the demo's Tenfold system can do without, by the names of the command line.
struct DemoTechniques: Sendable {
  /// Small models first.
  static let routing = "routing"
  /// Keys and values that were computed for the beginning of another prompt.
  static let prefixReuse = "prefix-reuse"
  /// Every name, in the order in which a request meets the techniques.
  static let names: [String] =
    PipelineTechnique.allCases.filter { $0 != .retrieval }.map(\.rawValue) + [routing, prefixReuse]

  /// The names of what is switched off.
  var disabled: Set<String>

  /// The layers that are left out.
  ///
  /// The prompt is made of passages, so retrieval stays even when its gain is to be measured by its absence.
  var layers: Set<PipelineTechnique> {
    Set(disabled.compactMap { PipelineTechnique(named: $0) }).subtracting([.retrieval])
  }

  /// Whether requests go to the small model first.
  var hasRouting: Bool { !disabled.contains(Self.routing) }

  /// What a request may take from caches.
  var cachePolicy: CachePolicy { CachePolicy(allowsPrefixReuse: !disabled.contains(Self.prefixReuse)) }
}
