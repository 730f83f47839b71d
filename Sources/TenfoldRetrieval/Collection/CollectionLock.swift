// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Keeps others, in this process or another, from opening a collection; the system lets go of it when the process dies.
///
/// The lock file stays: removing it would let two holders lock two files of the same name.
final class CollectionLock: Sendable {
  private let descriptor: Mutex<Int32?>

  private init(descriptor: Int32) { self.descriptor = Mutex(descriptor) }

  /// Locks a collection's directory.
  ///
  /// - Parameter directory: The directory, which must be there.
  /// - Returns: The lock.
  /// - Throws: ``RetrievalError`` with codes ``RetrievalError/Code/inUse`` or ``RetrievalError/Code/inputOutput``.
  static func take(_ directory: String) throws(RetrievalError) -> CollectionLock {
    let path = directory + "/lock"
    let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure("opening", path, errno) }
    while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
      let code = errno
      if code == EINTR { continue }
      _ = close(descriptor)
      guard code == EWOULDBLOCK else { throw failure("locking", path, code) }
      throw RetrievalError(
        .inUse,
        "the collection in \(directory) is open already, here or in another process; close it there, or let that "
          + "process answer"
      )
    }
    return CollectionLock(descriptor: descriptor)
  }

  /// Lets others in; only the first call counts.
  func release() {
    guard let descriptor = descriptor.withLock({ $0.take() }) else { return }
    // Closing is not enough: a child that was forked just now has the same lock until it runs its program.
    _ = flock(descriptor, LOCK_UN)
    _ = close(descriptor)
  }

  deinit { release() }

  private static func failure(_ action: String, _ path: String, _ code: Int32) -> RetrievalError {
    let reason = unsafe String(cString: strerror(code))
    return RetrievalError(
      code == ENOSPC || code == EDQUOT ? .storageFull : .inputOutput,
      "\(action) \(path) failed: \(reason)"
    )
  }
}
