// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldStorage

/// Carries records of one kind from the readers' tasks to the one that writes them, bounded.
final class RecordQueue<Record: Sendable>: Sendable {
  private struct State {
    var records: [Record] = []
    var dropped = 0
  }

  let hub = HintHub<Void>()
  private let capacity: Int
  private let state = Mutex(State())

  init(capacity: Int) { self.capacity = max(1, capacity) }

  var dropped: Int { state.withLock { $0.dropped } }

  /// Takes in a record; a full queue drops the new ones, because the old ones are already counted on.
  func add(_ record: Record) -> Bool {
    let (isTaken, isFirst) = state.withLock { state in
      guard state.records.count < capacity else {
        state.dropped += 1
        return (false, false)
      }
      state.records.append(record)
      return (true, state.records.count == 1)
    }
    // Whoever writes takes everything, so one hint is enough until then.
    if isFirst { hub.send(()) }
    return isTaken
  }

  /// Counts a record that is dropped for another reason than the bound.
  func countDropped() { state.withLock { $0.dropped += 1 } }

  func takeAll() -> [Record] {
    state.withLock { state in
      defer { state.records = [] }
      return state.records
    }
  }
}
