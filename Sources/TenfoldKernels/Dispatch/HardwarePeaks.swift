// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import CTenfoldKernels
internal import Synchronization

/// What a machine can do at most: the roofline that kernels are judged by.
///
/// The model is that of Williams, Waterman and Patterson (2009).
/// Arithmetic is measured in registers, with nothing but the instruction that the kernels of a set live on; reading on a
/// block that no cache holds. A figure of a busy machine is too low: measure where it is quiet, and again beside every run.
///
/// ```swift
/// let peaks = try HardwarePeaks.measure(threads: 2)
/// print(peaks.memoryReadBytesPerSecond / 1e9, "GB/s")
/// ```
public struct HardwarePeaks: Sendable, Hashable, Codable {
  /// The set whose instructions were measured.
  public var instructionSet: String
  /// Threads that ran at once.
  public var threads: Int
  /// Int8 operations a second, a multiplication and an addition being two; `nil` where the set has no loop of its own.
  public var int8OperationsPerSecond: Double?
  /// The instructions behind ``int8OperationsPerSecond``.
  public var int8Instructions: String
  /// Float32 operations a second, a multiplication and an addition being two.
  public var float32OperationsPerSecond: Double?
  /// Bytes a second read from memory, in order.
  public var memoryReadBytesPerSecond: Double

  /// Measures; takes about half a second of every thread and 160 MB a thread.
  ///
  /// - Parameters:
  ///   - instructionSet: The set; `nil` for that of this process.
  ///   - threads: Threads that run at once, 1...256.
  ///   - blockBytes: How much each thread reads, several times what the last-level cache holds.
  /// - Returns: The best of several rounds for each figure: others on the machine can only lower it.
  /// - Throws: ``KernelError`` with code ``KernelError/Code/outOfMemory`` or
  ///   ``KernelError/Code/unsupportedInstructionSet``.
  public static func measure(
    instructionSet: InstructionSet? = nil,
    threads: Int = 1,
    blockBytes: Int = 160 << 20
  ) throws(KernelError) -> Self {
    let set = try InstructionSet.resolve(instructionSet)
    let pool = WorkerPool(threads: threads)
    let meter = Meter(pool: pool)
    let loops = unsafe tenfold_peaks_named(set.name)
    var int8: Double?
    var floats: Double?
    var name = "none"
    if let loops = unsafe loops {
      // A copy that nobody changes, of pointers to functions of an instruction set which this CPU has.
      nonisolated(unsafe) let functions = unsafe loops.pointee
      name = unsafe String(cString: functions.int8_name)
      int8 = meter.arithmetic { unsafe functions.int8($0) }
      floats = meter.arithmetic { unsafe functions.floats($0) }
    }
    var blocks: [AlignedBuffer<UInt64>] = []
    for _ in 0..<pool.threadCount {
      let block = try AlignedBuffer<UInt64>(count: max(4_096, blockBytes) / 8)
      // Pages that were never written share one page of zeros, which is read from cache.
      for index in stride(from: 0, to: block.count, by: 512) { unsafe block.base[index] = 1 }
      blocks.append(block)
    }
    let shared = blocks
    let read = meter.best(8) { index in
      let value = unsafe tenfold_read_memory(shared[index].base, shared[index].byteCount)
      // The value is used, so that the read is not dropped.
      return value == .max ? 0 : Double(shared[index].byteCount)
    }
    return Self(
      instructionSet: set.name,
      threads: pool.threadCount,
      int8OperationsPerSecond: int8,
      int8Instructions: name,
      float32OperationsPerSecond: floats,
      memoryReadBytesPerSecond: read
    )
  }

  /// Takes the time of work that all threads do at once.
  private struct Meter {
    let pool: WorkerPool

    /// The most that was done in a second, of several rounds.
    func best(_ rounds: Int, _ work: @Sendable (Int) -> Double) -> Double {
      var best = 0.0
      for _ in 0..<rounds {
        let done = Mutex(0.0)
        let begin = ContinuousClock.now
        pool.run(pool.threadCount) { index in
          let amount = work(index)
          done.withLock { $0 += amount }
        }
        let seconds = (ContinuousClock.now - begin) / .seconds(1)
        best = max(best, done.withLock { $0 } / max(seconds, 1e-9))
      }
      return best
    }

    /// The same for a loop of so many steps.
    func arithmetic(_ loop: @Sendable (Int) -> Double) -> Double {
      // Some 10 ms a round, whatever the processor.
      var steps = 10_000
      while true {
        let begin = ContinuousClock.now
        _ = loop(steps)
        if ContinuousClock.now - begin >= .milliseconds(5) || steps >= 1 << 30 { break }
        steps *= 2
      }
      let enough = steps
      return best(12) { _ in loop(enough) }
    }
  }
}
