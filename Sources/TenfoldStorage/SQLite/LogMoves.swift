// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Decides when a write-ahead log is moved into its file, and by whom: pure, so that it is tested without a file.
///
/// A thread of its own moves the log while writes go on. SQLite begins the log anew only at a write that finds all of it
/// moved, and behind that thread's back more is written all the time. So the thread goes on until little is left, and the
/// writer moves that little itself, between two commits.
struct LogMoves {
  /// What the writer has to do after a commit.
  enum AfterCommit: Equatable {
    case nothing
    /// Have the other thread begin.
    case begin
    /// Move the little that is left.
    case finish
    /// The log has become too long: wait for the other thread, then move what is left.
    case waitAndFinish
  }

  /// Pages at which moving begins.
  let first: Int
  /// Pages beyond which the writer waits for the move.
  let most: Int
  private(set) var isMoving = false
  /// Whether what is left is little.
  private var isNearlyDone = false
  private var passes = 0
  private var newest = 0
  private var due: Int

  init(first: Int, most: Int) {
    self.first = first
    self.most = most
    due = first
  }

  /// A commit made the log so many pages long.
  mutating func committed(pages: Int) -> AfterCommit {
    // It began anew.
    if pages < newest { due = first }
    newest = pages
    if isMoving { return pages >= most ? .waitAndFinish : .nothing }
    if isNearlyDone { return .finish }
    guard pages >= due else { return .nothing }
    isMoving = true
    passes = 0
    return .begin
  }

  /// The other thread has moved so many of so many pages, or failed to move any; whether it shall go on.
  mutating func passed(moved: Int, of pages: Int) -> Bool {
    passes += 1
    let left = newest - moved
    if moved >= pages, left > first / 8, passes < 4 { return true }
    isMoving = false
    isNearlyDone = moved >= pages && left > 0
    // A reader may hold the rest, or the log's beginning: it is looked at again when more has come.
    due = max(first, newest + first / 4)
    return false
  }

  /// The writer has moved what was left, as far as it could.
  mutating func finished() {
    isMoving = false
    isNearlyDone = false
    due = max(first, newest + first / 4)
  }
}
