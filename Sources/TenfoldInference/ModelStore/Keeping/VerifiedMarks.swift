// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// Remembers which files had the right hash, so that opening a model doesn't read it whole again.
///
/// A mark holds the file's stamp (size, time, inode, device); any change makes it worthless.
final class VerifiedMarks: Sendable {
  private struct Mark: Codable {
    let sha256: String
    let stamp: FileStamp
  }

  private let layout: StoreLayout
  /// For stores that can't be written to.
  private let memory = Mutex<[String: FileStamp]>([:])

  init(layout: StoreLayout) { self.layout = layout }

  /// Whether this very file had the hash when it was last read.
  func covers(_ stamp: FileStamp, sha256: String) -> Bool {
    if memory.withLock({ $0[sha256] }) == stamp { return true }
    guard let mark = layout.readJSON(Mark.self, from: layout.mark(sha256)) else { return false }
    return mark.sha256 == sha256 && mark.stamp == stamp
  }

  /// Remembers that the file with this stamp has the hash.
  func record(_ stamp: FileStamp, sha256: String) {
    memory.withLock { $0[sha256] = stamp }
    // Losing a mark only costs reading the file again.
    try? layout.makeFolder(layout.verified)
    try? layout.writeJSON(Mark(sha256: sha256, stamp: stamp), to: layout.mark(sha256))
  }

  /// Forgets a file that turned out to be something else.
  func forget(sha256: String) {
    _ = memory.withLock { $0.removeValue(forKey: sha256) }
    layout.remove(layout.mark(sha256))
  }
}
