// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import TenfoldCore

/// What the machine can do, as far as a bottleneck report needs to know.
public struct MachineProfile: Hashable, Sendable, Codable {
  /// How many processors the process may use.
  public var cores: Int
  /// How many bytes a second one thread can read from memory.
  public var memoryBandwidth: Double

  /// Creates a profile.
  public init(cores: Int, memoryBandwidth: Double) {
    self.cores = cores
    self.memoryBandwidth = memoryBandwidth
  }

  /// Measures this machine; takes about 0.2 seconds of one processor and 256 MB for as long.
  ///
  /// - Returns: The number of active processors and the read bandwidth of one thread.
  public static func measure() -> Self {
    let block = [UInt64](repeating: 1, count: 32 << 20)
    var best = 0.0
    var sum: UInt64 = 0
    for _ in 0..<4 {
      let begin = ContinuousClock.now
      sum &+= Self.sum(block)
      let seconds = begin.duration(to: .now).inSeconds
      best = max(best, Double(block.count * 8) / max(seconds, 1e-9))
    }
    // The sum is used, so that the loop is not dropped.
    return Self(cores: ProcessInfo.processInfo.activeProcessorCount, memoryBandwidth: sum == 0 ? 0 : best)
  }

  /// Reads every word of a block whose size is a multiple of 8, as fast as memory delivers it.
  package static func sum(_ block: [UInt64]) -> UInt64 {
    unsafe block.withUnsafeBufferPointer { block in
      // Eight independent sums, so that the adds never wait for each other.
      var lanes = SIMD8<UInt64>()
      var index = 0
      while index < block.count {
        // The index stays below the count, a multiple of 8.
        lanes &+= unsafe SIMD8(
          block[index],
          block[index + 1],
          block[index + 2],
          block[index + 3],
          block[index + 4],
          block[index + 5],
          block[index + 6],
          block[index + 7]
        )
        index += 8
      }
      return lanes.wrappedSum()
    }
  }
}
