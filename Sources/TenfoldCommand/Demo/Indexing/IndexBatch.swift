// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// Indexes some abstracts; doing it twice does no harm.
struct IndexBatch: DurableJob {
  static let name: JobName = "demo.index.v2"
  /// The abstracts, by name: a batch left by an interrupted run means the same whatever that run was to index.
  var documents: [DocumentID]
}
