// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization
public import TenfoldJobs

/// A job store's clock that moves only when told to.
///
/// ```swift
/// let clock = ManualStoreClock()
/// let store = InMemoryJobStore(clock: clock.clock)
/// clock.advance(by: .seconds(11))  // leases of 10 s have expired
/// ```
public final class ManualStoreClock: Sendable {
  private struct Reading {
    var monotonic: Int64 = 1_000_000_000_000
    var wall: Int64 = 1_700_000_000_000_000_000
    var boot = 1
  }

  private let reading = Mutex(Reading())

  /// Creates a clock at an arbitrary time.
  public init() {}

  /// The clock to give to a store.
  public var clock: JobStoreClock {
    JobStoreClock(
      monotonic: { self.reading.withLock { $0.monotonic } },
      wall: { self.reading.withLock { $0.wall } },
      bootID: { self.reading.withLock { "boot \($0.boot)" } }
    )
  }

  /// Lets time pass on both clocks.
  public func advance(by duration: Duration) {
    reading.withLock {
      $0.monotonic += Self.nanoseconds(duration)
      $0.wall += Self.nanoseconds(duration)
    }
  }

  /// Sets the wall clock forward or back, as an administrator would.
  public func jumpWall(by duration: Duration) { reading.withLock { $0.wall += Self.nanoseconds(duration) } }

  /// Restarts the machine: the monotonic clock begins again.
  public func reboot() {
    reading.withLock {
      $0.monotonic = 5_000_000_000
      $0.boot += 1
    }
  }

  private static func nanoseconds(_ duration: Duration) -> Int64 {
    let (seconds, attoseconds) = duration.components
    return seconds &* 1_000_000_000 &+ attoseconds / 1_000_000_000
  }
}
