// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
// zlib's header includes <sys/types.h>, so where both are in a build pthread_attr_t's members belong to either module.
import CTenfoldZlib
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Starts threads of our own, so that blocking I/O never occupies the cooperative pool.
package enum DedicatedThread {
  private final class Launch {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }
  }

  /// 1 MiB holds SQLite's deepest recursion many times over, also where the default is 128 KiB (musl).
  private static let stackSizeInBytes = 1 << 20

  /// Runs `body` on a new detached thread.
  ///
  /// - Parameters:
  ///   - name: Shown by debuggers and `top -H`; cut to 15 bytes on Linux.
  ///   - body: The thread ends when this returns.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/inputOutput`` when the system has no thread left.
  package static func start(name: String, _ body: @escaping @Sendable () -> Void) throws(StorageError) {
    let launch = Launch(name: String(name.utf8.prefix(15).map { Character(Unicode.Scalar($0)) }), body: body)
    // The box is released by the thread's first statement, or below when no thread came to be.
    let box = unsafe Unmanaged.passRetained(launch)
    // Not `pthread_attr_t()`: which C module that initialiser belongs to depends on what else the target imports.
    let status = unsafe withUnsafeTemporaryAllocation(of: pthread_attr_t.self, capacity: 1) {
      buffer -> Int32 in
      guard let attributes = buffer.baseAddress else { return ENOMEM }
      unsafe pthread_attr_init(attributes)
      unsafe pthread_attr_setstacksize(attributes, stackSizeInBytes)
      unsafe pthread_attr_setdetachstate(attributes, Int32(PTHREAD_CREATE_DETACHED))
      defer { unsafe pthread_attr_destroy(attributes) }
      #if canImport(Darwin)
      var thread: pthread_t?
      return unsafe pthread_create(&thread, attributes, { DedicatedThread.enter($0) }, box.toOpaque())
      #else
      var thread = pthread_t()
      return unsafe pthread_create(
        &thread,
        attributes,
        { argument in
          if let argument = unsafe argument { unsafe DedicatedThread.enter(argument) }
          return nil
        },
        box.toOpaque()
      )
      #endif
    }
    guard status == 0 else {
      unsafe box.release()
      throw StorageError(.inputOutput, "the system refused a new thread (\(name)): error \(status)")
    }
  }

  /// Blocks the calling thread, which must be one of our own.
  package static func pause(microseconds: UInt32) { usleep(microseconds) }

  @discardableResult
  private static func enter(_ argument: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
    let launch = unsafe Unmanaged<Launch>.fromOpaque(argument).takeRetainedValue()
    #if canImport(Darwin)
    unsafe pthread_setname_np(launch.name)
    #else
    // pthread_setname_np is hidden behind _GNU_SOURCE; the kernel takes the name of the calling thread here too.
    let file = unsafe open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC)
    if file >= 0 {
      unsafe write(file, launch.name, launch.name.utf8.count)
      close(file)
    }
    #endif
    launch.body()
    return nil
  }
}
