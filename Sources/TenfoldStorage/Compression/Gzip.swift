// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Reads gzip data (RFC 1952) whole, never beyond a limit that the caller names.
///
/// Several members one after the other count as one, as with the `gzip` tool.
///
/// ```swift
/// let text = String(decoding: try Gzip.decompress(contentsOf: "corpus.jsonl.gz", limit: 64 << 20), as: UTF8.self)
/// ```
package enum Gzip {
  /// Decompresses bytes in memory.
  ///
  /// - Parameters:
  ///   - bytes: One or more whole gzip members.
  ///   - limit: The most bytes the result may have.
  /// - Returns: The decompressed bytes.
  /// - Throws: ``CompressionError``: damaged, truncated, or larger than `limit`.
  package static func decompress(_ bytes: [UInt8], limit: Int) throws(CompressionError) -> [UInt8] {
    var given = false
    return try decompress(limit: limit, from: "the gzip data") {
      defer { given = true }
      return given ? [] : bytes
    }
  }

  /// Decompresses a file.
  ///
  /// - Parameters:
  ///   - path: The gzip file.
  ///   - limit: The most bytes the result may have.
  /// - Returns: The decompressed bytes.
  /// - Throws: ``CompressionError``: unreadable, damaged, truncated, or larger than `limit`.
  package static func decompress(contentsOf path: String, limit: Int) throws(CompressionError) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw CompressionError(.inputOutput, "\(path) can't be opened (errno \(errno)); check that it exists")
    }
    defer { close(descriptor) }
    return try decompress(limit: limit, from: path) { () throws(CompressionError) -> [UInt8] in
      var failure: CInt = 0
      let chunk = unsafe [UInt8](unsafeUninitializedCapacity: 256 << 10) { buffer, count in
        var got = unsafe read(descriptor, buffer.baseAddress, buffer.count)
        while got < 0 && errno == EINTR { got = unsafe read(descriptor, buffer.baseAddress, buffer.count) }
        failure = got < 0 ? errno : 0
        count = max(0, got)
      }
      if failure != 0 { throw CompressionError(.inputOutput, "\(path) can't be read (errno \(failure))") }
      return chunk
    }
  }

  /// Pulls compressed pieces until an empty one and returns what they hold.
  private static func decompress(
    limit: Int,
    from name: String,
    next: () throws(CompressionError) -> [UInt8]
  ) throws(CompressionError) -> [UInt8] {
    var stream = try InflateStream(.gzip)
    var result: [UInt8] = []
    var betweenMembers = false
    do {
      var piece = try next()
      guard !piece.isEmpty else { throw CompressionError(.truncated, "\(name) is empty") }
      while !piece.isEmpty {
        var used = 0
        while used < piece.count {
          if stream.isFinished { stream.reset() }
          used += try stream.inflate(piece.span.extracting(used..<piece.count)) { output in
            guard output.count <= limit - result.count else {
              throw CompressionError(.tooLarge, "\(name) holds more than the \(limit) bytes that are allowed")
            }
            unsafe output.withUnsafeBufferPointer { unsafe result.append(contentsOf: $0) }
          }
          betweenMembers = stream.isFinished
        }
        piece = try next()
      }
    } catch let error as CompressionError {
      throw error
    } catch {
      throw CompressionError(.damaged, "\(name) could not be decompressed", underlying: error)
    }
    guard betweenMembers else { throw CompressionError(.truncated, "\(name) ends in the middle") }
    return result
  }
}
