// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The job that does what a life cycle's rule says about one blob.
struct MoveBlob: DurableJob {
  static let name: JobName = "blob-move.v1"
  var key: String
  var version: Int64
  /// Where to; `nil` deletes the blob.
  var tier: String?
}

/// The job that deletes the objects nothing names any more.
struct SweepBlobs: DurableJob {
  static let name: JobName = "blob-sweep.v1"
}
