// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
import TenfoldStorage

/// What is to be written of some requests.
struct Records: Sendable {
  var usage: [UsageEntry] = []
  var queries: [LoggedQuery] = []

  var isEmpty: Bool { usage.isEmpty && queries.isEmpty }

  mutating func add(_ other: Self) {
    usage += other.usage
    queries += other.queries
  }
}

/// Carries records from the readers' tasks to the one that writes them, bounded.
final class RecordQueue: Sendable {
  private struct State {
    var records = Records()
    var count = 0
    var dropped = 0
  }

  let hub = HintHub<Void>()
  private let capacity: Int
  private let state = Mutex(State())

  init(capacity: Int) { self.capacity = max(1, capacity) }

  var dropped: Int { state.withLock { $0.dropped } }

  /// Takes in a record; a full queue drops the new ones, because the old ones are already counted on.
  func add(_ records: Records) -> Bool {
    let (isTaken, isFirst) = state.withLock { state in
      guard state.count < capacity else {
        state.dropped += 1
        return (false, false)
      }
      state.records.add(records)
      state.count += 1
      return (true, state.count == 1)
    }
    // Whoever writes takes everything, so one hint is enough until then.
    if isFirst { hub.send(()) }
    return isTaken
  }

  func takeAll() -> Records {
    state.withLock { state in
      defer {
        state.records = Records()
        state.count = 0
      }
      return state.records
    }
  }
}
