// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import CTenfoldKernels
internal import Synchronization

#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#elseif canImport(Darwin)
internal import Darwin
#endif

/// Threads of its own for short parallel regions.
///
/// The caller works too, so a pool of *n* threads owns *n* − 1. Threads wait for the next region by spinning for some
/// 40 µs and then sleep. Pieces are handed out one by one: a thread that is not scheduled takes none, so a busy neighbour
/// costs its share and no more. A region started while another one runs (nested, or from another thread) runs on its caller alone.
///
/// ```swift
/// let pool = WorkerPool(threads: 2)
/// pool.run(8) { index in work(on: index) }
/// ```
public final class WorkerPool: Sendable {
  /// The threads that share a region, the caller included.
  public let threadCount: Int
  private let team: WorkerTeam

  /// Creates a pool; its threads start with the first region.
  ///
  /// - Parameter threads: The number of threads, the caller included; `nil` for ``defaultThreadCount``. Clamped to 1...256.
  public init(threads: Int? = nil) {
    threadCount = max(1, min(256, threads ?? Self.defaultThreadCount))
    team = WorkerTeam(workers: threadCount - 1)
  }

  deinit { team.stop() }

  /// Calls `body` once for each index below `count` and returns when all calls are done.
  ///
  /// Calls run at once on several threads and in any order: `body` must only write what no other index touches.
  /// Nothing is allocated for up to 65,535 pieces; more are done in several regions, one after the other.
  ///
  /// - Parameters:
  ///   - count: The number of pieces.
  ///   - body: Receives the index of a piece.
  public func run(_ count: Int, _ body: (Int) -> Void) {
    if threadCount == 1 || count <= 1 || !team.acquire() {
      var index = 0
      while index < count {
        body(index)
        index += 1
      }
      return
    }
    withoutActuallyEscaping(body) { escapable in
      if count <= WorkerTeam.maximumCount {
        var piece = escapable
        unsafe withUnsafePointer(to: &piece) { unsafe team.run(count, $0) }
        return
      }
      for start in stride(from: 0, to: count, by: WorkerTeam.maximumCount) {
        var piece: (Int) -> Void = { escapable(start + $0) }
        let length = min(WorkerTeam.maximumCount, count - start)
        unsafe withUnsafePointer(to: &piece) { unsafe team.run(length, $0) }
      }
    }
    team.release()
  }

  /// The threads that this process may really use: its CPU affinity and its control group's quota, rounded up.
  public static let defaultThreadCount: Int = CPUBudget.current.threads
}
