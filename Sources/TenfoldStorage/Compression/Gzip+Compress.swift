// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import CTenfoldZlib

extension Gzip {
  /// Compresses bytes into one gzip member.
  ///
  /// - Parameters:
  ///   - bytes: What to compress.
  ///   - level: 1 (fast) … 9 (small).
  /// - Returns: The member; the same for the same bytes, level and zlib.
  /// - Throws: ``CompressionError`` with code ``CompressionError/Code/outOfMemory``.
  package static func compress(_ bytes: [UInt8], level: Int = 6) throws(CompressionError) -> [UInt8] {
    // zlib remembers the stream's address, so it stays where it is.
    let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    unsafe stream.initialize(to: z_stream())
    defer { unsafe stream.deallocate() }
    guard unsafe tenfold_deflate_init(stream, CInt(min(9, max(1, level))), 15 + 16) == Z_OK else {
      throw CompressionError(.outOfMemory, "zlib could not start: there is no memory for its window")
    }
    defer { unsafe deflateEnd(stream) }
    var result: [UInt8] = []
    var consumed = 0
    repeat {
      // zlib counts in 32 bits.
      let piece = bytes[consumed..<min(bytes.count, consumed + (1 << 30))]
      consumed += piece.count
      let isLast = consumed == bytes.count
      unsafe piece.withUnsafeBufferPointer { source in
        // zlib only reads through next_in, but its type is not const.
        unsafe stream.pointee.next_in = UnsafeMutablePointer(mutating: source.baseAddress)
        unsafe stream.pointee.avail_in = uInt(source.count)
        var isFull = true
        while isFull {
          let chunk = unsafe [UInt8](unsafeUninitializedCapacity: 64 << 10) { output, count in
            unsafe stream.pointee.next_out = output.baseAddress
            unsafe stream.pointee.avail_out = uInt(output.count)
            // With room in the output and a valid stream this can't fail.
            unsafe deflate(stream, isLast ? Z_FINISH : Z_NO_FLUSH)
            count = unsafe output.count - Int(stream.pointee.avail_out)
          }
          result += chunk
          isFull = unsafe stream.pointee.avail_out == 0
        }
        unsafe stream.pointee.next_in = nil
      }
    } while consumed < bytes.count
    return result
  }
}
