// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// An open file that closes itself; every failure is a ``ModelError`` that names the file.
struct StoreFile: ~Copyable {
  let descriptor: CInt
  let path: String

  /// Opens a file.
  init(_ path: String, _ flags: CInt, mode: mode_t = 0o644) throws(ModelError) {
    let descriptor = unsafe open(path, flags | O_CLOEXEC, mode)
    guard descriptor >= 0 else { throw Self.error("open", path, errno) }
    self.descriptor = descriptor
    self.path = path
  }

  deinit { close(descriptor) }

  /// Size, time and identity, as the file system has them now.
  func stamp() throws(ModelError) -> FileStamp {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else { throw Self.error("look at", path, errno) }
    return FileStamp(status)
  }

  /// Appends all bytes at the file position.
  func write(_ bytes: Span<UInt8>) throws(ModelError) {
    var done = 0
    while done < bytes.count {
      let rest = bytes.extracting(done..<bytes.count)
      let count = unsafe rest.withUnsafeBytes { buffer in
        #if canImport(Glibc)
        unsafe Glibc.write(descriptor, buffer.baseAddress, buffer.count)
        #elseif canImport(Musl)
        unsafe Musl.write(descriptor, buffer.baseAddress, buffer.count)
        #else
        unsafe Darwin.write(descriptor, buffer.baseAddress, buffer.count)
        #endif
      }
      if count < 0 {
        if errno == EINTR { continue }
        throw Self.error("write", path, errno)
      }
      done += count
    }
  }

  /// Reads at most `count` bytes at an offset; fewer only at the end of the file.
  func read(at offset: UInt64, count: Int) throws(ModelError) -> [UInt8] {
    guard let start = off_t(exactly: offset), count >= 0 else { throw Self.error("read", path, EOVERFLOW) }
    var failure: CInt = 0
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      filled = unsafe Self.fill(UnsafeMutableRawBufferPointer(buffer), descriptor, start, &failure)
    }
    guard failure == 0 else { throw Self.error("read", path, failure) }
    return bytes
  }

  /// Fills memory from an open file; any number of threads may read it at once.
  static func read(
    _ descriptor: CInt,
    _ path: String,
    at offset: Int,
    into bytes: UnsafeMutableRawBufferPointer
  ) throws(ModelError) {
    var failure: CInt = 0
    let count = unsafe fill(bytes, descriptor, off_t(offset), &failure)
    guard failure == 0 else { throw Self.error("read", path, failure) }
    guard count == bytes.count else {
      throw ModelError(.truncated, "\(path) ends at \(offset + count); it was shortened while it was read.")
    }
  }

  /// Reads until the buffer is full, the file ends or an error that is left in `failure`; returns the bytes read.
  private static func fill(
    _ buffer: UnsafeMutableRawBufferPointer,
    _ descriptor: CInt,
    _ start: off_t,
    _ failure: inout CInt
  ) -> Int {
    guard let base = buffer.baseAddress else { return 0 }
    var filled = 0
    while filled < buffer.count {
      let got = unsafe pread(descriptor, base + filled, buffer.count - filled, start + off_t(filled))
      if got == 0 { break }
      if got < 0 {
        if errno == EINTR { continue }
        failure = errno
        break
      }
      filled += got
    }
    return filled
  }

  /// Cuts the file to a length and puts the file position there.
  func truncate(to length: UInt64) throws(ModelError) {
    guard let end = off_t(exactly: length) else { throw Self.error("truncate", path, EOVERFLOW) }
    guard ftruncate(descriptor, end) == 0, lseek(descriptor, end, SEEK_SET) == end else {
      throw Self.error("truncate", path, errno)
    }
  }

  /// Waits until the contents are on the disk.
  func synchronize() throws(ModelError) {
    guard fsync(descriptor) == 0 else { throw Self.error("flush", path, errno) }
  }

  /// The error for a failed system call.
  static func error(_ action: String, _ path: String, _ code: CInt) -> ModelError {
    let reason = unsafe String(cString: strerror(code))
    if code == ENOSPC || code == EDQUOT {
      return ModelError(.storageFull, "can't \(action) \(path): \(reason); free some space and try again")
    }
    return ModelError(.inputOutput, "can't \(action) \(path): \(reason)")
  }
}
