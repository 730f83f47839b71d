// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Thrown by a job to say what shall become of it, instead of an ordinary retry.
///
/// ```swift
/// guard try await model.isLoaded() else { throw JobDisposition.snooze(for: .seconds(30)) }
/// ```
public struct JobDisposition: Error, Sendable {
  enum Kind: Sendable {
    case discard(String)
    case snooze(Duration)
    case retry(Duration, String)
  }

  let kind: Kind

  /// The job can never succeed: make it a dead letter now.
  ///
  /// - Parameter reason: Kept with the dead letter.
  /// - Returns: The error to throw.
  public static func discard(_ reason: String) -> Self { Self(kind: .discard(reason)) }

  /// Not now: run again later without using up an attempt.
  ///
  /// - Parameter delay: How long to wait.
  /// - Returns: The error to throw.
  public static func snooze(for delay: Duration) -> Self { Self(kind: .snooze(delay)) }

  /// The run failed, but the time for the next one is known.
  ///
  /// - Parameters:
  ///   - delay: How long to wait.
  ///   - reason: Kept with the job.
  /// - Returns: The error to throw.
  public static func retry(after delay: Duration, _ reason: String) -> Self {
    Self(kind: .retry(delay, reason))
  }
}
