// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

internal import CTenfoldZlib

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Keeps each blob in a file of its own, with a checksum, and replaces files atomically.
///
/// A file has its key's name. Where the folder ignores case, keys that differ only in that are still different: capitals are
/// marked in the name.
///
/// **Durability.** When ``put(_:at:)`` returns, the file and its folder are synced: the blob survives a kill and loss of
/// power. A kill during `put` leaves the older blob (or none) and a temporary file, which is deleted when the folder is opened
/// again or by ``removeLeftovers()``.
///
/// ```swift
/// let blobs = try FileBlobStore(folder: "blobs")
/// try await blobs.put([1, 2, 3], at: BlobKey("numbers"))
/// ```
public final class FileBlobStore: BlobStore {
  /// The folder of the files.
  public let folder: String
  /// Whether the folder takes `A` and `a` for one name.
  private let ignoresCase: Bool
  /// The operations run on threads of the store's own, as file system calls block.
  private let operations = ThreadMailbox<@Sendable () -> Void>()

  /// Eight bytes of name and version, then the CRC-32 and the length of what follows.
  private static let magic: [UInt8] = Array("TFBLOB01".utf8)
  private static let headerSize = 20
  private static let temporaryPrefix = ".new-"
  /// Syncs of several files go to the disk together, and reads go on beside a few of them.
  private static let threadCount = 4

  /// Opens a folder of blobs and creates it when missing (its parent must exist).
  ///
  /// - Parameter folder: The folder; nothing else should be in it.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/inputOutput``, ``StorageError/Code/storageFull`` or
  ///   ``StorageError/Code/readOnly``.
  public convenience init(folder: String) throws(StorageError) {
    try self.init(folder: folder, ignoresCase: nil)
  }

  /// Opens a folder as one that ignores case or doesn't; `nil` to find out.
  package init(folder: String, ignoresCase: Bool?) throws(StorageError) {
    self.folder = folder
    if unsafe mkdir(folder, 0o755) == 0 {
      try AtomicFileWriter.syncFolder(of: folder)
    } else if errno != EEXIST {
      throw StorageError.system("creating the folder \(folder)")
    } else {
      // Whoever made it may have been killed before this. Who may not read the folder above can't.
      try? AtomicFileWriter.syncFolder(of: folder)
    }
    self.ignoresCase = if let ignoresCase { ignoresCase } else { try Self.ignoresCase(folder) }
    if self.ignoresCase { try Self.escapeNames(in: folder) }
    let operations = operations
    for index in 0..<Self.threadCount {
      do {
        try DedicatedThread.start(name: "tenfold-blobs\(index)") {
          // What can't be removed now is nobody's concern.
          if index == 0 { try? AtomicFileWriter.removeAbandoned(in: folder, prefix: Self.temporaryPrefix) }
          while let operation = operations.takeOne() { operation() }
        }
      } catch {
        // One is enough; without any there is no store.
        if index > 0 { break }
        throw error
      }
    }
  }

  deinit { operations.close() }

  /// Stores a blob whole or not at all; on disk when this returns.
  ///
  /// - Parameters:
  ///   - bytes: The contents.
  ///   - key: Where; an older blob there is replaced.
  /// - Throws: ``StorageError``: ``StorageError/Code/storageFull`` or ``StorageError/Code/inputOutput``; then the older
  ///   blob is still there, unless only the folder could not be synced: then the new one is, and loss of power may bring the
  ///   older one back.
  public func put(_ bytes: [UInt8], at key: BlobKey) async throws {
    try await perform { [folder, ignoresCase] in
      try Self.write(bytes, folder: folder, key: key, ignoresCase: ignoresCase)
    }
  }

  /// Reads a blob and checks it.
  ///
  /// - Parameter key: Where.
  /// - Returns: The bytes as they were stored, or `nil` when there is no such blob.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/corrupt``, ``StorageError/Code/futureFormat`` or
  ///   ``StorageError/Code/inputOutput``.
  public func get(_ key: BlobKey) async throws -> [UInt8]? {
    try await get(key, limit: .max)
  }

  /// Reads a blob that may have so many bytes, and checks it; a larger one is refused before it is read.
  ///
  /// - Parameters:
  ///   - key: Where.
  ///   - limit: The most bytes it may have.
  /// - Returns: The bytes as they were stored, or `nil` when there is no such blob.
  /// - Throws: As ``get(_:)``; ``StorageError`` with code ``StorageError/Code/corrupt`` for a larger one.
  public func get(_ key: BlobKey, limit: Int) async throws -> [UInt8]? {
    try await perform { [folder, ignoresCase] in
      try Self.read(folder: folder, key: key, ignoresCase: ignoresCase, limit: limit)
    }
  }

  /// Deletes a blob; loss of power may bring it back before ``syncDeletions()``.
  ///
  /// - Parameter key: Where.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/inputOutput``.
  public func delete(_ key: BlobKey) async throws {
    try await perform { [folder, ignoresCase] in
      // The one that is read goes last, so that a kill brings no other back.
      for name in BlobFileName.names(of: key, ignoresCase: ignoresCase).reversed() {
        if unsafe unlink("\(folder)/\(name)") != 0, errno != ENOENT {
          throw StorageError.system("deleting \(key)")
        }
      }
    }
  }

  /// Syncs the folder, so that what was deleted stays so.
  ///
  /// - Throws: ``StorageError`` with code ``StorageError/Code/inputOutput``.
  public func syncDeletions() async throws {
    try await perform { [folder] in try AtomicFileWriter.sync(folder: folder) }
  }

  /// Lists the keys.
  ///
  /// - Returns: All keys in ascending order.
  /// - Throws: ``StorageError`` with code ``StorageError/Code/inputOutput``.
  public func keys() async throws -> [BlobKey] {
    try await perform { [folder] in
      Set(try AtomicFileWriter.names(in: folder).compactMap(BlobFileName.key)).sorted {
        $0.rawValue < $1.rawValue
      }
    }
  }

  /// Deletes the temporary files of writers that were killed; those of writers at work stay.
  ///
  /// - Throws: ``StorageError`` with code ``StorageError/Code/inputOutput``.
  /// - Complexity: Linear in the files of the folder.
  public func removeLeftovers() async throws {
    try await perform { [folder] in
      try AtomicFileWriter.removeAbandoned(in: folder, prefix: Self.temporaryPrefix)
    }
  }

  // MARK: - Private

  private func perform<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value
  {
    try await Handoff<Value>.receive { handoff in
      let isAccepted = operations.send { handoff.resume(with: Result { try body() }) }
      if !isAccepted {
        handoff.resume(throwing: StorageError(.closed, "the blob store \(folder) is closed"))
      }
    }
  }

  /// Looks whether a folder takes `A` and `a` for one name.
  private static func ignoresCase(_ folder: String) throws(StorageError) -> Bool {
    let error: StorageError
    do {
      // Never committed, so that it goes again; and locked, so that nobody takes it for a leftover.
      let prefix = "\(temporaryPrefix)case"
      let probe = try AtomicFileWriter(path: "\(folder)/\(prefix)", temporaryPrefix: "\(folder)/\(prefix)")
      return withExtendedLifetime(probe) {
        let name = probe.temporary.dropFirst(folder.count + 1).uppercased()
        return unsafe access("\(folder)/\(name)", F_OK) == 0
      }
    } catch let failure { error = failure }
    // Nothing can be written, but what is there must be read: any file tells whether another spelling finds it.
    for name in try AtomicFileWriter.names(in: folder) where name.uppercased() != name {
      var (own, other) = (stat(), stat())
      guard unsafe stat("\(folder)/\(name)", &own) == 0 else { continue }
      guard unsafe stat("\(folder)/\(name.uppercased())", &other) == 0 else { return false }
      return own.st_dev == other.st_dev && own.st_ino == other.st_ino
    }
    // A folder that is only read, and holds nothing that could tell.
    if error.code == .readOnly { return false }
    throw error
  }

  /// Gives files that were written without marks for their capitals the names under which they are looked for.
  private static func escapeNames(in folder: String) throws(StorageError) {
    for name in try AtomicFileWriter.names(in: folder) {
      guard let key = try? BlobKey(name), let escaped = BlobFileName.escaped(key) else { continue }
      guard unsafe rename("\(folder)/\(name)", "\(folder)/\(escaped)") == 0 || errno == ENOENT else {
        throw .system("renaming \(folder)/\(name)")
      }
    }
  }

  private static func write(_ bytes: [UInt8], folder: String, key: BlobKey, ignoresCase: Bool) throws {
    let name = BlobFileName.names(of: key, ignoresCase: ignoresCase)[0]
    // Another store may write the same key: each has a temporary file of its own, the last rename wins.
    let file = try AtomicFileWriter(
      path: "\(folder)/\(name)",
      temporaryPrefix: "\(folder)/\(temporaryPrefix)\(key)"
    )
    try file.append(
      magic + littleEndian(UInt64(checksum(bytes)), 4) + littleEndian(UInt64(bytes.count), 8)
    )
    try file.append(bytes)
    try file.commit()
  }

  private static func read(folder: String, key: BlobKey, ignoresCase: Bool, limit: Int) throws -> [UInt8]? {
    var file: Int32 = -1
    for name in BlobFileName.names(of: key, ignoresCase: ignoresCase) {
      file = unsafe open("\(folder)/\(name)", O_RDONLY | O_CLOEXEC)
      if file >= 0 || errno != ENOENT { break }
    }
    guard file >= 0 else {
      if errno == ENOENT { return nil }
      throw StorageError.system("opening \(key)")
    }
    defer { close(file) }
    let damaged = StorageError(
      .corrupt,
      "blob \(key) in \(folder) is damaged: its checksum or length is wrong; restore it or delete it"
    )
    let header = try readAll(headerSize, from: file, key)
    guard header.count == headerSize, header.prefix(6).elementsEqual(magic.prefix(6)) else { throw damaged }
    guard header.prefix(8).elementsEqual(magic) else {
      let version = Int(String(decoding: header[6..<8], as: UTF8.self)) ?? -1
      if version > 1 { throw StorageError.futureFormat(found: version, supported: 1, what: "blob \(key)") }
      throw damaged
    }
    let crc = header[8..<12].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    let length = header[12..<20].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    // The length is believed only as far as the file is long.
    let end = lseek(file, 0, SEEK_END)
    guard end >= headerSize, UInt64(Int(end) - headerSize) == length,
      lseek(file, off_t(headerSize), SEEK_SET) >= 0
    else { throw damaged }
    guard length <= UInt64(max(0, limit)) else { throw StorageError.tooLarge(key, length, limit) }
    let bytes = try readAll(Int(end) - headerSize, from: file, key)
    guard UInt64(bytes.count) == length, UInt64(checksum(bytes)) == crc else { throw damaged }
    return bytes
  }

  private static func readAll(_ count: Int, from file: Int32, _ key: BlobKey) throws(StorageError) -> [UInt8]
  {
    var bytes = [UInt8](repeating: 0, count: count)
    var offset = 0
    while offset < count {
      // As above, the pointer stays inside `bytes`.
      let got = unsafe bytes.withUnsafeMutableBytes { buffer in
        #if canImport(Glibc)
        unsafe Glibc.read(file, buffer.baseAddress.map { unsafe $0 + offset }, count - offset)
        #elseif canImport(Musl)
        unsafe Musl.read(file, buffer.baseAddress.map { unsafe $0 + offset }, count - offset)
        #else
        unsafe Darwin.read(file, buffer.baseAddress.map { unsafe $0 + offset }, count - offset)
        #endif
      }
      if got < 0, errno == EINTR { continue }
      guard got >= 0 else { throw StorageError.system("reading \(key)") }
      if got == 0 { break }
      offset += got
    }
    bytes.removeLast(count - offset)
    return bytes
  }

  private static func checksum(_ bytes: [UInt8]) -> UInt32 {
    // crc32_z reads exactly the array.
    unsafe bytes.withUnsafeBytes { buffer in
      unsafe UInt32(
        truncatingIfNeeded: crc32_z(0, buffer.baseAddress?.assumingMemoryBound(to: UInt8.self), buffer.count)
      )
    }
  }

  private static func littleEndian(_ value: UInt64, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
  }
}
