// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Darwin)
import Darwin
#elseif canImport(Musl)
import Musl
#else
import Glibc
#endif

/// A whole file mapped read-only into memory.
///
/// Pages are read from disk on first touch and can be dropped by the system at any time, so mapping costs
/// address space rather than memory. The mapping holds the file's inode: replacing or deleting the path
/// leaves a mapped file readable. Only shortening the file *in place* is not survivable, on any system;
/// the model store therefore replaces files by rename and never writes into them.
///
/// ```swift
/// let file = try MappedFile(path: "/models/model.gguf")
/// let magic = file.withUnsafeBytes { unsafe $0.prefix(4).elementsEqual("GGUF".utf8) }
/// ```
@safe public final class MappedFile: Sendable {
  /// The path that was opened, as given.
  public let path: String
  /// The file's size in bytes when it was mapped.
  public let count: Int
  // Immutable after `init` and mapped PROT_READ, so it is safe to read from any thread.
  private nonisolated(unsafe) let base: UnsafeRawPointer?

  /// Maps the file at `path`.
  ///
  /// - Parameter path: A regular file.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/inputOutput`` when the file cannot be opened or mapped.
  public init(path: String) throws(ModelError) {
    // C calls with a path that lives for the call.
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else {
      throw ModelError(.inputOutput, "Cannot open \(path): \(Self.reason(errno)).")
    }
    defer { close(descriptor) }
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else {
      throw ModelError(.inputOutput, "Cannot read the size of \(path): \(Self.reason(errno)).")
    }
    guard status.st_mode & S_IFMT == S_IFREG, status.st_size >= 0 else {
      throw ModelError(.inputOutput, "\(path) is not a regular file; name the model file itself.")
    }
    let size = Int(status.st_size)
    self.path = path
    self.count = size
    guard size > 0 else {
      unsafe self.base = nil
      return
    }
    // The result is checked against MAP_FAILED (all bits set) before use.
    let address = unsafe mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0)
    guard let address = unsafe address, Int(bitPattern: address) != -1 else {
      throw ModelError(.inputOutput, "Cannot map \(path) (\(size) bytes): \(Self.reason(errno)).")
    }
    unsafe self.base = UnsafeRawPointer(address)
  }

  deinit {
    // Unmaps exactly what `init` mapped; nobody can hold the bytes beyond `withUnsafeBytes`.
    if let base = unsafe base { _ = unsafe munmap(UnsafeMutableRawPointer(mutating: base), count) }
  }

  /// Calls `body` with all bytes of the file.
  ///
  /// - Parameter body: Receives the bytes; they must not escape it unless the file is kept alive as long.
  /// - Returns: What `body` returns.
  /// - Throws: What `body` throws.
  public func withUnsafeBytes<R, E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> R
  ) throws(E) -> R {
    // `base` covers `count` bytes until deinit, and `self` outlives the call.
    defer { extendLifetime(self) }
    return try unsafe body(UnsafeRawBufferPointer(start: base, count: base == nil ? 0 : count))
  }

  /// Calls `body` with a bounds-checked view of all bytes of the file.
  ///
  /// - Parameter body: Receives the view, which cannot escape.
  /// - Returns: What `body` returns.
  /// - Throws: What `body` throws.
  public func withBytes<R, E: Error>(_ body: (RawSpan) throws(E) -> R) throws(E) -> R {
    try unsafe withUnsafeBytes { (bytes) throws(E) -> R in
      try unsafe body(bytes.bytes)
    }
  }

  private static func reason(_ code: Int32) -> String {
    // strerror returns a valid C string for every code.
    guard let text = unsafe strerror(code) else { return "error \(code)" }
    return unsafe String(cString: text)
  }
}
