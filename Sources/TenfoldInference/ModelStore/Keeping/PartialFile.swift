// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The file that a download grows in, hashed while it grows, and the note of how far it is.
///
/// Used by one thread, under the blob's lock.
final class PartialFile {
  /// What is needed to go on after an interruption.
  struct State: Codable {
    /// The source that delivered the bytes.
    var source = ""
    /// The entity tag that came with them, if any.
    var entityTag: String?
    /// For sources in parts: how many were finished, and where the last one ended.
    var partsDone = 0
    var bytesInParts: UInt64 = 0
  }

  /// The bytes in the file.
  private(set) var count: UInt64
  private(set) var state: State
  private let layout: StoreLayout
  private let sha256: String
  private let file: StoreFile
  private var hasher = SHA256Hasher()
  private var hashed: UInt64 = 0

  /// Opens the partial file of a blob, with whatever an earlier attempt left in it.
  init(_ sha256: String, in layout: StoreLayout) throws(ModelError) {
    self.sha256 = sha256
    self.layout = layout
    try layout.makeFolder(layout.partials)
    file = try StoreFile(layout.part(sha256), O_RDWR | O_CREAT)
    let state = layout.readJSON(State.self, from: layout.partState(sha256))
    self.state = state ?? State()
    count = try file.stamp().size
  }

  /// Keeps the first `length` bytes, drops the rest and writes on from there.
  func keep(_ length: UInt64, _ signal: CancellationSignal) throws {
    try file.truncate(to: length)
    count = length
    if hashed > length {
      hasher = SHA256Hasher()
      hashed = 0
    }
    while hashed < length {
      try signal.check()
      let bytes = try file.read(at: hashed, count: Int(min(1 << 20, length - hashed)))
      guard !bytes.isEmpty else {
        throw ModelError(
          .inputOutput,
          "\(file.path) got shorter while it was read; is something else using it?"
        )
      }
      hasher.update(bytes.span)
      hashed += UInt64(bytes.count)
    }
  }

  /// Appends the next bytes; ``keep(_:_:)`` must have come before.
  func append(_ bytes: Span<UInt8>) throws(ModelError) {
    try file.write(bytes)
    hasher.update(bytes)
    count += UInt64(bytes.count)
    hashed = count
  }

  /// Notes where the bytes come from, for whoever goes on.
  func record(_ state: State) throws(ModelError) {
    self.state = state
    try layout.writeJSON(state, to: layout.partState(sha256))
  }

  /// The hash of the whole file, after its contents are on the disk.
  func finish(_ signal: CancellationSignal) throws -> String {
    if hashed != count { try keep(count, signal) }
    try file.synchronize()
    return hasher.hexadecimalDigest()
  }

  /// Waits until everything appended is on the disk.
  func synchronize() throws(ModelError) { try file.synchronize() }
}
