// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Synchronization

@testable import TenfoldInference

/// A store in a folder of its own, which goes away with the fixture.
final class StoreFixture {
  let root: String

  init() throws {
    root = FileManager.default.temporaryDirectory.path + "/tenfold-store-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: root) }

  /// A store with quick timeouts and one model, `m`.
  func store(
    _ files: [ModelFileDescription],
    _ change: (inout ModelStore.Options) -> Void = { _ in }
  ) throws -> ModelStore {
    var options = ModelStore.Options(root: root + "/store")
    options.retryDelay = .zero
    // A busy machine must not look like a silent server.
    options.answerTimeout = .seconds(60)
    change(&options)
    let model = ModelDescription(id: "m", licence: "Apache-2.0", files: files)
    return try ModelStore(options: options, manifest: ModelManifest(models: [model]))
  }

  /// A file `f.bin` with these contents.
  static func file(
    _ contents: [UInt8],
    _ sources: ModelSource...,
    name: String = "f.bin"
  ) -> ModelFileDescription {
    ModelFileDescription(name: name, size: UInt64(contents.count), sha256: sha256(contents), sources: sources)
  }

  static func sha256(_ bytes: [UInt8]) -> String {
    var hasher = SHA256Hasher()
    hasher.update(bytes.span)
    return hasher.hexadecimalDigest()
  }

  /// Bytes that don't repeat, the same for the same seed.
  static func bytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
    return (0..<count).map { _ in
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return UInt8(truncatingIfNeeded: state >> 24)
    }
  }

  func write(_ bytes: [UInt8], to name: String) throws -> String {
    let path = "\(root)/\(name)"
    let folder = (path as NSString).deletingLastPathComponent
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    return path
  }

  static func read(_ path: String) -> [UInt8]? {
    FileManager.default.contents(atPath: path).map { [UInt8]($0) }
  }

  func names(_ folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: "\(root)/store/\(folder)")) ?? []).sorted()
  }
}

/// Collects events from another thread.
final class EventLog: Sendable {
  private let events = Mutex<[ModelFetchEvent]>([])

  var all: [ModelFetchEvent] { events.withLock { $0 } }
  var skipped: [String] {
    all.compactMap { event in
      if case .skipped(_, _, let reason) = event { return reason }
      return nil
    }
  }
  var retries: Int {
    all.count { event in
      if case .retrying = event { return true }
      return false
    }
  }

  func add(_ event: ModelFetchEvent) { events.withLock { $0.append(event) } }
}
