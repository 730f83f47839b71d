// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// What tells a file that was verified from one that changed since: size, time and identity.
struct FileStamp: Hashable, Sendable, Codable {
  let size: UInt64
  let seconds: Int64
  let nanoseconds: Int64
  let inode: UInt64
  let device: UInt64

  init(_ status: stat) {
    size = UInt64(clamping: status.st_size)
    #if canImport(Darwin)
    seconds = Int64(status.st_mtimespec.tv_sec)
    nanoseconds = Int64(status.st_mtimespec.tv_nsec)
    #else
    seconds = Int64(status.st_mtim.tv_sec)
    nanoseconds = Int64(status.st_mtim.tv_nsec)
    #endif
    inode = UInt64(truncatingIfNeeded: status.st_ino)
    device = UInt64(truncatingIfNeeded: status.st_dev)
  }

  /// The stamp of the regular file that `path` leads to, or `nil` if there is none.
  static func ofFile(at path: String) -> FileStamp? {
    var status = stat()
    guard unsafe stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    return FileStamp(status)
  }
}
