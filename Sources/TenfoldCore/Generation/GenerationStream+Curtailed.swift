// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

extension GenerationStream {
  /// This stream, its summary marked as ``Provenance/isCurtailed`` where `condition` holds.
  ///
  /// - Parameter condition: Looks at the summary; called once, on the reader's task.
  /// - Returns: The changed stream; dropping it drops this one.
  package func curtailed(
    where condition: @escaping @Sendable (GenerationSummary) -> Bool = { _ in true }
  ) -> Self {
    mapEvents { event in
      guard case .finished(let summary) = event, condition(summary) else { return event }
      return .finished(summary.curtailed)
    }
  }
}

extension GenerationSummary {
  /// This summary, marked as ``Provenance/isCurtailed``.
  package var curtailed: Self {
    var summary = self
    summary.provenance.isCurtailed = true
    return summary
  }
}
