// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

extension InvertedIndex {
  /// How an index analyses and keeps documents; every field has a default.
  public struct Options: Sendable {
    /// How text becomes terms.
    public var analyzer: any TextAnalyzer
    /// How many segments of about the same size make one of the next size; 2 or more.
    public var mergeFactor: Int
    /// The most bytes that a file may have, or `nil` for as many as the disk has.
    public var maximumFileSizeInBytes: Int?

    /// Creates options.
    ///
    /// - Parameters:
    ///   - analyzer: How text becomes terms.
    ///   - mergeFactor: How many segments of about the same size make one of the next size.
    ///   - maximumFileSizeInBytes: The most bytes that a file may have.
    public init(
      analyzer: any TextAnalyzer = EnglishAnalyzer(),
      mergeFactor: Int = 8,
      maximumFileSizeInBytes: Int? = nil
    ) {
      self.analyzer = analyzer
      self.mergeFactor = mergeFactor
      self.maximumFileSizeInBytes = maximumFileSizeInBytes
    }
  }
}
