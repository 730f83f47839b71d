// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import Foundation
import TenfoldKernels
import Testing

@Suite("Element-wise kernels")
struct ElementwiseKernelTests {
  static let lengths = [1, 2, 15, 16, 17, 63, 64, 65, 576, 1_031]

  private func wave(_ count: Int, _ step: Double, _ size: Float = 2) -> [Float] {
    (0..<count).map { Float(sin(Double($0) * step)) * size }
  }

  @Test("normalise a row", arguments: InstructionSet.available, lengths)
  func norm(set: InstructionSet, count: Int) {
    let kernels = unsafe tenfold_elementwise_named(set.name)
    let (x, weight) = (wave(count, 1.3), wave(count, 0.7))
    var y = [Float](repeating: 9, count: count + 1)
    unsafe kernels.pointee.rms_norm(x, weight, &y, count, 1e-5)
    let mean = x.reduce(0.0) { $0 + Double($1) * Double($1) } / Double(count)
    for index in 0..<count {
      let expected = Double(x[index]) / (mean + 1e-5).squareRoot() * Double(weight[index])
      #expect(abs(Double(y[index]) - expected) < 1e-5)
    }
    #expect(y[count] == 9)
  }

  @Test("gate with SiLU", arguments: InstructionSet.available, lengths)
  func gate(set: InstructionSet, count: Int) {
    let kernels = unsafe tenfold_elementwise_named(set.name)
    let (gate, up) = (wave(count, 1.1, 30), wave(count, 0.3))
    var y = [Float](repeating: 9, count: count + 1)
    unsafe kernels.pointee.silu_multiply(gate, up, &y, count)
    for index in 0..<count {
      let g = Double(gate[index])
      #expect(abs(Double(y[index]) - g / (1 + exp(-g)) * Double(up[index])) < 1e-4)
    }
    #expect(y[count] == 9)
  }

  @Test("add rows and find remainders", arguments: InstructionSet.available, lengths)
  func sums(set: InstructionSet, count: Int) {
    let kernels = unsafe tenfold_elementwise_named(set.name)
    let (a, b, bias, residual) = (wave(count, 1.1), wave(count, 0.3), wave(count, 0.2), wave(count, 0.5))
    var y = [Float](repeating: 9, count: count + 1)
    unsafe kernels.pointee.add_rows(a, b, bias, residual, &y, count)
    for index in 0..<count { #expect(y[index] == b[index] + (a[index] + bias[index] + residual[index])) }
    unsafe kernels.pointee.add_rows(a, b, nil, nil, &y, count)
    for index in 0..<count { #expect(y[index] == a[index] + b[index]) }
    #expect(y[count] == 9)
    let blocks = count / 32
    let (codes, scales) = ((0..<blocks * 32).map { Int8(truncatingIfNeeded: $0 * 7) }, wave(blocks, 2) + [0])
    unsafe kernels.pointee.remainders(a, codes, scales, &y, blocks * 32)
    for index in 0..<blocks * 32 {
      let expected = Double(a[index]) - Double(scales[index / 32]) * Double(codes[index])
      #expect(abs(Double(y[index]) - expected) < 1e-4)
    }
  }

  @Test("raise e to a power within 2 units in the last place", arguments: InstructionSet.available)
  func exponentials(set: InstructionSet) {
    let kernels = unsafe tenfold_elementwise_named(set.name)
    var x: [Float] = (0..<20_001).map { -87.2 + Float($0) * 0.00877 }
    x += [-200, -.infinity, 0, .nan]
    var y = [Float](repeating: 0, count: x.count)
    unsafe kernels.pointee.exponentials(x, &y, x.count)
    let wrong = (0..<20_001).filter { index in
      let expected = exp(Double(x[index]))
      let limit = 2 * Double(Float(expected).ulp)
      return abs(Double(y[index]) - expected) > limit
    }
    #expect(wrong.isEmpty)
    #expect(y[20_001] == 0 && y[20_002] == 0 && y[20_003] == 1 && y[20_004].isNaN)
  }

  @Test("sum up logits", arguments: InstructionSet.available, [1, 16, 31, 1_024, 1_025, 5_000])
  func summary(set: InstructionSet, count: Int) {
    let kernels = unsafe tenfold_elementwise_named(set.name)
    var logits = wave(count, 0.37, 9)
    logits[count / 3] = 12
    logits[count - 1] = 12
    let summary = unsafe kernels.pointee.summarize_logits(logits, count)
    #expect(summary.largest == 12 && summary.index == count / 3)
    let expected = logits.reduce(0.0) { $0 + exp(Double($1) - 12) }
    #expect(abs(summary.sum_of_exponentials - expected) < 1e-5 * expected)
    let nothing = [Float](repeating: -.infinity, count: count)
    let none = unsafe kernels.pointee.summarize_logits(nothing, count)
    #expect(none.index == count)
  }

  @Test(
    "weigh logits, and draw and find weights",
    arguments: InstructionSet.available,
    [1, 15, 64, 1_025, 5_000]
  )
  func weights(set: InstructionSet, count: Int) {
    let kernels = unsafe tenfold_elementwise_named(set.name)
    var logits = wave(count, 0.37, 9)
    logits[count / 2] = 9
    for index in stride(from: 0, to: count - 1, by: 3) where index != count / 2 { logits[index] = -.infinity }
    let least: Float = 1e-3
    var weights = [Float](repeating: -1, count: count)
    let total = unsafe kernels.pointee.weigh_logits(logits, &weights, count, 9, 1.5, least)
    for (logit, weight) in zip(logits, weights) {
      let expected = exp((Double(logit) - 9) / 1.5)
      let isKept = Double(weight) > 0
      #expect(isKept ? abs(Double(weight) - expected) < 1e-5 * expected : expected < Double(least) * 1.001)
    }
    let sum = weights.reduce(0.0) { $0 + Double($1) }
    #expect(abs(total - sum) < 1e-6 * sum)
    // The middle of each weight's share of the sum draws that weight.
    var before = 0.0
    for (index, weight) in weights.enumerated() where weight > 0 {
      let drawn = unsafe kernels.pointee.draw_weight(weights, count, before + Double(weight) / 2)
      #expect(drawn == index)
      before += Double(weight)
    }
    let last = unsafe kernels.pointee.draw_weight(weights, count, 2 * total)
    #expect(last == weights.lastIndex { $0 > 0 })
    var found: [Int] = []
    var next = unsafe kernels.pointee.find_weight(weights, 0, count, 0.25)
    while next < count {
      found.append(next)
      next = unsafe kernels.pointee.find_weight(weights, next + 1, count, 0.25)
    }
    #expect(found == weights.indices.filter { weights[$0] >= 0.25 })
    let nothing = [Float](repeating: 0, count: count)
    let none = unsafe kernels.pointee.draw_weight(nothing, count, 0)
    #expect(none == count)
  }

  @Test(
    "rotate pairs and halves",
    arguments: InstructionSet.available,
    [(2, 2), (16, 16), (64, 64), (80, 40), (128, 96)]
  )
  func rotation(set: InstructionSet, lengths: (head: Int, rotated: Int)) {
    let kernels = unsafe tenfold_elementwise_named(set.name)
    let (head, rotated) = lengths
    let x = wave(head * 3, 0.9)
    for isPairs in [true, false] {
      var table = [Float](repeating: 0, count: rotated * 2)
      for index in 0..<rotated / 2 {
        let (c, s) = (Float(cos(Double(index))), Float(sin(Double(index))))
        if isPairs {
          (table[2 * index], table[2 * index + 1]) = (c, c)
          (table[rotated + 2 * index], table[rotated + 2 * index + 1]) = (-s, s)
        } else {
          (table[index], table[rotated + index]) = (c, s)
        }
      }
      var y = x
      if isPairs {
        unsafe kernels.pointee.rotate_pairs(&y, table, 3, head, rotated)
      } else {
        unsafe kernels.pointee.rotate_halves(&y, table, 3, head, rotated)
      }
      for start in stride(from: 0, to: 3 * head, by: head) {
        for index in 0..<rotated / 2 {
          let i = start + (isPairs ? 2 * index : index)
          let j = isPairs ? i + 1 : i + rotated / 2
          let (c, s) = (cos(Double(index)), sin(Double(index)))
          let (a, b) = (Double(x[i]), Double(x[j]))
          let expected = (a * c - b * s, a * s + b * c)
          #expect(abs(Double(y[i]) - expected.0) < 1e-5)
          #expect(abs(Double(y[j]) - expected.1) < 1e-5)
        }
        for index in start + rotated..<start + head { #expect(y[index] == x[index]) }
      }
    }
  }
}
