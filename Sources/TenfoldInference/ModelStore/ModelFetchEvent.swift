// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// What happens while a model is fetched.
@nonexhaustive
public enum ModelFetchEvent: Sendable {
  /// A file is now asked for at this source.
  case source(file: String, source: String)
  /// So much of a file is here; told at every per cent.
  case progress(file: String, bytes: UInt64, total: UInt64?)
  /// A connection broke; the download goes on where it stopped.
  case retrying(file: String, reason: String)
  /// A source did not deliver; the next one is tried.
  case skipped(file: String, source: String, reason: String)
  /// Another process or task downloads the same file; this one waits for it.
  case waitingForLock(file: String)
  /// A file is here and has the pinned hash.
  case verified(file: String, path: String)
  /// All files are here: always the last event.
  case finished(ModelFiles)
}
