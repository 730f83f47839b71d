// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Copies a file of this machine into a ``PartialFile``.
struct LocalCopy {
  let path: String
  let file: ModelFileDescription
  let signal: CancellationSignal
  let partial: PartialFile
  let progress: (UInt64) -> Void

  /// Copies from the start: a local file needs no resuming.
  func run() throws {
    guard let stamp = FileStamp.ofFile(at: path) else { throw SourceFailure.skipped("there is no such file") }
    if let size = file.size, stamp.size != size {
      throw SourceFailure.wrongContent("has \(stamp.size) bytes, not \(size)")
    }
    try partial.keep(0, signal)
    try partial.record(PartialFile.State(source: path))
    do {
      let source = try StoreFile(path, O_RDONLY)
      while true {
        try signal.check()
        let bytes = try source.read(at: partial.count, count: 1 << 20)
        if bytes.isEmpty { return }
        try partial.append(bytes.span)
        progress(partial.count)
      }
    } catch let error as ModelError where error.code == .inputOutput {
      throw SourceFailure.skipped(error.message)
    }
  }
}
