// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// A file whose writes go to the device past the page cache, so that a writer waits instead of copying.
@safe final class UncachedFile {
  private static let size = 4 << 20
  private let descriptor: Int32
  private let block: UnsafeMutableRawPointer

  init(path: String) throws {
    let flags = O_WRONLY | O_CREAT | O_CLOEXEC
    #if os(Linux)
    // O_DIRECT, which the C library shows to GNU sources only.
    #if arch(arm64)
    let direct: Int32 = 0o200000
    #else
    let direct: Int32 = 0o40000
    #endif
    var file = unsafe open(path, flags | direct, 0o600)
    // Some file systems, such as overlays in memory, refuse.
    if file < 0 { file = unsafe open(path, flags, 0o600) }
    #else
    let file = unsafe open(path, flags, 0o600)
    if file >= 0 { _ = fcntl(file, F_NOCACHE, 1) }
    #endif
    guard file >= 0 else { throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO) }
    descriptor = file
    unsafe block = .allocate(byteCount: Self.size, alignment: 4096)
    unsafe block.initializeMemory(as: UInt8.self, repeating: 7, count: Self.size)
  }

  deinit {
    close(descriptor)
    unsafe block.deallocate()
  }

  /// Writes 4 MiB over the file's beginning, and waits until the device has them.
  func write() throws {
    guard unsafe pwrite(descriptor, block, Self.size, 0) == Self.size, fsync(descriptor) == 0 else {
      throw POSIXError(POSIXErrorCode(rawValue: errno) ?? .EIO)
    }
  }
}
