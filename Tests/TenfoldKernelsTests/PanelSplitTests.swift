// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import TenfoldKernels

/// A layer that is nothing but its slices.
private struct Slices: LinearLayer {
  let panelCount: Int
  let group: Int
  let byteCount: Int
  let panelWidth = 16
  var inputWidth: Int { 0 }
  var outputWidth: Int { panelCount * panelWidth }
  var format: WeightFormat { .f32 }
  var activationFormat: ActivationFormat { .float32 }

  func panelGroup(rows: Int) -> Int { group }

  func multiply(
    _ activations: Activations,
    panels: Range<Int>,
    into output: UnsafeMutablePointer<Float>,
    outputStride: Int,
    epilogue: Epilogue
  ) {}
}

@Suite("Pieces of a product")
struct PanelSplitTests {
  @Test(
    "each slice is in one piece, pieces follow each other and begin at whole groups",
    arguments: [1, 2, 3, 8, 64]
  )
  func coverage(threads: Int) {
    for group in 1...4 {
      for panelCount in Array(0...70) + [95, 96, 97, 255, 256, 1_024, 3_072, 9_496] {
        for (rows, bytes) in [(1, 1_000), (1, 200_000), (8, 200_000), (512, 40_000_000)] {
          let split = PanelSplit(
            Slices(panelCount: panelCount, group: group, byteCount: bytes),
            rows: rows,
            threads: threads
          )
          var end = 0
          for index in 0..<split.count {
            #expect(split[index].lowerBound == end && !split[index].isEmpty)
            #expect(split[index].lowerBound % group == 0)
            end = split[index].upperBound
          }
          #expect(end == panelCount)
        }
      }
    }
  }

  @Test("threads that take pieces by turns do even shares of a large product")
  func evenness() {
    for threads in [2, 3, 4] {
      for panelCount in [128, 256, 500, 3_072] {
        let split = PanelSplit(
          Slices(panelCount: panelCount, group: 3, byteCount: 40_000_000),
          rows: 512,
          threads: threads
        )
        // Whoever has done least takes the next piece, as with a pool of equal threads.
        var done = [Int](repeating: 0, count: threads)
        for index in 0..<split.count {
          guard let least = done.indices.min(by: { done[$0] < done[$1] }) else { continue }
          done[least] += split[index].count
        }
        let most = done.max() ?? 0
        let last = panelCount / (16 * threads) + 9
        #expect(most - (done.min() ?? 0) <= last, "\(threads) threads, \(panelCount) slices: \(done)")
      }
    }
  }

  @Test("little work is not cut into more pieces than there are threads")
  func littleWork() {
    let small = Slices(panelCount: 36, group: 4, byteCount: 60_000)
    #expect(PanelSplit(small, rows: 1, threads: 2).count == 2)
    #expect(PanelSplit(small, rows: 16, threads: 2).count == 8)
  }
}
