// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// How a stream ended.
public enum GenerationEnd: Sendable {
  /// The whole answer was delivered.
  case finished(GenerationSummary)
  /// The producer failed.
  case failed(any Error)
  /// The reader left, or the stream ended without a summary.
  case abandoned
}

/// Runs its action on the first of possibly several ends.
final class GenerationEndObserver: Sendable {
  private let action: Mutex<(@Sendable (GenerationEnd) -> Void)?>

  init(_ action: @escaping @Sendable (GenerationEnd) -> Void) {
    self.action = Mutex(action)
  }

  func end(_ end: GenerationEnd) {
    let action = self.action.withLock { action in
      defer { action = nil }
      return action
    }
    action?(end)
  }
}
