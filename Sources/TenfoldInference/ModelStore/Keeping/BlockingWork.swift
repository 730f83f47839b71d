// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldStorage

/// Runs blocking work on a thread of its own, never on the cooperative pool.
enum BlockingWork {
  /// Runs `body` on a new thread and waits for it without blocking the caller's.
  ///
  /// Cancelling the task cancels the signal that `body` got; the call returns when `body` does.
  static func run<Value: Sendable>(
    _ name: String,
    _ body: @escaping @Sendable (CancellationSignal) throws -> Value
  ) async throws -> Value {
    let signal = CancellationSignal()
    return try await withTaskCancellationHandler {
      try await Handoff<Value>.receive { handoff in
        start(name) { handoff.resume(with: Result { try body(signal) }) }
      }
    } onCancel: {
      signal.cancel()
    }
  }

  /// Starts a named thread.
  static func start(_ name: String, _ body: @escaping @Sendable () -> Void) {
    let thread = Thread(block: body)
    thread.name = name
    thread.start()
  }
}
