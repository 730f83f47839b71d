// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Foundation

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

extension ModelStore {
  /// Copies a file into the store as (a part of) a model.
  ///
  /// For a known model the file must be the pinned one; under a new id any file goes, and its hash is pinned from
  /// then on. Its bytes are on disk when this returns.
  ///
  /// - Parameters:
  ///   - id: The model's id, known or new.
  ///   - path: The file to copy.
  ///   - name: Its name in the model; by default the file's own name, or the only file that the model has.
  ///   - sha256: What the hash must be, if you know it.
  ///   - licence: The SPDX name of the licence, for a new model.
  /// - Returns: The file's description in the manifest.
  /// - Throws: ``ModelError``: ``ModelError/Code/hashMismatch``, ``ModelError/Code/invalidOption``,
  ///   ``ModelError/Code/storageFull`` or ``ModelError/Code/inputOutput``; `CancellationError`.
  @discardableResult
  public func add(
    _ id: String,
    file path: String,
    name: String? = nil,
    sha256: String? = nil,
    licence: String = "unknown"
  ) async throws -> ModelFileDescription {
    try await BlockingWork.run("tenfold-add") { signal in
      try addFile(id, path, name: name, sha256: sha256?.lowercased(), licence: licence, signal)
    }
  }

  /// Names an address of one's own for a model's file; it is asked before all others, when the model is fetched.
  ///
  /// - Parameters:
  ///   - id: The model's id, known or new.
  ///   - address: An `https` address (`http` only on this machine).
  ///   - name: The file's name in the model; by default the last part of the address, or the only file that the
  ///     model has.
  ///   - sha256: The SHA-256 of the contents; it may be left out for a known file.
  ///   - size: The size in bytes, if you know it.
  ///   - licence: The SPDX name of the licence, for a new model.
  /// - Returns: The file's description in the manifest.
  /// - Throws: ``ModelError``: ``ModelError/Code/invalidOption`` or ``ModelError/Code/inputOutput``.
  @discardableResult
  public func add(
    _ id: String,
    url address: String,
    name: String? = nil,
    sha256: String? = nil,
    size: UInt64? = nil,
    licence: String = "unknown"
  ) async throws -> ModelFileDescription {
    guard let url = URL(string: address), HTTPDownload.isAllowed(url, from: nil) else {
      throw ModelError(
        .invalidOption,
        "\(ModelSource.redacted(address)) can't be used: it must be https (http only on this machine)"
      )
    }
    return try await BlockingWork.run("tenfold-add") { signal in
      let known = try pinned(id, name, fallback: url.lastPathComponent)
      if let known {
        if let sha256, sha256.lowercased() != known.sha256 { throw otherPin(id, known, sha256.lowercased()) }
        let file = ModelFileDescription(
          name: known.name,
          size: known.size,
          sha256: known.sha256,
          sources: [.url(address)]
        )
        try record(id, file, licence, signal)
        return file
      }
      guard let sha256 else {
        throw ModelError(.invalidOption, "\(id) is new: give the SHA-256 of the file too (--sha256)")
      }
      let file = ModelFileDescription(
        name: name ?? url.lastPathComponent,
        size: size,
        sha256: sha256,
        sources: [.url(address)]
      )
      try record(id, file, licence, signal)
      return file
    }
  }

  private func addFile(
    _ id: String,
    _ path: String,
    name: String?,
    sha256: String?,
    licence: String,
    _ signal: CancellationSignal
  ) throws -> ModelFileDescription {
    let path = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
    guard let stamp = FileStamp.ofFile(at: path) else {
      throw ModelError(.inputOutput, "there is no file \(path)")
    }
    let ownName = path.split(separator: "/").last.map(String.init) ?? ""
    try ModelManifest.validate(name: id, what: "model id")
    let known = try pinned(id, name, fallback: ownName, size: stamp.size)
    let target = known?.name ?? name ?? ownName
    try ModelManifest.validate(name: target, what: "file name")
    if let free = layout.freeSpace(), free < stamp.size {
      throw ModelError(
        .storageFull,
        "\(path) needs \(stamp.size) bytes in \(layout.root) and there are \(free)"
      )
    }
    for folder in [layout.locks, layout.partials, layout.blobs] { try layout.makeFolder(folder) }
    let stem = UUID().uuidString
    // Held so that a clean-up leaves the copy alone.
    let importLock = try StoreLock.acquire(layout.lock(stem), signal) {}
    let copy = "\(layout.partials)/\(stem).import"
    defer {
      layout.remove(copy)
      layout.remove(layout.lock(stem))
      withExtendedLifetime(importLock) {}
    }
    let digest = try copyHashing(path, to: copy, signal)
    if let expected = known?.sha256 ?? sha256, expected != digest {
      if let known { throw otherPin(id, known, digest) }
      throw ModelError(.hashMismatch, "\(path) has SHA-256 \(digest), not \(expected); it was not added")
    }
    let file = ModelFileDescription(name: target, size: stamp.size, sha256: digest, sources: [.file(path)])
    let lock = try StoreLock.acquire(layout.lock(digest), signal) {}
    defer { withExtendedLifetime(lock) {} }
    try layout.move(copy, to: layout.blob(digest))
    if let stamp = FileStamp.ofFile(at: layout.blob(digest)) { marks.record(stamp, sha256: digest) }
    try layout.makeLink(id, target, to: digest)
    // The bytes are here: a known model needs no entry of its own.
    if known == nil { try record(id, file, licence, signal) }
    return known ?? file
  }

  private func copyHashing(_ source: String, to path: String, _ signal: CancellationSignal) throws -> String {
    let input = try StoreFile(source, O_RDONLY)
    let output = try StoreFile(path, O_WRONLY | O_CREAT | O_EXCL)
    var hasher = SHA256Hasher()
    var offset: UInt64 = 0
    while true {
      try signal.check()
      let bytes = try input.read(at: offset, count: 1 << 20)
      if bytes.isEmpty { break }
      hasher.update(bytes.span)
      try output.write(bytes.span)
      offset += UInt64(bytes.count)
    }
    try output.synchronize()
    return hasher.hexadecimalDigest()
  }

  /// The pinned file that is meant, if the model is known: by name, by the model having one only, or by size.
  private func pinned(
    _ id: String,
    _ name: String?,
    fallback: String,
    size: UInt64? = nil
  ) throws(ModelError) -> ModelFileDescription? {
    guard let model = try knownModels()[id] else { return nil }
    if let named = model.files.first(where: { $0.name == name ?? fallback }) { return named }
    let isBuiltIn = try ownModels()[id] == nil
    // A model of the host's own may grow by more files.
    guard isBuiltIn, name == nil else {
      guard isBuiltIn else { return nil }
      throw ModelError(
        .invalidOption,
        "\(id) has no file \(name ?? fallback); it has \(model.files.map(\.name).joined(separator: ", "))"
      )
    }
    if model.files.count == 1 { return model.files[0] }
    if let size, let sized = model.files.first(where: { $0.size == size }) { return sized }
    throw ModelError(
      .invalidOption,
      "which file of \(id) is it? Say so with --name: \(model.files.map(\.name).joined(separator: ", "))"
    )
  }

  private func otherPin(_ id: String, _ file: ModelFileDescription, _ digest: String) -> ModelError {
    ModelError(
      .hashMismatch,
      "\(file.name) of \(id) is pinned to SHA-256 \(file.sha256) and this file has \(digest); it was not added. Add it"
        + " under another id if that is what you want"
    )
  }

  /// Writes an entry into the store's own list.
  private func record(
    _ id: String,
    _ file: ModelFileDescription,
    _ licence: String,
    _ signal: CancellationSignal
  ) throws {
    var entry = ModelManifest(models: [ModelDescription(id: id, licence: licence, files: [file])])
    try entry.validate()
    try layout.makeFolder(layout.locks)
    let lock = try StoreLock.acquire(layout.userManifestLock, signal) {}
    defer { withExtendedLifetime(lock) {} }
    let own = try ownModels()
    if let model = own[id] {
      let others = model.files.filter { $0.name != file.name }
      entry.models[0] = ModelDescription(id: id, licence: model.licence, files: others + [file])
    }
    let rest = own.models.filter { $0.id != id }
    try layout.writeJSON(ModelManifest(models: rest + entry.models), to: layout.userManifest)
  }
}
