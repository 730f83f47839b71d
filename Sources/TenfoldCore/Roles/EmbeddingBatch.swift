// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// The vectors of several texts in one buffer.
public struct EmbeddingBatch: Sendable {
  /// The numbers, `[count × dimension]`, row-major.
  public let values: [Float]
  /// How many numbers a vector has.
  public let dimension: Int
  /// How many tokens each text had after cutting.
  public let tokenCounts: [Int]
  /// Whether each text was cut.
  public let isTruncated: [Bool]

  /// Creates a batch.
  ///
  /// - Parameters:
  ///   - values: `[count × dimension]`, row-major; its size must fit the counts.
  ///   - dimension: How many numbers a vector has.
  ///   - tokenCounts: One count for each text.
  ///   - isTruncated: One flag for each text.
  public init(values: [Float], dimension: Int, tokenCounts: [Int], isTruncated: [Bool]) {
    precondition(
      values.count == dimension * tokenCounts.count && tokenCounts.count == isTruncated.count,
      "An embedding batch needs one vector, one token count and one flag for each text."
    )
    self.values = values
    self.dimension = dimension
    self.tokenCounts = tokenCounts
    self.isTruncated = isTruncated
  }

  /// How many vectors there are.
  public var count: Int { tokenCounts.count }

  /// A copy of one vector.
  ///
  /// - Parameter index: Which text, in 0..<``count``.
  /// - Returns: Its numbers.
  public func vector(at index: Int) -> [Float] {
    Array(values[index * dimension..<(index + 1) * dimension])
  }
}
