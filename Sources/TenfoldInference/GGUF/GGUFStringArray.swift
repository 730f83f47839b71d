// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// A string array of a GGUF file's metadata, read from the mapped file on demand.
///
/// Vocabularies have 150,000 entries and more; opening a file only finds where each array starts, and walking
/// the array costs no allocation per string.
///
/// ```swift
/// let tokens = file.metadata["tokenizer.ggml.tokens"]?.stringArray
/// let first = tokens?.strings().first
/// ```
public struct GGUFStringArray: Sendable {
  /// The number of strings.
  public let count: Int
  /// How many bytes all strings and their length fields take in the file.
  public let byteCount: Int
  let file: MappedFile
  let fileOffset: Int

  /// All strings, with invalid UTF-8 repaired.
  ///
  /// - Returns: The strings in file order.
  /// - Complexity: O(bytes of the array), one allocation per long string.
  public func strings() -> [String] {
    var result: [String] = []
    visit { bytes, range in
      // The range lies inside the array's checked bytes.
      unsafe bytes.extracting(range).withUnsafeBytes {
        result.append(unsafe String(decoding: $0, as: UTF8.self))
      }
    }
    return result
  }

  /// Calls `body` for each string with the array's bytes and the string's place in them.
  func visit<E: Error>(_ body: (RawSpan, Range<Int>) throws(E) -> Void) throws(E) {
    try file.withBytes { (whole) throws(E) -> Void in
      let bytes = whole.extracting(fileOffset..<fileOffset + byteCount)
      var offset = 0
      for _ in 0..<count {
        // Every length was checked against the file when it was opened, and a mapping does not change size.
        let length = Int(truncatingIfNeeded: bytes.littleEndianUInt64(at: offset))
        let start = offset + 8
        guard length >= 0, length <= bytes.byteCount - start else { return }
        try body(bytes, start..<start + length)
        offset = start + length
      }
    }
  }

  /// Calls `body` for several strings at a time, with the array's bytes and the strings' places in them.
  func visit<E: Error>(groupsOf size: Int, _ body: (RawSpan, [Range<Int>]) throws(E) -> Void) throws(E) {
    var ranges: [Range<Int>] = []
    var left = count
    try visit { (bytes, range) throws(E) in
      ranges.append(range)
      left -= 1
      guard ranges.count == size || left == 0 else { return }
      try body(bytes, ranges)
      ranges.removeAll(keepingCapacity: true)
    }
  }
}
