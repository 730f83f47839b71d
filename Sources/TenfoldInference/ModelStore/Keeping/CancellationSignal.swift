// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

/// Tells a thread that blocks in system calls that its caller no longer wants the result.
final class CancellationSignal: Sendable {
  private let cancelled = Atomic<Bool>(false)

  /// Whether the caller gave up.
  var isCancelled: Bool { cancelled.load(ordering: .acquiring) }

  /// Makes every later ``check()`` throw.
  func cancel() { cancelled.store(true, ordering: .releasing) }

  /// Throws `CancellationError` once the caller gave up.
  func check() throws {
    if isCancelled { throw CancellationError() }
  }

  /// Blocks this thread for a while, or until the caller gives up.
  func wait(_ duration: Duration) {
    let end = ContinuousClock.now + duration
    while !isCancelled {
      let left = end - ContinuousClock.now
      guard left > .zero else { return }
      Thread.sleep(forTimeInterval: min(left, .milliseconds(50)) / .seconds(1))
    }
  }
}
