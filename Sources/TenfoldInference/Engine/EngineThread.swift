// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldStorage

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// Threads of the package's own, for work that blocks or computes for long.
enum EngineThread {
  private final class Body {
    let run: () -> Void

    init(_ run: @escaping () -> Void) { self.run = run }
  }

  /// Starts a thread that ends with `body`.
  ///
  /// - Parameter body: Runs on the new thread; what it captures belongs to that thread from now on.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/storageFull`` when the system has no thread to give.
  static func start(_ body: sending @escaping () -> Void) throws(ModelError) {
    let context = unsafe Unmanaged.passRetained(Body(body))
    #if canImport(Darwin)
    var thread: pthread_t?
    let status = unsafe pthread_create(&thread, nil, { unsafe EngineThread.main($0) }, context.toOpaque())
    if status == 0, let thread = unsafe thread { unsafe pthread_detach(thread) }
    #else
    var thread = pthread_t()
    let status = unsafe pthread_create(&thread, nil, { unsafe EngineThread.main($0) }, context.toOpaque())
    if status == 0 { pthread_detach(thread) }
    #endif
    guard status == 0 else {
      unsafe context.release()
      throw ModelError(
        .storageFull,
        "The system refused a thread (error \(status)); raise the limit of threads."
      )
    }
  }

  /// Runs blocking work on a thread of its own and waits for it without blocking the caller's.
  ///
  /// - Parameter body: The work; cancelling the task doesn't interrupt it.
  /// - Returns: What `body` returned.
  /// - Throws: What `body` throws; ``ModelError`` with code ``ModelError/Code/storageFull`` when the system has no thread
  ///   to give.
  static func run<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
    try await Handoff<Value>.receive { handoff in
      do throws(ModelError) {
        try start { handoff.resume(with: Result { try body() }) }
      } catch {
        handoff.resume(throwing: error)
      }
    }
  }

  private static func main(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context = unsafe context else { return nil }
    // Retained by `start`, taken over here.
    unsafe Unmanaged<Body>.fromOpaque(context).takeRetainedValue().run()
    return nil
  }
}
