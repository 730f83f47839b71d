// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// One result on its way from a thread of our own to the task that waits for it.
///
/// A continuation alone would do, but it orders the two sides inside the runtime library: when the result comes before
/// the task has gone to sleep, the thread sanitizer can't see that the giving happened before the taking, and reports
/// whatever the task touches next. Here the lock shows it.
package final class Handoff<Value: Sendable>: Sendable {
  private let outcome = Mutex<Result<Value, any Error>?>(nil)
  private let waiter: CheckedContinuation<Void, Never>

  private init(_ waiter: CheckedContinuation<Void, Never>) { self.waiter = waiter }

  /// Suspends until someone has called one of the `resume` methods; cancelling the task doesn't end the wait.
  ///
  /// - Parameter start: Passes the handoff on to whoever will resume it, exactly once; it must not wait itself.
  /// - Returns: The value handed over.
  /// - Throws: The error handed over.
  package static func receive(_ start: (Handoff) -> Void) async throws -> Value {
    var handoff: Handoff?
    await withCheckedContinuation { continuation in
      let new = Handoff(continuation)
      handoff = new
      start(new)
    }
    guard let outcome = handoff?.outcome.withLock({ $0 }) else {
      throw StorageError(.other, "a handoff ended without a result")
    }
    return try outcome.get()
  }

  /// Hands a result over.
  package func resume(with result: Result<Value, any Error>) {
    outcome.withLock { $0 = result }
    waiter.resume()
  }

  /// Hands a value over.
  package func resume(returning value: Value) { resume(with: .success(value)) }

  /// Hands an error over.
  package func resume(throwing error: any Error) { resume(with: .failure(error)) }
}

extension DedicatedThread {
  /// Runs blocking work on a thread of its own and waits for it without blocking the caller's.
  ///
  /// - Parameters:
  ///   - name: The thread's name.
  ///   - body: The work; cancelling the task doesn't interrupt it.
  /// - Returns: What `body` returned.
  /// - Throws: What `body` throws; ``StorageError`` with code ``StorageError/Code/inputOutput`` when the system has no
  ///   thread left.
  package static func run<Value: Sendable>(
    name: String,
    _ body: @escaping @Sendable () throws -> Value
  ) async throws -> Value {
    try await Handoff<Value>.receive { handoff in
      do throws(StorageError) {
        try start(name: name) { handoff.resume(with: Result { try body() }) }
      } catch {
        handoff.resume(throwing: error)
      }
    }
  }
}
