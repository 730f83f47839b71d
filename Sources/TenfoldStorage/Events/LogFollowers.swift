// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The sinks that follow a log in this process, so that no event is trimmed that one of them has not applied.
final class LogFollowers: Sendable {
  private let sinks = Mutex<[ObjectIdentifier: any WriteSink]>([:])

  /// What the sinks follow the log with is told apart by its identity.
  func join(_ follower: AnyObject, _ sink: any WriteSink) {
    let id = ObjectIdentifier(follower)
    sinks.withLock { $0[id] = sink }
  }

  /// Ends what ``join(_:_:)`` began.
  func leave(_ follower: AnyObject) {
    let id = ObjectIdentifier(follower)
    // The sink's end, outside of the lock.
    _ = sinks.withLock { $0.removeValue(forKey: id) }
  }

  var all: [any WriteSink] { sinks.withLock { Array($0.values) } }
}
