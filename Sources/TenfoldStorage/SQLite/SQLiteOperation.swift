// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A read or write that waits for a database thread, without its result type.
///
/// `@unchecked Sendable` for the subclass's result: only the thread that took the operation out of the mailbox
/// touches it, and the mailbox's lock orders the hand-over.
class SQLiteOperation: @unchecked Sendable {
  /// Whether a commit with this operation must be on the disk before its caller is resumed; set before it is sent.
  final var needsSync = true
  /// Runs the body and remembers its outcome; returns the error when it failed.
  func run(_ transaction: SQLiteTransaction) -> (any Error)? { nil }
  /// Resumes the caller with the remembered outcome, or with `failure` instead.
  func finish(failure: (any Error)?) {}
}

/// The operation of one caller.
///
/// `@unchecked Sendable`: as above, `outcome` belongs to the thread that took the operation out of the mailbox.
final class SQLiteOperationOf<Value: Sendable>: SQLiteOperation, @unchecked Sendable {
  private let body: @Sendable (SQLiteTransaction) throws -> Value
  private let handoff: Handoff<Value>
  private var outcome: Result<Value, any Error>?

  init(
    _ handoff: Handoff<Value>,
    _ body: @escaping @Sendable (SQLiteTransaction) throws -> Value
  ) {
    self.body = body
    self.handoff = handoff
  }

  override func run(_ transaction: SQLiteTransaction) -> (any Error)? {
    do {
      outcome = .success(try body(transaction))
      return nil
    } catch {
      outcome = .failure(error)
      return error
    }
  }

  override func finish(failure: (any Error)?) {
    if let failure {
      handoff.resume(throwing: failure)
    } else {
      handoff.resume(
        with: outcome ?? .failure(StorageError(.other, "an operation ended without an outcome"))
      )
    }
  }
}
