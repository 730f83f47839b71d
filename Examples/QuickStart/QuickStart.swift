// Tenfold: carry ten times the traffic of an AI system.
// SPDX-License-Identifier: Apache-2.0

import Tenfold

@main
struct QuickStart {
  static func main() async throws {
    let store = try ModelStore()  // fetched once, checked, shared by all processes
    let minilm = try await store.ensure("all-MiniLM-L6-v2")
    let smollm = try await store.ensure("SmolLM2-135M-Instruct")
    let embedder = try await MiniLMEmbedder.load(
      weightsPath: minilm.path(of: "model.safetensors"),
      vocabularyPath: minilm.path(of: "vocab.txt")
    )
    let model = try await LocalLanguageModel.load(gguf: smollm.path(of: "SmolLM2-135M-Instruct.Q4_1.gguf"))

    let index = try await SearchIndex.open("library", embedder: embedder)
    try await index.add([IndexedDocument(id: "aspirin", text: "Aspirin lowers fever and thins the blood.")])

    let cache = ResponseCache(store: InMemoryCacheStore(), model: model.profile) { index.epoch }
    var layers = PipelineLayers()  // leave a line out to switch its technique off
    layers.coalescing = CoalescingMiddleware()
    layers.exactCache = ExactCacheMiddleware(cache: cache)
    layers.semanticCache = SemanticCacheMiddleware(cache: cache, embedder: embedder)
    layers.retrieval = try RetrievalMiddleware(retriever: index.retriever(), access: .everyDocument)
    let request = InferenceRequest("What helps against fever?", tenant: "acme")
    for try await event in try await layers.pipeline(model: model).generate(request) {
      if case .text(let piece) = event { print(piece, terminator: "") }
    }
    print()
  }
}
