// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldKernels
import Foundation
import TenfoldKernels
import Testing

@testable import TenfoldInference

@Suite("Attention kernels")
struct AttentionKernelTests {
  struct Shape: Sendable, CustomTestStringConvertible {
    var length: Int
    var group: Int
    var rows: Int
    var position: Int
    var isInt8 = false
    var testDescription: String {
      "length \(length), group \(group), rows \(rows) from \(position)\(isInt8 ? ", 8 bits" : "")"
    }
  }

  static let shapes: [Shape] = {
    var eighth = halves
    for index in eighth.indices { eighth[index].isInt8 = true }
    return halves + eighth
  }()

  private static let halves = [
    Shape(length: 2, group: 1, rows: 1, position: 0), Shape(length: 16, group: 2, rows: 3, position: 30),
    Shape(length: 64, group: 3, rows: 1, position: 31), Shape(length: 64, group: 3, rows: 40, position: 0),
    Shape(length: 64, group: 7, rows: 5, position: 95), Shape(length: 80, group: 1, rows: 9, position: 33),
    Shape(length: 96, group: 4, rows: 2, position: 64), Shape(length: 128, group: 6, rows: 11, position: 150),
    Shape(length: 256, group: 1, rows: 8, position: 32), Shape(length: 64, group: 3, rows: 1, position: 255),
    Shape(length: 32, group: 3, rows: 4, position: 254), Shape(length: 64, group: 2, rows: 1, position: 700),
    Shape(length: 40, group: 7, rows: 3, position: 511),
  ]

  /// Two key-value heads on scattered pages; unused slots hold NaN, which must not come through.
  @Test("agree with a plain computation", arguments: InstructionSet.available, shapes)
  func oracle(set: InstructionSet, shape: Shape) {
    let kernels = unsafe tenfold_attention_named(set.name)
    #expect(unsafe String(cString: kernels.pointee.name) == set.name)
    var random = SamplerRandom(seed: 7)
    let (length, total) = (shape.length, shape.position + shape.rows)
    // With 8 bits, two values in a half, and 32 scales.
    func size(_ length: Int) -> Int { shape.isInt8 ? length * 16 + 64 : length * 32 }
    let keyHalves = size(length)
    let headHalves = keyHalves + size(tenfold_value_stride(length))
    let pageCount = (total + 31) / 32
    let pages = (0..<UInt32(pageCount)).map { UInt32(pageCount) - $0 }
    var memory = [UInt16](repeating: 0x7E00, count: (pageCount + 1) * headHalves * 2)
    func floats(_ count: Int, _ size: Float) -> [Float] {
      (0..<count).map { _ in (Float(random.unit()) * 2 - 1) * size }
    }
    let keys = (0..<2).map { _ in floats(total * length, 3) }
    let values = (0..<2).map { _ in floats(total * length, 1) }
    let width = 2 * shape.group * length
    let queries = floats(shape.rows * width, 3)
    var outputs = [Float](repeating: .nan, count: shape.rows * width)
    let storeKey = unsafe shape.isInt8 ? kernels.pointee.store_key_int8 : kernels.pointee.store_key
    let storeValue = unsafe shape.isInt8 ? kernels.pointee.store_value_int8 : kernels.pointee.store_value
    let attend = unsafe shape.isInt8 ? kernels.pointee.attend_int8 : kernels.pointee.attend
    let attendStretch =
      unsafe shape.isInt8 ? kernels.pointee.attend_stretch_int8 : kernels.pointee.attend_stretch
    let stretches = (total + Int(TENFOLD_STRETCH_LENGTH) - 1) / Int(TENFOLD_STRETCH_LENGTH)
    var partials = [Float](
      repeating: .nan,
      count: stretches * shape.rows * shape.group * tenfold_partial_length(length)
    )
    unsafe memory.withUnsafeMutableBufferPointer { memory in
      let base = memory.baseAddress!
      for head in 0..<2 {
        for position in 0..<total {
          let page = unsafe base + (Int(pages[position / 32]) * 2 + head) * headHalves
          let start = position * length
          unsafe storeKey(
            Array(keys[head][start..<start + length]),
            length,
            page,
            position % 32
          )
          unsafe storeValue(
            Array(values[head][start..<start + length]),
            length,
            page + keyHalves,
            position % 32
          )
        }
      }
      unsafe queries.withUnsafeBufferPointer { queries in
        unsafe outputs.withUnsafeMutableBufferPointer { outputs in
          unsafe pages.withUnsafeBufferPointer { pages in
            for head in 0..<2 {
              var span = unsafe tenfold_attention_span(
                queries: queries.baseAddress! + head * shape.group * length,
                query_stride: width,
                outputs: outputs.baseAddress! + head * shape.group * length,
                output_stride: width,
                rows: shape.rows,
                group: shape.group,
                head_length: length,
                memory: base,
                pages: pages.baseAddress!,
                page_stride: 2 * headHalves,
                key_offset: head * headHalves,
                value_offset: head * headHalves + keyHalves,
                first_position: shape.position,
                scale: 0.25
              )
              unsafe attend(&span)
              let whole = unsafe Array(outputs)
              // Stretch by stretch, in any order, gives the same bits.
              for stretch in (0..<stretches).reversed() { unsafe attendStretch(&span, stretch, &partials) }
              unsafe kernels.pointee.merge_stretches(&span, partials)
              #expect(unsafe zip(whole, outputs).allSatisfy { $0.bitPattern == $1.bitPattern })
            }
          }
        }
      }
    }
    let keptKeys = keys.map { kept($0, length, isInt8: shape.isInt8) }
    let keptValues = values.map { kept($0, length, isInt8: shape.isInt8) }
    var worst = 0.0
    for row in 0..<shape.rows {
      for number in 0..<2 * shape.group {
        let (head, start) = (number / shape.group, row * width + number * length)
        let scores = (0...shape.position + row).map { position in
          (0..<length).reduce(0.0) {
            $0 + Double(queries[start + $1]) * keptKeys[head][position * length + $1]
          } * 0.25
        }
        let weights = scores.map { exp($0 - (scores.max() ?? 0)) }
        let sum = weights.reduce(0, +)
        for element in 0..<length {
          let expected =
            weights.indices.reduce(0.0) { $0 + weights[$1] * keptValues[head][$1 * length + element] } / sum
          let difference = abs(Double(outputs[start + element]) - expected)
          worst = difference.isNaN ? .infinity : max(worst, difference)
        }
      }
    }
    #expect(worst < 3e-5)
  }

  /// The values after rounding, each `length` of them with a scale of their own.
  private func kept(_ values: [Float], _ length: Int, isInt8: Bool) -> [Double] {
    guard isInt8 else { return values.map { Double(Float16($0)) } }
    return stride(from: 0, to: values.count, by: length).flatMap { start in
      let row = values[start..<start + length]
      let largest = row.reduce(0) { max($0, abs($1)) }
      return row.map { value in
        let code = (value * (127 / largest)).rounded(.toNearestOrAwayFromZero)
        return Double(code) * Double(largest / 127)
      }
    }
  }

  @Test(
    "keep 8 bits for zeros and small numbers, and let nothing that is no number pass for one",
    arguments: InstructionSet.available
  )
  func bytes(set: InstructionSet) {
    let kernels = unsafe tenfold_attention_named(set.name)
    func stored(_ value: [Float]) -> (codes: [Int8], scale: Float) {
      var page = [UInt16](repeating: 0, count: 32 * 16 + 64)
      unsafe kernels.pointee.store_value_int8(value, value.count, &page, 3)
      // The fourth position's values begin at byte 96, its scale at byte 32 * 32 + 12.
      let codes = value.indices.map { index in
        Int8(truncatingIfNeeded: page[48 + index / 2] >> UInt16(index % 2 * 8))
      }
      return (codes, Float(bitPattern: UInt32(page[518]) | UInt32(page[519]) << 16))
    }
    #expect(stored([0, -0.0]) == ([0, 0], 0))
    #expect(stored([127, -127, 63.4, -63.6]) == ([127, -127, 63, -64], 1))
    #expect(stored([1e-38, 0]).codes == [0, 0])
    for value in [Float.nan, .infinity, -.infinity] { #expect(stored([1, value, 2]).scale.isNaN) }
  }

  @Test("round to half precision as the format says, and saturate", arguments: InstructionSet.available)
  func halves(set: InstructionSet) {
    let kernels = unsafe tenfold_attention_named(set.name)
    var inputs: [Float] = [
      0, -0.0, 1, 65_504, 65_519, 65_520, 1e9, -1e9, .infinity, 6e-8, 2.9e-8, 3e-8, 6.1e-5, 1e-38,
    ]
    inputs += (0..<242).map { Float(sin(Double($0))) * Float(pow(10, Double($0 % 12) - 7)) }
    var outputs = [UInt16](repeating: 0, count: 256)
    unsafe kernels.pointee.store_value(inputs, 256, &outputs, 0)
    for (input, output) in zip(inputs, outputs) {
      let clamped = max(-65_504, min(65_504, input))
      #expect(Float16(bitPattern: output) == Float16(clamped), "\(input)")
    }
    unsafe kernels.pointee.store_value([Float.nan, 1], 2, &outputs, 0)
    #expect(Float16(bitPattern: outputs[0]).isNaN)
  }
}
