// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldStorage

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Reads one named member of a zip file, and nothing else of it.
///
/// The archive is untrusted: no name in it ever becomes a path, sizes are checked before use, a member that
/// inflates too far is refused.
struct ZipArchive: ~Copyable {
  /// Where a member lies, as the central directory tells it.
  private struct Entry {
    var method: UInt16
    var flags: UInt16
    var checksum: UInt32
    var compressed: UInt64
    var size: UInt64
    var header: UInt64
    var isLink: Bool
  }

  /// How many times larger than its compressed form a member may be.
  static let ratioLimit: UInt64 = 1_000
  /// The largest central directory that is read; wheels have a few kilobytes.
  private static let directoryLimit: UInt64 = 64 << 20

  private let file: StoreFile
  private let size: UInt64

  /// Opens an archive.
  init(_ path: String) throws(ModelError) {
    let file = try StoreFile(path, O_RDONLY)
    size = try file.stamp().size
    self.file = file
  }

  /// Reads a member piece by piece.
  ///
  /// - Parameters:
  ///   - name: The member's exact name; it must be a plain relative path.
  ///   - limit: The most bytes it may have.
  ///   - sink: Gets the contents in order; what it throws ends the call.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/downloadFailed`` for an archive that isn't right, or what
  ///   `sink` throws.
  func read(_ name: String, limit: UInt64, _ sink: (Span<UInt8>) throws -> Void) throws {
    let steps = name.split(separator: "/", omittingEmptySubsequences: false)
    guard !name.contains("\\"), !steps.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." }) else {
      throw failure("the member name \(name.debugDescription) is not a plain relative path")
    }
    let entry = try find(name)
    guard !entry.isLink else { throw failure("\(name) is a symbolic link") }
    guard entry.flags & 0x41 == 0 else { throw failure("\(name) is encrypted") }
    guard entry.size <= limit else {
      throw failure("\(name) has \(entry.size) bytes, more than the \(limit) expected")
    }
    let (most, overflow) = entry.compressed.multipliedReportingOverflow(by: Self.ratioLimit)
    guard overflow || entry.size <= most else {
      throw failure("\(name) would inflate more than \(Self.ratioLimit) times")
    }
    let start = try dataOffset(entry, name)
    guard entry.compressed <= size, start <= size - entry.compressed else {
      throw failure("it ends inside \(name)")
    }

    var checksum = CRC32Checksum()
    var written: UInt64 = 0
    func deliver(_ piece: Span<UInt8>) throws {
      guard UInt64(piece.count) <= entry.size - written else {
        throw failure("\(name) holds more than the \(entry.size) bytes it declares")
      }
      checksum.update(piece)
      written += UInt64(piece.count)
      try sink(piece)
    }
    switch entry.method {
    case 0: try pieces(start, entry.compressed, name) { try deliver($0.span) }
    case 8:
      do {
        var stream = try InflateStream(.raw)
        try pieces(start, entry.compressed, name) { _ = try stream.inflate($0.span, deliver) }
        guard stream.isFinished else { throw failure("\(name) ends in the middle") }
      } catch let error as CompressionError {
        throw failure("\(name): \(error.message)", error)
      }
    default: throw failure("\(name) is compressed by method \(entry.method), which is not supported")
    }
    guard written == entry.size else {
      throw failure("\(name) has \(written) bytes and declares \(entry.size)")
    }
    guard checksum.value == entry.checksum else { throw failure("the CRC-32 of \(name) is wrong") }
  }

  private func pieces(
    _ start: UInt64,
    _ count: UInt64,
    _ name: String,
    _ body: ([UInt8]) throws -> Void
  ) throws {
    var done: UInt64 = 0
    while done < count {
      let bytes = try file.read(at: start + done, count: Int(min(1 << 20, count - done)))
      guard !bytes.isEmpty else { throw failure("it ends inside \(name)") }
      try body(bytes)
      done += UInt64(bytes.count)
    }
  }

  /// Looks for the one entry with exactly this name.
  private func find(_ name: String) throws(ModelError) -> Entry {
    let (offset, length) = try directory()
    guard length <= Self.directoryLimit else { throw failure("its directory has \(length) bytes") }
    let bytes = try file.read(at: offset, count: Int(length))
    guard bytes.count == Int(length) else { throw failure("it ends inside its directory") }
    let wanted = Array(name.utf8)
    var found: Entry?
    var at = 0
    while at + 46 <= bytes.count, u32(bytes, at) == 0x0201_4b50 {
      let nameLength = Int(u16(bytes, at + 28))
      let extraLength = Int(u16(bytes, at + 30))
      let end = at + 46 + nameLength + extraLength + Int(u16(bytes, at + 32))
      guard end <= bytes.count else { throw failure("its directory is damaged") }
      if bytes[at + 46..<at + 46 + nameLength].elementsEqual(wanted) {
        guard found == nil else { throw failure("it has two members named \(name)") }
        var entry = Entry(
          method: u16(bytes, at + 10),
          flags: u16(bytes, at + 8),
          checksum: u32(bytes, at + 16),
          compressed: UInt64(u32(bytes, at + 20)),
          size: UInt64(u32(bytes, at + 24)),
          header: UInt64(u32(bytes, at + 42)),
          isLink: (u32(bytes, at + 38) >> 16) & 0xf000 == 0xa000
        )
        let extra = at + 46 + nameLength
        try widen(&entry, bytes, extra..<extra + extraLength)
        found = entry
      }
      at = end
    }
    guard let found else { throw failure("it has no member \(name)") }
    return found
  }

  /// Takes the 64-bit fields from the zip64 extra field, where the 32-bit ones are full.
  private func widen(_ entry: inout Entry, _ bytes: [UInt8], _ extra: Range<Int>) throws(ModelError) {
    let full = UInt64(UInt32.max)
    guard entry.size == full || entry.compressed == full || entry.header == full else { return }
    var at = extra.lowerBound
    while at + 4 <= extra.upperBound {
      let end = at + 4 + Int(u16(bytes, at + 2))
      guard end <= extra.upperBound else { break }
      if u16(bytes, at) == 1 {
        var field = at + 4
        func take(_ value: inout UInt64) throws(ModelError) {
          guard value == full else { return }
          guard field + 8 <= end else { throw failure("its zip64 field is too short") }
          value = u64(bytes, field)
          field += 8
        }
        try take(&entry.size)
        try take(&entry.compressed)
        try take(&entry.header)
        return
      }
      at = end
    }
    throw failure("its zip64 field is missing")
  }

  /// Where the member's bytes start, behind its local header.
  private func dataOffset(_ entry: Entry, _ name: String) throws(ModelError) -> UInt64 {
    guard size >= 30, entry.header <= size - 30 else { throw failure("\(name) lies outside the archive") }
    let bytes = try file.read(at: entry.header, count: 30)
    guard bytes.count == 30, u32(bytes, 0) == 0x0403_4b50 else {
      throw failure("\(name) has no local header")
    }
    return entry.header + 30 + UInt64(u16(bytes, 26)) + UInt64(u16(bytes, 28))
  }

  /// Finds the central directory from the end of the file.
  private func directory() throws(ModelError) -> (offset: UInt64, length: UInt64) {
    // The end record has 22 bytes and a comment of up to 65,535.
    let tailLength = min(size, 22 + 65_535)
    let tailStart = size - tailLength
    let tail = try file.read(at: tailStart, count: Int(tailLength))
    guard tail.count >= 22,
      let end = stride(from: tail.count - 22, through: 0, by: -1).first(where: { at in
        u32(tail, at) == 0x0605_4b50 && at + 22 + Int(u16(tail, at + 20)) == tail.count
      })
    else { throw failure("it is not a zip file, or its end is missing") }
    var length = UInt64(u32(tail, end + 12))
    var offset = UInt64(u32(tail, end + 16))
    if length == UInt64(UInt32.max) || offset == UInt64(UInt32.max), end >= 20,
      u32(tail, end - 20) == 0x0706_4b50
    {
      let record = u64(tail, end - 12)
      guard size >= 56, record <= size - 56 else { throw failure("its zip64 end record lies outside") }
      let bytes = try file.read(at: record, count: 56)
      guard bytes.count == 56, u32(bytes, 0) == 0x0606_4b50 else {
        throw failure("its zip64 end record is damaged")
      }
      length = u64(bytes, 40)
      offset = u64(bytes, 48)
    }
    guard length <= size, offset <= size - length else { throw failure("its directory lies outside") }
    return (offset, length)
  }

  private func u16(_ bytes: [UInt8], _ at: Int) -> UInt16 { UInt16(bytes[at]) | UInt16(bytes[at + 1]) << 8 }

  private func u32(_ bytes: [UInt8], _ at: Int) -> UInt32 {
    UInt32(u16(bytes, at)) | UInt32(u16(bytes, at + 2)) << 16
  }

  private func u64(_ bytes: [UInt8], _ at: Int) -> UInt64 {
    UInt64(u32(bytes, at)) | UInt64(u32(bytes, at + 4)) << 32
  }

  private func failure(_ text: String, _ underlying: (any Error)? = nil) -> ModelError {
    let name = file.path.split(separator: "/").last ?? ""
    return ModelError(.downloadFailed, "the archive \(name) can't be used: \(text)", underlying: underlying)
  }
}
