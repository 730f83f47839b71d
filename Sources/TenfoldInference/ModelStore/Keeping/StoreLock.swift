// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A lock between processes (and between threads) on one of the store's files; held as long as the value lives.
///
/// The lock file itself stays: removing it would let two holders lock two files of the same name.
struct StoreLock: ~Copyable {
  private let file: StoreFile

  private init(file: consuming StoreFile) { self.file = file }

  deinit {
    // Closing is not enough: a child that was forked just now has the same lock until it runs its program.
    _ = flock(file.descriptor, LOCK_UN)
  }

  /// Takes the lock, or returns `nil` at once when someone else has it.
  static func attempt(_ path: String) throws(ModelError) -> StoreLock? {
    let file = try StoreFile(path, O_RDWR | O_CREAT)
    while flock(file.descriptor, LOCK_EX | LOCK_NB) != 0 {
      if errno == EINTR { continue }
      guard errno == EWOULDBLOCK else { throw StoreFile.error("lock", path, errno) }
      return nil
    }
    return StoreLock(file: file)
  }

  /// Takes the lock, waiting for whoever has it.
  ///
  /// - Parameters:
  ///   - path: The lock file.
  ///   - signal: Ends the wait when it is cancelled.
  ///   - waiting: Called once, before the first wait.
  /// - Returns: The lock.
  /// - Throws: `CancellationError`, or ``ModelError`` when the lock file can't be used.
  static func acquire(
    _ path: String,
    _ signal: CancellationSignal,
    waiting: () -> Void
  ) throws -> StoreLock {
    var told = false
    while true {
      try signal.check()
      if let lock = try attempt(path) { return lock }
      if !told { waiting() }
      told = true
      // A blocking flock could not be cancelled.
      signal.wait(.milliseconds(100))
    }
  }
}
