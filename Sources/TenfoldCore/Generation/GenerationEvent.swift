// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// An element of a ``GenerationStream``: any number of texts, then exactly one summary.
public enum GenerationEvent: Sendable {
  /// The next piece of the answer, at least one whole Unicode scalar.
  case text(String)
  /// The answer is complete; nothing follows.
  case finished(GenerationSummary)
}
