// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Writes a file under a temporary name and gives it its own once all of it is on the disk: readers see the old file or
/// the whole new one.
///
/// Its calls block: make them on a thread of one's own. Without ``commit()`` the temporary file goes with the last
/// reference; only a kill leaves it behind. It is locked as long as it is written, which tells it from those that were left
/// (``removeAbandoned(in:prefix:)``).
package final class AtomicFileWriter: Sendable {
  private let path: String
  /// The file's name until then.
  let temporary: String
  /// `nil` once the file has its name, or is given up.
  private let descriptor: Mutex<Int32?>

  /// Begins a file.
  ///
  /// - Parameters:
  ///   - path: The name it gets in the end.
  ///   - prefix: What its name until then begins with, in the same folder.
  /// - Throws: ``StorageError``.
  package init(path: String, temporaryPrefix prefix: String) throws(StorageError) {
    self.path = path
    while true {
      let name = Self.temporaryName(prefix)
      let file = unsafe open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
      if file < 0, errno == EEXIST { continue }
      guard file >= 0 else { throw .system("creating \(name)") }
      // Who looks for abandoned files may have come before the lock, and have this one, or have removed it.
      if Self.isLockedByAnother(file) || Self.isRemoved(file) {
        close(file)
        unsafe unlink(name)
        continue
      }
      temporary = name
      descriptor = Mutex(file)
      return
    }
  }

  /// Removes the temporary files of writers that are gone; those of writers at work, in other processes too, stay.
  ///
  /// On a file system without locks all stay.
  ///
  /// - Parameters:
  ///   - folder: Where to look; nobody else may have files there whose names begin so.
  ///   - prefix: What the names begin with.
  /// - Throws: ``StorageError`` when the folder can't be listed.
  static func removeAbandoned(in folder: String, prefix: String) throws(StorageError) {
    for name in try names(in: folder, where: { $0.hasPrefix(prefix) }) {
      let path = "\(folder)/\(name)"
      let file = unsafe open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
      guard file >= 0 else { continue }
      if flock(file, LOCK_EX | LOCK_NB) == 0 { unsafe unlink(path) }
      close(file)
    }
  }

  /// The names in a folder that are wanted, other than the two that each has.
  static func names(
    in folder: String,
    where isWanted: (String) -> Bool = { _ in true }
  ) throws(StorageError) -> [String] {
    guard let directory = unsafe opendir(folder) else { throw .system("listing \(folder)") }
    defer { unsafe closedir(directory) }
    var names: [String] = []
    while let entry = unsafe readdir(directory) {
      // The name ends with NUL inside the entry, which stays valid until the next readdir.
      let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
        unsafe String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      if name != ".", name != "..", isWanted(name) { names.append(name) }
    }
    return names
  }

  /// Takes a file's lock where there are locks; whether someone else has it.
  private static func isLockedByAnother(_ file: Int32) -> Bool {
    flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK
  }

  private static func isRemoved(_ file: Int32) -> Bool {
    var status = stat()
    return unsafe fstat(file, &status) == 0 && status.st_nlink == 0
  }

  deinit {
    descriptor.withLock { descriptor in
      guard let file = descriptor else { return }
      close(file)
      unsafe unlink(temporary)
    }
  }

  /// A name that no other writer has, in this process or another; a process's number alone would not do, as containers
  /// that share a folder have the same.
  package static func temporaryName(_ prefix: String) -> String {
    "\(prefix)-\(String(UInt64.random(in: 0 ... .max), radix: 16))"
  }

  /// The folder of a path.
  package static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  /// Appends bytes.
  ///
  /// - Parameter bytes: The next bytes of the file.
  /// - Throws: ``StorageError``: ``StorageError/Code/storageFull`` or ``StorageError/Code/inputOutput``.
  package func append(_ bytes: [UInt8]) throws(StorageError) {
    try descriptor.withLock { (descriptor) throws(StorageError) in
      guard let file = descriptor else { throw StorageError(.misuse, "\(path) is already written") }
      var offset = 0
      while offset < bytes.count {
        // The pointer stays inside `bytes`: offset + count is the array's end.
        let written = unsafe bytes.withUnsafeBytes { buffer in
          unsafe write(file, buffer.baseAddress.map { unsafe $0 + offset }, buffer.count - offset)
        }
        if written < 0, errno == EINTR { continue }
        guard written > 0 else { throw .system("writing \(temporary)") }
        offset += written
      }
    }
  }

  /// Syncs the file, gives it its name and syncs the folder: on disk when this returns.
  ///
  /// - Throws: ``StorageError``; then the older file is still there, unless only the folder could not be synced: then the new
  ///   one has the name, and loss of power may bring the older one back.
  package func commit() throws(StorageError) {
    try descriptor.withLock { (descriptor) throws(StorageError) in
      guard let file = descriptor else { throw StorageError(.misuse, "\(path) is already written") }
      guard Self.sync(file) == 0 else { throw .system("syncing \(temporary)") }
      descriptor = nil
      // It is locked until it has its name. Closing has nothing left to tell, as all of it is on the disk.
      defer { close(file) }
      guard unsafe rename(temporary, path) == 0 else {
        let error = StorageError.system("renaming \(temporary)")
        unsafe unlink(temporary)
        throw error
      }
    }
    try Self.syncFolder(of: path)
  }

  /// Syncs a file that someone else wrote, gives it its name and syncs the folder: on disk when this returns.
  ///
  /// - Parameters:
  ///   - temporary: The whole file, in the same folder.
  ///   - path: The name it gets.
  /// - Throws: ``StorageError``.
  package static func adopt(_ temporary: String, as path: String) throws(StorageError) {
    let file = unsafe open(temporary, O_RDWR | O_CLOEXEC)
    guard file >= 0 else { throw .system("opening \(temporary)") }
    let status = sync(file)
    let error = StorageError.system("syncing \(temporary)")
    close(file)
    guard status == 0 else { throw error }
    guard unsafe rename(temporary, path) == 0 else { throw .system("renaming \(temporary)") }
    try syncFolder(of: path)
  }

  /// Waits until a file is on the disk; the result and `errno` are those of `fsync`.
  private static func sync(_ file: Int32) -> Int32 {
    #if canImport(Darwin)
    // A plain fsync stops at the drive's cache there. File systems that don't know this, such as shares, take the other.
    if fcntl(file, F_FULLFSYNC) == 0 { return 0 }
    if errno == EIO { return -1 }
    #endif
    return fsync(file)
  }

  /// A new name, and one that is gone, are durable only when their folder is synced.
  static func syncFolder(of path: String) throws(StorageError) {
    let end = path.lastIndex { $0 != "/" } ?? path.startIndex
    try sync(folder: folder(of: path.isEmpty ? path : String(path[...end])))
  }

  /// Syncs the names in a folder.
  static func sync(folder: String) throws(StorageError) {
    let directory = unsafe open(folder, O_RDONLY | O_CLOEXEC)
    guard directory >= 0 else { throw .system("opening the folder \(folder)") }
    defer { close(directory) }
    guard sync(directory) == 0 else { throw .system("syncing the folder \(folder)") }
  }
}

extension StorageError {
  /// The error of the system call that just failed.
  static func system(_ doing: String, file: String = #fileID, line: Int = #line) -> StorageError {
    let number = errno
    // strerror returns a valid C string for every code.
    let reason = unsafe String(cString: strerror(number))
    let isFull = number == ENOSPC || number == EDQUOT
    return StorageError(
      isFull ? .storageFull : number == EACCES || number == EROFS ? .readOnly : .inputOutput,
      "\(doing): \(reason)"
        + (isFull ? "; free some space and retry, what was there before is intact" : ""),
      file: file,
      line: line
    )
  }
}
