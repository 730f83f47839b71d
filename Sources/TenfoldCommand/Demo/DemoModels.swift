// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

/// The encoder and the language models of the demo, loaded from the model store.
struct DemoModels: Sendable {
  static let encoderID = "all-MiniLM-L6-v2"
  static let smallID = "SmolLM2-135M-Instruct"
  static let largeID = "Qwen2.5-Coder-0.5B-Instruct"
  static let extraLargeID = "Qwen2.5-Coder-1.5B-Instruct"

  enum Size: Sendable {
    case small
    case standard
    case large

    var largeID: String? {
      switch self {
      case .small: nil
      case .standard: DemoModels.largeID
      case .large: DemoModels.extraLargeID
      }
    }
  }

  let embedder: MiniLMEmbedder
  let small: LocalLanguageModel
  /// `nil` when the demo does without a large tier.
  let large: LocalLanguageModel?

  /// Downloads what is missing and loads everything.
  static func load(_ size: Size, store: ModelStore, prices: PriceList, threads: Int) async throws -> Self {
    let encoderFiles = try await fetch(encoderID, from: store)
    let smallFiles = try await fetch(smallID, from: store)
    var largeFiles: ModelFiles?
    if let id = size.largeID { largeFiles = try await fetch(id, from: store) }

    // All at once: each spends its time on packing its own weights.
    async let embedder = MiniLMEmbedder.load(
      weightsPath: encoderFiles.path(of: "model.safetensors"),
      vocabularyPath: encoderFiles.path(of: "vocab.txt"),
      options: .init(threads: threads)
    )
    async let small = model(
      smallFiles,
      from: store,
      id: smallID,
      tier: .small,
      prices: prices,
      threads: threads
    )
    var large: LocalLanguageModel?
    if let largeFiles, let id = size.largeID {
      large = try await model(largeFiles, from: store, id: id, tier: .large, prices: prices, threads: threads)
    }
    return try await Self(embedder: embedder, small: small, large: large)
  }

  /// Stops the threads of all models.
  func shutdown() async {
    await small.shutdown()
    await large?.shutdown()
    await embedder.shutdown()
  }

  private static func fetch(_ id: String, from store: ModelStore) async throws -> ModelFiles {
    if let files = try? await store.files(of: id) { return files }
    var progress = FetchProgressPrinter(model: id)
    for try await event in store.events(fetching: id) { progress.show(event) }
    return try await store.files(of: id)
  }

  private static func model(
    _ files: ModelFiles,
    from store: ModelStore,
    id: String,
    tier: ModelTier,
    prices: PriceList,
    threads: Int
  ) async throws -> LocalLanguageModel {
    guard let path = files.paths.first(where: { $0.key.lowercased().hasSuffix(".gguf") })?.value else {
      throw ModelError(
        .missing,
        "The model \(id) has no GGUF file in the store; run 'tenfold models verify'."
      )
    }
    return try await LocalLanguageModel.load(
      gguf: path,
      options: .init(
        threads: threads,
        contextLength: 2048,
        maximumConcurrentSequences: 8,
        packedWeights: store.packedWeights,
        id: id,
        tier: tier,
        price: prices.localModel
      )
    )
  }
}
