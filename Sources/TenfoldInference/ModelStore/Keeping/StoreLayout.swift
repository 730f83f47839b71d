// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Where everything lies under the store's root, and the file operations that keep it whole.
///
/// ```
/// blobs/sha256-<hex>          the verified contents
/// files/<model>/<file name>   a relative link to the blob, or a file that someone put there
/// partial/<hex>.part, .json   an unfinished download and how far it is
/// quarantine/                 what had the wrong size or hash
/// packed/<hex>-<set>.tfw      weights packed for a CPU, which can be made again
/// locks/<hex>.lock            one lock per blob
/// verified/<hex>.json         which file had that hash when it was last read whole
/// models.json                 the entries that a host added
/// ```
struct StoreLayout: Sendable {
  let root: String

  var blobs: String { root + "/blobs" }
  var files: String { root + "/files" }
  var partials: String { root + "/partial" }
  var quarantine: String { root + "/quarantine" }
  var packed: String { root + "/packed" }
  var locks: String { root + "/locks" }
  var verified: String { root + "/verified" }
  var userManifest: String { root + "/models.json" }
  var userManifestLock: String { locks + "/models.lock" }

  func blob(_ sha256: String) -> String { "\(blobs)/sha256-\(sha256)" }
  func link(_ model: String, _ name: String) -> String { "\(files)/\(model)/\(name)" }
  func part(_ sha256: String) -> String { "\(partials)/\(sha256).part" }
  func partState(_ sha256: String) -> String { "\(partials)/\(sha256).json" }
  func wheels(_ model: String) -> String { "\(partials)/\(model).wheels" }
  func lock(_ sha256: String) -> String { "\(locks)/\(sha256).lock" }
  func mark(_ sha256: String) -> String { "\(verified)/\(sha256).json" }

  /// Creates a folder and those above it.
  func makeFolder(_ path: String) throws(ModelError) {
    do {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    } catch {
      throw ModelError(
        .inputOutput,
        "can't create the folder \(path); set TENFOLD_MODELS to a folder that can be written",
        underlying: error
      )
    }
  }

  /// The names in a folder, sorted; none when there is no such folder.
  func names(in folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
  }

  /// Renames within the store, replacing what is there.
  func move(_ source: String, to destination: String) throws(ModelError) {
    guard unsafe rename(source, destination) == 0 else {
      throw StoreFile.error("rename to \(destination) the file", source, errno)
    }
  }

  /// Removes a file or a folder; nothing happens if there is none.
  func remove(_ path: String) {
    try? FileManager.default.removeItem(atPath: path)
  }

  /// Moves something that is not what it should be out of the way, and says where it went.
  func setAside(_ path: String, as name: String) throws(ModelError) -> String {
    try makeFolder(quarantine)
    var target = "\(quarantine)/\(name)"
    var number = 1
    while FileManager.default.fileExists(atPath: target) {
      number += 1
      target = "\(quarantine)/\(name).\(number)"
    }
    try move(path, to: target)
    return target
  }

  /// Makes `files/<model>/<name>` lead to the blob; a regular file in the way is set aside.
  func makeLink(_ model: String, _ name: String, to sha256: String) throws(ModelError) {
    let link = link(model, name)
    let target = "../../blobs/sha256-\(sha256)"
    let present = try? FileManager.default.destinationOfSymbolicLink(atPath: link)
    if present == target { return }
    try makeFolder("\(files)/\(model)")
    if present == nil, FileManager.default.fileExists(atPath: link) {
      _ = try setAside(link, as: "\(model)-\(name)")
    }
    let fresh = "\(link).\(UUID().uuidString)"
    guard unsafe symlink(target, fresh) == 0 else { throw StoreFile.error("link", fresh, errno) }
    try move(fresh, to: link)
  }

  /// Writes a small file so that a reader sees the old contents or the new ones, never a mixture.
  func writeAtomically(_ bytes: [UInt8], to path: String) throws(ModelError) {
    let fresh = "\(path).\(UUID().uuidString)"
    do {
      let file = try StoreFile(fresh, O_WRONLY | O_CREAT | O_EXCL)
      try file.write(bytes.span)
      try file.synchronize()
      try move(fresh, to: path)
    } catch {
      remove(fresh)
      throw error
    }
  }

  /// Writes a value as JSON, atomically.
  func writeJSON(_ value: some Encodable, to path: String) throws(ModelError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let data: Data
    do {
      data = try encoder.encode(value)
    } catch {
      throw ModelError(.inputOutput, "can't write \(path) as JSON", underlying: error)
    }
    try writeAtomically([UInt8](data), to: path)
  }

  /// Reads a value from a small JSON file; `nil` when there is none or it isn't valid.
  func readJSON<Value: Decodable>(_ type: Value.Type, from path: String) -> Value? {
    guard let stamp = FileStamp.ofFile(at: path), stamp.size <= 16 << 20,
      let data = FileManager.default.contents(atPath: path)
    else { return nil }
    return try? JSONDecoder().decode(type, from: data)
  }

  /// The bytes that may still be written to the store's disk, or `nil` if the system doesn't say.
  func freeSpace() -> UInt64? {
    var status = statvfs()
    guard unsafe statvfs(root, &status) == 0 else { return nil }
    let (bytes, overflow) = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
    return overflow ? .max : bytes
  }
}
