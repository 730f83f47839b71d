// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Where the current time comes from: the system, or a clock that a test turns by hand.
///
/// All instants are of `ContinuousClock`, which goes on while the machine sleeps and never jumps when the wall
/// clock is set.
public struct TimeSource: Sendable {
  private let read: @Sendable () -> ContinuousClock.Instant
  private let wait: @Sendable (ContinuousClock.Instant) async throws -> Void

  /// Creates a source from its two operations.
  ///
  /// - Parameters:
  ///   - now: Reads the current instant; called on any thread.
  ///   - sleep: Returns once the given instant has come; throws `CancellationError` when its task is cancelled.
  public init(
    now: @escaping @Sendable () -> ContinuousClock.Instant,
    sleep: @escaping @Sendable (ContinuousClock.Instant) async throws -> Void
  ) {
    self.read = now
    self.wait = sleep
  }

  /// The machine's own continuous clock.
  public static let system = Self(
    now: { ContinuousClock.now },
    sleep: { deadline in
      // Task.sleep traps where seconds don't fit into 64 bits, as at a deadline that stands for "never".
      while true {
        let now = ContinuousClock.now
        guard deadline - now > longestSleep else { break }
        try await Task.sleep(until: now + longestSleep, clock: .continuous)
      }
      try await Task.sleep(until: deadline, clock: .continuous)
    }
  )

  private static let longestSleep = Duration.seconds(365 * 86_400)

  /// The current instant.
  public var now: ContinuousClock.Instant { read() }

  /// Suspends until `deadline`.
  ///
  /// - Parameter deadline: The instant to wait for; one in the past returns at once.
  /// - Throws: `CancellationError` when the task is cancelled first.
  public func sleep(until deadline: ContinuousClock.Instant) async throws {
    try await wait(deadline)
  }
}
