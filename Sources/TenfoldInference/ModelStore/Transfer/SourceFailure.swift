// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Why one source did not deliver a file; the next one may.
enum SourceFailure: Error {
  /// The source can't be used now.
  case skipped(String)
  /// The source delivers something else than the pinned bytes.
  case wrongContent(String)
}
