// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldKernels
import Testing

@Suite("Vector scan")
struct VectorScanTests {
  static let dimensions = [1, 7, 15, 16, 17, 63, 64, 65, 384]

  @Test("float dots and cosines equal the oracle", arguments: InstructionSet.available, dimensions)
  func floats(set: InstructionSet, dimension: Int) throws {
    var generator = SeededGenerator(UInt64(dimension))
    let query = (0..<dimension).map { _ in generator.unit() }
    let rows = (0..<11 * dimension).map { $0 < dimension ? 0 : generator.unit() }
    var dots = [Float](repeating: -1, count: 11)
    var cosines = dots
    var span = dots.mutableSpan
    try VectorScan.dot(
      query: query.span,
      rows: rows.span,
      dimension: dimension,
      into: &span,
      instructionSet: set
    )
    var cosineSpan = cosines.mutableSpan
    try VectorScan.cosine(
      query: query.span,
      rows: rows.span,
      dimension: dimension,
      into: &cosineSpan,
      instructionSet: set
    )
    for row in 0..<11 {
      var (sum, q, r) = (0.0, 0.0, 0.0)
      for index in 0..<dimension {
        let (a, b) = (Double(query[index]), Double(rows[row * dimension + index]))
        sum += a * b
        q += a * a
        r += b * b
      }
      #expect(abs(Double(dots[row]) - sum) <= 1e-5 * (q * r).squareRoot() + 1e-7)
      let cosine = r > 0 ? sum / (q * r).squareRoot() : 0
      #expect(abs(Double(cosines[row]) - cosine) <= 1e-5)
    }
  }

  @Test("int8 dots are exact, extremes included", arguments: InstructionSet.available, dimensions)
  func bytes(set: InstructionSet, dimension: Int) throws {
    var generator = SeededGenerator(UInt64(dimension))
    let query = (0..<dimension).map {
      $0 % 3 == 0 ? Int8(-128) : Int8(truncatingIfNeeded: generator.next() >> 5)
    }
    let rows = (0..<133 * dimension).map {
      $0 % 2 == 0 ? Int8(-128) : Int8(truncatingIfNeeded: generator.next() >> 5)
    }
    let scales = [Float](repeating: 1, count: 133)
    var output = [Float](repeating: 0, count: 133)
    var span = output.mutableSpan
    try VectorScan.dot(
      query: query.span,
      queryScale: 1,
      rows: rows.span,
      scales: scales.span,
      dimension: dimension,
      into: &span,
      instructionSet: set
    )
    for row in 0..<133 {
      var sum: Int32 = 0
      for index in 0..<dimension { sum += Int32(query[index]) * Int32(rows[row * dimension + index]) }
      #expect(output[row] == Float(sum))
    }
  }

  @Test(
    "with a mask scores what it admits as without, and nothing else",
    arguments: InstructionSet.available,
    [0, 1, 63, 64, 65, 127, 128, 129, 300]
  )
  func masked(set: InstructionSet, count: Int) throws {
    let dimension = 19
    var generator = SeededGenerator(UInt64(count) + 7)
    let query = (0..<dimension).map { _ in generator.unit() }
    let rows = (0..<count * dimension).map { _ in generator.unit() }
    let queryCodes = (0..<dimension).map { _ in Int8(truncatingIfNeeded: generator.next() >> 5) }
    let codes = (0..<count * dimension).map { _ in Int8(truncatingIfNeeded: generator.next() >> 5) }
    let scales = (0..<count).map { _ in generator.unit() }
    for density in 0...4 {
      // Bits past the rows are set too: they must not matter.
      let mask = (0..<(count + 63) / 64 + density % 2).map { _ -> UInt64 in
        switch density {
        case 0: 0
        case 1: generator.next() & generator.next() & generator.next()
        case 2: generator.next()
        case 3: generator.next() | generator.next() | generator.next()
        default: .max
        }
      }
      var (all, some) = ([Float](repeating: 0, count: count), [Float](repeating: 0, count: count))
      var (allSums, someSums) = (all, all)
      var span = all.mutableSpan
      try VectorScan.dot(
        query: query.span,
        rows: rows.span,
        dimension: dimension,
        into: &span,
        instructionSet: set
      )
      span = some.mutableSpan
      try VectorScan.dot(
        query: query.span,
        rows: rows.span,
        dimension: dimension,
        admitting: mask.span,
        into: &span,
        instructionSet: set
      )
      span = allSums.mutableSpan
      try VectorScan.dot(
        query: queryCodes.span,
        queryScale: 0.5,
        rows: codes.span,
        scales: scales.span,
        dimension: dimension,
        into: &span,
        instructionSet: set
      )
      span = someSums.mutableSpan
      try VectorScan.dot(
        query: queryCodes.span,
        queryScale: 0.5,
        rows: codes.span,
        scales: scales.span,
        dimension: dimension,
        admitting: mask.span,
        into: &span,
        instructionSet: set
      )
      for row in 0..<count {
        let isAdmitted = mask[row / 64] >> UInt64(row % 64) & 1 == 1
        #expect(isAdmitted ? some[row] == all[row] : some[row].isNaN)
        #expect(isAdmitted ? someSums[row] == allSums[row] : someSums[row].isNaN)
      }
    }
  }

  @Test("refuses shapes that do not fit")
  func refusals() throws {
    var output: [Float] = [0, 0]
    var span = output.mutableSpan
    #expect(throws: KernelError.self) {
      try VectorScan.dot(query: [1, 2].span, rows: [1, 2, 3].span, dimension: 2, into: &span)
    }
    #expect(throws: KernelError.self) {
      try VectorScan.dot(query: [1].span, rows: [1, 2].span, dimension: 2, into: &span)
    }
    let noMask: [UInt64] = []
    #expect(throws: KernelError.self) {
      try VectorScan.dot(
        query: [1].span,
        rows: [1, 2].span,
        dimension: 1,
        admitting: noMask.span,
        into: &span
      )
    }
  }

  @Test("top k ranks by score, then by lower index, never NaN", arguments: [0, 1, 3, 10, 100])
  func top(capacity: Int) {
    var generator = SeededGenerator(UInt64(capacity))
    let scores = (0..<64).map { index in index % 9 == 0 ? Float.nan : Float(generator.next() % 8) }
    var best = TopK(capacity: capacity)
    let (head, tail) = (Array(scores[..<20]), Array(scores[20...]))
    best.offer(head.span, firstIndex: 0)
    best.offer(tail.span, firstIndex: 20)
    let expected = scores.indices.filter { !scores[$0].isNaN }
      .sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }
      .prefix(capacity)
    #expect(best.sorted().map(\.index) == Array(expected))
  }

  @Test(
    "cosines of what is not finite are not numbers, and length doesn't matter",
    arguments: InstructionSet.available
  )
  func cosineExtremes(set: InstructionSet) throws {
    let query: [Float] = [1, 2, 3]
    let rows: [[Float]] = [
      [1, .nan, 3], [.infinity, 2, 3], [0, 0, 0], [1e20, 2e20, 3e20], [1e-23, 2e-23, 3e-23],
      [-1e30, -2e30, -3e30],
    ]
    let flat = Array(rows.joined())
    func cosines(_ query: [Float]) throws -> [Float] {
      var output = [Float](repeating: 9, count: 6)
      var span = output.mutableSpan
      try VectorScan.cosine(
        query: query.span,
        rows: flat.span,
        dimension: 3,
        into: &span,
        instructionSet: set
      )
      return output
    }
    for scale in [1, 1e-25, 1e25] as [Float] {
      let found = try cosines(query.map { $0 * scale })
      #expect(found[0].isNaN && found[1].isNaN && found[2] == 0, "\(found)")
      #expect(abs(found[3] - 1) < 1e-5 && abs(found[4] - 1) < 1e-5 && abs(found[5] + 1) < 1e-5, "\(found)")
    }
    #expect(try cosines([.nan, 0, 0]).allSatisfy(\.isNaN))
  }

  @Test("int8 dots of the longest vectors don't overflow", arguments: InstructionSet.available)
  func longest(set: InstructionSet) throws {
    func dot(_ dimension: Int) throws -> Float {
      let codes = [Int8](repeating: -128, count: dimension)
      var output: [Float] = [0]
      var span = output.mutableSpan
      try VectorScan.dot(
        query: codes.span,
        queryScale: 1,
        rows: codes.span,
        scales: [1].span,
        dimension: dimension,
        into: &span,
        instructionSet: set
      )
      return output[0]
    }
    #expect(try dot(VectorScan.maximumInt8Dimension) == Float(128 * 128 * VectorScan.maximumInt8Dimension))
    #expect(throws: KernelError.self) { try dot(VectorScan.maximumInt8Dimension + 1) }
  }
}
