// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Finds and removes what nothing in a store needs any more.
struct StoreCleaner {
  let layout: StoreLayout

  /// Lists the leftovers and removes them unless it is only a rehearsal.
  func run(dryRun: Bool) throws -> ModelPruneReport {
    var items: [ModelPruneReport.Item] = []
    func found(_ path: String, _ reason: String) {
      items.append(ModelPruneReport.Item(path: path, reason: reason, size: size(of: path)))
      if !dryRun { layout.remove(path) }
    }
    guard FileManager.default.fileExists(atPath: layout.root) else {
      return ModelPruneReport(items: [], isRemoved: !dryRun)
    }
    try layout.makeFolder(layout.locks)

    let linked = linkedBlobs()
    for name in layout.names(in: layout.blobs) where !linked.contains(name) {
      let sha256 = name.hasPrefix("sha256-") ? String(name.dropFirst(7)) : name
      // Between the blob's rename and its link the lock is held.
      guard let lock = try StoreLock.attempt(layout.lock(sha256)) else { continue }
      found(layout.blob(sha256), "no model file leads to it")
      if !dryRun { layout.remove(layout.mark(sha256)) }
      _ = consume lock
    }

    let abandoned = WheelShelf.abandoned(in: layout)
    for name in layout.names(in: layout.partials) {
      let path = "\(layout.partials)/\(name)"
      if abandoned.contains(path) {
        found(path, "left by an interrupted download")
        continue
      }
      guard name.hasSuffix(".part") || name.hasSuffix(".json") || name.hasSuffix(".import") else { continue }
      let stem = String(name.prefix { $0 != "." })
      guard let lock = try StoreLock.attempt(layout.lock(stem)) else { continue }
      found(path, "unfinished download")
      _ = consume lock
    }

    for name in layout.names(in: layout.packed) {
      let path = "\(layout.packed)/\(name)"
      guard name.hasSuffix(".tfw") else {
        // A process that still writes it runs without, and says so.
        found(path, "left by an interrupted write")
        continue
      }
      guard let source = PackedWeightsFile.source(ofFileAt: path) else {
        found(path, "not a whole file of packed weights")
        continue
      }
      if FileStamp.ofFile(at: source) == nil { found(path, "packed from a model file that is gone") }
    }

    for name in layout.names(in: layout.quarantine) {
      found("\(layout.quarantine)/\(name)", "had the wrong contents")
    }
    return ModelPruneReport(items: items, isRemoved: !dryRun)
  }

  /// The names of the blobs that some link under `files` leads to.
  private func linkedBlobs() -> Set<String> {
    var names: Set<String> = []
    for model in layout.names(in: layout.files) {
      for file in layout.names(in: "\(layout.files)/\(model)") {
        guard
          let target = try? FileManager.default.destinationOfSymbolicLink(atPath: layout.link(model, file)),
          let last = target.split(separator: "/").last
        else { continue }
        names.insert(String(last))
      }
    }
    return names
  }

  private func size(of path: String) -> UInt64 {
    if let stamp = FileStamp.ofFile(at: path) { return stamp.size }
    guard let walk = FileManager.default.enumerator(atPath: path) else { return 0 }
    var total: UInt64 = 0
    while let name = walk.nextObject() as? String {
      total &+= FileStamp.ofFile(at: "\(path)/\(name)")?.size ?? 0
    }
    return total
  }
}
