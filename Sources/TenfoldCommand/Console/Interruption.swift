// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Dispatch

#if canImport(Darwin)
import Darwin
#elseif canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

/// Turns Ctrl-C and a polite kill into the cancellation of a task.
enum Interruption {
  /// Runs `body` until it ends or the process is asked to stop.
  ///
  /// A second signal of either kind ends the process at once; everything acknowledged is on disk by then.
  ///
  /// - Parameter body: The work; it sees a cancelled task after the first signal.
  /// - Returns: Whether the work was interrupted.
  /// - Throws: What `body` throws, unless it was interrupted.
  static func run(_ body: @escaping @Sendable () async throws -> Void) async throws -> Bool {
    let (signals, continuation) = AsyncStream<Void>.makeStream()
    let queue = DispatchQueue(label: "tenfold.signals")
    var sources: [any DispatchSourceSignal] = []
    for number in [SIGINT, SIGTERM] {
      let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
      source.setEventHandler { continuation.yield() }
      await watch(source, number)
      sources.append(source)
    }
    defer {
      for source in sources { source.cancel() }
      for number in [SIGINT, SIGTERM] { _ = signal(number, SIG_DFL) }
    }
    return try await withThrowingTaskGroup(of: Bool.self) { group in
      group.addTask {
        try await body()
        return false
      }
      group.addTask {
        for await _ in signals {
          // Both: who asked politely first may press Ctrl-C next.
          for number in [SIGINT, SIGTERM] { _ = signal(number, SIG_DFL) }
          return true
        }
        // The stream ends only when this task is cancelled: the work is done.
        throw CancellationError()
      }
      let wasInterrupted = try await group.next() ?? false
      group.cancelAll()
      // After a signal the work ends by throwing; that is no failure.
      while true {
        do {
          guard try await group.next() != nil else { break }
        } catch {
          continue
        }
      }
      return wasInterrupted
    }
  }

  /// Begins to watch for a signal, and returns once none can be missed.
  private static func watch(_ source: any DispatchSourceSignal, _ number: Int32) async {
    await withCheckedContinuation { continuation in
      source.setRegistrationHandler {
        #if canImport(Darwin)
        // The kernel tells of ignored signals, too. On Linux Dispatch handles the signal, and an ignored one is lost.
        _ = signal(number, SIG_IGN)
        #endif
        continuation.resume()
      }
      source.resume()
    }
  }
}
