// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Dispatch
import Synchronization

/// The task of one run, for cancelling it.
///
/// Whoever cancels a task runs its cancellation handlers, and these are the host's: they may report, check the lease, wait
/// for a lock that the host holds, or take long. So none of the worker's locks is held meanwhile, and it is done on none of
/// the threads that renew leases or serve a store, nor on one that a handler's code called from.
final class RunTask: Sendable {
  /// `@unchecked Sendable`: ``RunTask/handle``'s lock protects it.
  @safe private struct Handle: @unchecked Sendable {
    let task: UnsafeCurrentTask
  }

  /// Taken out before the task ends, which is what makes cancelling it from another thread valid.
  private let handle: Mutex<Handle?>

  init(_ task: UnsafeCurrentTask) { handle = unsafe Mutex(Handle(task: task)) }

  /// Cancels the task unless it has ended; its handlers run before this returns, and it can't end meanwhile.
  func cancel() {
    handle.withLock { handle in if let handle { unsafe handle.task.cancel() } }
  }

  /// Cancels the task soon, on a thread of the system: also where all those of the cooperative pool are blocked.
  func cancelElsewhere() { DispatchQueue.global().async { self.cancel() } }

  /// The task is about to end: it isn't cancelled after this.
  func end() { handle.withLock { $0 = nil } }
}
