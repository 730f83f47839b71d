// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// A file of named sections, each with its own checksum, that is replaced as a whole or not at all.
///
/// Layout, little-endian:
///
/// ```
/// magic 8 bytes | version u32 | CRC-32 of these 12 bytes          (the same in every version)
/// table length u32 | table | CRC-32 of the table
/// table: section count varint, then for each: name, length u64, CRC-32
/// the sections, one after the other, to the end of the file
/// ```
///
/// Every byte is covered by a checksum or by the length of the file, so a truncation or a flipped bit anywhere is
/// found, and the error names the section.
package enum SectionFile {
  /// A named run of bytes.
  package struct Section: Sendable {
    package var name: String
    package var bytes: [UInt8]

    package init(_ name: String, _ bytes: [UInt8]) {
      self.name = name
      self.bytes = bytes
    }
  }

  private static let prefixLength = 16

  /// Writes a file beside `path`, syncs it and moves it over `path`: on disk when this returns.
  ///
  /// - Parameters:
  ///   - path: The file; what it held before stays until the new one is complete.
  ///   - magic: 8 bytes that name the kind of file.
  ///   - version: The version of the sections' contents.
  ///   - sections: The sections, in order.
  ///   - maximumSize: The most bytes the file may have, or `nil`.
  /// - Throws: ``SectionFileError``.
  package static func write(
    _ path: String,
    magic: String,
    version: UInt32,
    sections: [Section],
    maximumSize: Int? = nil
  ) throws(SectionFileError) {
    var prefix = ByteWriter()
    prefix.write(Array(magic.utf8.prefix(8)) + [UInt8](repeating: 0, count: max(0, 8 - magic.utf8.count)))
    prefix.write(version)
    prefix.write(SectionChecksum.of(prefix.bytes))
    var table = ByteWriter()
    table.writeVarint(UInt64(sections.count))
    for section in sections {
      table.write(section.name)
      table.write(UInt64(section.bytes.count))
      table.write(SectionChecksum.of(section.bytes))
    }
    prefix.write(UInt32(table.bytes.count))
    prefix.write(table.bytes)
    prefix.write(SectionChecksum.of(table.bytes))
    let size = sections.reduce(prefix.bytes.count) { $0 + $1.bytes.count }
    if let maximumSize, size > maximumSize {
      throw SectionFileError(
        .storageFull,
        "\(path) would take \(size) bytes, the limit is \(maximumSize); raise the limit or remove entries"
      )
    }
    try replace(path, with: [prefix.bytes] + sections.map(\.bytes))
  }

  /// Reads a file and checks every byte.
  ///
  /// - Parameters:
  ///   - path: The file.
  ///   - magic: The kind of file that is expected.
  ///   - supportedVersion: The newest version that the caller understands.
  /// - Returns: The sections by name, and the file's version.
  /// - Throws: ``SectionFileError``.
  package static func read(
    _ path: String,
    magic: String,
    supportedVersion: UInt32
  ) throws(SectionFileError) -> (version: UInt32, sections: [String: [UInt8]]) {
    let bytes = try contents(of: path)
    guard bytes.count >= prefixLength else {
      throw SectionFileError(.corrupt, "\(path) is damaged: it ends inside its header")
    }
    var reader = ByteReader(bytes, name: "the header of \(path)")
    let found = try reader.readBytes(8)
    let version = try reader.read(UInt32.self)
    guard try reader.read(UInt32.self) == SectionChecksum.of(Array(bytes[..<12])) else {
      throw SectionFileError(.corrupt, "\(path) is damaged: the checksum of its header is wrong")
    }
    let expected = Array(magic.utf8.prefix(8)) + [UInt8](repeating: 0, count: max(0, 8 - magic.utf8.count))
    guard found == expected else {
      throw SectionFileError(.corrupt, "\(path) is not a file of this kind (expected \(magic))")
    }
    guard version <= supportedVersion else {
      throw SectionFileError(
        .futureFormat,
        "\(path) has format \(version), this version reads up to \(supportedVersion); update the program, "
          + "or index again into another directory. Nothing was changed"
      )
    }
    let tableLength = Int(try reader.read(UInt32.self))
    let tableBytes = try reader.readBytes(tableLength)
    guard try reader.read(UInt32.self) == SectionChecksum.of(tableBytes) else {
      throw SectionFileError(.corrupt, "\(path) is damaged: the checksum of its table is wrong")
    }
    var table = ByteReader(tableBytes, name: "the table of \(path)")
    var sections: [String: [UInt8]] = [:]
    for _ in 0..<(try table.readCount(each: 13)) {
      let name = try table.readText()
      let length = try table.read(UInt64.self)
      let checksum = try table.read(UInt32.self)
      guard length <= UInt64(reader.remaining) else {
        throw SectionFileError(.corrupt, "\(path) is damaged: it ends inside section \(name)")
      }
      let section = try reader.readBytes(Int(length))
      guard SectionChecksum.of(section) == checksum else {
        throw SectionFileError(.corrupt, "\(path) is damaged: the checksum of section \(name) is wrong")
      }
      sections[name] = section
    }
    guard table.isAtEnd, reader.isAtEnd else {
      throw SectionFileError(.corrupt, "\(path) is damaged: it is longer than its table says")
    }
    return (version, sections)
  }

  /// Makes changes of a directory's entries durable.
  package static func syncDirectory(_ path: String) throws(SectionFileError) {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("opening the directory \(path)") }
    defer { close(descriptor) }
    guard fsync(descriptor) == 0 else { throw failure("syncing the directory \(path)") }
  }

  // MARK: - Private

  private static func failure(_ action: String, _ code: CInt = errno) -> SectionFileError {
    let reason = unsafe String(cString: strerror(code))
    switch code {
    case ENOSPC, EDQUOT, EFBIG:
      return SectionFileError(.storageFull, "\(action) failed: \(reason). Free some space and try again")
    case ENOENT:
      return SectionFileError(.missing, "\(action) failed: \(reason)")
    default:
      return SectionFileError(.inputOutput, "\(action) failed: \(reason) (errno \(code))")
    }
  }

  private static func replace(_ path: String, with pieces: [[UInt8]]) throws(SectionFileError) {
    // A fixed name: a crash leaves at most one such file, which the next write reuses.
    let temporary = path + ".tmp"
    let descriptor = try openAlone(temporary)
    defer {
      // Not by closing alone: a process that was forked meanwhile may hold the descriptor, and so the lock.
      flock(descriptor, LOCK_UN)
      close(descriptor)
    }
    do throws(SectionFileError) {
      guard ftruncate(descriptor, 0) == 0 else { throw failure("emptying \(temporary)") }
      for piece in pieces { try writeAll(piece, to: descriptor, path: temporary) }
      guard fsync(descriptor) == 0 else { throw failure("syncing \(temporary)") }
      guard unsafe rename(temporary, path) == 0 else { throw failure("moving \(temporary) to \(path)") }
    } catch {
      unsafe unlink(temporary)
      throw error
    }
    try syncDirectory(directory(of: path))
  }

  /// Opens the temporary file of a path, once nobody else is writing it: in this process or another.
  private static func openAlone(_ temporary: String) throws(SectionFileError) -> CInt {
    while true {
      let descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
      guard descriptor >= 0 else { throw failure("creating \(temporary)") }
      // Where a file system has no locks there is nobody else to be expected.
      while flock(descriptor, LOCK_EX) != 0, errno == EINTR {}
      var (mine, current) = (stat(), stat())
      if unsafe fstat(descriptor, &mine) == 0, unsafe stat(temporary, &current) == 0,
        mine.st_ino == current.st_ino, mine.st_dev == current.st_dev
      {
        return descriptor
      }
      // Whoever had it has moved it to its name by now, or given up.
      flock(descriptor, LOCK_UN)
      close(descriptor)
    }
  }

  private static func directory(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  private static func writeAll(
    _ bytes: [UInt8],
    to descriptor: CInt,
    path: String
  ) throws(SectionFileError) {
    var done = 0
    while done < bytes.count {
      // The pointer is used only during the call.
      let written = unsafe bytes.withUnsafeBytes { buffer in
        unsafe buffer.baseAddress.map { unsafe writeOnce(descriptor, $0 + done, bytes.count - done) } ?? 0
      }
      if written < 0 {
        if errno == EINTR { continue }
        throw failure("writing \(path)")
      }
      done += written
    }
  }

  private static func contents(of path: String) throws(SectionFileError) -> [UInt8] {
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("opening \(path)") }
    defer { close(descriptor) }
    var information = stat()
    guard unsafe fstat(descriptor, &information) == 0 else { throw failure("looking at \(path)") }
    let size = Int(information.st_size)
    var code: CInt = 0
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      count = 0
      while count < size, let base = buffer.baseAddress {
        let got = unsafe readOnce(descriptor, base + count, size - count)
        if got < 0 {
          if errno == EINTR { continue }
          code = errno
          return
        }
        if got == 0 { return }
        count += got
      }
    }
    if code != 0 { throw failure("reading \(path)", code) }
    return bytes
  }
}

// Outside the type, whose own `read` and `write` would hide the system's.

private func writeOnce(_ descriptor: CInt, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
  unsafe write(descriptor, bytes, count)
}

private func readOnce(_ descriptor: CInt, _ bytes: UnsafeMutableRawPointer, _ count: Int) -> Int {
  unsafe read(descriptor, bytes, count)
}
