// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import TenfoldVectors

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// The few things that an index does to its directory.
enum IndexDirectory {
  /// Creates the directory if it is missing; its parent must be there.
  static func create(_ path: String) throws(SectionFileError) {
    if unsafe mkdir(path, 0o755) == 0 || errno == EEXIST { return }
    let code = errno
    let reason = unsafe String(cString: strerror(code))
    throw SectionFileError(
      code == ENOSPC || code == EDQUOT ? .storageFull : .inputOutput,
      "creating the directory \(path) failed: \(reason)"
    )
  }

  /// The names of what is in it; none if it can't be read.
  static func entries(_ path: String) -> [String] {
    guard let directory = unsafe opendir(path) else { return [] }
    defer { unsafe closedir(directory) }
    var names: [String] = []
    while let entry = unsafe readdir(directory) {
      // The name is a NUL-terminated array inside the entry, valid until the next readdir.
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
        unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name != ".", name != ".." { names.append(name) }
    }
    return names
  }

  /// Removes a file; a failure costs only room.
  static func remove(_ path: String) { _ = unsafe unlink(path) }
}
