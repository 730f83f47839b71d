// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Hosts that did not answer a moment ago, so that the next file doesn't wait for them again.
final class SilentHosts: Sendable {
  private static let memory: Duration = .seconds(60)
  private let since = Mutex<[String: ContinuousClock.Instant]>([:])

  /// Whether the host was silent within the last minute.
  func contains(_ host: String) -> Bool {
    since.withLock { hosts in
      guard let instant = hosts[host] else { return false }
      if ContinuousClock.now - instant < Self.memory { return true }
      hosts[host] = nil
      return false
    }
  }

  /// Notes that the host did not answer.
  func insert(_ host: String) { since.withLock { $0[host] = ContinuousClock.now } }
}
