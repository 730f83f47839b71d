// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Which changes of the documents have reached the indexes in memory.
///
/// Changes are numbered without gaps on disk but may arrive here out of order, because their writers run at the same
/// time. A change of a document that is older than what is applied already is dropped; and only what lies below the
/// first change still on its way may be called saved.
struct AppliedChanges {
  /// Every change up to here has been applied.
  private(set) var complete: Int64
  private var later: Set<Int64> = []
  /// The newest change of documents that changed after ``complete``.
  private var newest: [UInt64: Int64] = [:]

  init(complete: Int64) { self.complete = complete }

  /// Whether a change of a document is news; if so it is noted.
  mutating func accept(_ number: UInt64, at sequence: Int64) -> Bool {
    if let known = newest[number], known >= sequence { return false }
    newest[number] = sequence
    return true
  }

  /// Notes that everything of a change has been applied.
  mutating func finish(_ sequence: Int64) {
    later.insert(sequence)
    let before = complete
    while later.remove(complete + 1) != nil { complete += 1 }
    // A change that is still to come is newer than all of these, so they decide nothing any more.
    if complete > before { newest = newest.filter { $0.value > complete } }
  }

  /// How many documents it remembers.
  var rememberedCount: Int { newest.count }
}
