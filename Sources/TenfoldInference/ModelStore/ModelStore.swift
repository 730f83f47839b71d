// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

/// Keeps models on this machine: every file pinned to a SHA-256, fetched once, shared by all processes.
///
/// A file is downloaded beside its place, checked, and renamed into it, so a file that is there is whole. An
/// interrupted download goes on where it stopped. Files live under their hash; `files/<model>/<name>` leads to them.
///
/// ```swift
/// let store = try ModelStore()
/// let files = try await store.ensure("SmolLM2-135M-Instruct")
/// let path = try files.path(of: "SmolLM2-135M-Instruct.Q4_1.gguf")
/// ```
public struct ModelStore: Sendable {
  /// Where the store lies and how it gets what is missing.
  public let options: Options
  let layout: StoreLayout
  let marks: VerifiedMarks
  private let manifest: ModelManifest
  private let silent = SilentHosts()

  /// Describes a store; nothing is read or created yet.
  ///
  /// - Parameters:
  ///   - options: Where it lies; by default as the environment says.
  ///   - manifest: The models it knows, beside those that were added to it.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/invalidOption`` for names or hashes that can't be used.
  public init(options: Options = .fromEnvironment(), manifest: ModelManifest = .builtIn) throws(ModelError) {
    try manifest.validate()
    guard options.retries >= 0, options.retries <= 1_000 else {
      throw ModelError(.invalidOption, "retries is \(options.retries); it must be from 0 to 1,000")
    }
    guard !options.pipCommand.isEmpty else {
      throw ModelError(.invalidOption, "pipCommand is empty; it must name a program")
    }
    self.options = options
    self.manifest = manifest
    layout = StoreLayout(root: options.root)
    marks = VerifiedMarks(layout: layout)
  }

  /// A place for packed weights beside the models; ``prune(dryRun:)`` removes those whose model file is gone.
  public var packedWeights: PackedWeightsCache { .folder(layout.packed) }

  /// The models that the store knows: the manifest's and those that were added.
  ///
  /// - Returns: All entries, with a host's own sources in front.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/inputOutput`` if the store's own list can't be read.
  public func knownModels() throws(ModelError) -> ModelManifest { manifest.merging(try ownModels()) }

  /// What is here, without reading the files whole.
  ///
  /// - Returns: One status for each known model.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/inputOutput`` if the store's own list can't be read.
  public func status() throws(ModelError) -> [ModelStatus] {
    try knownModels().models.map { model in
      var present: [String: String] = [:]
      for file in model.files { present[file.name] = candidates(model.id, file).first?.path }
      return ModelStatus(model: model, present: present)
    }
  }

  /// The files of a model that is already here; the network is never used.
  ///
  /// A file is read whole only if it changed since it was last verified.
  ///
  /// - Parameter id: The model's id.
  /// - Returns: The paths of all its files.
  /// - Throws: ``ModelError``: ``ModelError/Code/missing`` with the ways to get it, ``ModelError/Code/hashMismatch``,
  ///   or ``ModelError/Code/inputOutput``.
  public func files(of id: String) async throws -> ModelFiles {
    try await BlockingWork.run("tenfold-models") { signal in try worker(signal) { _ in }.local(id) }
  }

  /// Makes sure that a model is here, fetching what is missing.
  ///
  /// - Parameter id: The model's id.
  /// - Returns: The paths of all its files, verified.
  /// - Throws: What ``fetch(_:progress:)`` throws.
  public func ensure(_ id: String) async throws -> ModelFiles { try await fetch(id) { _ in } }

  /// Makes sure that a model is here and tells how it goes.
  ///
  /// Cancelling the task stops the download soon; what has arrived is kept and used the next time.
  ///
  /// - Parameters:
  ///   - id: The model's id.
  ///   - progress: Called from another thread, in order.
  /// - Returns: The paths of all its files, verified and on disk.
  /// - Throws: ``ModelError``: ``ModelError/Code/unavailable``, ``ModelError/Code/hashMismatch``,
  ///   ``ModelError/Code/storageFull`` or ``ModelError/Code/inputOutput``; `CancellationError`.
  public func fetch(
    _ id: String,
    progress: @escaping @Sendable (ModelFetchEvent) -> Void
  ) async throws -> ModelFiles {
    try await BlockingWork.run("tenfold-fetch") { signal in try worker(signal, progress).fetch(id) }
  }

  /// The same as a sequence of events.
  ///
  /// - Parameter id: The model's id.
  /// - Returns: A sequence whose iteration runs the download.
  public func events(fetching id: String) -> ModelFetch { ModelFetch(store: self, id: id) }

  /// Reads every file of some models whole and compares its hash.
  ///
  /// A blob that is wrong is moved to the quarantine; a wrong file that was put there by hand is only reported.
  ///
  /// - Parameters:
  ///   - ids: The models, or `nil` for all that are known.
  ///   - progress: Called from another thread before each file is read.
  /// - Returns: One result per file.
  /// - Throws: ``ModelError`` if an id is unknown or a file can't be read; `CancellationError`.
  public func verify(
    _ ids: [String]? = nil,
    progress: @escaping @Sendable (String) -> Void = { _ in }
  ) async throws -> [ModelVerification] {
    try await BlockingWork.run("tenfold-verify") { signal in try worker(signal) { _ in }.verify(ids, progress)
    }
  }

  /// Removes what nothing needs: blobs without a link, unfinished downloads, the quarantine.
  ///
  /// What another process is working on stays.
  ///
  /// - Parameter dryRun: Whether to list only.
  /// - Returns: What was, or would be, removed.
  /// - Throws: ``ModelError`` with code ``ModelError/Code/inputOutput``.
  public func prune(dryRun: Bool = false) async throws -> ModelPruneReport {
    try await BlockingWork.run("tenfold-prune") { _ in try StoreCleaner(layout: layout).run(dryRun: dryRun) }
  }

  /// The entries that were added to this store.
  func ownModels() throws(ModelError) -> ModelManifest {
    guard FileStamp.ofFile(at: layout.userManifest) != nil else { return ModelManifest() }
    guard let own = layout.readJSON(ModelManifest.self, from: layout.userManifest) else {
      throw ModelError(
        .inputOutput,
        "\(layout.userManifest) is not a valid list of models; correct it, or delete it to forget the added models"
      )
    }
    try own.validate()
    return own
  }

  /// The entry of a known model.
  func description(of id: String) throws(ModelError) -> ModelDescription {
    let known = try knownModels()
    guard let model = known[id] else {
      throw ModelError(
        .missing,
        "the model \(id.debugDescription) is not known; known are \(known.models.map(\.id).joined(separator: ", "));"
          + " add your own with `tenfold models add ID --file PATH`"
      )
    }
    return model
  }

  /// The places where a file may be, with the right size.
  func candidates(_ model: String, _ file: ModelFileDescription) -> [(path: String, stamp: FileStamp)] {
    [layout.blob(file.sha256), layout.link(model, file.name)].compactMap { path in
      guard let stamp = FileStamp.ofFile(at: path), file.size == nil || file.size == stamp.size else {
        return nil
      }
      return (path, stamp)
    }
  }

  /// What does the blocking work of one call, on the calling thread.
  func worker(
    _ signal: CancellationSignal,
    _ report: @escaping (ModelFetchEvent) -> Void
  ) -> FetchWorker {
    FetchWorker(store: self, silent: silent, signal: signal, report: report)
  }
}
