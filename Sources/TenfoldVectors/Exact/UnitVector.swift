// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Scales vectors to length 1 and to whole numbers.
enum UnitVector {
  /// The vector with length 1, or `nil` if it holds NaN or infinity or has no length.
  static func normalised(_ values: [Float]) -> [Float]? {
    // Dividing by the largest value first keeps the squares of very large and very small values in range.
    var largest: Float = 0
    for value in values {
      guard value.isFinite else { return nil }
      largest = max(largest, abs(value))
    }
    guard largest > 0 else { return nil }
    var sum = 0.0
    for value in values {
      let ratio = Double(value) / Double(largest)
      sum += ratio * ratio
    }
    let factor = 1 / (Double(largest) * sum.squareRoot())
    return values.map { Float(Double($0) * factor) }
  }

  /// Rounds to -127...127 steps of one scale for the vector.
  static func quantised(_ values: [Float]) -> (codes: [Int8], scale: Float) {
    let largest = values.reduce(0) { max($0, abs($1)) }
    guard largest > 0 else { return ([Int8](repeating: 0, count: values.count), 0) }
    let scale = largest / 127
    return (values.map { Int8(max(-127, min(127, ($0 / scale).rounded()))) }, scale)
  }
}
