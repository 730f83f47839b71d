// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// Indexes a range of the abstracts; doing it twice does no harm.
struct IndexBatch: DurableJob {
  static let name: JobName = "demo.index.v1"
  /// The first document's position in the data set.
  var lower: Int
  /// One past the last document's position.
  var upper: Int
}
