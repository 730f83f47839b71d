// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// One tensor of a GGUF file: its name, shape and stored bytes, all checked against the file when it was opened.
///
/// The bytes stay in the mapped file; holding the tensor keeps the mapping alive.
///
/// ```swift
/// let norm = try file.tensor(named: "output_norm.weight")
/// let first = unsafe norm.withUnsafeBytes { unsafe $0.loadUnaligned(as: Float.self) }
/// ```
public struct GGUFTensor: Sendable {
  /// The name in the file, such as `blk.0.attn_q.weight`.
  public let name: String
  /// How the numbers are stored.
  public let type: GGUFTensorType
  /// The extents, fastest first: `[columns, rows, …]`, so a matrix row is contiguous; one to four, none zero.
  public let dimensions: [Int]
  /// Where the tensor starts in the file, in bytes.
  public let fileOffset: Int
  /// The size of the stored tensor in bytes.
  public let byteCount: Int
  let file: MappedFile

  /// The length of a row: the first extent.
  public var columns: Int { dimensions.first ?? 0 }
  /// The number of rows: the product of all extents but the first.
  public var rows: Int { dimensions.dropFirst().reduce(1, *) }
  /// The number of values.
  public var elementCount: Int { dimensions.reduce(1, *) }

  /// Calls `body` with the tensor's stored bytes.
  ///
  /// - Parameter body: Receives `byteCount` bytes, which must not escape it unless this value is kept as long.
  /// - Returns: What `body` returns.
  /// - Throws: What `body` throws.
  public func withUnsafeBytes<R, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    try unsafe file.withUnsafeBytes { (bytes) throws(E) -> R in
      // The range was checked against the file's size when the tensor was read.
      try unsafe body(UnsafeRawBufferPointer(rebasing: bytes[fileOffset..<fileOffset + byteCount]))
    }
  }

  /// Calls `body` with a bounds-checked view of the tensor's stored bytes.
  ///
  /// - Parameter body: Receives the view, which cannot escape.
  /// - Returns: What `body` returns.
  /// - Throws: What `body` throws.
  public func withBytes<R, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
    try file.withBytes { (bytes) throws(E) -> R in
      try body(bytes.extracting(fileOffset..<fileOffset + byteCount))
    }
  }
}
