// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldZlib

/// Decompresses a deflate stream piece by piece, in constant memory.
///
/// Feed it the compressed bytes as they come; the sink gets the decompressed ones in pieces of at most the chunk
/// size. It holds no limit of its own: the sink throws when it has had enough.
///
/// ```swift
/// var stream = try InflateStream(.raw)
/// let consumed = try stream.inflate(compressed.span) { piece in file.append(piece) }
/// guard stream.isFinished else { throw … }   // the end is missing
/// ```
@safe
package struct InflateStream: ~Copyable {
  /// What surrounds the deflate data.
  package enum Framing: Sendable {
    /// Bare deflate data, as in a zip file.
    case raw
    /// The two-byte header and Adler-32 of RFC 1950.
    case zlib
    /// The header and CRC-32 of RFC 1952.
    case gzip

    fileprivate var windowBits: CInt {
      switch self {
      case .raw: -15
      case .zlib: 15
      case .gzip: 15 + 16
      }
    }
  }

  /// Whether the stream's own end marker was read.
  package private(set) var isFinished = false
  private let stream: UnsafeMutablePointer<z_stream>
  private let output: UnsafeMutableBufferPointer<UInt8>

  /// Prepares to decompress one stream.
  ///
  /// - Parameters:
  ///   - framing: What surrounds the deflate data.
  ///   - chunkSize: The largest piece the sink gets, in bytes.
  /// - Throws: ``CompressionError`` with code ``CompressionError/Code/outOfMemory``.
  package init(_ framing: Framing, chunkSize: Int = 256 << 10) throws(CompressionError) {
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    unsafe stream.initialize(to: z_stream())
    guard unsafe tenfold_inflate_init(stream, framing.windowBits) == Z_OK else {
      unsafe stream.deallocate()
      throw CompressionError(.outOfMemory, "zlib could not start: there is no memory for its window")
    }
    unsafe self.stream = stream
    unsafe output = .allocate(capacity: max(1, min(chunkSize, 1 << 30)))
  }

  deinit {
    // The state was initialised in init, which is the only way to get here.
    unsafe inflateEnd(stream)
    unsafe stream.deallocate()
    unsafe output.deallocate()
  }

  /// Makes the stream ready for another one with the same framing.
  package mutating func reset() {
    unsafe inflateReset(stream)
    isFinished = false
  }

  /// Decompresses `input` and hands what comes out to `sink`, piece by piece.
  ///
  /// - Parameters:
  ///   - input: The next compressed bytes.
  ///   - sink: Gets each piece; what it throws ends the call.
  /// - Returns: How many bytes of `input` were used: all of them, unless the stream ended before.
  /// - Throws: ``CompressionError`` for damaged data, or what `sink` throws.
  package mutating func inflate(_ input: Span<UInt8>, _ sink: (Span<UInt8>) throws -> Void) throws -> Int {
    var consumed = 0
    while consumed < input.count, !isFinished {
      // zlib counts in 32 bits.
      let piece = input.extracting(consumed..<min(input.count, consumed + (1 << 30)))
      consumed += try inflatePiece(piece, sink)
    }
    return consumed
  }

  private mutating func inflatePiece(_ input: Span<UInt8>, _ sink: (Span<UInt8>) throws -> Void) throws -> Int {
    try unsafe input.withUnsafeBufferPointer { source in
      // zlib only reads through next_in, but its type is not const.
      unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
      unsafe stream.pointee.avail_in = uInt(source.count)
      defer {
        unsafe stream.pointee.next_in = nil
        unsafe stream.pointee.avail_in = 0
      }
      var outputWasFull = false
      repeat {
        unsafe stream.pointee.next_out = unsafe output.baseAddress
        unsafe stream.pointee.avail_out = uInt(output.count)
        let status = unsafe CTenfoldZlib.inflate(stream, Z_NO_FLUSH)
        guard status == Z_OK || status == Z_STREAM_END || status == Z_BUF_ERROR else {
          throw unsafe Self.error(status, stream.pointee.msg)
        }
        let produced = unsafe output.count - Int(stream.pointee.avail_out)
        if produced > 0 {
          // The first `produced` bytes were just written by zlib and outlive the sink's call.
          try unsafe sink(UnsafeBufferPointer(rebasing: output[..<produced]).span)
        }
        isFinished = status == Z_STREAM_END
        outputWasFull = unsafe stream.pointee.avail_out == 0
        if status == Z_BUF_ERROR { break }
      } while unsafe !isFinished && (stream.pointee.avail_in > 0 || outputWasFull)
      return unsafe source.count - Int(stream.pointee.avail_in)
    }
  }

  private static func error(_ status: CInt, _ text: UnsafeMutablePointer<CChar>?) -> CompressionError {
    if status == Z_MEM_ERROR { return CompressionError(.outOfMemory, "zlib ran out of memory") }
    let detail = unsafe text.map { unsafe String(cString: $0) } ?? "status \(status)"
    return CompressionError(.damaged, "the compressed data is damaged: \(detail)")
  }
}
